//! What a client that comes back was told before: in the cursors that it brings.
//!
//! A client of old brings cursors only for ids of which it had messages. To tell an id that it listened to all
//! the while from one that its page has just added, a cursor of ours says which ids it was given to: behind its 14
//! decimals stand ten more, a sum over these ids. They are less than one step of the order, so they change
//! nothing else. A cursor that was given to one id alone has none.

use std::num::NonZeroU64;

use hub::{After, Decimal};

use super::{Item, hash};

/// The sum over the ids of a list; `None` for a list of one, which has no others to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag(NonZeroU64);

/// What the cursors of a list tell.
#[derive(Debug)]
pub(super) enum ListCursors {
    /// Nothing: there is no cursor of ours, or one that was given to other ids.
    Nothing,
    /// Up to this cursor the client was told all of its first ids, without one of them perhaps. All others are new.
    Until { mark: Decimal, ids: usize, but: Option<usize> },
}

impl Tag {
    /// So many bits hold it.
    pub const BITS: u32 = TAGS.ilog2() + 1;

    /// The tag of cursors that are given to these ids.
    pub fn of<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Option<Self> {
        // One more, so that a tag takes no more room where there may be none.
        let several = ids.len() > 1;
        NonZeroU64::new(1 + ids.map(sum).fold(0, add)).filter(|_| several).map(Self)
    }

    /// As a number of less than [`Self::BITS`] bits, never 0.
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The tag of this number; 0 is none.
    pub fn of_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).filter(|bits| bits.get() <= TAGS).map(Self)
    }

    /// Appends its digits.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{:010}", self.0.get() - 1).as_bytes());
    }
}

impl ListCursors {
    /// Looks at the newest cursor of ours.
    pub(super) fn of(items: &[Item]) -> Self {
        let marks = items.iter().filter_map(|item| mark(item.cursor.as_deref()?));
        let Some((mark, tag)) = marks.max_by(|(a, _), (b, _)| a.cmp(b)) else { return Self::Nothing };
        // It was given to its own id alone.
        let Some(tag) = tag else { return Self::Until { mark, ids: 0, but: None } };
        // A page adds ids behind those it has, or there is one that it added elsewhere.
        let sums: Vec<u64> = items.iter().map(|item| sum(&item.id)).collect();
        let mut total = 0;
        for (n, one) in sums.iter().enumerate() {
            total = add(total, *one);
            if total == tag {
                return Self::Until { mark, ids: n + 1, but: None };
            }
        }
        match sums.iter().position(|one| add(tag, *one) == total) {
            Some(but) => Self::Until { mark, ids: items.len(), but: Some(but) },
            None => Self::Nothing,
        }
    }

    /// From where the `n`th item is wanted.
    pub(super) fn after(&self, n: usize, cursor: Option<Box<str>>) -> After {
        if let Some(text) = cursor {
            let plain = || Decimal::read(&text).map(After::Cursor);
            return mark(&text).map(|(mark, _)| After::Mark(mark)).or_else(plain).unwrap_or(After::Now);
        }
        match self {
            Self::Nothing => After::Recent,
            Self::Until { mark, ids, but } if n < *ids && *but != Some(n) => After::Mark(mark.clone()),
            Self::Until { .. } => After::Now,
        }
    }
}

/// A cursor that reads like ours, and the tag in it.
fn mark(text: &str) -> Option<(Decimal, Option<u64>)> {
    let (_, decimals) = text.split_once('.')?;
    let tag = match decimals.len() {
        MARK_DECIMALS => None,
        TAGGED_DECIMALS => Some(decimals[MARK_DECIMALS..].parse().ok()?),
        _ => return None,
    };
    let plain = &text[..text.len() - (decimals.len() - MARK_DECIMALS)];
    Some((Decimal::read(plain)?, tag))
}

/// Ten digits: a list of ids is no secret, and the same in every run of the server.
fn sum(id: &str) -> u64 {
    hash(id.as_bytes()) % TAGS
}

fn add(one: u64, other: u64) -> u64 {
    (one + other) % TAGS
}

/// What a cursor of ours has behind the point.
const MARK_DECIMALS: usize = 14;
/// The same with a tag.
const TAGGED_DECIMALS: usize = MARK_DECIMALS + 10;
/// Tags there are.
const TAGS: u64 = 10_000_000_000;
