//! So much a second of what costs a lot and may come to nothing: in all, and each has a share of it.
//!
//! Whoever has had less of it in this second than is left for all others gets one more. So one who takes all he can
//! leaves half of it, two leave a third, and a newcomer finds some. What was worth its cost is given back.

use std::collections::HashMap;

use hub::{Asker, Millis};

use crate::sync::{AtomicU32, Mutex, MutexGuard, Ordering};

/// What is left of this second.
#[derive(Debug)]
pub struct Budget {
    per_second: AtomicU32,
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    /// When it began.
    begun: Option<Millis>,
    left: u32,
    /// How much each has had of it: no more of them than there was to be had.
    taken: HashMap<Asker, u32>,
}

impl Budget {
    /// So much a second.
    pub fn new(per_second: u32) -> Self {
        Self { per_second: AtomicU32::new(per_second), second: Mutex::default() }
    }

    /// How much there is a second.
    pub fn per_second(&self) -> u32 {
        self.per_second.load(Ordering::Relaxed)
    }

    /// From the next second on there is so much.
    pub fn set(&self, per_second: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Takes one; false: whoever asks has had his share.
    pub fn take(&self, asker: Asker, now: Millis) -> bool {
        self.take_many(asker, 1, now)
    }

    /// Takes so many, as one by one, or none. More than his share has who is the first of a second.
    pub fn take_many(&self, asker: Asker, count: u32, now: Millis) -> bool {
        let (mut second, per_second) = (self.second(), self.per_second());
        if second.begun.is_none_or(|begun| now >= begun + SECOND_MS) {
            second.begun = Some(now);
            second.left = per_second;
            second.taken.clear();
        }
        let had = second.taken.get(&asker).copied().unwrap_or_default();
        let last = count.saturating_sub(1).saturating_mul(2);
        let may = had.saturating_add(last) < second.left || (last > 0 && second.left == per_second);
        if may {
            second.left = second.left.saturating_sub(count);
            second.taken.insert(asker, had.saturating_add(count));
        }
        may
    }

    /// Gives back what he took of this second.
    pub fn give_back(&self, asker: Asker, count: u32) {
        let mut second = self.second();
        let Some(had) = second.taken.get_mut(&asker) else { return };
        let count = count.min(*had);
        *had -= count;
        second.left += count;
    }

    fn second(&self) -> MutexGuard<'_, Second> {
        self.second.lock().expect("nothing panics while it holds a budget")
    }
}

const SECOND_MS: Millis = 1_000;

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    /// How many of so many tries are let through.
    fn taken(budget: &Budget, asker: Asker, now: Millis, tries: usize) -> usize {
        (0..tries).filter(|_| budget.take(asker, now)).count()
    }

    #[test]
    fn a_newcomer_finds_some_whoever_took_all_he_could() {
        let (budget, of) = (Budget::new(100), Asker::Address);
        assert_eq!(taken(&budget, of(1), 0, 1_000), 50);
        assert_eq!(taken(&budget, of(2), 1, 1_000), 25);
        assert_eq!(taken(&budget, Asker::Connection(0, 1), 2, 1_000), 13);
        assert_eq!(taken(&budget, of(1), 999, 1_000), 0, "he has had more than is left");
        assert_eq!(taken(&budget, of(1), 1_000, 1_000), 50, "in the next second there is as much again");
    }

    #[test]
    fn many_have_all_of_it_together_and_no_more() {
        let budget = Budget::new(100);
        let had: usize = (0..1_000).map(|n| taken(&budget, Asker::Connection(0, n), 0, 1)).sum();
        assert_eq!(had, 100);
        assert_eq!(taken(&Budget::new(1), Asker::Address(1), 0, 10), 1, "one is more than none");
    }

    #[test]
    fn many_are_taken_as_one_by_one() {
        let (budget, of) = (Budget::new(100), Asker::Address);
        assert_eq!((0..100).filter(|_| budget.take_many(of(1), 10, 0)).count(), 5);
        assert_eq!((0..100).filter(|_| budget.take_many(of(2), 10, 0)).count(), 2);
        assert_eq!(taken(&budget, of(2), 0, 100), 5);
        let few = Budget::new(5);
        assert!(few.take_many(of(1), 10, 0) && !few.take_many(of(2), 1, 999), "who is first has them all");
        assert!(few.take_many(of(2), 10, 1_000));
    }

    #[test]
    fn what_was_worth_it_is_given_back() {
        let (budget, one) = (Budget::new(4), Asker::Address(1));
        for _ in 0..1_000 {
            assert!(budget.take(one, 5));
            budget.give_back(one, 1);
        }
        assert_eq!(taken(&budget, one, 5, 10), 2);
        budget.give_back(one, 99);
        budget.give_back(Asker::Address(2), 99);
        assert_eq!(taken(&budget, one, 5, 10), 2, "no more is given back than was taken");
    }
}
