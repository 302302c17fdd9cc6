//! The port of those who publish: a message gets its place, and whoever waits for it is woken. Nobody has to do anything
//! further for that.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hub::{IdempotencyKey, Millis, Position, Publish};
use smallvec::SmallVec;

use super::{Deleted, Exchange, Inner, News, PublishError, Receipt, RemoveError, Rung};
use crate::limits::{PUBLISH_STEP_MAX, PUBLISH_STEP_TARGETS_MAX};
use crate::mailbox::Mailbox;
use crate::sync::Ordering;
use crate::{Order, Pending, Unstored, WakeBatch};

/// What publishers say and ask.
#[derive(Clone, Copy)]
pub struct Publisher<'a> {
    pub(super) exchange: &'a Exchange,
    /// `None`: shards are woken at once.
    pub(super) batch: Option<&'a WakeBatch>,
}

impl<'a> Publisher<'a> {
    /// The same, which wakes shards once for all that is published in one turn, or for so many messages.
    #[must_use]
    pub fn in_batch(self, batch: &'a WakeBatch) -> Self {
        Self { batch: Some(batch), ..self }
    }

    /// Wakes the shards for what was published in its batch. To be called soon when the batch asked for it.
    pub fn flush(&self) {
        if let Some(batch) = self.batch {
            batch.begin_anew();
        }
        self.exchange.mailboxes.iter().for_each(Mailbox::ring_now);
    }

    /// Gives a message its place, commits and releases it, and wakes who sleeps; without a store all of that at once.
    /// It is not ordered when a mailbox it must go to is full. A store keeps the publisher's key.
    pub fn publish(&self, publish: Publish, key: Option<&IdempotencyKey>) -> Result<Receipt, PublishError> {
        self.step(|inner, now, rung| self.exchange.place_if_room(inner, publish, key, now, rung))
    }

    /// Publishes to those of the channels that are online now (2009); `None` when none of them is. The
    /// channels have no outside cursors.
    pub fn publish_online(&self, mut publish: Publish) -> Result<Option<Receipt>, PublishError> {
        debug_assert!(publish.aliases.is_empty(), "aliases would lose their channels");
        let mut offline = Vec::with_capacity(publish.channels.len());
        let mut online = SmallVec::with_capacity(publish.channels.len());
        self.step(|inner, now, rung| {
            for name in publish.channels.drain(..) {
                if inner.hub.is_online(&name) {
                    online.push(name);
                } else {
                    offline.push(name);
                }
            }
            publish.channels = online;
            if publish.channels.is_empty() {
                return Ok(None);
            }
            self.exchange.place_if_room(inner, publish, None, now, rung).map(Some)
        })
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
        self.step(|inner, now, rung| {
            let mut targets = 0;
            for done in 0..PUBLISH_STEP_MAX {
                let Some(publish) = batch.front() else { break };
                targets += publish.channels.len();
                if done > 0 && targets > PUBLISH_STEP_TARGETS_MAX {
                    break;
                }
                if !self.exchange.has_room(inner, &publish.channels) {
                    return false;
                }
                let publish = batch.pop_front().expect("there is a front");
                receipts.push(match self.exchange.unstored(inner, &publish) {
                    Some(why) => Err(PublishError::Unstored(why)),
                    None => {
                        self.exchange.place(inner, publish, None, now, rung).map_err(PublishError::Refused)
                    }
                });
            }
            true
        })
    }

    /// Takes a message back from a channel. It is not ordered when a mailbox it must go to is full.
    pub fn remove(&self, name: &str, place: Position) -> Result<Receipt, RemoveError> {
        self.step(|inner, now, rung| {
            if let Some(why) = self.store_trouble().filter(|_| inner.hub.keeps(name)) {
                return Err(RemoveError::Unstored(why));
            }
            if !self.exchange.has_room(inner, &[name.into()]) {
                return Err(RemoveError::Full);
            }
            match inner.hub.remove(name, place, now) {
                Some(Ok(position)) => Ok(self.exchange.placed(inner, position, now, rung)),
                Some(Err(refused)) => Err(RemoveError::Refused(refused)),
                None => Err(RemoveError::Missing),
            }
        })
    }

