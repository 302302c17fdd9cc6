//! The feed of changes: who came online and who went offline, for those who watch.
//!
//! It is bounded; whoever comes back from before its watermark is told that some changes are gone. Names that
//! nobody ever published to are for strangers to make up, so their changes have room of their own: they push out
//! none of the others. Changes are kept as they are said: about 20 bytes for one of a channel with a name of 16.

mod frozen;
mod ring;

use std::sync::Arc;

use crate::trash::Trash;
use crate::{Change, ChangeKind, Changes, Millis, Position, Start};

pub(crate) use frozen::FrozenFeed;
use ring::ChangeRing;

/// The last changes.
pub(crate) struct Feed {
    /// Of channels that somebody published to.
    public: ChangeRing,
    /// Of those that were only waited on.
    passing: ChangeRing,
    /// Changes up to here may be missing for another reason than want of room.
    lost: Position,
    /// Channels of whose history time has left nothing, since somebody last asked; `None`: nobody asks.
    pub(crate) outlived: Option<Vec<Arc<str>>>,
}

impl Feed {
    /// An empty feed that keeps this many changes of either kind.
    pub(crate) fn new(changes_max: usize) -> Self {
        let ring = || ChangeRing::new(changes_max);
        Self { public: ring(), passing: ring(), lost: Position::START, outlived: None }
    }

    /// Adds a released change. `is_public`: of a channel that somebody published to.
    pub(crate) fn push(
        &mut self,
        is_public: bool,
        position: Position,
        name: &str,
        what: ChangeKind,
        time: Millis,
        trash: &mut Trash,
    ) {
        debug_assert!(self.last() < position);
        let ring = if is_public { &mut self.public } else { &mut self.passing };
        ring.push(position, name, what, time, trash);
    }

    /// How many changes are kept.
    pub(crate) fn count(&self) -> usize {
        self.public.count() + self.passing.count()
    }

    /// Changes up to this place may be missing.
    pub(crate) fn lose(&mut self, place: Position) {
        self.lost = self.lost.max(place);
    }

    /// Changes up to here, of channels that somebody published to, may be missing.
    pub(crate) fn public_watermark(&self) -> Position {
        self.lost.max(self.public.watermark())
    }

    /// Place of the youngest change that may be missing.
    fn watermark(&self) -> Position {
        self.public_watermark().max(self.passing.watermark())
    }

    /// Place of the youngest change there ever was.
    pub(crate) fn last(&self) -> Position {
        self.public.last().max(self.passing.last())
    }

    /// What came after `start`; `end` is the end of what is released.
    pub(crate) fn read(&self, start: Start, limit: usize, end: Position) -> Changes {
        let count = (self.public.count(), self.passing.count());
        let behind = |place| (self.public.behind(place), self.passing.behind(place));
        let (first, gap) = match start {
            Start::Now => (count, false),
            Start::Everything => ((0, 0), false),
            Start::Lost => ((0, 0), true),
            Start::After(place) | Start::Unlisted(place) if place > end => ((0, 0), true),
            Start::After(place) | Start::Unlisted(place) => (behind(place), self.watermark() > place),
            Start::More(resume) => (behind(resume.after), self.watermark() > resume.after),
            Start::Time(time) => ((self.public.since(time), self.passing.since(time)), false),
            Start::Tail(tail) => (self.tail(tail as usize), false),
        };
        let left = count.0 + count.1 - first.0 - first.1;
        let mut changes = Vec::with_capacity(limit.min(left));
        let (mut public, mut passing) =
            (self.public.iter(first.0).peekable(), self.passing.iter(first.1).peekable());
        while changes.len() < limit {
            let next = match (public.peek(), passing.peek()) {
                (Some(one), Some(other)) if other.position < one.position => passing.next(),
                (Some(_), _) => public.next(),
                (None, _) => passing.next(),
            };
            let Some(next) = next else { break };
            changes.push(next);
        }
        let more = changes.len() < left;
        let position = match changes.last() {
            Some(last) if more => last.position,
            // A page of no length brings nobody further.
            None if more => first_of(public.peek(), passing.peek()).map_or(end, Position::before),
            _ => end,
        };
        Changes { changes, gap, position, more }
    }

