//! The feed of changes: who came online and who went offline, for those who watch.
//!
//! It is bounded; whoever comes back from before its watermark is told that some changes are gone.

use std::collections::VecDeque;

use crate::trash::Trash;
use crate::{Change, Changes, Position, Start};

/// The last changes, oldest first.
pub(crate) struct Feed {
    changes: VecDeque<Change>,
    changes_max: usize,
    /// Place of the youngest change that the limit pushed out.
    watermark: Position,
}

impl Feed {
    /// An empty feed that keeps this many changes.
    pub(crate) fn new(changes_max: usize) -> Self {
        Self { changes: VecDeque::new(), changes_max, watermark: Position::START }
    }

    /// Adds a released change.
    pub(crate) fn push(&mut self, change: Change, trash: &mut Trash) {
        debug_assert!(self.changes.back().is_none_or(|last| last.position < change.position));
        self.changes.push_back(change);
        if self.changes.len() > self.changes_max {
            let oldest = self.changes.pop_front().expect("one was pushed");
            self.watermark = oldest.position;
            trash.names.push(oldest.name);
        }
    }

    /// Place of the youngest change there ever was.
    pub(crate) fn last(&self) -> Position {
        self.changes.back().map_or(self.watermark, |change| change.position)
    }

    /// What came after `start`; `end` is the end of what is released.
    pub(crate) fn read(&self, start: Start, limit: usize, end: Position) -> Changes {
        let (first, gap) = match start {
            Start::Now => (self.changes.len(), false),
            Start::Everything => (0, false),
            Start::Lost => (0, true),
            Start::After(place) if place > end => (0, true),
            Start::After(place) => (self.behind(place), self.watermark > place),
            Start::More(resume) => (self.behind(resume.after), self.watermark > resume.after),
            Start::Time(time) => (self.changes.partition_point(|change| change.time < time), false),
            Start::Tail(count) => (self.changes.len().saturating_sub(count as usize), false),
        };
        let changes: Vec<Change> = self.changes.range(first..).take(limit).cloned().collect();
        let more = first + changes.len() < self.changes.len();
        let position = match changes.last() {
            Some(last) if more => last.position,
            // A page of no length brings nobody further.
            None if more => {
                first.checked_sub(1).map_or(self.watermark, |before| self.changes[before].position)
            }
            _ => end,
        };
        Changes { changes, gap, position, more }
    }

    /// Index of the first change behind `place`.
    fn behind(&self, place: Position) -> usize {
        self.changes.partition_point(|change| change.position <= place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(places: &[u64], changes_max: usize) -> Feed {
        let mut feed = Feed::new(changes_max);
        for &place in places {
            let position = Position::from_bits(place);
            feed.push(
                Change { position, name: "a".into(), online: true, time: place },
                &mut Trash::default(),
            );
        }
        feed
    }

    fn check(start: Start, limit: usize, expected: (&[u64], bool, u64, bool)) {
        let read = feed(&[2, 4, 6, 8], 3).read(start, limit, Position::from_bits(9));
        let places: Vec<u64> = read.changes.iter().map(|change| change.position.to_bits()).collect();
        assert_eq!((&places[..], read.gap, read.position.to_bits(), read.more), expected, "{start:?}");
    }

    #[test]
    fn a_watcher_gets_what_he_missed() {
        let after = |place| Start::After(Position::from_bits(place));
        check(Start::Now, 9, (&[], false, 9, false));
        check(Start::Everything, 9, (&[4, 6, 8], false, 9, false));
        check(after(2), 9, (&[4, 6, 8], false, 9, false));
        check(after(5), 9, (&[6, 8], false, 9, false));
        check(after(9), 9, (&[], false, 9, false));
        check(Start::Time(6), 9, (&[6, 8], false, 9, false));
        check(Start::Tail(1), 9, (&[8], false, 9, false));
    }

    #[test]
    fn a_gap_is_told() {
        check(Start::After(Position::from_bits(1)), 9, (&[4, 6, 8], true, 9, false));
        check(Start::Lost, 9, (&[4, 6, 8], true, 9, false));
        check(Start::After(Position::from_bits(10)), 9, (&[4, 6, 8], true, 9, false));
    }

    #[test]
    fn a_page_says_where_the_next_begins() {
        check(Start::Everything, 2, (&[4, 6], false, 6, true));
        check(Start::After(Position::from_bits(6)), 2, (&[8], false, 9, false));
        check(Start::After(Position::from_bits(5)), 0, (&[], false, 4, true));
    }
}
