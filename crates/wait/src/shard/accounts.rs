//! What was given and who has left: told to the exchange at the end of a turn, many at a time.

use std::rc::Rc;

use exchange::hub::{ChannelId, Leave, LeaveKind, Position, Session};

use super::Shard;
use crate::debts::Owed;
use crate::kernel::Kernel;
use crate::limits::SETTLED_KEPT;

/// Messages that were given to all in this turn.
#[derive(Default)]
pub(super) struct Settled {
    /// When each of them was released.
    released_us: Vec<u64>,
    /// Their bytes of payload.
    bytes: usize,
}

/// Registrations to take back at the end of the turn.
#[derive(Default)]
pub(super) struct Leaving {
    /// Of those with the usual grace.
    all: Vec<Leave<'static>>,
    /// Of users.
    pub(super) users: Vec<(ChannelId, Session)>,
    /// The sessions of connections that wait no longer, where users are followed.
    pub(super) gone: Vec<Session>,
    /// Of listeners by outside cursors and of takers, who leave with the grace of classic clients.
    classic: Vec<Leave<'static>>,
}

impl<K: Kernel> Shard<K> {
    /// Tells the exchange what was given and who has left. At the end of a turn, many at a time.
    pub(super) fn settle_accounts(&mut self) {
        self.settle_messages();
        self.tell_leaving();
        self.exchange.shard(self.id).end_turn();
        self.counters.connections.set(self.slab.len() as u64);
        self.counters.channels.set(self.members.len() as u64);
        self.counters.asking.set(self.asking.len() as u64);
        self.counters.tls_under_way.set(self.handshakes.places.count() as u64);
        self.counters.guests.set(self.guests.len() as u64);
        self.counters.users.set(self.guests.users().count() as u64);
    }

    /// Tells the exchange what was given to all, and notes how long that took.
    fn settle_messages(&mut self) {
        if self.settled.released_us.is_empty() {
            return;
        }
        let (port, now_us) = (self.exchange.shard(self.id), self.exchange.now_us());
        port.settle(self.settled.released_us.len(), std::mem::take(&mut self.settled.bytes));
        for released_us in self.settled.released_us.drain(..) {
            port.timing().delivery.record(now_us.saturating_sub(released_us));
        }
        self.settled.released_us.shrink_to(SETTLED_KEPT);
    }

    /// Tells the exchange who has left.
    pub(super) fn tell_leaving(&mut self) {
        if !self.leaving.all.is_empty() {
            self.exchange.registry().leave(self.id, &self.leaving.all, None);
            self.leaving.all.clear();
        }
        if !self.leaving.users.is_empty() {
            self.exchange.registry().depart(self.id, &self.leaving.users);
            self.leaving.users.clear();
        }
        if !self.leaving.gone.is_empty() {
            self.exchange.registry().users_depart(&self.leaving.gone);
            self.leaving.gone.clear();
        }
        if !self.leaving.classic.is_empty() {
            self.exchange.registry().leave(self.id, &self.leaving.classic, Some(self.classic_grace()));
            self.leaving.classic.clear();
        }
    }

    /// A registration is to be taken back.
    pub(super) fn leave(&mut self, channel: ChannelId) {
        count_one(&mut self.leaving.all, channel);
    }

    /// The same of a listener by outside cursors.
    pub(super) fn leave_listening(&mut self, channel: ChannelId) {
        count_one(&mut self.leaving.classic, channel);
    }

    /// The same of a taker that waited since this place.
    pub(super) fn leave_take(&mut self, channel: ChannelId, since: Position) {
        self.leaving.classic.push(Leave::taker(channel, since));
    }

    /// These deliveries are needed here by one channel less.
    pub(super) fn settle(&mut self, done: impl IntoIterator<Item = Rc<Owed>>) {
        for owed in done {
            if let Some(owed) = Rc::into_inner(owed) {
                self.settled.released_us.push(owed.delivery.released_us);
                self.settled.bytes += owed.len();
            }
        }
    }
}

/// One more registration of a channel is to be taken back.
fn count_one(leaving: &mut Vec<Leave<'static>>, channel: ChannelId) {
    match leaving.last_mut() {
        Some(last) if last.channel == channel && last.kind == LeaveKind::Waiting => last.count += 1,
        _ => leaving.push(Leave::waiting(channel, 1)),
    }
}
