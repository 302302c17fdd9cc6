//! What is measured all the time, for `/metrics`: how long messages take, and what keeps them.

use crate::histogram::{Distribution, Histogram};

/// Measured under the lock of the exchange, whose holder is the one writer.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    /// How long threads waited for the lock, in microseconds.
    pub(crate) lock_wait: Histogram,
    /// How long messages waited for the store from when they had their place, in microseconds.
    pub(crate) release: Histogram,
}

/// Measured by a shard, in its own thread.
#[derive(Debug, Default)]
#[repr(align(128))] // a shard's numbers share no cache line with another's
pub struct ShardTiming {
    /// From when clients might have a message until this shard had written it to the last of its own, in microseconds.
    pub delivery: Histogram,
    /// How long a turn was busy, in microseconds.
    pub turn: Histogram,
    /// Bytes that a connection was owed each time the kernel took less than there was.
    pub owed: Histogram,
}

/// All of it as it was read; that of shards added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Waits for the lock of the exchange, in microseconds.
    pub lock_wait: Distribution,
    /// Times from a message's place to its release, in microseconds.
    pub release: Distribution,
    /// Times from a message's release to its last write, one a shard that has readers of it, in microseconds.
    pub delivery: Distribution,
    /// Times of shards' turns, in microseconds.
    pub turn: Distribution,
    /// Bytes owed to connections that take less than they are given.
    pub owed: Distribution,
}

impl Measured {
    pub(crate) fn of(timing: &Timing, shards: &[ShardTiming]) -> Self {
        let sum = |one: fn(&ShardTiming) -> &Histogram| {
            shards.iter().fold(Distribution::default(), |sum, shard| sum.and(&one(shard).read()))
        };
        Self {
            lock_wait: timing.lock_wait.read(),
            release: timing.release.read(),
            delivery: sum(|shard| &shard.delivery),
            turn: sum(|shard| &shard.turn),
            owed: sum(|shard| &shard.owed),
        }
    }
}
