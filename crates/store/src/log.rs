//! The log: batches of records appended to segments, which are removed at the other end. Pure but for the disk.

use std::collections::VecDeque;
use std::io;

use exchange::hub::{Fact, Millis, Past, Position};

use crate::disk::Disk;
use crate::limits::{RESERVED, SEGMENT_LEN_MAX, SEGMENTS, SEGMENTS_MAX, TIDY_AGAIN, millis};
use crate::meta::{self, Ended, Meta};
use crate::record::{self, FRAME_LEN, Record};
use crate::recover::{FoundStore, RecoverError, WHOLE, recover};
use crate::segment::{self, HEADER_LEN, Header};

/// When what was written is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it is answered: power loss costs nothing that was answered.
    Always,
    /// Once a second: power loss costs at most what was answered in about the last second.
    Interval,
    /// When the system likes: power loss costs what it had not written yet, often half a minute.
    Os,
}

/// What may be set about a log.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of all segments; the oldest are removed beyond that.
    pub len_max: u64,
    /// When what was written is made durable.
    pub sync: Sync,
    /// Which channels are not durable; see [`volatile_mark`](exchange::hub::volatile_mark).
    pub volatile: u32,
}

/// An open log.
#[derive(Debug)]
pub struct Log<D> {
    disk: D,
    options: Options,
    meta: Meta,
    /// Number and good bytes of each, oldest first.
    segments: VecDeque<(u64, u64)>,
    /// The number of the next segment.
    next: u64,
    /// The last of `segments` is being written, and so many of its bytes are safe.
    writing: Option<u64>,
    /// It ends in what could not be cut off; another one is begun before anything is appended.
    torn: bool,
    /// Something was appended since the last sync.
    dirty: bool,
    /// The file is there that says that no changes of presence are left out.
    whole: bool,
    /// Bytes beyond which the oldest segments are removed: more than is set where more is needed.
    limit: u64,
    /// Until then it may be more.
    limit_until: Millis,
    /// The newest segment when tidying began; when it goes itself, all was looked at.
    tidied_to: Option<u64>,
}

/// Records that are appended together.
#[derive(Debug)]
pub struct Batch(Vec<u8>);

impl Default for Batch {
    fn default() -> Self {
        Self(vec![0; FRAME_LEN + 9])
    }
}

impl Batch {
    /// Adds a record.
    pub fn add(&mut self, record: &Record) {
        record::write(record, &mut self.0);
    }

    /// Adds what the hub told.
    pub fn add_fact(&mut self, fact: &Fact) {
        record::write_fact(fact, &mut self.0);
    }

    /// Adds a record as it stands in a segment, its frame included.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.len() == FRAME_LEN + 9
    }

    /// Makes it empty again.
    pub fn clear(&mut self) {
        self.0.truncate(FRAME_LEN + 9);
        self.0.shrink_to(KEPT_LEN);
    }

    /// It begins with what is safe by now.
    fn begin(&mut self, safe: u64) -> &[u8] {
        let mut first = Vec::with_capacity(FRAME_LEN + 9);
        record::write(&Record::Batch { safe }, &mut first);
        self.0[..first.len()].copy_from_slice(&first);
        &self.0
    }
}

