//! Whose turn it is: what clients ask for is done as long as a turn has time for it, for each at most once.

use super::Shard;
use crate::askers::{AskerWish, Want};
use crate::kernel::Kernel;
use crate::limits::{ASKED_US_PER_SLICE, REQUESTS_PER_TURN};

impl<K: Kernel> Shard<K> {
    /// Does what clients ask for. When the time of the turn is over, those who are left stand in line.
    pub(super) fn run_askers(&mut self) {
        if self.askers.is_empty() {
            return;
        }
        if self.askers.is_crowded() || self.askers.left_us == 0 {
            self.line_up();
        }
        if self.askers.left_us == 0 {
            return;
        }
        let mut now = self.kernel.now_us();
        let end = now + self.askers.left_us;
        // What comes up meanwhile waits for the next time.
        for _ in 0..self.askers.len() {
            if now >= end {
                break;
            }
            let (wish, slice_us) = match self.askers.next() {
                Some(wish) => (wish, ASKED_US_PER_SLICE),
                None => match self.askers.pop_fresh() {
                    Some(wish) => (wish, self.askers.left_us),
                    None => break,
                },
            };
            self.askers.slice_end_us = end.min(now + slice_us);
            self.serve(wish);
            now = self.kernel.now_us();
        }
        self.askers.left_us = end.saturating_sub(now);
        if self.askers.left_us == 0 && !self.askers.is_empty() {
            self.counters.full_turns.add(1);
            self.line_up();
        }
    }

    /// Whether the connection that is served has had its part, after so many requests.
    pub(super) fn is_slice_over(&mut self, answered: usize) -> bool {
        answered == REQUESTS_PER_TURN || self.kernel.now_us() >= self.askers.slice_end_us
    }

    fn serve(&mut self, wish: AskerWish) {
        let Some(index) = self.find(wish.token) else { return };
        match wish.want {
            Want::Read => self.read(index),
            Want::Look => self.consume_kept(index),
            Want::Page => self.next_page(index),
            Want::Beat => self.beat_early(index),
        }
    }

    /// All who came lately stand in line.
    fn line_up(&mut self) {
        while let Some(wish) = self.askers.pop_fresh() {
            if !self.askers.is_standing(wish)
                && let Some(index) = self.find(wish.token)
            {
                let asker = self.asker(index);
                self.askers.stand(wish, asker);
            }
        }
    }
}
