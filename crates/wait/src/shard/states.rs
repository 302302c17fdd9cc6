//! What dialects keep of connections: beside their records, so that who has nothing pays nothing, and closed to all others.

use transport::dialect::{State, Wait};

use super::Shard;
use crate::beside::Beside;
use crate::kernel::Kernel;

/// By connection. Each stands here from the moment when its connection is up until nothing is heard on it any more.
pub(super) type States = Beside<Box<dyn State>>;

impl<K: Kernel> Shard<K> {
    /// A connection is up that stays so, in words that have no head.
    pub(super) fn begin_up(&mut self, index: usize, wait: Wait, state: Option<Box<dyn State>>) {
        if let Some(state) = state {
            self.states.put(index, state);
        }
        self.begin(index, wait, Vec::new());
    }

    /// Nothing is heard on a connection any more: its dialect is told so, once.
    pub(super) fn end_state(&mut self, index: usize) {
        if let Some(state) = self.states.remove(index) {
            self.dialect(index).ended(state);
        }
    }

    /// The same of all that are left when the shard ends.
    pub(super) fn end_states(&mut self) {
        let left: Vec<usize> = self.states.indices_from(0).collect();
        left.into_iter().for_each(|index| self.end_state(index));
    }
}
