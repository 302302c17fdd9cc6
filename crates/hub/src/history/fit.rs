//! What a history keeps when other limits hold for it than before.

use super::{History, Removed};
use crate::Millis;
use crate::rule::Keep;
use crate::trash::Trash;

impl History {
    /// Removes what other limits than before do not allow, so many messages at the most; each takes one from `steps`. What is
    /// too old now goes when its time is looked at. False: there is more.
    pub(crate) fn fit(
        &mut self,
        now: Millis,
        keep: &Keep,
        steps: &mut usize,
        removed: &mut Removed,
        trash: &mut Trash,
    ) -> bool {
        while self.entries.len() > self.len_max(keep) || self.bytes > keep.bytes {
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            self.remove(self.least(), now, keep, removed, trash);
        }
        if self.mortal > 0 {
            *steps = steps.saturating_sub(self.entries.len());
        }
        self.due = self.first_death(keep);
        self.check();
        true
    }
}
