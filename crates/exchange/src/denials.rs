//! Who was refused lately, and why: for whoever wonders why something does not work.
//!
//! A ring of fixed length under a lock of its own, which nobody holds longer than it takes to move one entry.
//! Nothing that was shown as credentials is in it.

use std::collections::VecDeque;
use std::net::IpAddr;

use hub::{Code, WallTime};

use crate::code_counts::CodeCounts;
use crate::limits::{DENIALS_KEPT, DENIALS_TOLD_PER_S};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// A request or a command that was refused: for want of credentials or grants, or of room for one more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// When.
    pub at: WallTime,
    /// On which line.
    pub side: Side,
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: Code,
    /// For people, as it was said to whoever was refused.
    pub detail: String,
    /// From where, as far as it is known; behind a proxy that is the proxy.
    pub from: Option<IpAddr>,
    /// Who, where that was known: a user, or the name of a key.
    pub who: Option<Box<str>>,
    /// For what: channels, or a path.
    pub what: String,
    /// How often: somebody who asks too often has one entry.
    pub times: u64,
}

impl Denial {
    /// Whether it is that there are too many, or that somebody comes again and again, so that there may be a flood of the same.
    fn is_of_many(&self) -> bool {
        matches!(self.status, 429 | 503) || self.code == Code::Poison
    }

    /// Whether both are of somebody who asks too often, in the same way.
    fn is_more_of(&self, other: &Self) -> bool {
        let is_same = (self.side, self.code, self.from) == (other.side, other.code, other.from);
        // Each message that somebody cannot take is a matter of its own.
        let is_of_same = self.code != Code::Poison || self.what == other.what;
        self.is_of_many() && is_same && is_of_same && self.who == other.who
    }
}

/// One of the two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Where clients wait.
    Wait,
    /// Where messages come in.
    In,
}

/// The last refusals, and how many there were by code.
#[derive(Default)]
pub struct Denials {
    /// The newest at the back.
    ring: Mutex<VecDeque<Denial>>,
    counts: CodeCounts,
    /// The second in which a refusal was last a line of the log, and how many were in it.
    told: AtomicU64,
    /// Refusals since then that were none.
    untold: AtomicU64,
}

impl Denials {
    /// Somebody was refused.
    pub fn add(&self, denial: Denial) {
        self.counts.add(denial.code);
        let mut ring = self.ring();
        // A flood does not drive out what others were told.
        if denial.is_of_many()
            && let Some(at) = ring.iter().position(|known| denial.is_more_of(known))
        {
            let known = ring.remove(at).expect("it was just found");
            ring.push_back(Denial { times: known.times + 1, ..denial });
            drop(ring);
            return;
        }
        let oldest = if ring.len() >= DENIALS_KEPT { ring.pop_front() } else { None };
        ring.push_back(denial);
        drop(ring);
        drop(oldest);
    }

    /// Whether a refusal may be a line of the log now, of which there are a few a second; and how many before it were none.
    pub fn may_tell(&self, now: hub::Millis) -> Option<u64> {
        let second = now / 1_000;
        let told = self.told.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |told| {
            let count = if told >> 8 == second { told & 0xff } else { 0 };
            (count < DENIALS_TOLD_PER_S).then_some(second << 8 | (count + 1))
        });
        if told.is_ok() {
            return Some(self.untold.swap(0, Ordering::Relaxed));
        }
        self.untold.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Up to so many of the last, the newest first.
    pub fn last(&self, count: usize) -> Vec<Denial> {
        self.ring().iter().rev().take(count).cloned().collect()
    }

    /// How many there were, by code; those of codes that are for other things under `other`.
    pub fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.counts.by_code(Code::is_denial)
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Denial>> {
        self.ring.lock().expect("nothing panics while it holds the ring")
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn denial(at: u64, code: Code) -> Denial {
        let at = WallTime::from_millis(at);
        let (detail, what) = ("no".to_owned(), "a".to_owned());
        Denial { at, side: Side::Wait, status: 403, code, detail, from: None, who: None, what, times: 1 }
    }

    #[test]
    fn a_flood_is_one_entry() {
        let denials = Denials::default();
        denials.add(denial(0, Code::Grant));
        for at in 1..=1_000 {
            denials.add(Denial { status: 429, ..denial(at, Code::Rate) });
        }
        let kept: Vec<_> =
            denials.last(9).iter().map(|denial| (denial.code, denial.at.millis(), denial.times)).collect();
        assert_eq!(kept, [(Code::Rate, 1_000, 1_000), (Code::Grant, 0, 1)]);
    }

    #[test]
    fn a_few_a_second_are_told_and_the_rest_is_counted() {
        let denials = Denials::default();
        let told: Vec<_> = (0..DENIALS_TOLD_PER_S + 5).map(|_| denials.may_tell(1_999)).collect();
        assert_eq!(told.iter().flatten().count() as u64, DENIALS_TOLD_PER_S);
        assert_eq!([denials.may_tell(2_000), denials.may_tell(2_001)], [Some(5), Some(0)]);
    }

    #[test]
    fn channels_with_poison_are_entries_of_their_own() {
        let denials = Denials::default();
        for (at, what) in (0..).zip(["a", "b", "a"]) {
            denials.add(Denial { status: 200, what: what.to_owned(), ..denial(at, Code::Poison) });
        }
        let kept: Vec<_> = denials.last(9).iter().map(|denial| (denial.what.clone(), denial.times)).collect();
        assert_eq!(kept, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    }

    #[test]
    fn the_last_are_kept_and_all_are_counted() {
        let denials = Denials::default();
        for at in 0..DENIALS_KEPT as u64 + 3 {
            denials.add(denial(at, if at == 0 { Code::Ttl } else { Code::Grant }));
        }
        let kept: Vec<u64> = denials.last(usize::MAX).iter().map(|denial| denial.at.millis()).collect();
        assert!(kept.iter().copied().eq((3..DENIALS_KEPT as u64 + 3).rev()), "{kept:?}");
        assert_eq!(denials.last(2).len(), 2);
        let counts: Vec<_> = denials.by_code().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("grant", DENIALS_KEPT as u64 + 2), ("other", 1)]);
    }
}
