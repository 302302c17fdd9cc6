//! The table of channel records, found by name or by id.
//!
//! Strangers choose the names, so the hash is keyed. The table is cut into parts that grow one at a
//! time, and each entry carries a piece of its hash: a part that grows touches no record, so it
//! stays short under the caller's lock.

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
    records: Vec<Option<Box<Channel>>>,
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
            records: Vec::new(),
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
        let channel = self.records[id as usize].take().expect("the caller knows the record");
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
            self.records.push(None);
            u32::try_from(self.records.len() - 1).expect("limits keep records below 2^32")
        });
        self.records[id as usize] = Some(channel);
        id
    }

    /// Takes a record out.
    pub(crate) fn remove(&mut self, id: u32) -> Box<Channel> {
        let channel = self.records[id as usize].take().expect("the caller knows the record");
        self.free.push_back(id);
        let (part, hash) = self.hash(&channel.name);
        let entry = self.parts[part].find_entry(spread(hash), |entry| entry.id == id);
        entry.expect("every record stands in the table").remove();
        channel
    }

    /// The record of an id that may be out of date.
    pub(crate) fn get(&self, id: u32) -> Option<&Channel> {
        self.records.get(id as usize)?.as_deref()
    }

    /// The record of an id that may be out of date, to change it.
    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Channel> {
        self.records.get_mut(id as usize)?.as_deref_mut()
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.records.len() - self.free.len() - self.held.len()
    }

    /// All ids in use are below this.
    pub(crate) fn ids_end(&self) -> usize {
        self.records.len()
    }

    /// All records.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Channel)> {
        (0u32..).zip(&self.records).filter_map(|(id, channel)| Some((id, channel.as_deref()?)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Floor;
    use crate::rule::RuleId;

    #[test]
    fn a_record_is_found_by_its_name_until_it_is_removed() {
        let mut names = Names::new(7);
        let ids: Vec<u32> = (0..5_000)
            .map(|n| names.insert(Box::new(Channel::new(&format!("c{n}"), RuleId::NONE, Floor::default()))))
            .collect();
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(names.find(&format!("c{n}")), Some(id));
        }
        for &id in ids.iter().step_by(2) {
            names.remove(id);
        }
        for (n, &id) in ids.iter().enumerate() {
            assert_eq!(names.find(&format!("c{n}")), (n % 2 == 1).then_some(id));
        }
        assert_eq!(names.len(), 2_500);
    }

    #[test]
    fn names_spread_over_the_parts() {
        let names = Names::new(7);
        let mut used = [false; PARTS];
        for n in 0..5_000 {
            used[names.hash(&format!("c{n}")).0] = true;
        }
        assert!(used.iter().all(|used| *used));
    }
}