    /// Where the last so many changes begin: found by their place, since they stand in two lists.
    fn tail(&self, tail: usize) -> (usize, usize) {
        let all = self.count();
        let (mut low, mut high) = (0, self.last().to_bits());
        if tail >= all {
            return (0, 0);
        }
        // Behind `high` there are no more than that, and before `low` there are.
        while low < high {
            let middle = low + (high - low) / 2;
            let place = Position::from_bits(middle);
            if all - self.public.behind(place) - self.passing.behind(place) <= tail {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let place = Position::from_bits(high);
        (self.public.behind(place), self.passing.behind(place))
    }
}

/// The place of the first of two changes.
fn first_of(one: Option<&Change>, other: Option<&Change>) -> Option<Position> {
    one.into_iter().chain(other).map(|change| change.position).min()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// So many changes; a tenth of them under Miri, which takes a thousand times as long for each.
    const fn count(changes: u32) -> u32 {
        if cfg!(miri) { changes / 10 } else { changes }
    }

    /// A feed with these changes; the even ones are of channels that were published to.
    fn feed(places: &[u64], changes_max: usize) -> Feed {
        let mut feed = Feed::new(changes_max);
        for &place in places {
            let position = Position::from_bits(place);
            feed.push(place % 2 == 0, position, "a", ChangeKind::Online, place, &mut Trash::default());
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
        check(Start::After(Position::from_bits(5)), 0, (&[], false, 5, true));
    }

    #[test]
    fn names_that_strangers_make_up_push_out_none_but_their_own_kind() {
        let feed = feed(&[1, 2, 3, 4, 5, 7, 9, 11], 3);
        let read = |start| feed.read(start, 9, Position::from_bits(11));
        let places = |start| -> Vec<u64> {
            read(start).changes.iter().map(|change| change.position.to_bits()).collect()
        };
        assert_eq!(places(Start::Everything), [2, 4, 7, 9, 11]);
        assert_eq!(places(Start::Tail(4)), [4, 7, 9, 11]);
        assert_eq!(feed.public_watermark(), Position::START);
        let gap = |place| read(Start::After(Position::from_bits(place))).gap;
        assert!(gap(4) && !gap(5), "that some of these are gone is told all the same");
    }

    /// Against two lists: names of all lengths, many blocks, every place.
    #[test]
    fn what_is_read_is_what_was_pushed() {
        let kept = count(500);
        let (mut feed, mut lists) = (Feed::new(kept as usize), [VecDeque::new(), VecDeque::new()]);
        let mut place = 0;
        for number in 0..8 * kept {
            place += 1 + u64::from(number % 7 * (number % 11)) * 1_000;
            let name = "n".repeat(1 + (number * 31 % 255) as usize);
            let position = Position::from_bits(place);
            let (what, time) = (ChangeKind::of_channel(number % 3 == 0), u64::from(number).pow(2));
            let is_public = number * 37 % 5 < 2;
            feed.push(is_public, position, &name, what, time, &mut Trash::default());
            let list = &mut lists[usize::from(is_public)];
            list.push_back(Change { position, name: name.into(), what, time });
            if list.len() > kept as usize {
                list.pop_front();
            }
        }
        let end = Position::from_bits(place);
        let mut list: Vec<Change> = lists.into_iter().flatten().collect();
        list.sort_by_key(|change| change.position);
        assert_eq!(list, feed.read(Start::Everything, usize::MAX, end).changes);
        for (index, tail) in (0..list.len()).zip((1..=2 * kept).rev()) {
            let change = &list[index];
            let first = |start| feed.read(start, 1, end).changes.pop();
            let next = list.get(index + 1).cloned();
            assert_eq!(first(Start::After(change.position.before())).as_ref(), Some(change));
            assert_eq!(first(Start::After(change.position)), next);
            assert_eq!(first(Start::Time(change.time)).as_ref(), Some(change));
            assert_eq!(first(Start::Tail(tail)).as_ref(), Some(change));
        }
    }
}
