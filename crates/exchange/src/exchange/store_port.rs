//! The port of a store: it commits what it has kept, and asks what is still needed of it.

use hub::{ChannelState, Message, Position};

use super::Exchange;
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
    /// By place: the message, as history has it; `None`: it is not in there any more.
    pub held: Vec<Option<Message>>,
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

/// What a store says and asks.
#[derive(Clone, Copy)]
pub struct StorePort<'a> {
    pub(super) exchange: &'a Exchange,
}

impl StorePort<'_> {
    /// The store has committed all up to `position`: releases it.
    pub fn commit(&self, position: Position) {
        let ((), news, rung) =
            self.exchange.hold(|inner, now, rung| self.exchange.release(inner, position, now, rung, |_| ()));
        self.exchange.ring_all(rung, news);
    }

    /// The store has kept what it took: releases it. What was taken must have been dropped by then.
    pub fn kept(&self, taken: Taken) {
        if let Some(journal) = self.exchange.journal() {
            journal.committed(taken);
        }
        self.commit(taken.last);
    }

    /// The store has reserved more places.
    pub fn reserved(&self, reserved: Position) {
        self.exchange.with(|hub, _| hub.reserve(reserved));
    }

    /// The store cannot keep what it took, nor anything else for now. Whoever waits for it is told.
    pub fn fails(&self, why: Unstored) {
        let (facts, news, rung) = self.exchange.hold(|inner, now, rung| {
            let facts = self.exchange.journal().map(|journal| journal.fail(why));
            let given_up = inner.hub.suspend();
            inner.pending.retain(|pending| {
                let lost = given_up.binary_search(&pending.position()).is_ok();
                if lost {
                    rung.publishers.extend(pending.done(Err(why)));
                }
                !lost
            });
            self.exchange.release(inner, Position::START, now, rung, |_| ());
            facts
        });
        drop(facts);
        self.exchange.ring_all(rung, news);
    }

    /// The store takes everything again. Changes of presence up to the place returned may be missing in it.
    pub fn recovers(&self) -> Position {
        let mut inner = self.exchange.lock();
        if let Some(journal) = self.exchange.journal() {
            journal.recover();
        }
        let last = inner.hub.resume();
        let news = self.exchange.unlock(inner);
        self.exchange.tell_followers(news);
        last
    }

    /// Whether the store is not told all changes of presence in this run. To be asked before what it took is committed:
    /// the first of those that it will not be told all of is among that.
    pub fn leaves_out_changes(&self) -> bool {
        self.exchange.leaves_out_changes.load(Ordering::Relaxed)
    }

    /// The last place given, released or not.
    pub fn last_given(&self) -> Position {
        self.exchange.with(|hub, _| hub.last())
    }

    /// What is needed of these places, for a store that tidies up. In one hold of the lock: ask for few.
    pub fn needed(&self, places: &[Place<'_>]) -> Needed {
        self.exchange.with(|hub, _| {
            let totals = hub.totals();
            Needed {
                held: places
                    .iter()
                    .map(|Place { name, position }| position.and_then(|place| hub.held(name, place).cloned()))
                    .collect(),
                states: places.iter().map(|place| hub.state(place.name)).collect(),
                emptied: places.iter().filter_map(|place| hub.emptied(place.name)).collect(),
                floor: hub.floor(),
                changes_floor: hub.changes_floor(),
                history: (totals.history_bytes, totals.history_messages),
            }
        })
    }

    /// Whether a message is needed however old it is: it says of a user who is still on a channel that it joined, somebody who
    /// follows the order has not had it, or it says how far somebody has come who does.
    pub fn is_awaited(&self, message: &Message) -> bool {
        (message.is_event() || message.is_bookmark()) && self.exchange.with(|hub, _| hub.is_awaited(message))
    }

    /// Whether a message says that a user joined who is shown by it no longer.
    pub fn is_outdated(&self, message: &Message) -> bool {
        message.is_event() && self.exchange.with(|hub, _| hub.is_outdated(message))
    }

    /// Evicts a channel's messages up to a place: the store has no room for them.
    pub fn evict(&self, name: &str, up_to: Position) {
        while self.exchange.with(|hub, now| hub.evict(name, up_to, now)) {}
    }
}
