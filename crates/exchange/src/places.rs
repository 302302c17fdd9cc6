//! Places for what costs memory while it is under way: so many there are, and when all are taken, whoever has most of
//! them gives one up for a newcomer. So nobody is refused for an address, and a flood of one takes from itself.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use crate::sync::{Mutex, MutexGuard};

/// Places, and who has them, in the order in which they came.
#[derive(Debug)]
pub struct Places<T, P> {
    held: VecDeque<(T, P)>,
    count_max: usize,
}

impl<T: PartialEq, P: Copy + Eq + Hash> Places<T, P> {
    /// So many places, at least one.
    pub fn new(count_max: usize) -> Self {
        Self { held: VecDeque::new(), count_max: count_max.max(1) }
    }

    /// So many places from now on, at least one. Where more are taken, nobody gives one up but for a newcomer.
    pub fn set_max(&mut self, count_max: usize) {
        self.count_max = count_max.max(1);
    }

    /// Takes a place for `who`, of this party. Who gives up his place for it: the
    /// oldest of the party that has most, the newcomer counted, and of several such parties the oldest of all.
    pub fn enter(&mut self, who: T, party: P) -> Option<T> {
        let left = if self.held.len() < self.count_max { None } else { self.give_up(party) };
        self.held.push_back((who, party));
        left
    }

    /// Gives a place back, where there is one.
    pub fn leave(&mut self, who: &T) {
        if let Some(at) = self.held.iter().position(|(other, _)| other == who) {
            self.held.remove(at);
        }
        if self.held.is_empty() {
            self.held = VecDeque::new();
        }
    }

    /// Places that are taken.
    pub fn count(&self) -> usize {
        self.held.len()
    }

    fn give_up(&mut self, newcomer: P) -> Option<T> {
        let mut counts: HashMap<P, usize> = HashMap::new();
        for party in self.held.iter().map(|(_, party)| *party).chain([newcomer]) {
            *counts.entry(party).or_default() += 1;
        }
        let of = |party: &P| counts.get(party).copied().unwrap_or_default();
        let most = self.held.iter().map(|(_, party)| of(party)).max()?;
        let at = self.held.iter().position(|(_, party)| of(party) == most)?;
        self.held.remove(at).map(|(who, _)| who)
    }
}

/// Places that tasks of several threads take.
#[derive(Debug)]
pub struct SharedPlaces<T, P>(Mutex<Places<T, P>>);

impl<T: PartialEq, P: Copy + Eq + Hash> SharedPlaces<T, P> {
    /// As [`Places::new`].
    pub fn new(count_max: usize) -> Self {
        Self(Mutex::new(Places::new(count_max)))
    }

    /// As [`Places::set_max`].
    pub fn set_max(&self, count_max: usize) {
        self.lock().set_max(count_max);
    }

    /// As [`Places::enter`].
    pub fn enter(&self, who: T, party: P) -> Option<T> {
        self.lock().enter(who, party)
    }

    /// As [`Places::leave`].
    pub fn leave(&self, who: &T) {
        self.lock().leave(who);
    }

    /// As [`Places::count`].
    pub fn count(&self) -> usize {
        self.lock().count()
    }

    fn lock(&self) -> MutexGuard<'_, Places<T, P>> {
        self.0.lock().expect("no thread panics while it holds places")
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    /// Who comes, of which party; who leaves for it.
    fn check(count_max: usize, steps: &[(u32, u8, Option<u32>)]) {
        let mut places = Places::new(count_max);
        for (who, party, expected) in steps {
            assert_eq!(places.enter(*who, *party), *expected, "{who}");
            assert!(places.count() <= count_max);
        }
    }

    #[test]
    fn whoever_has_most_gives_up_its_oldest() {
        check(3, &[(1, 1, None), (2, 2, None), (3, 2, None), (4, 3, Some(2)), (5, 1, Some(1))]);
        check(2, &[(1, 1, None), (2, 2, None), (3, 3, Some(1)), (4, 4, Some(2))]);
    }

    #[test]
    fn a_flood_takes_from_itself() {
        let mut places = Places::new(100);
        (0..10).for_each(|n| assert_eq!(places.enter(n, n), None));
        for n in 10..10_000 {
            assert!(places.enter(n, 7_777).is_none_or(|left| left >= 10));
        }
    }

    #[test]
    fn places_that_are_given_back_are_free() {
        let mut places = Places::new(1);
        assert_eq!(places.enter(1, 1), None);
        places.leave(&1);
        places.leave(&1);
        assert_eq!((places.count(), places.enter(2, 1)), (0, None));
    }
}
