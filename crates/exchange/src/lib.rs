//! Where lines meet: the one lock around the hub, the stages of a message, mailboxes and wake-ups.
//!
//! A message flows one way: the IN line publishes, the hub gives it a place, and every interested
//! shard finds it in its mailbox, in order. This is the only crate with a lock. Under it nothing is
//! parsed, rendered, freed or asked of the operating system.

mod answers;
mod bell;
mod budget;
mod canary;
mod clock;
mod code_counts;
mod commands;
mod connection_ids;
mod delivery;
mod denials;
mod ended_users;
mod exchange;
mod follower;
mod histogram;
mod journal;
mod keys;
mod lanes;
mod mailbox;
mod memory;
mod notice;
mod places;
mod questions;
mod quotas;
mod returns;
mod said_keys;
mod shares;
mod snapshot;
mod survey;
mod sync;
mod taken_ids;
mod timing;
mod users;
mod wake_batch;

pub mod limits;

pub use bell::Bell;
pub use budget::Budget;
pub use canary::Canary;
pub use clock::Clock;
pub use code_counts::CodeCounts;
pub use commands::Commands;
pub use connection_ids::{ConnectionIds, ConnectionText};
pub use delivery::{Delivery, Frame, FrameRef};
pub use denials::{Denial, Denials, Side};
pub use ended_users::{EndedUsers, TooManyEnded};
pub use exchange::{
    Admin, Commit, Deleted, Exchange, HandedOver, Immediate, Needed, Place, PublishError, Published,
    Publisher, Receipt, Registry, RemoveError, Resting, ShardPort, StorePort,
};
pub use follower::{EventFollower, Follower, OrderFollower};
pub use histogram::{BOUNDS, Distribution, Histogram};
pub use hub;
pub use journal::{Journal, Pending, Taken, Ticket, Unstored};
pub use keys::{Keys, KeysLoad};
pub use mailbox::{Mail, MailboxLoad, Order, Wake};
pub use memory::{Memory, Shortage};
pub use places::{Places, SharedPlaces};
pub use questions::Questions;
pub use quotas::{Quota, Quotas};
pub use returns::{Came, Returns};
pub use said_keys::{Hash, SaidKey, SaidKeys};
pub use shares::{MessageRates, Messages, Network, Shares, UNIX, is_of_many, shown};
pub use snapshot::{Listeners, Snapshot};
pub use survey::Survey;
pub use taken_ids::{Location, TakenIds};
pub use timing::{Measured, ShardTiming};
pub use users::{
    Judged, ListedUser, Pasted, Refusal, UserAnswer, UserConnection, UserList, UserQuestion, UserSurvey,
};
pub use wake_batch::WakeBatch;
