//! Reading what a store holds: all segments in their order, up to where each is good.
//!
//! What cannot be read was either never answered (the end of the last segment, torn when the machine or the
//! program stopped) or is damage. Of damage clients are told: everything up to the end then counts as lost.

use std::io;

use exchange::hub::{Answered, Fact, Past, Position};

use crate::disk::Disk;
use crate::meta::{self, Meta, MetaError};
use crate::record::{self, ReadRecord, Record};
use crate::segment::{self, HEADER_LEN, Header};

/// What a store holds.
#[derive(Debug, Default)]
pub struct FoundStore {
    /// What it says of itself; `None`: it is new, or that file is damaged.
    pub meta: Option<Meta>,
    /// What the hub is to know.
    pub past: Past,
    /// Keys and what repeats are answered, in the order in which they came.
    pub keys: Vec<Answered>,
    /// All segments, oldest first.
    pub segments: Vec<Segment>,
    /// Older segments are not needed.
    pub oldest: u64,
    /// Segments that are damaged or missing, and how much of each is good.
    pub damaged: Vec<(u64, u64)>,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// Something that was answered is gone, or may be.
    pub lost: bool,
    /// The last run ended in good order.
    pub ended: bool,
}

/// One segment as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Bytes of the file.
    pub len: u64,
    /// So many of them are good.
    pub good: u64,
    /// Records in it.
    pub records: u64,
}

/// Why a store cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The disk failed.
    #[error("the store cannot be read: {0}")]
    Disk(#[from] io::Error),
    /// Another version wrote it.
    #[error(
        "the store is of version {0}, and this program knows version {known}; use the program that wrote it, or \
         give another folder",
        known = meta::VERSION
    )]
    Version(String),
}

/// Reads everything. `boot` is this run of the kernel; empty where that is not known.
pub fn recover(disk: &impl Disk, boot: &str) -> Result<FoundStore, RecoverError> {
    let names = disk.list()?;
    let mut found = FoundStore::default();
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let has_meta = names.iter().any(|name| name == meta::NAME);
    if has_meta {
        match Meta::read(&disk.read(meta::NAME, META_LEN_MAX)?) {
            Ok(meta) => found.meta = Some(meta),
            Err(MetaError::Version(version)) => return Err(RecoverError::Version(version)),
            Err(MetaError::Damaged) => found.lose("the file `store` is damaged"),
        }
    } else if !numbers.is_empty() {
        found.lose("the file `store` is missing");
    }
    let mut log = Log::default();
    log.read_all(disk, &numbers, &mut found)?;
    let max = log.finish(&mut found);
    found.judge(boot, max, names.iter().any(|name| name == WHOLE));
    Ok(found)
}

impl FoundStore {
    fn lose(&mut self, why: impl Into<String>) {
        self.lost = true;
        self.notes.push(why.into());
    }

    /// A segment is not good up to where it should be. That is a loss unless clients were told before.
    fn damage(&mut self, number: u64, good: u64, len: u64) {
        self.damaged.push((number, good));
        let known =
            self.meta.as_ref().and_then(|meta| meta.damaged.iter().find(|(known, _)| *known == number));
        let name = segment::name(number);
        match (known, len) {
            (Some((_, known)), _) if good >= *known => {}
            (_, u64::MAX) => self.lose(format!("{name} is missing")),
            _ => self.lose(format!("{name} is damaged at byte {good}, {} bytes of it are lost", len - good)),
        }
    }

    /// Whether anything may be missing, and where the order goes on.
    fn judge(&mut self, boot: &str, max: Position, whole: bool) {
        let Some(meta) = self.meta.clone() else {
            // Nobody knows which places were given: whoever opens the store begins a new epoch.
            self.past.last = max;
            if self.lost {
                (self.past.lost, self.past.changes_lost) = (max, max);
            }
            return;
        };
        self.ended = meta.ended.is_some();
        if let Some(ended) = meta.ended {
            let last = self.segments.last();
            let (number, good) = last.map_or((0, 0), |last| (last.number, last.good));
            if number < ended.segment || (number == ended.segment && good < ended.len) {
                let good = if number < ended.segment { 0 } else { good };
                let (name, len) = (segment::name(ended.segment), ended.len);
                self.lose(format!(
                    "the end of the log is missing: {name} is good up to byte {good} of {len}"
                ));
            }
        } else if !meta.synced && (boot.is_empty() || boot != meta.boot) {
            self.lose("the machine stopped, and what was not synced by then may be missing");
        }
        self.past.last = match meta.ended {
            Some(ended) if !self.lost => ended.last,
            _ => meta.reserved,
        };
        if max > self.past.last {
            self.lose("the file `store` is older than the log");
            self.meta = None;
            self.past.last = max;
        }
        let (lost, changes_lost) = (meta.lost, meta.changes_lost.max(self.past.changes_lost));
        self.past.lost = if self.lost { self.past.last } else { lost };
        if !whole {
            // What was left out has a place of its own, behind all cursors that watchers have.
            self.past.last = Position::from_bits(self.past.last.to_bits() + 1);
        }
        let changes_missing = self.lost || !whole;
        self.past.changes_lost = if changes_missing { self.past.last } else { changes_lost };
    }

