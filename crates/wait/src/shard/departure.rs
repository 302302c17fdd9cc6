//! The shard's part when another program goes on in the place of this one: it accepts nobody, finishes what is no seat yet, and comes
//! to rest. Until everybody has gone over it can take all of it back, and go on as if nothing had been.

use std::sync::Arc;

use exchange::Canary;
use exchange::hub::Session;
use transport::Phase;

use super::Shard;
use crate::callers::Caller;
use crate::kernel::Kernel;
use crate::limits::FINISH_LOOK_MS;
use crate::seat::Seat;

/// How far a shard is that another program is to go on for.
#[derive(Debug)]
pub(super) enum Parting {
    /// It serves; who asked is told when all connections are seats, for which it looks at this time.
    Finishing(Arc<Canary>, u64),
    /// The same, and that was told.
    Finished,
    /// It is to rest.
    Resting,
}

impl<K: Kernel> Shard<K> {
    /// Accepts nobody from now on; what waits in the kernel stays there.
    pub(super) fn begin_finishing(&mut self, told: Arc<Canary>) {
        if self.parting.is_none() && self.paused_until.is_none() {
            self.watch_listeners(false);
        }
        self.parting = Some(Parting::Finishing(told, self.now));
    }

    /// The turn that is under way is the last one.
    pub(super) fn begin_resting(&mut self) {
        if self.parting.is_none() && self.paused_until.is_none() {
            self.watch_listeners(false);
        }
        self.parting = Some(Parting::Resting);
    }

    /// Whether the shard takes no further turn before [`Self::stay`].
    pub fn is_to_rest(&self) -> bool {
        matches!(self.parting, Some(Parting::Resting))
    }

    /// Tells who asked when all connections are seats. There may be many, so they are looked at once in a while.
    pub(super) fn run_finishing(&mut self) {
        let Some(Parting::Finishing(told, at)) = &mut self.parting else { return };
        if self.now < *at {
            return;
        }
        *at = self.now + FINISH_LOOK_MS;
        let told = Arc::clone(told);
        if self.handshakes.places.count() == 0
            && self.speaking.tokens().next().is_none()
            && self.are_all_seats()
        {
            told.passed();
            self.parting = Some(Parting::Finished);
        }
    }

    /// How long until that is looked at next.
    pub(super) fn finish_ms(&self) -> Option<u64> {
        match &self.parting {
            Some(Parting::Finishing(_, at)) => Some(at.saturating_sub(self.now).max(1)),
            _ => None,
        }
    }

    fn are_all_seats(&self) -> bool {
        (0..self.slab.end())
            .filter_map(|index| self.slab.get(index))
            .all(|slot| slot.conn.phase != Phase::Asking && !slot.link.is_handshaking())
    }

    /// Takes out all connections that are seats, and closes the others; how many those were. Then nobody is registered who does
    /// not go over, and the exchange is as whoever goes on is to have it.
    pub fn rest(&mut self) -> (Vec<Seat<K::Socket>>, usize) {
        let seats = self.freeze();
        let left: Vec<usize> = (0..self.slab.end()).filter(|index| self.slab.get(*index).is_some()).collect();
        left.iter().for_each(|index| self.close(*index));
        self.settle_accounts();
        (seats, left.len())
    }

    /// What the shard knows itself, and its listeners, which it keeps until somebody goes on.
    pub fn legacy(&self) -> (Vec<u8>, impl Iterator<Item = &K::Listener>) {
        (self.estate(), self.listeners.iter().map(|(listener, _)| listener))
    }

    /// Nobody goes on in its place after all. Its seats are to be thawed before.
    pub fn stay(&mut self) {
        if self.parting.take().is_some() && self.paused_until.is_none() {
            self.watch_listeners(true);
        }
    }

    /// What counts for a connection that came over counts here, too: how many there are, for whom.
    pub(super) fn count_anew(&self, index: usize) {
        let shares = self.exchange.shares();
        let caller = self.callers.get(index);
        if caller.is_some_and(Caller::is_refused) {
            return;
        }
        shares.enter_anyway();
        if let Some(Caller::Counted(address) | Caller::Waits(address)) = caller {
            shares.addresses.enter_anyway(&shares.network(address));
        }
        if let Some(user) = self.guests.session(index).and_then(Session::user) {
            shares.users.enter_anyway(user);
        }
    }
}
