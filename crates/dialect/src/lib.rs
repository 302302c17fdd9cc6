//! In whose words: what a request wants, and how a message is put. One file or folder a protocol.
//!
//! A dialect knows no socket and no framing: it turns a request into an [`Intent`] and a message into
//! the payload of a frame. How bytes reach a client is the transport's business.

mod claim;
mod command;
mod dialect;
mod held;
mod intent;
mod origin;
mod problem;
mod registry;
mod request;
mod shows;
mod slips;
mod speech;

pub mod dklab;
pub mod due;
pub mod limits;
pub mod native;
pub mod realplexor;

pub use claim::Claim;
pub use command::{Command, Heard, Input, Moment, State};
pub use dialect::{Dialect, Listen, Ours, Substitute, Up, Wants, mark};
pub use held::{Held, HeldError};
pub use hub;
pub use intent::{Answer, GUARDS, Intent, NO_STORE, Older, Transport, Wait};
pub use origin::{Cors, OriginError, Origins, PageOrigin, is_same_origin};
pub use problem::{Code, Problem, fault};
pub use realplexor::{TOLD as CONNECTION_LOG, Tag};
pub use registry::{Classic, DialectSet, Dialects, ExtraDialect};
pub use request::Request;
pub use shows::Shows;
pub use slips::slips;
pub use speech::{Except, Speech};
