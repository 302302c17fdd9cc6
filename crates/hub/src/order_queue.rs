//! What stands between its place in the order and its release.

use smallvec::SmallVec;

use crate::{Change, ChannelId, Message, Millis, Position};

/// The records of a message's channels, in the order of its targets.
pub(crate) type Ids = SmallVec<[ChannelId; 1]>;

/// What has its place and is not released.
pub(crate) struct Ordered {
    pub(crate) what: What,
    /// Not released before it is committed.
    pub(crate) waits: bool,
}

pub(crate) enum What {
    Message(Message, Ids),
    /// And whether it is of a channel that somebody published to.
    Change(Change, bool),
    /// A channel's history was deleted: nothing to be shown, but a store is to keep it.
    Deletion(Position, Millis),
}

impl Ordered {
    pub(crate) fn position(&self) -> Position {
        match &self.what {
            What::Message(message, _) => message.position,
            What::Change(change, _) => change.position,
            What::Deletion(position, _) => *position,
        }
    }

    /// When it was ordered.
    pub(crate) fn time(&self) -> Millis {
        match &self.what {
            What::Message(message, _) => message.time,
            What::Change(change, _) => change.time,
            What::Deletion(_, time) => *time,
        }
    }
}
