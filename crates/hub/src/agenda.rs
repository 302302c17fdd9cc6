//! An agenda: which channel is to be looked at next, by time or by place.
//!
//! Every channel stands in it at most once, and its key is a lower bound: the channel may turn out to
//! have nothing to do yet, and is then entered anew. So what happens often (a message pushes out the
//! oldest one of its channel) need not touch the agenda. The channel's record keeps its key.

use std::collections::BTreeSet;

/// Channels in the order of their keys.
#[derive(Default)]
pub(crate) struct Agenda<K> {
    entries: BTreeSet<(K, u32)>,
}

impl<K: Ord + Copy> Agenda<K> {
    /// Enters a channel that is not in it.
    pub(crate) fn enter(&mut self, key: K, id: u32) {
        let new = self.entries.insert((key, id));
        debug_assert!(new, "a channel is entered once");
    }

    /// Takes a channel out by the key it was entered with.
    pub(crate) fn strike(&mut self, key: K, id: u32) {
        let there = self.entries.remove(&(key, id));
        debug_assert!(there, "the record keeps the key");
    }

    /// The channel to look at next.
    pub(crate) fn first(&self) -> Option<(K, u32)> {
        self.entries.first().copied()
    }

    /// All channels, next one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, u32)> {
        self.entries.iter().copied()
    }

    /// Whether a channel stands in it under this key.
    pub(crate) fn contains(&self, key: K, id: u32) -> bool {
        self.entries.contains(&(key, id))
    }

    /// How many channels stand in it.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
