//! The feed of changes: who came online and who went offline, for those who watch.
//!
//! It is bounded; whoever comes back from before its watermark is told that some changes are gone. Changes
//! are kept as they are said, one behind the other in blocks of bytes: about 20 bytes for one of a
//! channel with a name of 16.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::limits::NAME_LEN_MAX;
use crate::trash::Trash;
use crate::{Change, Changes, Millis, Position, Start};

/// The last changes, oldest first.
pub(crate) struct Feed {
    blocks: VecDeque<Block>,
    changes_max: usize,
    /// How many changes are kept.
    count: usize,
    /// The newest change there ever was.
    last: Point,
    /// Place of the youngest change that the limit pushed out.
    watermark: Position,
    /// Channels of whose history time has left nothing, since somebody last asked; `None`: nobody asks.
    pub(crate) outlived: Option<Vec<Arc<str>>>,
}

impl Feed {
    /// An empty feed that keeps this many changes.
    pub(crate) fn new(changes_max: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            changes_max,
            count: 0,
            last: Point::START,
            watermark: Position::START,
            outlived: None,
        }
    }

    /// Adds a released change.
    pub(crate) fn push(
        &mut self,
        position: Position,
        name: &str,
        online: bool,
        time: Millis,
        trash: &mut Trash,
    ) {
        debug_assert!(self.last.position < position && self.last.time <= time);
        if self.blocks.back().is_none_or(|block| block.len + name.len() + NUMBERS_LEN_MAX > BLOCK_LEN) {
            let start = Cursor { point: self.last, at: 0 };
            self.blocks.push_back(Block { start, count: 0, len: 0, bytes: Box::new([0; BLOCK_LEN]) });
        }
        let block = self.blocks.back_mut().expect("there is one with room");
        let point = Point { position, time };
        block.write(self.last, point, name, online);
        self.last = point;
        self.count += 1;
        if self.count > self.changes_max {
            self.forget_first(trash);
        }
    }

    /// How many changes are kept.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Changes up to this place may be missing.
    pub(crate) fn lose(&mut self, place: Position) {
        self.watermark = self.watermark.max(place);
    }

    /// Place of the youngest change that may be missing.
    pub(crate) fn watermark(&self) -> Position {
        self.watermark
    }

    /// Place of the youngest change there ever was.
    pub(crate) fn last(&self) -> Position {
        self.last.position
    }

    /// What came after `start`; `end` is the end of what is released.
    pub(crate) fn read(&self, start: Start, limit: usize, end: Position) -> Changes {
        let (first, gap) = match start {
            Start::Now => (self.count, false),
            Start::Everything => (0, false),
            Start::Lost => (0, true),
            Start::After(place) if place > end => (0, true),
            Start::After(place) => (self.behind(place), self.watermark > place),
            Start::More(resume) => (self.behind(resume.after), self.watermark > resume.after),
            Start::Time(time) => (self.count_while(|point| point.time < time), false),
            Start::Tail(count) => (self.count.saturating_sub(count as usize), false),
        };
        let (before, changes) = self.page(first, limit);
        let more = first + changes.len() < self.count;
        let position = match changes.last() {
            Some(last) if more => last.position,
            // A page of no length brings nobody further.
            None if more => before,
            _ => end,
        };
        Changes { changes, gap, position, more }
    }

    /// Up to `limit` changes from index `first` on, and the place of the one before them.
    fn page(&self, first: usize, limit: usize) -> (Position, Vec<Change>) {
        let (mut skip, mut before) = (first, self.watermark);
        let mut changes = Vec::with_capacity(limit.min(self.count - first));
        for block in &self.blocks {
            if skip >= block.count {
                skip -= block.count;
                continue;
            }
            for entry in block.entries().skip(std::mem::take(&mut skip)) {
                if changes.is_empty() {
                    before = entry.before.position.max(self.watermark);
                }
                if changes.len() == limit {
                    return (before, changes);
                }
                changes.push(entry.change());
            }
        }
        (before, changes)
    }

    /// Index of the first change behind `place`.
    fn behind(&self, place: Position) -> usize {
        self.count_while(|point| point.position <= place)
    }

    /// How many changes there are before the first one of which this does not hold. Holds it of one, it
    /// does of all before.
    fn count_while(&self, holds: impl Fn(Point) -> bool) -> usize {
        // In all blocks but the last of which the point before it passes, all changes do.
        let blocks = self.blocks.partition_point(|block| holds(block.start.point));
        let within = blocks.saturating_sub(1);
        let before: usize = self.blocks.range(..within).map(|block| block.count).sum();
        let last = self
            .blocks
            .get(within)
            .map(|block| block.entries().take_while(|entry| holds(entry.point)).count());
        before + last.unwrap_or_default()
    }

    /// Lets go of the oldest change.
    fn forget_first(&mut self, trash: &mut Trash) {
        let block = self.blocks.front_mut().expect("a change is kept");
        let oldest = block.entries().next().expect("no block is empty");
        self.watermark = self.watermark.max(oldest.point.position);
        (block.start, block.count) = (Cursor { point: oldest.point, at: oldest.end }, block.count - 1);
        self.count -= 1;
        if block.count == 0 {
            trash.blocks.extend(self.blocks.pop_front().map(|block| block.bytes));
        }
    }
}

