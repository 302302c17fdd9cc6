//! How many a second are taken, of all who come together: messages, or wrong keys.
//!
//! A bucket of one second's worth, kept as the one time up to which everything taken so far would have
//! lasted at the allowed rate. It is an atomic, so nobody waits for anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The bucket.
pub(crate) struct Rate {
    /// Nanoseconds a message lasts; 0: there is no limit.
    each_ns: AtomicU64,
    start: Instant,
    /// Nanoseconds after the start up to which what was taken lasts.
    taken_ns: AtomicU64,
}

impl Rate {
    /// So many a second; 0: any number.
    pub(crate) fn new(per_second: u32) -> Self {
        let this = Self { each_ns: AtomicU64::new(0), start: Instant::now(), taken_ns: AtomicU64::new(0) };
        this.set(per_second);
        this
    }

    /// From now on so many a second; 0: any number.
    pub(crate) fn set(&self, per_second: u32) {
        self.each_ns.store(SECOND_NS.checked_div(u64::from(per_second)).unwrap_or(0), Ordering::Relaxed);
    }

    /// Takes one; the error is after how many seconds there is one again.
    pub(crate) fn take(&self) -> Result<(), u32> {
        let each_ns = self.each_ns.load(Ordering::Relaxed);
        if each_ns == 0 {
            return Ok(());
        }
        self.take_at(each_ns, u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn take_at(&self, each_ns: u64, now_ns: u64) -> Result<(), u32> {
        let limit = now_ns.saturating_add(SECOND_NS);
        let next = |taken: u64| taken.max(now_ns).saturating_add(each_ns);
        self.taken_ns
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                Some(next(taken)).filter(|next| *next <= limit)
            })
            .map(drop)
            .map_err(|taken| u32::try_from((next(taken) - limit).div_ceil(SECOND_NS)).unwrap_or(u32::MAX))
    }
}

const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rate: &Rate, now_ms: u64, tries: usize, expected: usize) {
        let taken = (0..tries)
            .filter(|_| rate.take_at(rate.each_ns.load(Ordering::Relaxed), now_ms * 1_000_000).is_ok())
            .count();
        assert_eq!(taken, expected, "at {now_ms} ms");
    }

    #[test]
    fn a_second_gives_so_many() {
        let rate = Rate::new(100);
        check(&rate, 0, 1_000, 100);
        check(&rate, 9, 10, 0);
        check(&rate, 10, 10, 1);
        check(&rate, 500, 100, 49);
        check(&rate, 10_000, 1_000, 100);
        assert_eq!(rate.take_at(10_000_000, 10_000_000_000), Err(1));
    }

    #[test]
    fn without_a_limit_there_is_none() {
        let rate = Rate::new(0);
        assert!((0..10_000).all(|_| rate.take() == Ok(())));
        rate.set(1);
        assert!(rate.take().is_ok() && rate.take().is_err());
    }
}
