//! Distributions of what is measured all the time: how often it was at most so much. There is one writer at a time, so to
//! record costs two loads and two stores; anybody reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds of the buckets: the powers of four from 1 on, in whatever unit is recorded. In microseconds the last is 17 s, in bytes 16 MiB.
pub const BOUNDS: [u64; 13] = {
    let mut bounds = [1; 13];
    let mut at = 1;
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 4;
        at += 1;
    }
    bounds
};

/// A distribution that one thread at a time records in.
#[derive(Debug, Default)]
pub struct Histogram {
    /// By bucket; the last has what is beyond all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum: AtomicU64,
}

/// A distribution as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Distribution {
    /// How often it was at most the bound of this place and more than the one before; at the end, how often more than all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All that was recorded, added up.
    pub sum: u64,
}

impl Histogram {
    /// It was so much, once more.
    #[inline]
    pub fn record(&self, value: u64) {
        add(&self.counts[bucket_of(value)], 1);
        add(&self.sum, value);
    }

    /// What was recorded so far.
    pub fn read(&self) -> Distribution {
        let counts = std::array::from_fn(|at| self.counts[at].load(Ordering::Relaxed));
        Distribution { counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

impl Distribution {
    /// How often anything was recorded.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, more)| *own += more);
        self.sum += other.sum;
        self
    }
}

/// One writer: a plain load and store are enough.
#[inline]
fn add(to: &AtomicU64, more: u64) {
    to.store(to.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

/// The first whose bound is no less.
#[inline]
fn bucket_of(value: u64) -> usize {
    let bits = u64::BITS - value.saturating_sub(1).leading_zeros();
    (bits.div_ceil(2) as usize).min(BOUNDS.len())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_the_first_bucket_whose_bound_is_no_less() {
        assert_eq!((BOUNDS[0], BOUNDS[1], BOUNDS[12]), (1, 4, 1 << 24));
        for (at, bound) in BOUNDS.iter().enumerate() {
            assert_eq!((bucket_of(*bound), bucket_of(bound + 1)), (at, at + 1));
        }
        assert_eq!((bucket_of(0), bucket_of(u64::MAX)), (0, BOUNDS.len()));
    }

    #[test]
    fn what_was_recorded_is_read_and_added_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        [0, 1, 5, 1 << 30].into_iter().for_each(|value| one.record(value));
        other.record(16);
        let both = one.read().and(&other.read());
        assert_eq!((both.count(), both.sum), (5, 22 + (1 << 30)));
        assert_eq!((both.counts[0], both.counts[2], both.counts[BOUNDS.len()]), (2, 2, 1));
    }
}