impl<D: Disk> Log<D> {
    /// Reads what is there, and makes it ready to go on. `boot` is this run of the kernel, empty where that is
    /// not known; `random` becomes the epoch where a new order begins.
    pub fn open(
        mut disk: D,
        options: Options,
        boot: &str,
        random: u64,
    ) -> Result<(Self, FoundStore), RecoverError> {
        let mut found = recover(&disk, boot)?;
        found.judge_volatile(options.volatile);
        let Past { last, lost, changes_lost, .. } = found.past;
        let meta = Meta {
            epoch: found.meta.as_ref().map_or(random, |meta| meta.epoch),
            reserved: Position::from_bits(last.to_bits() + RESERVED),
            lost,
            changes_lost,
            boot: boot.to_owned(),
            synced: options.sync == Sync::Always,
            volatile: options.volatile,
            ended: None,
            damaged: found.damaged.clone(),
        };
        if options.sync != Sync::Os {
            // Another run may have left that to the system.
            found.segments.iter().try_for_each(|one| disk.sync_file(&segment::name(one.number)))?;
        }
        disk.replace(meta::NAME, &meta.write())?;
        disk.replace(WHOLE, b"")?;
        let segments: VecDeque<_> =
            found.segments.iter().map(|segment| (segment.number, segment.good)).collect();
        let next = segments.back().map_or(0, |(number, _)| *number).max(found.oldest.saturating_sub(1)) + 1;
        Ok((
            Self {
                disk,
                options,
                meta,
                segments,
                next,
                writing: None,
                torn: false,
                dirty: false,
                whole: true,
                limit: options.len_max,
                limit_until: 0,
                tidied_to: None,
            },
            found,
        ))
    }

    /// The identity of the order.
    pub fn epoch(&self) -> u64 {
        self.meta.epoch
    }

    /// The last place that may be given.
    pub fn reserved(&self) -> Position {
        self.meta.reserved
    }

    /// Reserves more places when half of those ahead of `last` are used.
    pub fn reserve(&mut self, last: Position) -> io::Result<()> {
        if last.to_bits() + RESERVED / 2 <= self.meta.reserved.to_bits() {
            return Ok(());
        }
        let reserved = Position::from_bits(last.to_bits() + RESERVED);
        self.replace_meta(|meta| meta.reserved = reserved)
    }

    /// Appends a batch. When this fails, nothing of it will be found again, if the disk lets it be undone.
    pub fn append(&mut self, batch: &mut Batch) -> io::Result<()> {
        let room = self.segment_len_max().saturating_sub(self.written().max(HEADER_LEN as u64));
        if self.writing.is_none()
            || self.torn
            || (batch.len() as u64 > room && self.written() > HEADER_LEN as u64)
        {
            self.begin_segment()?;
        }
        let bytes = batch.begin(self.writing.unwrap_or_default());
        self.dirty = true;
        if let Err(error) = self.disk.append(bytes) {
            self.cut(self.written());
            return Err(error);
        }
        let added = bytes.len() as u64;
        self.segments.back_mut().expect("one is being written").1 += added;
        Ok(())
    }

    /// Makes everything appended durable.
    pub fn sync(&mut self) -> io::Result<()> {
        if self.dirty && self.writing.is_some() {
            self.disk.sync()?;
        }
        self.dirty = false;
        Ok(())
    }

    /// What was appended counts from now on: it may be answered.
    pub fn settle(&mut self) {
        if let Some(safe) = &mut self.writing {
            *safe = self.segments.back().expect("one is being written").1;
        }
    }

    /// What was appended since `settle` does not count. The segment is not written any more.
    pub fn undo(&mut self) {
        if let Some(safe) = self.writing {
            self.cut(safe);
            self.segments.back_mut().expect("one is being written").1 = safe;
            self.writing = None;
        }
    }

    /// Begins a segment and makes its beginning durable: shows whether the disk takes anything.
    pub fn begin_segment(&mut self) -> io::Result<()> {
        if self.options.sync != Sync::Os {
            self.sync()?;
        }
        let (before, before_len) = self.segments.back().copied().unwrap_or_default();
        let oldest = self.segments.front().map_or(self.next, |(number, _)| *number);
        let header = Header { number: self.next, before, before_len, oldest };
        self.next += 1;
        self.writing = None;
        let name = segment::name(header.number);
        let begun = self.disk.create(&name);
        let begun = begun.and_then(|()| self.disk.append(&header.write())).and_then(|()| self.disk.sync());
        if let Err(error) = begun {
            // Where it stays, it is a file of no use: no other names it as the one before.
            let _ = self.disk.remove(&name);
            return Err(error);
        }
        self.segments.push_back((header.number, HEADER_LEN as u64));
        self.writing = Some(HEADER_LEN as u64);
        (self.torn, self.dirty) = (false, false);
        Ok(())
    }

