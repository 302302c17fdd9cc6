//! The table of channel records, found by name or by id.
//!
//! Strangers choose the names, so the hash is keyed. The table is cut into parts that grow one at a
//! time, and each entry carries a piece of its hash: a part that grows touches no record, so it
//! stays short under the caller's lock. The table by id is cut into chunks, which are made when somebody
//! is to stand there and let go of when nobody does. So it grows without copying, and a crowd that left
//! leaves little behind.

use std::collections::VecDeque;
use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use hashbrown::HashTable;

use crate::Millis;
use crate::channel::Channel;

/// All records.
pub(crate) struct Names {
    /// By id.
    chunks: Vec<RecordChunk>,
    /// All ids that were ever used are below this.
    ids_end: u32,
    /// Ids that were used, the one free for the longest time first: an id that somebody may still
    /// know is not soon another channel's.
    free: VecDeque<u32>,
    /// Ids of which a record was moved away, and until when nobody else may have them.
    held: VecDeque<(Millis, u32)>,
    parts: Vec<HashTable<Entry>>,
    seed: u64,
    shared: SharedSeed,
}

impl Names {
    /// An empty table, keyed by `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let parts = (0..PARTS).map(|_| HashTable::new()).collect();
        Self {
            chunks: Vec::new(),
            ids_end: 0,
            free: VecDeque::new(),
            held: VecDeque::new(),
            parts,
            seed,
            shared: SharedSeed::from_u64(seed),
        }
    }

    /// The id of the channel of this name.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let (part, hash) = self.hash(name);
        let same = |entry: &Entry| entry.hash == hash && *self[entry.id].name == *name;
        self.parts[part].find(spread(hash), same).map(|entry| entry.id)
    }

    /// Adds a record whose name is not in the table yet.
    pub(crate) fn insert(&mut self, channel: Box<Channel>) -> u32 {
        let (part, hash) = self.hash(&channel.name);
        let id = self.place(channel);
        self.parts[part].insert_unique(spread(hash), Entry { id, hash }, |entry| spread(entry.hash));
        id
    }

    /// Moves a record to a new id. Whoever knows the old one finds nothing; it is given to nobody else
    /// before `until`.
    pub(crate) fn renew(&mut self, id: u32, until: Millis) -> u32 {
        let channel = self.take(id);
        let (part, hash) = self.hash(&channel.name);
        let new = self.place(channel);
        self.held.push_back((until, id));
        let entry = self.parts[part].find_mut(spread(hash), |entry| entry.id == id);
        entry.expect("every record stands in the table").id = new;
        new
    }

    /// Frees ids that were held long enough.
    pub(crate) fn release_ids(&mut self, now: Millis) {
        while self.held.front().is_some_and(|(until, _)| *until <= now) {
            self.free.extend(self.held.pop_front().map(|(_, id)| id));
        }
    }

    /// Puts a record where there is a free id.
    fn place(&mut self, channel: Box<Channel>) -> u32 {
        let id = self.free.pop_front().unwrap_or_else(|| {
            if self.ids_end as usize == self.chunks.len() * CHUNK {
                self.chunks.push(RecordChunk { count: 0, records: None });
            }
            self.ids_end += 1;
            self.ids_end - 1
        });
        self.place_at(id, channel);
        id
    }

    fn place_at(&mut self, id: u32, channel: Box<Channel>) {
        let chunk = &mut self.chunks[id as usize / CHUNK];
        let records = chunk.records.get_or_insert_with(|| Box::new([const { None }; CHUNK]));
        records[id as usize % CHUNK] = Some(channel);
        chunk.count += 1;
    }

    /// Takes a record from its id.
    fn take(&mut self, id: u32) -> Box<Channel> {
        let chunk = &mut self.chunks[id as usize / CHUNK];
        let place = chunk.records.as_mut().and_then(|records| records[id as usize % CHUNK].take());
        chunk.count -= 1;
        if chunk.count == 0 {
            chunk.records = None;
        }
        place.expect("the caller knows the record")
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, id: u32) -> Box<Channel> {
        let channel = self.take(id);
        self.free.push_back(id);
        let (number, hash) = self.hash(&channel.name);
        let part = &mut self.parts[number];
        let entry = part.find_entry(spread(hash), |entry| entry.id == id);
        entry.expect("every record stands in the table").remove();
        if part.capacity() > 4 * part.len() + PART_CAPACITY_KEPT {
            part.shrink_to(2 * part.len(), |entry| spread(entry.hash));
        }
        channel
    }

    /// The record of an id that may be out of date.
    pub(crate) fn get(&self, id: u32) -> Option<&Channel> {
        self.chunks.get(id as usize / CHUNK)?.records.as_ref()?[id as usize % CHUNK].as_deref()
    }

    /// The record of an id that may be out of date, to change it.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Channel> {
        self.chunks.get_mut(id as usize / CHUNK)?.records.as_mut()?[id as usize % CHUNK].as_deref_mut()
    }

    /// What keys the table.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// All ids that were ever used are below the first; which of them are free; and which are held, and until when.
    pub(crate) fn ids(&self) -> (u32, Vec<u32>, Vec<(Millis, u32)>) {
        (self.ids_end, self.free.iter().copied().collect(), self.held.iter().copied().collect())
    }

    /// An empty table of which so many ids were used. All that are not free and not held are to be given their records.
    pub(crate) fn again(seed: u64, ids_end: u32, free: Vec<u32>, held: Vec<(Millis, u32)>) -> Self {
        let chunks = (0..(ids_end as usize).div_ceil(CHUNK))
            .map(|_| RecordChunk { count: 0, records: None })
            .collect();
        Self { chunks, ids_end, free: free.into(), held: held.into(), ..Self::new(seed) }
    }

    /// Puts a record to the id that it had. False: there is none such, or the name or the id stands in the table already.
    pub(crate) fn put_back(&mut self, id: u32, channel: Box<Channel>) -> bool {
        if id >= self.ids_end || self.get(id).is_some() || self.find(&channel.name).is_some() {
            return false;
        }
        let (part, hash) = self.hash(&channel.name);
        self.place_at(id, channel);
        self.parts[part].insert_unique(spread(hash), Entry { id, hash }, |entry| spread(entry.hash));
        true
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.ids_end as usize - self.free.len() - self.held.len()
    }

    /// All ids in use are below this.
    pub(crate) fn ids_end(&self) -> usize {
        self.ids_end as usize
    }

    /// All records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Channel)> {
        (0..self.ids_end).filter_map(|id| Some((id, self.get(id)?)))
    }

    /// Which part a name is in, and the piece of its hash that its entry carries.
    #[allow(clippy::cast_possible_truncation, reason = "the number of a part is small")]
    fn hash(&self, name: &str) -> (usize, u32) {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(name.as_bytes());
        let hash = hasher.finish();
        ((hash % PARTS as u64) as usize, (hash >> 32) as u32)
    }
}

