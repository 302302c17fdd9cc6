//! Endings: of a deleted channel's subscriptions, and of the whole shard.

use std::sync::Arc;
use std::time::Duration;

use exchange::hub::{ChannelId, Position};
use transport::{Ending, Notice, Phase};

use super::Shard;
use super::post::Sending;
use crate::kernel::Kernel;
use crate::limits::{ACCEPT_TURNS_AT_END, DRAIN_EXTRA_MS, ENDINGS_PER_TURN};
use crate::members::{NIL, parts};

/// The end of all service.
#[derive(Debug)]
pub(super) struct Drain {
    /// Over what time those who wait are closed.
    over: Duration,
    /// When whoever is still there is cut off.
    pub(super) cut_off: u64,
    /// The next index to look at; `None`: all were looked at.
    pub(super) next: Option<usize>,
}

/// A deleted channel whose subscriptions are being ended.
#[derive(Debug, Clone)]
pub(super) struct Deletion {
    /// Its record, which nobody joins any more.
    pub(super) channel: ChannelId,
    pub(super) name: Arc<str>,
    /// What was said up to here is still given.
    pub(super) at: Position,
    /// That of the hidden channel in which its users are told, if there is one.
    pub(super) hidden: Option<ChannelId>,
}

impl<K: Kernel> Shard<K> {
    /// Stops accepting. Polls are answered at once, all others end spread over this time.
    pub(super) fn begin_draining(&mut self, over: Duration) {
        if self.draining.is_some() {
            return;
        }
        // What the kernel has taken for us is still served; then the listeners close.
        for number in 0..self.listeners.len() {
            for _ in 0..ACCEPT_TURNS_AT_END {
                if !self.accept(number) {
                    break;
                }
            }
        }
        // Of a socket that others have open, too, the kernel would go on reporting who comes.
        if self.paused_until.is_none() {
            self.watch_listeners(false);
        }
        self.listeners.clear();
        self.paused_until = None;
        let over_ms = u64::try_from(over.as_millis()).unwrap_or_else(|_| u64::from(u32::MAX));
        self.draining = Some(Drain { over, cut_off: self.now + over_ms + DRAIN_EXTRA_MS, next: Some(0) });
    }

    /// A bounded piece of the endings under way.
    pub(super) fn run_endings(&mut self) {
        let mut budget = ENDINGS_PER_TURN;
        while budget > 0 && self.end_deleted() {
            budget -= 1;
        }
        while budget > 0 && self.drain_next() {
            budget -= 1;
        }
    }

    /// Whether the shard has nobody left to serve, or no time.
    pub(super) fn is_over(&self) -> bool {
        let Some(drain) = &self.draining else { return false };
        self.slab.len() == 0 || self.now >= drain.cut_off
    }

    /// Ends one subscription of a deleted channel. False: there is none.
    pub(super) fn end_deleted(&mut self) -> bool {
        let Some(deletion) = self.deleting.front() else { return false };
        let key = self.members.find(deletion.channel);
        match key.map_or(NIL, |key| self.members.channel(key).head) {
            NIL => drop(self.deleting.pop_front()),
            // A visit ends whatever subscriptions of deleted channels it finds.
            head => drop(self.visit(parts(head).0)),
        }
        true
    }

    /// The subscription of the connection whose channel was deleted first: what was said between two
    /// deletions comes behind the word of the first. Only of those before this place: who is told nothing behind it
    /// is told of a later one when it goes on.
    pub(super) fn deletion_of(&self, index: usize, until: Position) -> Option<(usize, Deletion)> {
        let subs = &self.slab[index].subs;
        self.deleting.iter().filter(|deletion| deletion.at < until).find_map(|deletion| {
            let number = subs.find(self.members.find(deletion.channel)?)?;
            Some((number, deletion.clone()))
        })
    }

    /// Ends a subscription of a deleted channel. False: the connection is gone.
    pub(super) fn end_subscription(&mut self, index: usize, number: usize, deletion: &Deletion) -> bool {
        // What was said before is still given.
        if self.slab[index].conn.shape.ending() == Ending::OnePoll {
            // Its cursor is before whatever came later, for those who ask for that name again.
            return self.give_poll(index, deletion.at, Some(&deletion.name), Sending::Now);
        }
        if !self.give(index, deletion.at, Sending::Now) {
            return false;
        }
        if self.slab[index].conn.phase != Phase::Waiting {
            return true;
        }
        let (_, owed) = self.members.unlink(&mut self.slab, index, number);
        self.settle(owed);
        self.end_hidden(index, deletion.hidden);
        let mut out = Vec::new();
        if self.slab[index].conn.shape.ending() == Ending::OneMessage {
            self.end_taker(index);
            return false;
        }
        self.slab[index].conn.tell(Notice::Deleted(&deletion.name), self.cursors, &mut out);
        if !self.write(index, &out) {
            return false;
        }
        if self.slab[index].subs.len() > 0 || self.slab[index].conn.has_backlog() {
            return true;
        }
        self.end(index, 1000, "all channels of this connection were deleted");
        false
    }

    /// Looks at one connection for draining. False: all were looked at.
    fn drain_next(&mut self) -> bool {
        let Some(Drain { over, next: Some(index), .. }) = self.draining else { return false };
        let next = (index < self.slab.end()).then_some(index + 1);
        if let Some(drain) = &mut self.draining {
            drain.next = next;
        }
        let Some(slot) = self.slab.get_mut(index) else { return next.is_some() };
        slot.conn.end_after_answer();
        let ending = slot.conn.shape.ending();
        match slot.conn.phase {
            Phase::Waiting if ending == Ending::OnePoll => {
                if self.visit(index) && self.slab[index].conn.phase == Phase::Waiting {
                    self.answer_empty(index, self.seen);
                }
            }
            Phase::Waiting if ending == Ending::OneMessage => {
                if self.visit_taker(index) {
                    self.end_taker(index);
                }
            }
            Phase::Waiting if ending == Ending::WhenDue => {
                if self.visit(index) && self.slab[index].conn.phase == Phase::Waiting {
                    self.close_gently(index);
                }
            }
            Phase::Closing => {}
            Phase::Request | Phase::Waiting | Phase::Asking => {
                let after = self.spread(over, 1);
                self.set_timer(index, after);
            }
        }
        next.is_some()
    }

    /// Says the last word and closes.
    pub(super) fn end(&mut self, index: usize, code: u16, reason: &str) {
        let mut out = Vec::new();
        self.slab[index].conn.farewell(code, reason, self.cursors, &mut out);
        self.leave_all(index);
        if self.write(index, &out) {
            self.close_gently(index);
        }
    }
}
