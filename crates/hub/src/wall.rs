//! The time on people's clocks, by which credentials end; it may jump, so it has a type of its own.

use serde::{Deserialize, Serialize};

use crate::Millis;

/// A moment by the machine's clock as it is set now, in milliseconds since the Unix epoch.
///
/// It jumps where somebody sets that clock, and goes on while the machine sleeps. [`Millis`] does neither: histories and
/// timers live by that. Neither is taken for the other, since the types differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct WallTime(Millis);

impl WallTime {
    /// Before all others: what ends then has ended.
    pub const PAST: Self = Self(0);

    /// Behind all others: what ends then never does.
    pub const END: Self = Self(Millis::MAX);

    /// So many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// So many seconds after the Unix epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn seconds(self) -> u64 {
        self.0 / 1_000
    }

    /// The moment so many milliseconds later.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment; 0 where it is the later one.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