    /// Forgets a channel's history, and ends its subscriptions if asked. False: there was nothing to forget or end. A store
    /// is told, and not waited for.
    pub fn delete(&self, name: &str, subscriptions: bool) -> bool {
        self.begin_deletion(name, subscriptions).0
    }

    /// The same, for those who wait for the store.
    pub fn begin_deletion(&self, name: &str, subscriptions: bool) -> (bool, Deleted) {
        let (now, now_us) = self.exchange.clock.both();
        let mut inner = self.exchange.lock_since(now_us);
        let Inner { hub, pending, now_us, .. } = &mut *inner;
        let was_anything = hub.has_to_delete(name, subscriptions);
        let found = hub.delete(name, subscriptions, now);
        // Under the lock, so that the order stands in the mailboxes before any later message.
        if let Some((channel, shards)) = &found {
            let (name, at) = (Arc::from(name), hub.end());
            for shard in shards {
                let order = Order::Deleted { channel: *channel, name: Arc::clone(&name), at };
                self.exchange.mailbox(*shard).order(order);
            }
        }
        let waits = found.is_some() && self.exchange.journal().is_some() && hub.end() < hub.last();
        let waits = waits.then(|| Pending::new(hub.last(), *now_us));
        pending.extend(waits.clone());
        let news = self.exchange.unlock(inner);
        self.exchange.tell_followers(news);
        for shard in found.iter().flat_map(|(_, shards)| shards) {
            self.exchange.mailbox(*shard).ring();
        }
        (was_anything, waits.map_or(Deleted::Done, Deleted::Ordered))
    }

    /// Bytes that a message to all of these channels may have: `general` where no rule says otherwise.
    /// Asks the rules only, without the lock.
    pub fn payload_limit(&self, channels: &[impl AsRef<str>], general: u64) -> u64 {
        if !self.exchange.limits_payloads.load(Ordering::Relaxed) {
            return general;
        }
        let rules = self.exchange.rules();
        let limit = |name: &str| rules.payload_limit(name).unwrap_or(general);
        channels.iter().map(|name| limit(name.as_ref())).min().unwrap_or(general)
    }

    /// Whether the store takes messages slower than they are published, and holds as many as it may.
    pub fn store_is_behind(&self) -> bool {
        self.exchange.journal().is_some_and(|journal| journal.is_full())
    }

    /// What is wrong with the store, if anything is.
    pub fn store_trouble(&self) -> Option<Unstored> {
        self.exchange.journal()?.trouble()
    }

    /// Whether every mailbox takes more orders. To be asked before something is deleted: an order that
    /// finds no room is lost.
    pub fn takes_orders(&self) -> bool {
        self.exchange.mailboxes.iter().all(Mailbox::takes_orders)
    }

    /// Publishers whose messages were committed, as soon as there are some. Whoever asks wakes them, in their own thread,
    /// and asks again: a commit then costs the store's thread one wake-up.
    pub fn poll_answered(&self, context: &mut Context<'_>) -> Poll<Vec<Waker>> {
        self.exchange.answers.poll(context)
    }

    /// One step under the lock; whoever was given something is then woken.
    #[inline]
    fn step<T>(&self, run: impl FnOnce(&mut Inner, Millis, &mut Rung) -> T) -> T {
        let (result, news, rung) = self.exchange.hold(run);
        self.wake(rung, news);
        result
    }

    /// Wakes who was given something and sleeps: at once, or once for a batch.
    fn wake(&self, rung: Rung, news: News) {
        let Some(batch) = self.batch else { return self.exchange.ring_all(rung, news) };
        self.exchange.tell_followers(news);
        for shard in &rung.shards {
            self.exchange.mailbox(*shard).ring_later();
        }
        if !rung.shards.is_empty() && batch.add() {
            self.flush();
        }
        self.exchange.answers.wake(rung.publishers);
    }
}
