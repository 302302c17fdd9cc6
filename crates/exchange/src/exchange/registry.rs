//! The registry: who waits on which channels. A shard registers in the same step in which it finds nothing more to read.

use hub::{After, Before, Guest, Leave, Millis, OlderPage, Outside, Page, Refused, ShardId, Start, Take};

use super::Exchange;
use crate::sync::Ordering;

impl Exchange {
    /// Reads the next page of a backlog; registers the shard of a guest who stays on all names when nothing more is
    /// there. The lock is free between steps in which what has outlived its time is removed.
    pub fn subscribe(&self, guest: impl Into<Guest>, names: &[&str], start: Start) -> Result<Page, Refused> {
        let guest = guest.into();
        loop {
            if let Some(page) = self.in_turn(|hub, now| hub.try_subscribe(guest, names, start, now)) {
                return page;
            }
        }
    }

    /// Reads a page of what was said before, as [`Self::older`] does it, in a shard's turn.
    pub fn older_in_turn(&self, name: &str, before: Before, limit: usize) -> OlderPage {
        loop {
            if let Some(page) = self.in_turn(|hub, now| hub.try_older(name, before, limit, now)) {
                return page;
            }
        }
    }

    /// Whether guests are to say who they are, since there is little room for new names. Without the lock.
    pub fn minds_guests(&self) -> bool {
        self.minds_guests.load(Ordering::Relaxed)
    }

    /// Registers the shard on all of these channels, and reads what is due in them by outside cursors, the lock being free
    /// between steps. The `memory` is how old a cursor may be from which on a channel without one is read.
    pub fn subscribe_outside(
        &self,
        guest: impl Into<Guest>,
        names: &[&str],
        after: &[After],
        memory: Millis,
    ) -> Result<Outside, Refused> {
        let guest = guest.into();
        let mut reading = self.in_turn(|hub, now| hub.begin_outside(guest, names, after, memory, now))?;
        while self.in_turn(|hub, now| hub.read_outside(&mut reading, now)) {}
        Ok(reading.finish())
    }

    /// Takes registrations of a shard back. `grace`: how long these channels stay online; `None`: as long as is
    /// usual.
    pub fn leave(&self, shard: ShardId, leaving: &[Leave], grace: Option<Millis>) {
        for step in leaving.chunks(LEAVE_STEP_MAX) {
            self.in_turn(|hub, now| {
                for leave in step {
                    hub.leave(shard, *leave, grace.unwrap_or(self.grace), now);
                }
            });
        }
    }

    /// Takes the next message of a channel's queue, or a place among those who wait for it (2009). When
    /// they are served, the channel stays online for the grace.
    pub fn take_one(&self, guest: impl Into<Guest>, name: &str, grace: Millis) -> Result<Take, Refused> {
        self.in_turn(|hub, now| hub.take(guest, name, grace, now))
    }
}

/// Channels left in one hold of the lock.
const LEAVE_STEP_MAX: usize = 64;
