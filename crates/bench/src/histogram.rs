//! Durations counted in buckets 3 % wide: small enough to send, exact enough to compare.

use serde::{Deserialize, Serialize};

/// How many durations were about how long, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Durations {
    /// By bucket; as long as the highest bucket in use needs.
    counts: Vec<u64>,
    /// The longest, exactly.
    max: u64,
}

impl Durations {
    /// Counts one duration.
    pub(crate) fn record(&mut self, ns: u64) {
        let bucket = bucket_of(ns);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.max = self.max.max(ns);
    }

    /// Adds what another one counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.max = self.max.max(other.max);
    }

    /// How many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The duration that so many of a thousand do not exceed; 0 when nothing was counted.
    pub(crate) fn permille(&self, permille: u64) -> u64 {
        let rank = (self.count() * permille).div_ceil(1000).max(1);
        let mut passed = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed >= rank {
                return middle_of(bucket).min(self.max);
            }
        }
        self.max
    }

    /// How long, over the rank: of a hundred, how many did not take longer. As many points as buckets in use;
    /// the last one is the longest, at the rank where it alone is left.
    pub(crate) fn curve(&self) -> Vec<(f64, u64)> {
        let all = self.count();
        let mut passed = 0;
        let mut points = Vec::new();
        for (bucket, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            passed += count;
            if passed < all {
                points.push((100.0 * passed as f64 / all as f64, middle_of(bucket).min(self.max)));
            }
        }
        if all > 0 {
            points.push((100.0 - 100.0 / all as f64 / 2.0, self.max));
        }
        points
    }

    /// The longest.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }
}

/// Below 64 each value has a bucket; above, each power of two has 32 of them.
fn bucket_of(ns: u64) -> usize {
    let shift = (u64::BITS - ns.leading_zeros()).saturating_sub(6);
    (shift as usize) * 32 + usize::try_from(ns >> shift).expect("less than 64")
}

fn middle_of(bucket: usize) -> u64 {
    let shift = (bucket / 32).saturating_sub(1);
    let low = ((bucket - shift * 32) as u64) << shift;
    low + (1 << shift) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_three_percent_wide() {
        for power in 0..64 {
            for ns in [1_u64 << power, (1 << power) + (1 << power) / 3, (1_u64 << power) - 1] {
                let middle = middle_of(bucket_of(ns));
                assert!(middle.abs_diff(ns) <= ns / 32, "{ns} is counted as {middle}");
            }
        }
    }

    #[test]
    fn buckets_follow_each_other_without_a_hole() {
        let mut last = 0;
        for ns in 0..100_000 {
            let bucket = bucket_of(ns);
            assert!(bucket == last || bucket == last + 1, "{ns}");
            last = bucket;
        }
    }

    #[test]
    fn permilles_are_ranks() {
        let mut all = Durations::default();
        assert_eq!((all.permille(500), all.max(), all.count()), (0, 0, 0));
        for ns in 1..=50 {
            all.record(ns);
        }
        assert_eq!((all.permille(500), all.permille(990), all.permille(1000)), (25, 50, 50));
        assert_eq!(all.permille(1), 1);
    }

    #[test]
    fn a_curve_ends_with_the_longest() {
        let mut all = Durations::default();
        assert_eq!(all.curve(), []);
        for ns in [1, 1, 1, 60] {
            all.record(ns);
        }
        assert_eq!(all.curve(), [(75.0, 1), (87.5, 60)]);
    }

    #[test]
    fn merging_is_counting_together() {
        let (mut one, mut other, mut both) =
            (Durations::default(), Durations::default(), Durations::default());
        for ns in [3, 70, 9_000_000] {
            one.record(ns);
            both.record(ns);
        }
        for ns in [5, 12_345_678_901] {
            other.record(ns);
            both.record(ns);
        }
        one.merge(&other);
        assert_eq!(one, both);
    }
}
