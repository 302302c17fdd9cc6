//! Lists of names in which some may stand twice.

use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::Target;

/// Which names of a list were seen before.
pub(crate) struct Known<'a> {
    /// Only for long lists; a short one is faster compared name by name.
    set: Option<HashSet<&'a str, FixedState>>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(names: usize) -> Self {
        let set =
            (names > COMPARED_MAX).then(|| HashSet::with_capacity_and_hasher(names, FixedState::default()));
        Self { set }
    }

    /// Whether `name` was not seen before; `targets` are those that were.
    pub(crate) fn is_new(&mut self, name: &'a str, targets: &[Target]) -> bool {
        match &mut self.set {
            Some(set) => set.insert(name),
            None => targets.iter().all(|target| *target.name != *name),
        }
    }
}

const COMPARED_MAX: usize = 8;
