//! Where clients wait: shards, each with an event loop, connections, timers and an fd table of its own.
//!
//! Nothing is async here and nothing is locked on a connection's path. A shard asks the operating
//! system through a small trait, so that the whole loop also runs over a fake one.

mod askers;
mod beside;
mod callers;
mod comers;
mod counters;
mod cursor_listeners;
mod debts;
mod desk;
mod guests;
mod handover;
mod kernel;
mod line;
mod link;
mod linux;
mod listener;
mod members;
mod questions;
mod seat;
mod settings;
mod shard;
mod slab;
mod slot;
mod users;
mod walks;
mod wheel;

pub mod limits;

pub use access;
pub use counters::{ShardStats, counter_names};
pub use desk::{Desk, Renewal};
pub use exchange;
pub use handover::{Rested, ShardPassages, passages};
pub use kernel::{Errno, Interest, Kernel, ReadyEvent};
pub use line::{Line, ShardWay, StartError, wakers};
pub use linux::Waker;
pub use listener::{Certificates, Classic, DialectSet, ListenAddress, Listener};
pub use seat::{Estate, Seat, SeatError};
pub use settings::WaitSettings;
pub use shard::Shard;
pub use tls;
pub use transport::dialect::native::{Paths, WaitPath};
pub use transport::dialect::{CONNECTION_LOG, Dialects, Origins, Shows};