    /// What was not durable is not in the log. Clients are told of that by which channels are not; where others were, of all.
    pub(crate) fn judge_volatile(&mut self, volatile: u32) {
        let before = self.meta.as_ref().map_or(0, |meta| meta.volatile);
        if before != 0 && before != volatile && self.past.lost < self.past.last {
            self.past.lost = self.past.last;
            self.notes.push(
                "other channels are durable than before; all clients who come back are told of a gap".into(),
            );
        }
    }
}

/// What is gathered from segments.
#[derive(Default)]
struct Log {
    keys: Vec<Answered>,
}

impl Log {
    fn read_all(&mut self, disk: &impl Disk, numbers: &[u64], found: &mut FoundStore) -> io::Result<()> {
        let mut headers = Vec::with_capacity(numbers.len());
        for number in numbers {
            let header = Header::read(&disk.read(&segment::name(*number), HEADER_LEN)?);
            headers.push(header.filter(|header| header.number == *number && header.before < *number));
        }
        for (number, header) in numbers.iter().zip(&headers) {
            let bytes = disk.read(&segment::name(*number), usize::MAX)?;
            found.oldest = found.oldest.max(header.map_or(0, |header| header.oldest));
            // The header of the one behind says how much of this one counts.
            let next = headers.iter().flatten().find(|next| next.before == *number);
            let segment = self.read_one(*number, &bytes, *header, next.copied(), found);
            if next.is_none() && segment.good < segment.len {
                self.judge_tail(&segment, &bytes, found);
            }
            found.segments.push(segment);
        }
        let named = headers.iter().flatten().map(|header| header.before).chain([found.oldest]);
        let missing = named.filter(|named| *named >= found.oldest.max(1) && !numbers.contains(named));
        missing.collect::<Vec<_>>().into_iter().for_each(|number| found.damage(number, 0, u64::MAX));
        Ok(())
    }

    /// Reads the records of one segment as far as they are good and count.
    fn read_one(
        &mut self,
        number: u64,
        bytes: &[u8],
        header: Option<Header>,
        next: Option<Header>,
        found: &mut FoundStore,
    ) -> Segment {
        let counts = next.map_or(u64::MAX, |next| next.before_len);
        let end = bytes.len().min(usize::try_from(counts).unwrap_or(usize::MAX));
        let mut segment = Segment { number, len: bytes.len() as u64, good: 0, records: 0 };
        let mut good = 0;
        if header.is_some() && end >= HEADER_LEN {
            good = HEADER_LEN;
            while let ReadRecord::Content(content, len) = record::read(&bytes[good..end]) {
                let Some(record) = record::decode(content) else { break };
                self.take(record, found);
                segment.records += 1;
                good += len;
            }
        }
        segment.good = good as u64;
        if next.is_some() && segment.good < counts {
            found.damage(number, segment.good, counts);
        }
        if next.is_some() {
            segment.len = segment.len.min(counts);
        }
        segment
    }

    /// The last segment, or one whose successor says nothing, ends in what cannot be read.
    fn judge_tail(&self, segment: &Segment, bytes: &[u8], found: &mut FoundStore) {
        let good = usize::try_from(segment.good).unwrap_or(usize::MAX);
        let (name, torn) = (segment::name(segment.number), segment.len - segment.good);
        match record::claims(&bytes[good..]) {
            Some(safe) if safe > segment.good => {
                found.damage(segment.number, segment.good, segment.len);
            }
            _ => found.notes.push(format!(
                "{name} is torn at byte {good}; {torn} bytes that were never answered are left out"
            )),
        }
    }

    fn take(&mut self, record: Record, found: &mut FoundStore) {
        let past = &mut found.past;
        match record {
            Record::Fact(Fact::Message { message, key }) => {
                past.messages.push(message);
                self.keys.extend(key.map(|key| *key));
            }
            Record::Outdated(message) => {
                past.outdated.insert(message.position);
                past.messages.push(message);
            }
            Record::Fact(Fact::Change { change, taken }) => past.changes.push((change, taken)),
            Record::Fact(Fact::State(state)) => past.states.push(state),
            Record::Fact(Fact::UserEnd(end)) => past.user_ends.push(end),
            Record::Key(key) => self.keys.push(key),
            Record::Floor(floor) => past.floor = past.floor.max(floor),
            Record::ChangesFloor(floor) => past.changes_lost = past.changes_lost.max(floor),
            Record::Batch { .. } => {}
            Record::Gone(number) => found.oldest = found.oldest.max(number + 1),
        }
    }

    /// Puts all into order, each once; what was carried on from an old segment stands in the log twice until that
    /// is removed. Returns the highest place.
    fn finish(mut self, found: &mut FoundStore) -> Position {
        let past = &mut found.past;
        past.messages.sort_by_key(|message| message.position);
        past.messages.dedup_by_key(|message| message.position);
        past.changes.sort_by_key(|(change, _)| change.position);
        past.changes.dedup_by_key(|(change, _)| change.position);
        self.keys.sort_by_key(|key| (key.time, key.position));
        self.keys.dedup_by_key(|key| key.position);
        found.keys = self.keys;
        let ends = [
            past.messages.last().map(|message| message.position),
            past.changes.last().map(|(change, _)| change.position),
            past.states.iter().map(|state| state.at).max(),
            Some(past.floor),
        ];
        ends.into_iter().flatten().max().unwrap_or_default()
    }
}

/// Bytes of the file that says what store this is.
const META_LEN_MAX: usize = 64 << 10;
/// The file whose absence says that changes of presence were left out: those of names that nobody ever published to, and
/// all while the disk failed.
pub(crate) const WHOLE: &str = "whole";
