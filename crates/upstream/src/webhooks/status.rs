//! What is known of each webhook, for whoever asks.

use exchange::hub::{Position, WallTime};

use super::delivery::{Counts, Outcome};

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

/// What came of the last call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCall {
    /// When it ended.
    pub at: WallTime,
    /// Why it was not taken.
    pub error: Option<String>,
}

impl LastCall {
    pub(super) fn of(at: WallTime, outcome: &Outcome) -> Self {
        let error = match outcome {
            Outcome::Taken => None,
            Outcome::Gone => Some("it answers 410 and gets no more calls; a reload begins anew".to_owned()),
            Outcome::Refused(status, _) => Some(format!("it answers {status}")),
            Outcome::Failed(why, _) => Some(why.clone()),
        };
        Self { at, error }
    }
}

impl Counts {
    pub(super) fn all(self) -> [u64; 5] {
        let Self { calls, failed, taken, lost, gaps } = self;
        [calls, failed, taken, lost, gaps]
    }
}
