//! Whoever asks for something and waits for its turn: connections with input to be read or looked at, or with a page due.
//!
//! As long as a turn has time for all, they are served as they came, and nobody is asked whose they are. Those for whom it had
//! none stand in line by whose share it is, and the lines take turns: whoever comes from elsewhere does not wait for a crowd.

use std::collections::{HashMap, HashSet, VecDeque};

use exchange::hub::Asker;

/// A connection, by its token, and what is to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AskerWish {
    pub(crate) token: u64,
    pub(crate) want: Want,
}

/// What is to be done for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Want {
    /// To read what has come.
    Read,
    /// To look at what was read before.
    Look,
    /// To read the next page of its backlog.
    Page,
    /// To say that the server lives, sooner than is set.
    Beat,
}

/// Those who wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Askers {
    /// For how many microseconds of this turn they may still be served.
    pub(crate) left_us: u64,
    /// When the connection that is served must come to an end, in microseconds.
    pub(crate) slice_end_us: u64,
    /// In the order in which they came.
    fresh: VecDeque<AskerWish>,
    /// Those for whom a turn had no time. None of these lines is empty.
    lines: HashMap<Asker, VecDeque<AskerWish>>,
    /// Whose lines these are, the next one in front; each once.
    turns: VecDeque<Asker>,
    /// All who stand in a line. The kernel reports them again and again.
    standing: HashSet<AskerWish>,
}

impl Askers {
    /// One more.
    pub(crate) fn push(&mut self, token: u64, want: Want) {
        self.fresh.push_back(AskerWish { token, want });
    }

    /// Whether there is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.standing.is_empty()
    }

    /// Whether this is to be done for a connection.
    pub(crate) fn has(&self, token: u64, want: Want) -> bool {
        let wish = AskerWish { token, want };
        self.is_standing(wish) || self.fresh.contains(&wish)
    }

    /// Whether this one stands in line already.
    pub(crate) fn is_standing(&self, wish: AskerWish) -> bool {
        self.standing.contains(&wish)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.fresh.len() + self.standing.len()
    }

    /// Whether some stand in line.
    pub(crate) fn is_crowded(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Takes one of those who came lately.
    pub(crate) fn pop_fresh(&mut self) -> Option<AskerWish> {
        self.fresh.pop_front()
    }

    /// Puts a wish to the end of the line of whose it is.
    pub(crate) fn stand(&mut self, wish: AskerWish, asker: Asker) {
        if !self.standing.insert(wish) {
            return;
        }
        let line = self.lines.entry(asker).or_default();
        if line.is_empty() {
            self.turns.push_back(asker);
        }
        line.push_back(wish);
    }

    /// Whose turn it is of those who stand in line; the next one is somebody else's, if there is somebody else.
    pub(crate) fn next(&mut self) -> Option<AskerWish> {
        let asker = self.turns.pop_front()?;
        let line = self.lines.get_mut(&asker).expect("whoever has a turn has a line");
        let wish = line.pop_front().expect("no line is empty");
        self.standing.remove(&wish);
        if line.is_empty() {
            self.lines.remove(&asker);
        } else {
            self.turns.push_back(asker);
        }
        if self.turns.is_empty() {
            // What a crowd needed is not kept for ever.
            (self.lines, self.turns, self.standing) = Default::default();
        }
        Some(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: u64) -> Asker {
        Asker::Address(address)
    }

    fn read(token: u64) -> AskerWish {
        AskerWish { token, want: Want::Read }
    }

    #[test]
    fn lines_take_turns() {
        let mut askers = Askers::default();
        for token in 0..6 {
            askers.stand(read(token), of(1));
        }
        askers.stand(read(10), of(2));
        for token in 20..22 {
            askers.stand(read(token), Asker::Connection(0, token));
        }
        assert!(askers.is_crowded() && askers.len() == 9);
        let order: Vec<u64> = std::iter::from_fn(|| askers.next()).map(|wish| wish.token).collect();
        assert_eq!(order, [0, 10, 20, 21, 1, 2, 3, 4, 5]);
        assert!(!askers.is_crowded() && askers.is_empty());
    }

    #[test]
    fn nobody_stands_in_line_twice() {
        let mut askers = Askers::default();
        for _ in 0..3 {
            askers.stand(read(1), of(1));
        }
        askers.stand(AskerWish { token: 1, want: Want::Page }, of(1));
        assert_eq!(askers.len(), 2);
        assert_eq!(askers.next(), Some(read(1)));
        askers.stand(read(1), of(1));
        assert_eq!(askers.len(), 2);
    }

    #[test]
    fn a_crowd_that_was_served_leaves_nothing() {
        let mut askers = Askers::default();
        (0..1_000).for_each(|token| askers.stand(read(token), Asker::Connection(0, token)));
        while askers.next().is_some() {}
        assert_eq!((askers.lines.capacity(), askers.turns.capacity(), askers.standing.capacity()), (0, 0, 0));
    }
}
