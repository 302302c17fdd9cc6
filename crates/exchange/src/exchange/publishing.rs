//! Publishing: the stages of a message, for one and for a batch.

use std::collections::VecDeque;
use std::sync::Arc;

use hub::{IdempotencyKey, Millis, Position, Publish, Refused, Released};
use smallvec::SmallVec;

use crate::Pending;

use super::{Exchange, Inner, News, PublishError, Published, Receipt, RemoveError, Rung};
use crate::limits::{PUBLISH_STEP_MAX, PUBLISH_STEP_TARGETS_MAX};
use crate::mailbox::Mailbox;

impl Exchange {
    /// Gives a message its place, commits and releases it; without a store all of that at once.
    /// It is not ordered when a mailbox it must go to is full.
    pub fn publish(&self, publish: Publish) -> Result<Receipt, PublishError> {
        let (receipt, rung, news) = self.publish_unrung(publish, None);
        self.ring_all(rung, news);
        receipt
    }

    /// Publishes, but leaves it to [`Self::ring`] to wake who sleeps: a line that publishes much at once
    /// wakes a shard once for all of it. A store keeps the publisher's key.
    pub fn publish_quietly(
        &self,
        publish: Publish,
        key: Option<&IdempotencyKey>,
    ) -> Result<Receipt, PublishError> {
        let (receipt, rung, news) = self.publish_unrung(publish, key);
        self.tell_followers(news);
        for shard in &rung.shards {
            self.mailbox(*shard).ring_later();
        }
        self.answers.wake(rung.publishers);
        receipt
    }

    /// Wakes the shards that were given something quietly, and sleep.
    pub fn ring(&self) {
        self.mailboxes.iter().for_each(Mailbox::ring_now);
    }

    fn publish_unrung(
        &self,
        publish: Publish,
        key: Option<&IdempotencyKey>,
    ) -> (Result<Receipt, PublishError>, Rung, News) {
        let now = self.clock.now();
        let mut rung = Rung::default();
        let mut inner = self.lock();
        let receipt = self.place_if_room(&mut inner, publish, key, now, &mut rung);
        (receipt, rung, self.unlock(inner))
    }

    /// Publishes to those of the channels that are online now (2009); `None` when none of them is. The
    /// channels have no outside cursors.
    pub fn publish_online(&self, mut publish: Publish) -> Result<Option<Receipt>, PublishError> {
        debug_assert!(publish.aliases.is_empty(), "aliases would lose their channels");
        let now = self.clock.now();
        let mut offline = Vec::with_capacity(publish.channels.len());
        let mut online = SmallVec::with_capacity(publish.channels.len());
        let mut rung = Rung::default();
        let mut inner = self.lock();
        for name in publish.channels.drain(..) {
            if inner.hub.is_online(&name) {
                online.push(name);
            } else {
                offline.push(name);
            }
        }
        publish.channels = online;
        let receipt = if publish.channels.is_empty() {
            Ok(None)
        } else {
            self.place_if_room(&mut inner, publish, None, now, &mut rung).map(Some)
        };
        let news = self.unlock(inner);
        self.ring_all(rung, news);
        receipt
    }

    /// Publishes from the front of `batch`, in order, as many as fit one hold of the lock, and puts into
    /// `receipts` what became of each. False: the one in front now has to wait, since a mailbox it
    /// must go to is full.
    pub fn publish_many(
        &self,
        batch: &mut VecDeque<Publish>,
        receipts: &mut Vec<Result<Receipt, PublishError>>,
    ) -> bool {
        receipts.reserve(batch.len().min(PUBLISH_STEP_MAX));
        let now = self.clock.now();
        let (mut rung, mut room) = (Rung::default(), true);
        let mut targets = 0;
        let mut inner = self.lock();
        for done in 0..PUBLISH_STEP_MAX {
            let Some(publish) = batch.front() else { break };
            targets += publish.channels.len();
            if done > 0 && targets > PUBLISH_STEP_TARGETS_MAX {
                break;
            }
            room = self.has_room(&inner, &publish.channels);
            if !room {
                break;
            }
            let publish = batch.pop_front().expect("there is a front");
            receipts.push(match self.unstored(&inner, &publish) {
                Some(why) => Err(PublishError::Unstored(why)),
                None => self.place(&mut inner, publish, None, now, &mut rung).map_err(PublishError::Refused),
            });
        }
        let news = self.unlock(inner);
        self.ring_all(rung, news);
        room
    }

    /// Takes a message back from a channel. It is not ordered when a mailbox it must go to is full.
    pub fn remove(&self, name: &str, place: Position) -> Result<Receipt, RemoveError> {
        let now = self.clock.now();
        let mut rung = Rung::default();
        let mut inner = self.lock();
        let receipt = if let Some(why) = self.store_trouble().filter(|_| inner.hub.keeps(name)) {
            Err(RemoveError::Unstored(why))
        } else if !self.has_room(&inner, &[name.into()]) {
            Err(RemoveError::Full)
        } else {
            match inner.hub.remove(name, place, now) {
                Some(Ok(position)) => Ok(self.placed(&mut inner, position, now, &mut rung)),
                Some(Err(refused)) => Err(RemoveError::Refused(refused)),
                None => Err(RemoveError::Missing),
            }
        };
        let news = self.unlock(inner);
        self.ring_all(rung, news);
        receipt
    }

    /// Whether every mailbox that a message to these channels would go to takes more, and the store does.
    fn has_room(&self, inner: &Inner, channels: &[Box<str>]) -> bool {
        !self.store_is_behind()
            && !inner.hub.interested(channels).iter().any(|shard| self.mailbox(*shard).full())
    }

    fn place_if_room(
        &self,
        inner: &mut Inner,
        publish: Publish,
        key: Option<&IdempotencyKey>,
        now: Millis,
        rung: &mut Rung,
    ) -> Result<Receipt, PublishError> {
        if let Some(why) = self.unstored(inner, &publish) {
            return Err(PublishError::Unstored(why));
        }
        if !self.has_room(inner, &publish.channels) {
            return Err(PublishError::Full(Box::new(publish)));
        }
        self.place(inner, publish, key, now, rung).map_err(PublishError::Refused)
    }

    /// All stages of one message, under the lock.
    fn place(
        &self,
        inner: &mut Inner,
        publish: Publish,
        key: Option<&IdempotencyKey>,
        now: Millis,
        rung: &mut Rung,
    ) -> Result<Receipt, Refused> {
        let position = inner.hub.order(publish, now)?;
        if let Some(key) = key {
            inner.hub.answered(key, now);
        }
        Ok(self.placed(inner, position, now, rung))
    }

    /// The stages after the first.
    fn placed(&self, inner: &mut Inner, position: Position, now: Millis, rung: &mut Rung) -> Receipt {
        let committed = self.commit.ordered(position);
        let mut own = None;
        self.release(inner, committed, now, rung, |released| {
            if released.message.position == position {
                own = Some(published(released));
            }
        });
        own.map(Receipt::Released).unwrap_or_else(|| {
            let pending = Pending::new(position);
            inner.pending.push_back(pending.clone());
            Receipt::Ordered(pending)
        })
    }
}

pub(super) fn published(released: &Released) -> Published {
    let names = released.message.targets().iter().map(|target| Arc::clone(&target.name));
    Published {
        position: released.message.position,
        seen: names.zip(released.seen.iter().copied()).collect(),
    }
}
