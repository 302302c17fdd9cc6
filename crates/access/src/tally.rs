//! Who has most of something of which there is only so much.

use std::collections::{BTreeSet, HashMap};

use hub::Asker;

/// How many each has.
#[derive(Debug, Default)]
pub struct Tally {
    counts: HashMap<Asker, usize>,
    /// The same, by number.
    order: BTreeSet<(usize, Asker)>,
}

impl Tally {
    /// How many somebody has.
    pub fn count(&self, asker: Asker) -> usize {
        self.counts.get(&asker).copied().unwrap_or(0)
    }

    /// Somebody has one more.
    pub fn add(&mut self, asker: Asker) {
        self.set(asker, self.count(asker) + 1);
    }

    /// Somebody has one fewer.
    pub fn remove(&mut self, asker: Asker) {
        debug_assert!(self.count(asker) > 0, "whoever has nothing loses nothing");
        self.set(asker, self.count(asker).saturating_sub(1));
    }

    /// Who makes room for one more of somebody's where there is none: who has most, if that is more than he would have
    /// then. `None`: nobody does.
    pub fn yields_to(&self, asker: Asker) -> Option<Asker> {
        let (most, other) = self.order.last()?;
        (*most > self.count(asker) + 1).then_some(*other)
    }

    fn set(&mut self, asker: Asker, count: usize) {
        let before = match count {
            0 => self.counts.remove(&asker),
            _ => self.counts.insert(asker, count),
        };
        if let Some(before) = before {
            self.order.remove(&(before, asker));
        }
        if count > 0 {
            self.order.insert((count, asker));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_makes_room() {
        let (a, b, c) = (Asker::Address(1), Asker::Connection(0, 1), Asker::Connection(1, 1));
        let mut tally = Tally::default();
        assert_eq!(tally.yields_to(a), None);
        for _ in 0..3 {
            tally.add(a);
        }
        tally.add(b);
        assert_eq!((tally.count(a), tally.count(b), tally.count(c)), (3, 1, 0));
        assert_eq!((tally.yields_to(c), tally.yields_to(b), tally.yields_to(a)), (Some(a), Some(a), None));
        tally.remove(a);
        assert_eq!((tally.yields_to(c), tally.yields_to(b)), (Some(a), None), "two are not more than two");
        tally.remove(a);
        tally.remove(a);
        tally.remove(b);
        assert!(tally.counts.is_empty() && tally.order.is_empty());
    }
}
