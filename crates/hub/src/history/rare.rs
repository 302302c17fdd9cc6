//! What few histories have: entries that came with cursors of their publisher's, and entries that say that a message was
//! taken back.

use serde::{Deserialize, Serialize};

/// Of one history. Stays when it has none of these any more: nothing is freed under the caller's lock.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Rare {
    /// How many entries came with a cursor of their publisher's.
    pub(crate) aliased: u32,
    /// Where there are any of these: the indices of all entries, in the order of cursors, where they are equal in that of
    /// places.
    by_cursor: Vec<u16>,
    /// How many entries are no messages, but say that one was taken back.
    pub(crate) removals: u32,
    /// Bytes of these.
    pub(crate) removal_bytes: u32,
}

impl Rare {
    /// The entries in the order of their cursors; `None`: that is their own.
    pub(crate) fn by_cursor(&self) -> Option<&[u16]> {
        (self.aliased > 0).then_some(&self.by_cursor[..])
    }

    /// From now on there are entries with other cursors than their place makes; so far all of `count` are in order.
    pub(crate) fn begin(&mut self, count: usize) {
        self.by_cursor.clear();
        self.by_cursor.extend((0..count).map(index));
    }

    /// An entry comes last, whose cursor stands at this place in the order.
    pub(crate) fn add(&mut self, at: usize) {
        let newest = index(self.by_cursor.len());
        self.by_cursor.insert(at, newest);
    }

    /// The entry of this index is gone; those behind it move up.
    pub(crate) fn remove(&mut self, gone: usize) {
        let gone = index(gone);
        self.by_cursor.retain(|known| *known != gone);
        for known in &mut self.by_cursor {
            *known -= u16::from(*known > gone);
        }
    }
}

fn index(index: usize) -> u16 {
    u16::try_from(index).expect("few messages are kept where publishers bring cursors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_follow_what_is_gone() {
        let mut rare = Rare::default();
        rare.begin(2);
        rare.aliased = 1;
        rare.add(0);
        rare.add(2);
        assert_eq!(rare.by_cursor(), Some(&[2, 0, 3, 1][..]));
        rare.remove(0);
        assert_eq!(rare.by_cursor(), Some(&[1, 2, 0][..]));
        rare.remove(2);
        assert_eq!(rare.by_cursor(), Some(&[1, 0][..]));
        rare.aliased = 0;
        assert_eq!(rare.by_cursor(), None);
    }
}
