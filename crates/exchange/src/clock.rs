//! The clock of the hub: milliseconds since the Unix epoch that never run backwards.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hub::Millis;

/// Tells the time. The system's clock is read once, at the start; from then on the monotonic clock
/// counts, so that somebody who sets the clock neither empties history nor keeps it for ever.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { unix_at_start: Millis, ahead: Millis, start: Instant },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(Kind::System { unix_at_start: millis(unix), ahead: 0, start: Instant::now() })
    }

    /// The machine's clock, or this time where that is later: the order goes on from there.
    pub fn system_after(time: Millis) -> Self {
        match Self::system().0 {
            Kind::System { unix_at_start, start, .. } => {
                let ahead = time.saturating_sub(unix_at_start);
                Self(Kind::System { unix_at_start: unix_at_start + ahead, ahead, start })
            }
            manual => Self(manual),
        }
    }

    /// A clock that stands where `now` says: for simulations.
    pub fn manual(now: Arc<AtomicU64>) -> Self {
        Self(Kind::Manual(now))
    }

    /// The time now.
    pub fn now(&self) -> Millis {
        match &self.0 {
            Kind::System { unix_at_start, start, .. } => unix_at_start + millis(start.elapsed()),
            Kind::Manual(now) => now.load(Ordering::Relaxed),
        }
    }

    /// The time as the machine told it at the start, carried on; `now` is ahead of it where the order goes on from
    /// later. A clock that was wrong once must not end everybody's credentials.
    pub fn wall(&self) -> Millis {
        match &self.0 {
            Kind::System { ahead, .. } => self.now() - ahead,
            Kind::Manual(_) => self.now(),
        }
    }
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
        assert!((before..before + day / 2).contains(&ahead.wall()));
        let behind = Clock::system_after(before - day);
        assert!((before..before + day / 2).contains(&behind.now()) && behind.wall() >= before);
    }
}
