//! Who was refused lately, and why: for whoever wonders why something does not work.
//!
//! A ring of fixed length under a lock of its own, which nobody holds longer than it takes to move one entry.
//! Nothing that was shown as credentials is in it.

use std::collections::VecDeque;
use std::net::IpAddr;

use hub::Millis;

use crate::limits::DENIALS_KEPT;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// A request or a command that was refused for want of credentials or grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// When.
    pub at: Millis,
    /// On which line.
    pub side: Side,
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people, as it was said to whoever was refused.
    pub detail: String,
    /// From where, as far as it is known; behind a proxy that is the proxy.
    pub from: Option<IpAddr>,
    /// Who, where that was known: a user, or the name of a key.
    pub who: Option<Box<str>>,
    /// For what: channels, or a path.
    pub what: String,
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
    /// By the place of the code in [`CODES`], and one more for all others.
    counts: [AtomicU64; CODES.len() + 1],
}

impl Denials {
    /// Somebody was refused.
    pub fn add(&self, denial: Denial) {
        let place = CODES.iter().position(|code| *code == denial.code).unwrap_or(CODES.len());
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let mut ring = self.ring();
        let oldest = if ring.len() >= DENIALS_KEPT { ring.pop_front() } else { None };
        ring.push_back(denial);
        drop(ring);
        drop(oldest);
    }

    /// Up to so many of the last, the newest first.
    pub fn last(&self, count: usize) -> Vec<Denial> {
        self.ring().iter().rev().take(count).cloned().collect()
    }

    /// How many there were, by code; those of no code in the list under `other`.
    pub fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let codes = CODES.iter().copied().chain(["other"]);
        codes.zip(&self.counts).map(|(code, count)| (code, count.load(Ordering::Relaxed)))
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Denial>> {
        self.ring.lock().expect("nothing panics while it holds the ring")
    }
}

/// The codes that are counted one by one.
const CODES: [&str; 20] = [
    "api-key",
    "credentials",
    "grant",
    "hook",
    "hook-busy",
    "hook-refused",
    "host",
    "origin",
    "session",
    "token",
    "token-algorithm",
    "token-audience",
    "token-claims",
    "token-early",
    "token-expired",
    "token-key",
    "token-signature",
    "token-user",
    "url-expired",
    "url-signature",
];

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn denial(at: Millis, code: &'static str) -> Denial {
        let (detail, what) = ("no".to_owned(), "a".to_owned());
        Denial { at, side: Side::Wait, status: 403, code, detail, from: None, who: None, what }
    }

    #[test]
    fn the_last_are_kept_and_all_are_counted() {
        let denials = Denials::default();
        for at in 0..DENIALS_KEPT as u64 + 3 {
            denials.add(denial(at, if at == 0 { "never heard of" } else { "grant" }));
        }
        let kept: Vec<Millis> = denials.last(usize::MAX).iter().map(|denial| denial.at).collect();
        assert!(kept.iter().copied().eq((3..DENIALS_KEPT as u64 + 3).rev()), "{kept:?}");
        assert_eq!(denials.last(2).len(), 2);
        let counts: Vec<_> = denials.by_code().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counts, [("grant", DENIALS_KEPT as u64 + 2), ("other", 1)]);
    }
}
