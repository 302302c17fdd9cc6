//! The table of connections, and that of channels: in chunks, so that it grows without copying and shrinks
//! when a crowd left.
//!
//! What is in it is found by its index. The lowest free index of the lowest chunk with room is given
//! first, so a crowd that shrinks empties chunks at the end, and these are freed.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

/// A table of values by index.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with room, freed ones included.
    open: BTreeSet<usize>,
    len: usize,
}

/// What is counted of the values stands beside them: they alone fill a block of the allocator.
#[derive(Debug)]
struct Chunk<T> {
    /// There while one of them is.
    values: Option<Box<[Option<T>; CHUNK]>>,
    /// One bit a value that is there.
    taken: [u64; CHUNK / 64],
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), open: BTreeSet::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The first index that was never used.
    pub(crate) fn end(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    pub(crate) fn insert(&mut self, value: T) -> usize {
        let number = self.open.first().copied().unwrap_or_else(|| {
            self.chunks.push(Chunk { values: None, taken: [0; CHUNK / 64] });
            self.open.insert(self.chunks.len() - 1);
            self.chunks.len() - 1
        });
        let at = self.chunks[number].first_free();
        self.put(number, at, value);
        number * CHUNK + at
    }

    /// Puts a value where one was in another table. Nothing may be there.
    pub(crate) fn insert_at(&mut self, index: usize, value: T) {
        let (number, at) = (index / CHUNK, index % CHUNK);
        while self.chunks.len() <= number {
            self.open.insert(self.chunks.len());
            self.chunks.push(Chunk { values: None, taken: [0; CHUNK / 64] });
        }
        debug_assert!(self.get(index).is_none(), "a place has one value");
        self.put(number, at, value);
    }

    fn put(&mut self, number: usize, at: usize, value: T) {
        let chunk = &mut self.chunks[number];
        chunk.values.get_or_insert_with(|| Box::new([const { None }; CHUNK]))[at] = Some(value);
        chunk.taken[at / 64] |= 1 << (at % 64);
        if chunk.taken == [u64::MAX; CHUNK / 64] {
            self.open.remove(&number);
        }
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let (number, at) = (index / CHUNK, index % CHUNK);
        let chunk = self.chunks.get_mut(number)?;
        let value = chunk.values.as_mut()?[at].take()?;
        chunk.taken[at / 64] &= !(1 << (at % 64));
        self.len -= 1;
        self.open.insert(number);
        if chunk.taken == [0; CHUNK / 64] {
            chunk.values = None;
        }
        Some(value)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.values.as_ref()?[index % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.values.as_mut()?[index % CHUNK].as_mut()
    }
}

impl<T> Index<usize> for Slab<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("an index is kept no longer than what it is of")
    }
}

impl<T> IndexMut<usize> for Slab<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("an index is kept no longer than what it is of")
    }
}

impl<T> Chunk<T> {
    fn first_free(&self) -> usize {
        let word = self.taken.iter().position(|word| *word != u64::MAX).expect("an open chunk has room");
        word * 64 + self.taken[word].trailing_ones() as usize
    }
}

/// Values a chunk: 128 records of connections are 10 KiB, the largest block that shares a run of 64 KiB.
const CHUNK: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Against a map: random inserts and removals.
    #[test]
    fn it_is_a_map_with_indices_of_its_own() {
        let (mut slab, mut map) = (Slab::new(), HashMap::new());
        let mut random = 1u64;
        for step in 0..20_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if random >> 33 & 3 != 0 && (step / 4_000) % 2 == 0 {
                assert_eq!(map.insert(slab.insert(step), step), None);
            } else if let Some(index) = map.keys().nth((random >> 40) as usize % map.len().max(1)).copied() {
                assert_eq!(slab.remove(index), map.remove(&index));
                assert_eq!(slab.remove(index), None);
            }
            assert_eq!(slab.len(), map.len());
        }
        map.iter().for_each(|(index, value)| assert_eq!(slab.get(*index), Some(value)));
    }

    #[test]
    fn a_value_goes_where_it_was() {
        let mut slab = Slab::new();
        for index in [3 * CHUNK + 5, 0, CHUNK - 1] {
            slab.insert_at(index, index);
        }
        assert_eq!((slab.len(), slab.get(3 * CHUNK + 5), slab.get(1)), (3, Some(&(3 * CHUNK + 5)), None));
        let others: Vec<usize> = (0..CHUNK).map(|n| slab.insert(n)).collect();
        assert_eq!((others[0], others[CHUNK - 3], others[CHUNK - 2]), (1, CHUNK - 2, CHUNK));
        assert_eq!(slab.remove(3 * CHUNK + 5), Some(3 * CHUNK + 5));
        assert!(slab.chunks[3].values.is_none());
    }

    #[test]
    fn an_empty_chunk_is_freed() {
        let mut slab = Slab::new();
        let indices: Vec<usize> = (0..3 * CHUNK).map(|n| slab.insert(n)).collect();
        indices[CHUNK..].iter().for_each(|index| assert!(slab.remove(*index).is_some()));
        assert_eq!(slab.chunks.iter().filter(|chunk| chunk.values.is_some()).count(), 1);
        assert_eq!(slab.insert(0), CHUNK);
    }
}
