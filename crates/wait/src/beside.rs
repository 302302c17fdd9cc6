//! What some connections have beside their records, so that nobody else pays for it: in chunks as these are, so that it
//! grows without copying and shrinks when a crowd left.

use std::ops::{Index, IndexMut};

/// A value for some connections, by their index.
#[derive(Debug)]
pub(crate) struct Beside<T> {
    chunks: Vec<Chunk<T>>,
    len: usize,
}

/// How many there are stands beside them: they alone fill a block of the allocator.
#[derive(Debug)]
struct Chunk<T> {
    count: usize,
    /// There while `count` is not 0.
    values: Option<Box<[Option<T>; CHUNK]>>,
}

impl<T> Beside<T> {
    /// How many connections have one.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The connection at `index` has this from now on; returns what it had.
    pub(crate) fn put(&mut self, index: usize, value: T) -> Option<T> {
        let (number, at) = (index / CHUNK, index % CHUNK);
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, || Chunk { count: 0, values: None });
        }
        let chunk = &mut self.chunks[number];
        let values = chunk.values.get_or_insert_with(|| Box::new([const { None }; CHUNK]));
        let before = values[at].replace(value);
        chunk.count += usize::from(before.is_none());
        self.len += usize::from(before.is_none());
        before
    }

    /// The connection at `index` has none from now on; returns what it had.
    pub(crate) fn remove(&mut self, index: usize) -> Option<T> {
        let chunk = self.chunks.get_mut(index / CHUNK)?;
        let value = chunk.values.as_mut()?[index % CHUNK].take()?;
        chunk.count -= 1;
        if chunk.count == 0 {
            chunk.values = None;
        }
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.values.as_ref()?[index % CHUNK].as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.values.as_mut()?[index % CHUNK].as_mut()
    }

    /// The indices of those that have one, from this one on.
    pub(crate) fn indices_from(&self, from: usize) -> impl Iterator<Item = usize> {
        let chunks = self.chunks.iter().enumerate().skip(from / CHUNK);
        let values = chunks.filter_map(|(number, chunk)| Some((number, chunk.values.as_ref()?)));
        values.flat_map(move |(number, values)| {
            let there = values.iter().enumerate().filter(|(_, value)| value.is_some());
            there.map(move |(at, _)| number * CHUNK + at).filter(move |index| *index >= from)
        })
    }
}

impl<T> Default for Beside<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Index<usize> for Beside<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("the caller knows who has one")
    }
}

impl<T> IndexMut<usize> for Beside<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("the caller knows who has one")
    }
}

/// As many as there are records in a chunk of them.
const CHUNK: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_left_leaves_nothing() {
        let mut beside = Beside::default();
        (0..3 * CHUNK).for_each(|index| assert_eq!(beside.put(index, index), None));
        assert_eq!(
            (beside.put(5, 7), beside.len()),
            (Some(5), 3 * CHUNK),
            "who has another one is still one"
        );
        assert_eq!((beside[5], beside.get(3 * CHUNK)), (7, None));
        assert!((0..2 * CHUNK).rev().all(|index| beside.remove(index).is_some()));
        assert_eq!((beside.remove(5), beside.remove(9 * CHUNK), beside.len()), (None, None, CHUNK));
        let kept: Vec<bool> = beside.chunks.iter().map(|chunk| chunk.values.is_some()).collect();
        assert_eq!(kept, [false, false, true]);
        for from in [0, 2 * CHUNK, 2 * CHUNK + 5, 3 * CHUNK, 9 * CHUNK] {
            assert!(beside.indices_from(from).eq(from.max(2 * CHUNK)..3 * CHUNK), "{from}");
        }
    }
}
