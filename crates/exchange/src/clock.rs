//! Two clocks: that of the order, which nobody can set, and that of people, by which credentials end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hub::{Millis, WallTime};

/// Tells the time of the order: the system's clock is read once, at the start; from then on the monotonic clock counts, so
/// that somebody who sets the clock neither empties history nor keeps it for ever. And tells the system's clock as it is
/// now, for what ends by it.
#[derive(Clone, Debug)]
pub struct Clock(ClockKind);

#[derive(Clone, Debug)]
enum ClockKind {
    System { unix_at_start: Millis, start: Instant },
    Manual { now: Arc<AtomicU64>, set_by: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::system_after(0)
    }

    /// The machine's clock, or this time where that is later: the order goes on from there.
    pub fn system_after(time: Millis) -> Self {
        Self(ClockKind::System { unix_at_start: unix_now().max(time), start: Instant::now() })
    }

    /// A clock that stands where `now` says, on the wall, too: for simulations.
    pub fn manual(now: Arc<AtomicU64>) -> Self {
        Self::manual_set(now, Arc::default())
    }

    /// The same, where the clock on the wall was set by so many milliseconds.
    pub fn manual_set(now: Arc<AtomicU64>, set_by: Arc<AtomicI64>) -> Self {
        Self(ClockKind::Manual { now, set_by })
    }

    /// The time of the order now.
    #[inline]
    pub fn now(&self) -> Millis {
        self.both().0
    }

    /// Microseconds of the clock of the order, from any beginning: how long something took.
    #[inline]
    pub fn now_us(&self) -> u64 {
        match &self.0 {
            ClockKind::System { start, .. } => u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
            ClockKind::Manual { now, .. } => now.load(Ordering::Relaxed).saturating_mul(1_000),
        }
    }

    /// Both, read once.
    #[inline]
    pub(crate) fn both(&self) -> (Millis, u64) {
        let us = self.now_us();
        let since = if let ClockKind::System { unix_at_start, .. } = &self.0 { *unix_at_start } else { 0 };
        (since + us / 1_000, us)
    }

    /// The time of people now. It goes on while the machine sleeps, which the monotonic clock does not, and is right again
    /// when a clock that was wrong is set right.
    #[inline]
    pub fn wall(&self) -> WallTime {
        WallTime::from_millis(match &self.0 {
            ClockKind::System { .. } => unix_now(),
            ClockKind::Manual { now, set_by } => {
                now.load(Ordering::Relaxed).saturating_add_signed(set_by.load(Ordering::Relaxed))
            }
        })
    }
}

fn unix_now() -> Millis {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_goes_on_from_the_future_leaves_the_wall_clock_as_it_is() {
        let real = Clock::system();
        let (day, before) = (86_400_000, real.now());
        let ahead = Clock::system_after(before + day);
        assert!(ahead.now() >= before + day);
        assert!((before..before + day / 2).contains(&ahead.wall().millis()));
        let behind = Clock::system_after(before - day);
        assert!((before..before + day / 2).contains(&behind.now()) && behind.wall().millis() >= before);
    }

    #[test]
    fn a_clock_that_is_set_moves_the_wall_and_not_the_order() {
        let (now, set_by) = (Arc::new(AtomicU64::new(10_000)), Arc::new(AtomicI64::new(0)));
        let clock = Clock::manual_set(now, Arc::clone(&set_by));
        for (by, wall) in [(0, 10_000), (5_000, 15_000), (-5_000, 5_000), (-20_000, 0)] {
            set_by.store(by, Ordering::Relaxed);
            assert_eq!((clock.now(), clock.wall().millis()), (10_000, wall));
        }
    }
}