    /// Changes of presence are left out from now on; says so in a way for which a full disk has room.
    pub fn leave_out_changes(&mut self) -> io::Result<()> {
        if self.whole {
            self.disk.remove(WHOLE)?;
            self.whole = false;
        }
        Ok(())
    }

    /// Changes up to here may be missing. Behind it they are whole again, unless some are left out there, too.
    pub fn changes_lost(&mut self, up_to: Position, leaves_out: bool) -> io::Result<()> {
        self.replace_meta(|meta| meta.changes_lost = up_to)?;
        if leaves_out {
            return self.leave_out_changes();
        }
        self.disk.replace(WHOLE, b"")?;
        self.whole = true;
        Ok(())
    }

    /// Bytes of all segments.
    pub fn len(&self) -> u64 {
        self.segments.iter().map(|(_, len)| len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Segments there are.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// The oldest segment, when there are more bytes or segments than there may be: its good bytes.
    /// Never the one being written.
    pub fn to_tidy(&mut self, now: Millis) -> io::Result<Option<Vec<u8>>> {
        if now >= self.limit_until {
            self.limit = self.options.len_max;
        }
        let is_over = self.len() + self.segment_len_max() > self.limit || self.count() > SEGMENTS_MAX;
        if !is_over || self.count() < 2 {
            self.tidied_to = None;
            return Ok(None);
        }
        let (number, good) = self.segments[0];
        if number > *self.tidied_to.get_or_insert(self.next) {
            // All of it is needed. Looking at it again would not help before it has grown, or others have let go of some.
            self.limit = self.len() + self.len() / 4 + self.segment_len_max();
            self.limit_until = now + millis(TIDY_AGAIN);
            self.tidied_to = None;
            return Ok(None);
        }
        let bytes = self.disk.read(&segment::name(number), usize::try_from(good).unwrap_or(usize::MAX))?;
        Ok(Some(bytes))
    }

    /// Removes the oldest segment; all that is needed of it was appended. Synced first, whatever is set.
    pub fn remove_oldest(&mut self) -> io::Result<()> {
        let Some((number, _)) = self.segments.front().copied() else { return Ok(()) };
        // Numbers are left out where a segment could not be begun: all before the next one there is are gone.
        let next = self.segments.get(1).map_or(self.next, |(next, _)| *next);
        let mut batch = Batch::default();
        batch.add(&Record::Gone(next - 1));
        self.append(&mut batch)?;
        self.sync()?;
        self.settle();
        self.segments.pop_front();
        self.disk.remove(&segment::name(number))
    }

    /// Ends in good order; `last` is the last place given.
    pub fn end(&mut self, last: Position) -> io::Result<()> {
        self.sync()?;
        let (segment, len) = self.segments.back().copied().unwrap_or_default();
        self.replace_meta(|meta| meta.ended = Some(Ended { last, segment, len }))
    }

    /// The disk.
    pub fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    /// When what was written is made durable.
    pub fn options(&self) -> Options {
        self.options
    }

    fn segment_len_max(&self) -> u64 {
        (self.options.len_max / SEGMENTS).min(SEGMENT_LEN_MAX)
    }

    /// Good bytes of the last segment.
    fn written(&self) -> u64 {
        self.segments.back().map_or(0, |(_, len)| *len)
    }

    /// Cuts off what was not written whole; where the disk does not do that, another segment says that it does
    /// not count.
    fn cut(&mut self, len: u64) {
        self.torn |= self.disk.truncate(len).is_err();
    }

    fn replace_meta(&mut self, change: impl FnOnce(&mut Meta)) -> io::Result<()> {
        let mut meta = self.meta.clone();
        change(&mut meta);
        self.disk.replace(meta::NAME, &meta.write())?;
        self.meta = meta;
        Ok(())
    }
}

/// Bytes of a batch's buffer that are kept between two.
const KEPT_LEN: usize = 1 << 20;
