//! What a store asks of the exchange: to commit what it has kept, and to know what is still needed of it.

use std::task::{Context, Poll, Waker};

use hub::{ChannelState, Position, Publish};

use super::{Exchange, Inner, Rung};
use crate::sync::Ordering;
use crate::{Taken, Unstored};

/// Something of which the log has to know whether it is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// A channel.
    pub name: &'a str,
    /// A message in it; `None`: only the channel's state is asked for.
    pub position: Option<Position>,
}

/// What is needed, of a step of places.
#[derive(Debug, Default)]
pub struct Needed {
    /// By place: whether the message is still in history.
    pub held: Vec<bool>,
    /// By place: what is known of the channel; `None`: it was forgotten.
    pub states: Vec<Option<ChannelState>>,
    /// Of some of them, up to where no message is there any more.
    pub emptied: Vec<ChannelState>,
    /// The highest watermark of channels that were forgotten.
    pub floor: Position,
    /// Changes up to here are no longer kept.
    pub changes_floor: Position,
    /// Bytes of payload and messages in history.
    pub history: (u64, u64),
}

impl Exchange {
    /// The store has committed all up to `position`: releases it.
    pub fn commit(&self, position: Position) {
        let now = self.clock.now();
        let mut rung = Rung::default();
        let mut inner = self.lock();
        self.release(&mut inner, position, now, &mut rung, |_| ());
        let news = self.unlock(inner);
        self.ring_all(rung, news);
    }

    /// The store has kept what it took: releases it. What was taken must have been dropped by then.
    pub fn kept(&self, taken: Taken) {
        if let Some(journal) = self.journal() {
            journal.committed(taken);
        }
        self.commit(taken.last);
    }

    /// The store has reserved more places.
    pub fn reserved(&self, reserved: Position) {
        self.with(|hub, _| hub.reserve(reserved));
    }

    /// The store cannot keep what it took, nor anything else for now. Whoever waits for it is told.
    pub fn store_fails(&self, why: Unstored) {
        let now = self.clock.now();
        let mut rung = Rung::default();
        let mut inner = self.lock();
        let facts = self.journal().map(|journal| journal.fail(why));
        let given_up = inner.hub.suspend();
        inner.pending.retain(|pending| {
            let lost = given_up.binary_search(&pending.position()).is_ok();
            if lost {
                rung.publishers.extend(pending.done(Err(why)));
            }
            !lost
        });
        self.release(&mut inner, Position::START, now, &mut rung, |_| ());
        let news = self.unlock(inner);
        drop(facts);
        self.ring_all(rung, news);
    }

    /// The store takes everything again. Changes of presence up to the place returned may be missing in it.
    pub fn store_recovers(&self) -> Position {
        let mut inner = self.lock();
        if let Some(journal) = self.journal() {
            journal.recover();
        }
        let last = inner.hub.resume();
        let news = self.unlock(inner);
        self.tell_followers(news);
        last
    }

    /// What is wrong with the store, if anything is.
    pub fn store_trouble(&self) -> Option<Unstored> {
        self.journal()?.trouble()
    }

    /// Whether the store is not told all changes of presence in this run. To be asked before what it took is committed:
    /// the first of those that it will not be told all of is among that.
    pub fn leaves_out_changes(&self) -> bool {
        self.leaves_out_changes.load(Ordering::Relaxed)
    }

    /// The last place given, released or not.
    pub fn last_given(&self) -> Position {
        self.with(|hub, _| hub.last())
    }

    /// Whether the store takes messages slower than they are published, and holds as many as it may.
    pub fn store_is_behind(&self) -> bool {
        self.journal().is_some_and(|journal| journal.is_full())
    }

    /// What is needed of these places, for a store that tidies up. In one hold of the lock: ask for few.
    pub fn needed(&self, places: &[Place<'_>]) -> Needed {
        self.with(|hub, _| {
            let totals = hub.totals();
            Needed {
                held: places
                    .iter()
                    .map(|Place { name, position }| position.is_some_and(|place| hub.holds(name, place)))
                    .collect(),
                states: places.iter().map(|place| hub.state(place.name)).collect(),
                emptied: places.iter().filter_map(|place| hub.emptied(place.name)).collect(),
                floor: hub.floor(),
                changes_floor: hub.changes_floor(),
                history: (totals.history_bytes, totals.history_messages),
            }
        })
    }

    /// Evicts a channel's messages up to a place: the store has no room for them.
    pub fn evict(&self, name: &str, up_to: Position) {
        while self.with(|hub, now| hub.evict(name, up_to, now)) {}
    }

    /// Publishers whose messages were committed, as soon as there are some. Whoever asks wakes them, in their own thread,
    /// and asks again: a commit then costs the store's thread one wake-up.
    pub fn poll_answered(&self, context: &mut Context<'_>) -> Poll<Vec<Waker>> {
        self.answers.poll(context)
    }

    /// Why the store would not keep a message that it is to keep.
    pub(super) fn unstored(&self, inner: &Inner, publish: &Publish) -> Option<Unstored> {
        self.store_trouble().filter(|_| inner.hub.is_durable(publish))
    }
}
