//! What is remembered: channels, their history, who is online; and the place of each message in the
//! one order.
//!
//! The hub is pure: no I/O, no lock, no thread, no clock. Time and randomness are arguments. It is
//! called by one caller at a time (the exchange, under its lock), mutates once and hands back what
//! follows from it. Nothing it no longer needs is freed here: it goes to [`Hub::take_trash`], so that
//! the caller frees it after the lock.

use serde::{Deserialize, Serialize};

mod asker;
mod audience;
mod code;
mod decimal;
mod excerpt;
mod glob;
mod hidden_names;
mod kind;
mod message;
mod movement;
mod name;
mod pattern;
mod position;
mod removal;
mod rule;
mod rule_table;
mod session;
mod settings;
mod shared_text;
mod speaker;
mod stage;
mod volatile;
mod wall;

pub mod limits;

mod facts;
mod hub;

mod admission;
mod older;
mod order_queue;
mod other_limits;
mod outside;
mod pages;
mod people;
mod persistence;
mod presence;
mod queries;
mod records;
mod upkeep;
mod user_name;

mod agenda;
mod all_users;
mod channel;
mod feed;
mod frozen;
mod frozen_message;
mod history;
mod known;
mod names;
mod past;
mod recent;
mod room;
mod roster;
mod trash;
#[cfg(test)]
mod trial;

pub use asker::Asker;
pub use audience::{Admission, Audience, AudienceKind, ConnectionId, Reader, Visible};
pub use code::Code;
pub use decimal::{DECIMAL_LEN_MAX, Decimal};
pub use excerpt::{excerpt, excerpt_of_fault};
pub use facts::*;
pub use frozen::{FrozenPiece, ThawError};
pub use glob::{Glob, GlobError};
pub use hidden_names::{Addressed, EVERYBODY, addressed, asked_count, told_name, user_channel};
pub use hub::Hub;
pub use kind::{Kind, Origin};
pub use message::{Bytes, Message, MessageHead, Payload, Removal, Said, Target};
pub use movement::{Movement, bookmark_name, is_of_all_users, presence_name, presence_of};
pub use name::{NameError, check_name};
pub use outside::{After, Outside, OutsideReading};
pub use past::{Answered, ChannelState, Fact, HASH_LEN, IdempotencyKey, Past, UserEnd};
pub use pattern::{Pattern, PatternError};
pub use position::{Cursors, Epoch, Position, Read};
pub use room::{Guest, Stay};
pub use roster::{Present, PresentPage};
pub use rule::{Rule, Rules};
pub use session::{Door, Grant, Grants, Right, Rights, Session, SessionParts};
pub use settings::Limits;
pub use speaker::Speaker;
pub use stage::Stage;
pub use trash::Trash;
pub use user_name::UserName;
pub use volatile::volatile_mark;
pub use wall::WallTime;

/// Milliseconds since the Unix epoch, as the clock of the order tells: it never runs backwards, and nobody sets it. What
/// ends by people's clocks is a [`WallTime`].
pub type Millis = u64;

/// A time that does not come.
const NEVER: Millis = Millis::MAX;

/// A channel's record. Stays the same channel as long as anybody is registered on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ChannelId(pub u32);

impl ChannelId {
    /// No record: the channel a message went to was not known, since nobody waited and nothing was kept.
    pub const NONE: Self = Self(u32::MAX);
}

/// A shard of the WAIT line, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ShardId(pub u16);
