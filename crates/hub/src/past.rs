//! What outlives the hub: facts as they come about, for a store to keep; and the past that is made of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Change, Message, Millis, Position, Seen, WallTime};

/// Something that happened, and is to be remembered.
#[derive(Debug, Clone)]
pub enum Fact {
    /// A message got its place.
    Message {
        /// The message.
        message: Message,
        /// The publisher's key, and what a repeat is answered.
        key: Option<Box<Answered>>,
    },
    /// A channel came online or went offline.
    Change {
        /// The change.
        change: Change,
        /// From where on takers get the channel's messages.
        taken: Position,
    },
    /// What is known of a channel beside its messages.
    State(ChannelState),
    /// The application ended a user.
    UserEnd(UserEnd),
}

/// The application ended a user: what was said of it up to then counts no longer, for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEnd {
    /// The user's name.
    pub user: Box<str>,
    /// When.
    pub at: WallTime,
    /// Until when what was issued before is refused.
    pub until: WallTime,
}

/// What is known of a channel beside its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// The channel.
    pub name: Arc<str>,
    /// The last place given when this was so.
    pub at: Position,
    /// Place of the youngest message that was trimmed.
    pub watermark: Position,
    /// Until when that must be remembered.
    pub needed_until: Millis,
    /// Place of the last message taken (2009).
    pub taken: Position,
    /// Somebody waited, or had within the grace.
    pub online: bool,
    /// No message up to the watermark is there any more.
    pub emptied: bool,
}

/// An idempotency key, and what came under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The name of the API key that was shown with it: what one publisher calls a message is no concern of another's.
    /// `None`: there was none.
    pub owner: Option<Box<str>>,
    /// What the publisher said. Holds no control character.
    pub text: Box<str>,
    /// Tells the message from any other; `None`: it is not known, so every message is taken for the same.
    pub hash: Option<[u8; HASH_LEN]>,
}

/// Bytes of the hash that is kept of a message under a key: none is found by chance.
pub const HASH_LEN: usize = 16;

/// What a publish under an idempotency key was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The key.
    pub key: IdempotencyKey,
    /// When it came first.
    pub time: Millis,
    /// The message's place.
    pub position: Position,
    /// Per channel, in the publisher's order: who waited.
    pub seen: SmallVec<[(Arc<str>, Seen); 1]>,
}

impl IdempotencyKey {
    /// One text that no other owner's key has.
    pub fn id(&self) -> String {
        match &self.owner {
            Some(owner) => [owner, "\n", &self.text].concat(),
            None => self.text.to_string(),
        }
    }
}

impl Past {
    /// The latest time at which anything happened.
    pub fn time(&self) -> Millis {
        let message = self.messages.last().map_or(0, |message| message.time);
        self.changes.last().map_or(message, |(change, _)| change.time.max(message))
    }
}

/// All that a store knows of a hub that was.
#[derive(Debug, Default)]
pub struct Past {
    /// The last place that may have been given.
    pub last: Position,
    /// Up to here anything may be missing, in any channel.
    pub lost: Position,
    /// Up to here changes may be missing.
    pub changes_lost: Position,
    /// The highest watermark of channels that were forgotten.
    pub floor: Position,
    /// By place, each once. The channels' records are not known.
    pub messages: Vec<Message>,
    /// Of those that say that a user joined: where that is known to be over, though no message says that it left.
    pub outdated: BTreeSet<Position>,
    /// In the order in which they were noted.
    pub states: Vec<ChannelState>,
    /// By place, each once, with what a [`Fact::Change`] says of takers.
    pub changes: Vec<(Change, Position)>,
    /// Users whom the application ended, in that order.
    pub user_ends: Vec<UserEnd>,
}
