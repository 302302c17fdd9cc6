//! Compression of pages of history. Each is for one client, most often: so they are compressed fast, only so many bytes of
//! them in a turn, and what a crowd that comes back asks for again and again only once.

use std::collections::VecDeque;

use codec::deflate::Deflater;

use crate::limits::{COMPRESSED_PER_TURN, PAGES_KEPT_LEN_MAX, PAGES_KEPT_MAX, PAGES_KEPT_MS};

/// Compresses pages, and keeps the last ones for a while.
#[derive(Debug)]
pub struct Pages {
    deflater: Deflater,
    /// Bytes that may still be compressed in this turn; the last page may exceed it.
    left: usize,
    /// The last used in front.
    kept: VecDeque<Kept>,
    /// Bytes of all that is kept.
    kept_len: usize,
    /// When one was last kept.
    kept_at: u64,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageForm {
    /// A piece of a stream, or a message.
    Piece,
    /// A document.
    Gzip,
}

/// A page and what it became.
#[derive(Debug)]
struct Kept {
    form: PageForm,
    plain: Box<[u8]>,
    packed: Box<[u8]>,
}

impl Pages {
    /// A turn begins, at this time in milliseconds: so many bytes may be compressed again, and what is old is forgotten.
    pub fn turn(&mut self, now: u64) {
        self.left = COMPRESSED_PER_TURN;
        if !self.kept.is_empty() && now >= self.kept_at + PAGES_KEPT_MS {
            (self.kept, self.kept_len) = Default::default();
        }
        self.kept_at = if self.kept.is_empty() { now } else { self.kept_at };
    }

    /// Appends the page in this form; false: there is no time for it, and it goes as it is.
    pub(crate) fn pack(&mut self, form: PageForm, plain: &[u8], out: &mut Vec<u8>) -> bool {
        let is_it = |kept: &Kept| kept.form == form && *kept.plain == *plain;
        if let Some(at) = self.kept.iter().position(is_it) {
            let kept = self.kept.remove(at).expect("it was just found");
            out.extend_from_slice(&kept.packed);
            self.kept.push_front(kept);
            return true;
        }
        if self.left == 0 {
            return false;
        }
        self.left = self.left.saturating_sub(plain.len());
        let start = out.len();
        match form {
            PageForm::Piece => self.deflater.piece(plain, out),
            PageForm::Gzip => self.deflater.gzip(plain, out),
        }
        self.keep(Kept { form, plain: plain.into(), packed: out[start..].into() });
        true
    }

    fn keep(&mut self, kept: Kept) {
        self.kept_len += kept.len();
        self.kept.push_front(kept);
        while self.kept.len() > PAGES_KEPT_MAX || self.kept_len > PAGES_KEPT_LEN_MAX {
            let Some(last) = self.kept.pop_back() else { return };
            self.kept_len -= last.len();
        }
    }
}

impl Default for Pages {
    fn default() -> Self {
        let (kept, kept_len, kept_at) = Default::default();
        Self { deflater: Deflater::fast(), left: COMPRESSED_PER_TURN, kept, kept_len, kept_at }
    }
}

impl Kept {
    fn len(&self) -> usize {
        self.plain.len() + self.packed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much was written, if anything.
    fn pack(pages: &mut Pages, plain: &[u8]) -> Option<usize> {
        let mut out = Vec::new();
        pages.pack(PageForm::Piece, plain, &mut out).then_some(out.len())
    }

    fn page(n: u8) -> Vec<u8> {
        vec![n; COMPRESSED_PER_TURN / 2]
    }

    #[test]
    fn so_many_bytes_are_compressed_in_a_turn_and_then_none() {
        let mut pages = Pages::default();
        let packed: Vec<bool> = (0..4).map(|n| pack(&mut pages, &page(n)).is_some()).collect();
        assert_eq!(packed, [true, true, false, false]);
        pages.turn(0);
        assert!(pack(&mut pages, &page(3)).is_some());
        pages.turn(1);
        assert!(pack(&mut pages, &vec![9; 10 * COMPRESSED_PER_TURN]).is_some(), "one may exceed it");
        assert!(pack(&mut pages, &page(4)).is_none());
    }

    #[test]
    fn the_same_page_is_compressed_once() {
        let mut pages = Pages::default();
        let first = pack(&mut pages, &page(1));
        for _ in 0..1_000 {
            assert_eq!(pack(&mut pages, &page(1)), first);
        }
        assert_eq!(pages.left, COMPRESSED_PER_TURN - page(1).len());
        let mut out = Vec::new();
        assert!(pages.pack(PageForm::Gzip, &page(1), &mut out), "another form is another page");
        assert!(out.starts_with(&[0x1f, 0x8b]));
    }

    #[test]
    fn few_pages_are_kept_and_not_for_long() {
        let mut pages = Pages::default();
        for n in 0..100 {
            pages.turn(0);
            pack(&mut pages, &page(n));
            assert!(pages.kept.len() <= PAGES_KEPT_MAX && pages.kept_len <= PAGES_KEPT_LEN_MAX);
        }
        pages.turn(PAGES_KEPT_MS - 1);
        assert!(!pages.kept.is_empty());
        pages.turn(PAGES_KEPT_MS);
        assert_eq!((pages.kept.capacity(), pages.kept_len), (0, 0));
    }
}
