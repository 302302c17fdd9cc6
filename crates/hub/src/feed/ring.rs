//! Changes one behind the other in blocks of bytes, up to a number of them: the oldest go first.

use std::collections::VecDeque;

use crate::limits::{BLOCK_LEN, NAME_LEN_MAX};
use crate::trash::Trash;
use crate::{Change, ChangeKind, Millis, Position};

/// The last changes of one kind, oldest first.
pub(super) struct ChangeRing {
    blocks: VecDeque<Block>,
    changes_max: usize,
    /// How many changes are kept.
    count: usize,
    /// The newest change there ever was.
    last: Point,
    /// Place of the youngest change that the limit pushed out.
    watermark: Position,
}

impl ChangeRing {
    /// An empty one that keeps this many changes.
    pub(super) fn new(changes_max: usize) -> Self {
        Self {
            blocks: VecDeque::new(),
            changes_max,
            count: 0,
            last: Point::START,
            watermark: Position::START,
        }
    }

    /// Adds a change.
    pub(super) fn push(
        &mut self,
        position: Position,
        name: &str,
        what: ChangeKind,
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
        block.write(self.last, point, name, what);
        self.last = point;
        self.count += 1;
        if self.count > self.changes_max {
            self.forget_first(trash);
        }
    }

    /// The newest change there ever was, and up to where the limit pushed changes out.
    pub(super) fn ends(&self) -> Ends {
        (self.last.position, self.last.time, self.watermark)
    }

    /// The same, where the changes that are kept were put in again.
    pub(super) fn set_ends(&mut self, (position, time, watermark): Ends) {
        self.last = Point { position, time };
        self.watermark = self.watermark.max(watermark);
    }

    /// How many changes are kept.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Place of the youngest change that the limit pushed out.
    pub(super) fn watermark(&self) -> Position {
        self.watermark
    }

    /// Place of the youngest change there ever was.
    pub(super) fn last(&self) -> Position {
        self.last.position
    }

    /// Index of the first change behind `place`.
    pub(super) fn behind(&self, place: Position) -> usize {
        self.count_while(|point| point.position <= place)
    }

    /// Index of the first change at or after `time`.
    pub(super) fn since(&self, time: Millis) -> usize {
        self.count_while(|point| point.time < time)
    }

    /// The changes from index `first` on.
    pub(super) fn iter(&self, first: usize) -> impl Iterator<Item = Change> {
        let (mut block, mut within) = (0, first);
        while let Some(passed) = self.blocks.get(block).filter(|passed| within >= passed.count) {
            (block, within) = (block + 1, within - passed.count);
        }
        let entries = self.blocks.range(block..).flat_map(Block::entries);
        entries.skip(within).map(|entry| entry.change())
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
        self.watermark = oldest.point.position;
        (block.start, block.count) = (Cursor { point: oldest.point, at: oldest.end }, block.count - 1);
        self.count -= 1;
        if block.count == 0 {
            trash.blocks.extend(self.blocks.pop_front().map(|block| block.bytes));
        }
    }
}

/// Place and time of the newest change there ever was, and the place of the youngest that the limit pushed out.
pub(super) type Ends = (Position, Millis, Position);

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
    point: Point,
    what: ChangeKind,
    name: &'a str,
    /// Where the next one begins.
    end: usize,
}

impl Block {
    fn write(&mut self, before: Point, point: Point, name: &str, what: ChangeKind) {
        let places = point.position.to_bits() - before.position.to_bits();
        self.write_number(places << 1 | u64::from(what.is_online()));
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
            Entry { point, what: ChangeKind::of_channel(places & 1 == 1), name, end: at }
        })
    }
}

impl Entry<'_> {
    fn change(&self) -> Change {
        let Point { position, time } = self.point;
        Change { position, name: self.name.into(), what: self.what, time }
    }
}

/// Two numbers of 64 bits and the name's length, at the most.
const NUMBERS_LEN_MAX: usize = 10 + 10 + 2;
const _: () = assert!(NAME_LEN_MAX + NUMBERS_LEN_MAX <= BLOCK_LEN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_few_bytes_more_than_its_name() {
        let (mut ring, many) = (ChangeRing::new(100_000), if cfg!(miri) { 1_000 } else { 10_000 });
        for place in 1..=many {
            ring.push(
                Position::from_bits(place),
                "user.00000000042",
                ChangeKind::Online,
                place,
                &mut Trash::default(),
            );
        }
        assert!(ring.blocks.len() * BLOCK_LEN < ring.count() * 21, "{}", ring.blocks.len());
    }
}
