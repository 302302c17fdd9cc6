//! The table of connections: in chunks, so that it grows without copying and shrinks when a crowd left.
//!
//! A connection is found by its index. The lowest free index of the lowest chunk with room is given
//! first, so a crowd that shrinks empties chunks at the end, and these are freed.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

/// A table of values by index.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Option<Box<Chunk<T>>>>,
    /// Chunks with room, freed ones included.
    open: BTreeSet<usize>,
    len: usize,
}

#[derive(Debug)]
struct Chunk<T> {
    values: [Option<T>; CHUNK],
    /// One bit a value that is there.
    taken: [u64; CHUNK / 64],
    count: usize,
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
            self.chunks.push(None);
            self.open.insert(self.chunks.len() - 1);
            self.chunks.len() - 1
        });
        let chunk = self.chunks[number].get_or_insert_with(Chunk::new);
        let at = chunk.first_free();
        chunk.values[at] = Some(value);
        chunk.taken[at / 64] |= 1 << (at % 64);
        chunk.count += 1;
        if chunk.count == CHUNK {
            self.open.remove(&number);
        }
        self.len += 1;
        number * CHUNK + at
    }

    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let (number, at) = (index / CHUNK, index % CHUNK);
        let place = self.chunks.get_mut(number)?;
        let chunk = place.as_mut()?;
        let value = chunk.values[at].take()?;
        chunk.taken[at / 64] &= !(1 << (at % 64));
        chunk.count -= 1;
        self.len -= 1;
        self.open.insert(number);
        if chunk.count == 0 {
            *place = None;
        }
        Some(value)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.as_ref()?.values[index % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.as_mut()?.values[index % CHUNK].as_mut()
    }
}

impl<T> Index<usize> for Slab<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("an index is kept no longer than its connection")
    }
}

impl<T> IndexMut<usize> for Slab<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("an index is kept no longer than its connection")
    }
}

impl<T> Chunk<T> {
    fn new() -> Box<Self> {
        Box::new(Self { values: [const { None }; CHUNK], taken: [0; CHUNK / 64], count: 0 })
    }

    fn first_free(&self) -> usize {
        let word = self.taken.iter().position(|word| *word != u64::MAX).expect("an open chunk has room");
        word * 64 + self.taken[word].trailing_ones() as usize
    }
}

/// Values a chunk: 128 of about 100 bytes are three or four pages.
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
    fn an_empty_chunk_is_freed() {
        let mut slab = Slab::new();
        let indices: Vec<usize> = (0..3 * CHUNK).map(|n| slab.insert(n)).collect();
        indices[CHUNK..].iter().for_each(|index| assert!(slab.remove(*index).is_some()));
        assert!(slab.chunks[0].is_some() && slab.chunks[1].is_none() && slab.chunks[2].is_none());
        assert_eq!(slab.insert(0), CHUNK);
    }
}
