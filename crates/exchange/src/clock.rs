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
    System { unix_at_start: Millis, start: Instant },
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self(Kind::System { unix_at_start: millis(unix), start: Instant::now() })
    }

    /// The machine's clock, or this time where that is later: the order goes on from there.
    pub fn system_after(time: Millis) -> Self {
        match Self::system().0 {
            Kind::System { unix_at_start, start } => {
                Self(Kind::System { unix_at_start: unix_at_start.max(time), start })
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
            Kind::System { unix_at_start, start } => unix_at_start + millis(start.elapsed()),
            Kind::Manual(now) => now.load(Ordering::Relaxed),
        }
    }
}

fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
