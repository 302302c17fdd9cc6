//! The stages of a message as others see them: who commits, what a publisher is told, why it is refused.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use hub::{Position, Publish, Refused, Seen, ShardId};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{Journal, Pending, Unstored};

/// Stage two of a message: who says that it is safe.
pub trait Commit: Send + Sync {
    /// All up to this place is ordered. Returns up to where all is committed by now; a store that
    /// needs longer returns an earlier place and calls [`StorePort::commit`](super::StorePort::commit) when it is done.
    fn ordered(&self, position: Position) -> Position;

    /// Where a store takes facts from; `None`: there is no store, and nobody is told.
    fn journal(&self) -> Option<&Arc<Journal>> {
        None
    }
}

impl Commit for Arc<Journal> {
    fn ordered(&self, _: Position) -> Position {
        self.place()
    }

    fn journal(&self) -> Option<&Arc<Journal>> {
        Some(self)
    }
}

/// Commits at once: there is no store.
#[derive(Debug, Default, Clone, Copy)]
pub struct Immediate;

impl Commit for Immediate {
    fn ordered(&self, position: Position) -> Position {
        position
    }
}

/// How far a publish has come when [`Publisher::publish`](super::Publisher::publish) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// Clients have it, or will at once.
    Released(Published),
    /// It has its place, and becomes visible when the store has committed it.
    Ordered(Pending),
}

impl Receipt {
    /// What the publisher is told, if it is visible by now; `None` also where the store gave it up.
    pub fn published(&self) -> Option<Published> {
        match self {
            Self::Released(published) => Some(published.clone()),
            Self::Ordered(pending) => pending.look()?.ok(),
        }
    }
}

/// What a publisher is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "PlainPublished", into = "PlainPublished")]
pub struct Published {
    /// The message's place.
    pub position: Position,
    /// Per channel, in the publisher's order: who waits.
    pub seen: SmallVec<[(Arc<str>, Seen); 1]>,
}

/// The same as plain data.
#[derive(Serialize, Deserialize)]
struct PlainPublished(Position, Vec<(String, Seen)>);

impl From<Published> for PlainPublished {
    fn from(Published { position, seen }: Published) -> Self {
        Self(position, seen.into_iter().map(|(name, seen)| (name.to_string(), seen)).collect())
    }
}

impl From<PlainPublished> for Published {
    fn from(PlainPublished(position, seen): PlainPublished) -> Self {
        Self { position, seen: seen.into_iter().map(|(name, seen)| (name.into(), seen)).collect() }
    }
}

/// How far a deletion has come when [`Publisher::begin_deletion`](super::Publisher::begin_deletion) returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is done.
    Done,
    /// It is done, and the store has still to keep it.
    Ordered(Pending),
}

/// Why a publish was not ordered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A shard that would have to deliver it owes too much already. Here it is back; try again soon.
    #[error("the mailbox of a shard is full: its readers take messages slower than they are published")]
    Full(Box<Publish>),
    /// The store does not take it.
    #[error(transparent)]
    Unstored(#[from] Unstored),
    /// The hub refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Why a message was not taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RemoveError {
    /// It is not in the channel's history.
    #[error("the channel's history has no such message")]
    Missing,
    /// A shard that would have to tell it owes too much already; or the store is behind. Try again soon.
    #[error("the mailbox of a shard is full: its readers take messages slower than they are published")]
    Full,
    /// The store does not take it.
    #[error(transparent)]
    Unstored(#[from] Unstored),
    /// The hub refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Who got something and must be woken.
#[derive(Default)]
pub(super) struct Rung {
    pub(super) shards: SmallVec<[ShardId; 4]>,
    pub(super) publishers: Vec<Waker>,
}

impl Rung {
    /// Answers those who wait for what stands at or before this place. `told` says what a message's publisher is
    /// told, if it is that one; `released` sees each of them.
    pub(super) fn answer(
        &mut self,
        pending: &mut VecDeque<Pending>,
        up_to: Position,
        mut released: impl FnMut(&Pending),
        told: impl Fn(bool) -> Option<Published>,
    ) {
        while pending.front().is_some_and(|first| first.position() <= up_to) {
            let first = pending.pop_front().expect("there is a front");
            let position = first.position();
            released(&first);
            let told = told(position == up_to).unwrap_or(Published { position, seen: SmallVec::new() });
            self.publishers.extend(first.done(Ok(told)));
        }
    }
}
