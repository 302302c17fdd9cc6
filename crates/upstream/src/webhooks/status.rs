//! What is known of each webhook, for whoever asks.

use std::collections::BTreeMap;

use exchange::hub::{Position, WallTime};
use tokio::time::Instant;

use super::delivery::{DeliveryCounts, WebhookQueue};
use super::settings::EventType;
use super::trouble::CallOutcome;
use crate::http::told;

/// What is known of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookStatus {
    /// Its name.
    pub name: Box<str>,
    /// Where it is, without what follows `?`.
    pub url: String,
    /// Of which channels it is told; empty: of all.
    pub pattern: String,
    /// Of what it is told.
    pub events: Vec<&'static str>,
    /// `ready`, `sending`, `retrying` or `stopped`.
    pub state: &'static str,
    /// Up to here it has taken everything.
    pub taken: Position,
    /// Events and bytes that wait for it.
    pub backlog: (usize, usize),
    /// Calls, of these those that failed, events taken, events lost, gaps told.
    pub counts: [u64; 5],
    /// When it was called last, and what came of it.
    pub last: Option<LastCall>,
    /// When it is tried again.
    pub next_try: Option<WallTime>,
}

impl WebhookStatus {
    pub(super) fn of(
        one: &WebhookQueue,
        last: &BTreeMap<Box<str>, LastCall>,
        now: Instant,
        wall: WallTime,
    ) -> Self {
        let (hook, (state, next)) = (&one.hook, one.state());
        let next = next.map(|next| wall.after(millis(next.saturating_duration_since(now))));
        Self {
            name: hook.name.clone(),
            url: told(&hook.url),
            pattern: hook.pattern.as_ref().map_or_else(String::new, |pattern| pattern.as_str().to_owned()),
            events: hook.events.iter().map(EventType::name).collect(),
            state,
            taken: one.taken,
            backlog: one.backlog(),
            counts: one.counts.all(),
            last: last.get(&hook.name).cloned(),
            next_try: next.map(|next| WallTime::from_seconds(next.seconds())),
        }
    }
}

/// What came of the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCall {
    /// When it ended.
    pub at: WallTime,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl LastCall {
    pub(super) fn of(at: WallTime, outcome: &CallOutcome) -> Self {
        let error = match outcome {
            CallOutcome::Taken => None,
            CallOutcome::Gone => {
                Some("it answers 410 and gets no more calls; a reload begins anew".to_owned())
            }
            CallOutcome::Refused(status, _) => Some(format!("it answers {status}")),
            CallOutcome::Failed(why, _) => Some(why.clone()),
        };
        Self { at, error }
    }
}

impl DeliveryCounts {
    pub(super) fn all(self) -> [u64; 5] {
        let Self { calls, failed, taken, lost, gaps } = self;
        [calls, failed, taken, lost, gaps]
    }
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
