//! Whose turn it is: whoever waits stands in the line of the one who asked, and the lines take turns. So who asks a
//! thousand times waits for himself, and whoever comes new waits for one of each.

use std::collections::{HashMap, VecDeque};

use access::Tally;
use access::hub::Asker;

/// What waits, at most so much of it.
#[derive(Debug)]
pub(crate) struct Turns<T> {
    lines: HashMap<Asker, VecDeque<T>>,
    /// Whose turn is next: everybody who has a line, once.
    order: VecDeque<Asker>,
    tally: Tally,
    len: usize,
    max: usize,
}

impl<T> Turns<T> {
    pub(crate) fn new(max: usize) -> Self {
        Self { lines: HashMap::new(), order: VecDeque::new(), tally: Tally::default(), len: 0, max }
    }

    /// One more waits. Gives back what does not any more where there is no room: the last of whoever has most, or this one.
    pub(crate) fn push(&mut self, asker: Asker, one: T) -> Option<T> {
        let mut over = None;
        if self.len >= self.max {
            let Some(most) = self.tally.yields_to(asker) else { return Some(one) };
            // It has others before it, so its line stays.
            over = self.lines.get_mut(&most).and_then(VecDeque::pop_back);
            self.tally.remove(most);
            self.len -= 1;
        }
        let line = self.lines.entry(asker).or_default();
        if line.is_empty() {
            self.order.push_back(asker);
        }
        line.push_back(one);
        self.tally.add(asker);
        self.len += 1;
        over
    }

    /// The next one: the first of whoever has waited for his turn the longest.
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.pop_of(|_| true).map(|(_, one)| one)
    }

    /// The same, of those who may have one now; and whose it is. Who may not keeps his place.
    pub(crate) fn pop_of(&mut self, may: impl Fn(Asker) -> bool) -> Option<(Asker, T)> {
        let next = self.order.iter().position(|asker| may(*asker))?;
        let asker = self.order.remove(next)?;
        let line = self.lines.get_mut(&asker)?;
        let one = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&asker);
        } else {
            self.order.push_back(asker);
        }
        self.tally.remove(asker);
        self.len -= 1;
        one.map(|one| (asker, one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOD: Asker = Asker::Address(1);

    fn all<T>(turns: &mut Turns<T>) -> Vec<T> {
        std::iter::from_fn(|| turns.pop()).collect()
    }

    #[test]
    fn a_newcomer_waits_for_one_of_each() {
        let mut turns = Turns::new(10_000);
        for n in 0..1_700 {
            assert_eq!(turns.push(FLOOD, n), None);
        }
        turns.push(Asker::Address(2), 5_000);
        turns.push(Asker::Connection(0, 1), 6_000);
        assert_eq!((0..4).filter_map(|_| turns.pop()).collect::<Vec<_>>(), [0, 5_000, 6_000, 1]);
        turns.push(Asker::Address(2), 5_001);
        assert_eq!((turns.pop(), turns.pop()), (Some(2), Some(5_001)));
        assert_eq!(all(&mut turns), (3..1_700).collect::<Vec<_>>(), "in order, and all of them");
        assert!(turns.lines.is_empty() && turns.order.is_empty() && turns.len == 0);
    }

    #[test]
    fn who_may_not_go_now_keeps_his_place() {
        let mut turns = Turns::new(10);
        for (who, one) in [(1, 10), (2, 20), (1, 11), (3, 30)] {
            turns.push(Asker::Address(who), one);
        }
        let not_one = |asker| asker != Asker::Address(1);
        assert_eq!(turns.pop_of(not_one), Some((Asker::Address(2), 20)));
        assert_eq!(turns.pop_of(not_one), Some((Asker::Address(3), 30)));
        assert_eq!((turns.pop_of(not_one), turns.pop()), (None, Some(10)));
        assert_eq!((turns.pop(), turns.pop(), turns.len), (Some(11), None, 0));
    }

    #[test]
    fn where_there_is_no_room_whoever_has_most_gives_way() {
        let mut turns = Turns::new(3);
        for n in 0..3 {
            turns.push(FLOOD, n);
        }
        assert_eq!(turns.push(FLOOD, 3), Some(3), "it has most itself");
        assert_eq!(turns.push(Asker::Address(2), 10), Some(2));
        assert_eq!(turns.push(Asker::Address(2), 11), Some(11), "it has as many as it could get");
        assert_eq!(turns.push(Asker::Address(3), 20), Some(1));
        assert_eq!(turns.push(Asker::Address(4), 30), Some(30), "everybody has one");
        assert_eq!(all(&mut turns), [0, 10, 20]);
    }
}
