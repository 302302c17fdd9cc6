//! How many shards carry out long jobs at the same time: as many as there are processors.
//!
//! Where there are more shards than that, and all of them were busy with a message to many, a message to one would
//! wait until each had had its share of a processor. So those with long jobs stand in line, asleep, and
//! whoever is woken for something short finds a processor soon.

use std::collections::VecDeque;

use hub::ShardId;

use crate::sync::{Mutex, MutexGuard};

/// The lanes, and who stands in line for them.
pub(crate) struct Lanes {
    /// There is one for each shard: nobody ever has to wait.
    enough: bool,
    state: Mutex<LaneState>,
}

struct LaneState {
    free: usize,
    /// Who waits for a lane, each once.
    waiting: VecDeque<ShardId>,
    /// Who was given one, and does not know it yet.
    given: Vec<ShardId>,
}

impl Lanes {
    pub(crate) fn new(count: usize, shards: usize) -> Self {
        let state = LaneState { free: count.max(1), waiting: VecDeque::new(), given: Vec::new() };
        Self { enough: count >= shards, state: Mutex::new(state) }
    }

    /// A shard wants a lane. False: it stands in line, and will be woken.
    pub(crate) fn enter(&self, shard: ShardId) -> bool {
        if self.enough {
            return true;
        }
        let mut state = self.lock();
        if let Some(at) = state.given.iter().position(|given| *given == shard) {
            state.given.swap_remove(at);
            return true;
        }
        if state.waiting.contains(&shard) {
            return false;
        }
        if state.free > 0 {
            state.free -= 1;
            return true;
        }
        state.waiting.push_back(shard);
        false
    }

    /// Whether somebody stands in line.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.enough && !self.lock().waiting.is_empty()
    }

    /// A shard gives its lane up. Who has it now is to be woken.
    pub(crate) fn leave(&self) -> Option<ShardId> {
        if self.enough {
            return None;
        }
        let mut state = self.lock();
        let next = state.waiting.pop_front();
        match next {
            Some(next) => state.given.push(next),
            None => state.free += 1,
        }
        next
    }

    /// A shard ends. True: it was given a lane of which it did not know, and which is to be left.
    pub(crate) fn forget(&self, shard: ShardId) -> bool {
        let mut state = self.lock();
        state.waiting.retain(|waiting| *waiting != shard);
        let given = state.given.iter().position(|given| *given == shard);
        given.map(|at| state.given.swap_remove(at)).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().expect("nothing panics while it holds the lanes")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_given_in_turn() {
        let lanes = Lanes::new(2, 4);
        let [a, b, c, d] = [0, 1, 2, 3].map(ShardId);
        assert!(lanes.enter(a) && lanes.enter(b) && !lanes.is_wanted());
        assert!(!lanes.enter(c) && !lanes.enter(d) && !lanes.enter(c) && lanes.is_wanted());
        assert_eq!(lanes.leave(), Some(c));
        assert!(!lanes.enter(a), "it stands behind the others");
        assert!(lanes.enter(c) && !lanes.enter(d));
        assert_eq!((lanes.leave(), lanes.leave()), (Some(d), Some(a)));
        assert!(lanes.enter(a) && lanes.enter(d) && !lanes.is_wanted());
        assert_eq!((lanes.leave(), lanes.leave()), (None, None));
        assert!(lanes.enter(b) && lanes.enter(c));
    }

    #[test]
    fn who_ends_leaves_no_lane_behind() {
        let lanes = Lanes::new(1, 3);
        let [a, b, c] = [0, 1, 2].map(ShardId);
        assert!(lanes.enter(a) && !lanes.enter(b) && !lanes.enter(c));
        assert_eq!(lanes.leave(), Some(b));
        assert!(lanes.forget(b), "it has a lane");
        assert_eq!(lanes.leave(), Some(c));
        assert!(!lanes.forget(a) && lanes.enter(c));
    }

    #[test]
    fn where_there_are_enough_nobody_waits() {
        let lanes = Lanes::new(2, 2);
        assert!((0..10).all(|_| lanes.enter(ShardId(0)) && !lanes.is_wanted()));
        assert_eq!(lanes.leave(), None);
    }
}
