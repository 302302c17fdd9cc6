//! What becomes of calls, and what follows: pauses that grow, and when a batch is refused for good.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{
    WEBHOOK_PAUSE_MAX, WEBHOOK_PAUSE_MIN, WEBHOOK_REFUSALS_MAX, WEBHOOK_REFUSALS_TIME,
    WEBHOOK_RETRY_AFTER_MAX,
};

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallOutcome {
    Taken,
    /// It wants no more.
    Gone,
    /// It finds fault with this batch.
    Refused(u16, Option<Duration>),
    /// It may take it later.
    Failed(String, Option<Duration>),
}

/// What went wrong since a call was taken last.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    tries: u32,
    /// How often this very batch was refused, and since when.
    refusals: u32,
    refused_since: Option<Instant>,
}

impl Trouble {
    /// A call was not taken; for how long nobody is to be called.
    pub(super) fn pause(&mut self, outcome: &CallOutcome, now: Instant, random: u64) -> Duration {
        let asked = match outcome {
            CallOutcome::Taken | CallOutcome::Gone => None,
            CallOutcome::Refused(_, asked) => {
                self.refusals += 1;
                self.refused_since.get_or_insert(now);
                *asked
            }
            CallOutcome::Failed(_, asked) => *asked,
        };
        self.tries = self.tries.saturating_add(1);
        pause(self.tries, asked, random)
    }

    /// Whether this very batch was refused so often, and for so long, that it is given up.
    pub(super) fn is_refused_for_good(&self, now: Instant) -> bool {
        let refused_for = self.refused_since.map_or(Duration::ZERO, |since| now - since);
        self.refusals >= WEBHOOK_REFUSALS_MAX && refused_for >= WEBHOOK_REFUSALS_TIME
    }

    /// Another batch is tried next.
    pub(super) fn begin_batch(&mut self) {
        (self.refusals, self.refused_since) = (0, None);
    }

    /// Whether the last calls failed.
    pub(super) fn has_failed(&self) -> bool {
        self.tries > 0
    }
}

/// How long to wait after so many tries: twice as long each time, up to a limit, and by chance half as long to as long again;
/// not less than the receiver asks for, up to another limit.
fn pause(tries: u32, asked: Option<Duration>, random: u64) -> Duration {
    let doubled = WEBHOOK_PAUSE_MIN.saturating_mul(1 << tries.saturating_sub(1).min(20));
    let usual = doubled.min(WEBHOOK_PAUSE_MAX);
    let millis = u64::try_from(usual.as_millis()).unwrap_or(u64::MAX);
    let jittered = Duration::from_millis(millis / 2 + random % (millis + 1));
    jittered.max(asked.unwrap_or_default().min(WEBHOOK_RETRY_AFTER_MAX))
}
