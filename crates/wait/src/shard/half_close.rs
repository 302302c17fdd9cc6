//! Clients that say no more, by the end of their side of the connection or in the words of TLS.
//!
//! Who waits for an answer can still read it, and many do so: it is given at once. A stream has no last word that
//! somebody would wait for, and the clients of old leave so.

use transport::{Ending, Phase};

use super::Shard;
use crate::askers::Want;
use crate::kernel::{Interest, Kernel};

impl<K: Kernel> Shard<K> {
    /// A client says no more: its connection ends with the answer to the last it said. The kernel tells so again and again,
    /// until it is told that nobody looks.
    pub(super) fn hear_end(&mut self, index: usize) {
        let token = self.token(index);
        let slot = &mut self.slab[index];
        if !slot.conn.has_input() {
            slot.conn.end_after_answer();
        }
        match slot.conn.phase {
            // What was said before has come when this turn looks at it again.
            Phase::Waiting if slot.conn.shape.ending() == Ending::OnePoll && slot.interest.readable => {
                self.askers.push(token, Want::Look);
                self.hear_no_more(index);
            }
            Phase::Waiting if slot.conn.shape.ending() == Ending::OnePoll => self.answer_now(index),
            // Requests that were sent ahead have their turn.
            Phase::Request if slot.conn.has_input() && self.askers.has(token, Want::Look) => {}
            // Who has said all is told all.
            Phase::Request if slot.owed_len() > 0 => {
                self.close_gently(index);
                self.hear_no_more(index);
            }
            Phase::Closing if slot.owed_len() > 0 => self.hear_no_more(index),
            Phase::Asking if slot.conn.awaits_answer() => self.hear_no_more(index),
            Phase::Request | Phase::Waiting | Phase::Asking | Phase::Closing => self.close(index),
        }
    }

    /// Answers a poll with what is due, or with its cursor alone.
    fn answer_now(&mut self, index: usize) {
        let token = self.token(index);
        // What a job has not brought yet is given now: the cursor of an empty answer is behind it.
        if self.visit(index) && self.slab[index].conn.phase == Phase::Waiting {
            self.answer_empty(index, self.seen);
        }
        let slot = self.find(token).map(|index| &self.slab[index]);
        if slot.is_some_and(|slot| slot.conn.phase == Phase::Closing && slot.owed_len() == 0) {
            self.close(index);
        }
    }

    /// That the client has ended is known; nobody is told of it until [`Self::hear_again`].
    fn hear_no_more(&mut self, index: usize) {
        let interest = self.slab[index].interest;
        self.report(index, Interest { readable: false, ..interest });
    }

    /// What the client says is looked at again. False: the connection is gone.
    pub(super) fn hear_again(&mut self, index: usize) -> bool {
        let interest = self.slab[index].interest;
        self.report(index, Interest { readable: true, ..interest })
    }
}