impl std::ops::Index<u32> for Names {
    type Output = Channel;

    fn index(&self, id: u32) -> &Channel {
        self.get(id).expect("the hub knows which records there are")
    }
}

impl std::ops::IndexMut<u32> for Names {
    fn index_mut(&mut self, id: u32) -> &mut Channel {
        self.get_mut(id).expect("the hub knows which records there are")
    }
}

/// The records of as many ids, one after the other.
struct RecordChunk {
    count: usize,
    /// There while `count` is not 0.
    records: Option<Box<[Option<Box<Channel>>; CHUNK]>>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: u32,
    hash: u32,
}

/// The hash table takes its bucket from the low bits and its tag from the high ones: give it both.
const fn spread(hash: u32) -> u64 {
    (hash as u64) << 32 | hash as u64
}

const PARTS: usize = 256;
/// Records a chunk: a page of memory.
const CHUNK: usize = 512;
/// Entries for which a part keeps room, however few it has.
const PART_CAPACITY_KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Floor;
    use crate::room::Holder;
    use crate::rule::RuleId;

    fn channel(name: &str) -> Box<Channel> {
        Box::new(Channel::new(name, RuleId::NONE, Holder::PUBLIC, Floor::default()))
    }

    #[test]
    fn a_record_is_found_by_its_name_until_it_is_removed() {
        let many = if cfg!(miri) { CHUNK + 2 } else { 5_000 };
        let mut names = Names::new(7);
        let ids: Vec<u32> = (0..many).map(|n| names.insert(channel(&format!("c{n}")))).collect();
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(names.find(&format!("c{n}")), Some(id));
        }
        for &id in ids.iter().step_by(2) {
            names.remove(id);
        }
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(names.find(&format!("c{n}")), (n % 2 == 1).then_some(id));
        }
        assert_eq!(names.len(), many / 2);
    }

    #[test]
    fn names_spread_over_the_parts() {
        let names = Names::new(7);
        let mut used = [false; PARTS];
        for n in 0..if cfg!(miri) { 2_500 } else { 5_000 } {
            used[names.hash(&format!("c{n}")).0] = true;
        }
        assert!(used.iter().all(|used| *used));
    }

    #[test]
    fn what_a_crowd_took_is_given_back() {
        let mut names = Names::new(7);
        // So many that the parts grow beyond what they keep; under Miri they do not.
        let (many, rounds) = if cfg!(miri) { (300, 1) } else { (20_000, 3) };
        for round in 0..rounds {
            let ids: Vec<u32> = (0..many).map(|n| names.insert(channel(&format!("c{n}")))).collect();
            ids.iter().for_each(|id| drop(names.remove(*id)));
            assert_eq!((names.len(), names.ids_end()), (0, many as usize), "round {round}");
            assert!(names.chunks.iter().all(|chunk| chunk.records.is_none()));
            assert!(names.parts.iter().all(|part| part.capacity() <= PART_CAPACITY_KEPT));
        }
    }
}