/// Where and when a change was.
#[derive(Debug, Clone, Copy)]
struct Point {
    position: Position,
    time: Millis,
}

impl Point {
    const START: Self = Self { position: Position::START, time: 0 };
}

/// Changes one behind the other: how much later than the one before in places (twice, and one more if it is
/// online) and in milliseconds, then the length of the name, and the name.
struct Block {
    /// Where the first change kept begins, and the point of the one before it.
    start: Cursor,
    /// How many changes are kept here.
    count: usize,
    /// Bytes written.
    len: usize,
    bytes: Box<[u8; BLOCK_LEN]>,
}

#[derive(Clone, Copy)]
struct Cursor {
    point: Point,
    at: usize,
}

/// A change in a block.
struct Entry<'a> {
    /// The point of the one before.
    before: Point,
    point: Point,
    online: bool,
    name: &'a str,
    /// Where the next one begins.
    end: usize,
}

impl Block {
    fn write(&mut self, before: Point, point: Point, name: &str, online: bool) {
        let places = point.position.to_bits() - before.position.to_bits();
        self.write_number(places << 1 | u64::from(online));
        self.write_number(point.time - before.time);
        self.write_number(name.len() as u64);
        self.bytes[self.len..self.len + name.len()].copy_from_slice(name.as_bytes());
        self.len += name.len();
        self.count += 1;
    }

    /// Seven bits a byte, the lowest first; the highest bit says that there are more.
    #[allow(clippy::cast_possible_truncation, reason = "the seven bits are all that is wanted")]
    fn write_number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes[self.len] = number as u8 | 0x80;
            self.len += 1;
            number >>= 7;
        }
        self.bytes[self.len] = number as u8;
        self.len += 1;
    }

    fn read_number(&self, at: &mut usize) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.bytes[*at];
            *at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let Cursor { mut point, mut at } = self.start;
        (0..self.count).map(move |_| {
            let before = point;
            let places = self.read_number(&mut at);
            let time = before.time + self.read_number(&mut at);
            point = Point { position: Position::from_bits(before.position.to_bits() + (places >> 1)), time };
            let len = usize::try_from(self.read_number(&mut at)).expect("a name's length is small");
            let name = std::str::from_utf8(&self.bytes[at..at + len]).expect("names are text");
            at += len;
            Entry { before, point, online: places & 1 == 1, name, end: at }
        })
    }
}

impl Entry<'_> {
    fn change(&self) -> Change {
        let Point { position, time } = self.point;
        Change { position, name: Arc::from(self.name), online: self.online, time }
    }
}

/// Bytes a block: some 200 changes, which are what a search may have to read one by one.
pub(crate) const BLOCK_LEN: usize = 4_096;
/// Two numbers of 64 bits and the name's length, at the most.
const NUMBERS_LEN_MAX: usize = 10 + 10 + 2;
const _: () = assert!(NAME_LEN_MAX + NUMBERS_LEN_MAX <= BLOCK_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    /// So many changes; a tenth of them under Miri, which takes a thousand times as long for each.
    const fn count(changes: u32) -> u32 {
        if cfg!(miri) { changes / 10 } else { changes }
    }

    fn feed(places: &[u64], changes_max: usize) -> Feed {
        let mut feed = Feed::new(changes_max);
        for &place in places {
            let position = Position::from_bits(place);
            feed.push(position, "a", true, place, &mut Trash::default());
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

    /// Against a list: names of all lengths, many blocks, every place.
    #[test]
    fn what_is_read_is_what_was_pushed() {
        let kept = count(500);
        let (mut feed, mut list) = (Feed::new(kept as usize), VecDeque::new());
        let mut place = 0;
        for number in 0..4 * kept {
            place += 1 + u64::from(number % 7 * (number % 11)) * 1_000;
            let name = "n".repeat(1 + (number * 31 % 255) as usize);
            let position = Position::from_bits(place);
            let (online, time) = (number % 3 == 0, u64::from(number).pow(2));
            feed.push(position, &name, online, time, &mut Trash::default());
            list.push_back(Change { position, name: name.into(), online, time });
            if list.len() > kept as usize {
                list.pop_front();
            }
        }
        let end = Position::from_bits(place);
        assert_eq!(list, feed.read(Start::Everything, usize::MAX, end).changes);
        for (index, tail) in (0..list.len()).zip((1..=kept).rev()) {
            let change = &list[index];
            let first = |start| feed.read(start, 1, end).changes.pop();
            let next = list.get(index + 1).cloned();
            assert_eq!(first(Start::After(change.position.before())).as_ref(), Some(change));
            assert_eq!(first(Start::After(change.position)), next);
            assert_eq!(first(Start::Time(change.time)).as_ref(), Some(change));
            assert_eq!(first(Start::Tail(tail)).as_ref(), Some(change));
        }
    }

    #[test]
    fn a_change_takes_few_bytes_more_than_its_name() {
        let (mut feed, many) = (Feed::new(100_000), count(10_000));
        for place in 1..=u64::from(many) {
            feed.push(Position::from_bits(place), "user.00000000042", true, place, &mut Trash::default());
        }
        assert!(feed.blocks.len() * BLOCK_LEN < many as usize * 21, "{}", feed.blocks.len());
    }
}
