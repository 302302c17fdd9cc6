//! What the run and its workers say to each other: JSON, one object a line, over a worker's standard
//! input and output.

use serde::{Deserialize, Serialize};

use crate::histogram::Durations;
use crate::plan::{Plan, Reloading};

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum WorkerOrder {
    /// First of all: the plan, and that it is worker `number` of so many. Its clients are those whose
    /// number leaves `number` when divided by `workers`.
    Begin { plan: Plan, number: u32, workers: u32 },
    /// All clients below this number connect.
    Join { until: u32 },
    /// Messages of these numbers are about to be sent.
    Expect { first: u32, count: u32 },
    /// So many percent of the clients disconnect, chosen by the seed.
    Leave { percent: f64, seed: u64 },
    /// Those who left connect again.
    Back,
    /// Clients disconnect, each as it is its turn, and connect again at once.
    Reload(Reloading),
    /// So many percent of the clients, chosen by the seed, read no more.
    Pause { percent: f64, seed: u64 },
    /// They read again.
    Resume,
    /// Tell what became of everything since the last time.
    Tell,
}

/// What a worker tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum WorkerFact {
    /// So many connections wait, so many messages came; told now and then while it changes.
    Progress { standing: u64, got: u64 },
    /// All that was ordered has been done, and all that was expected has come.
    Settled,
    /// The answer to [`WorkerOrder::Tell`].
    Told(Box<ConnectionTally>),
}

/// What became of connections and messages.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ConnectionTally {
    /// Connections that wait now.
    pub(crate) standing: u64,
    /// Connections that could not be made, or were refused.
    pub(crate) failed: u64,
    /// Connections that are not answered yet.
    pub(crate) pending: u64,
    /// Connections that were left for another one at once.
    pub(crate) reloaded: u64,
    /// Connections that the server ended.
    pub(crate) closed: u64,
    /// Messages that clients should have got.
    pub(crate) owed: u64,
    /// Messages that came, each client's counted once.
    pub(crate) got: u64,
    /// Messages that came again.
    pub(crate) doubled: u64,
    /// Messages that came after a later one.
    pub(crate) disordered: u64,
    /// Messages of a channel that the client does not wait on.
    pub(crate) astray: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// From the sending of a message until a client had read it.
    pub(crate) latency: Durations,
    /// The same for the first message that was expected.
    pub(crate) first: Durations,
    /// By message, for the first thousands: the latency of its last receiver so far.
    pub(crate) slowest_ns: Vec<u64>,
    /// When the last connection was ready, and the last message came, by the monotonic clock.
    pub(crate) ready_ns: u64,
    pub(crate) last_ns: u64,
    /// What went wrong first, in words.
    pub(crate) error: Option<String>,
}

impl ConnectionTally {
    /// Adds what another worker told.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.standing += other.standing;
        self.failed += other.failed;
        self.pending += other.pending;
        self.reloaded += other.reloaded;
        self.closed += other.closed;
        self.owed += other.owed;
        self.got += other.got;
        self.doubled += other.doubled;
        self.disordered += other.disordered;
        self.astray += other.astray;
        self.bytes += other.bytes;
        self.latency.merge(&other.latency);
        self.first.merge(&other.first);
        if self.slowest_ns.len() < other.slowest_ns.len() {
            self.slowest_ns.resize(other.slowest_ns.len(), 0);
        }
        for (mine, theirs) in self.slowest_ns.iter_mut().zip(&other.slowest_ns) {
            *mine = (*mine).max(*theirs);
        }
        self.ready_ns = self.ready_ns.max(other.ready_ns);
        self.last_ns = self.last_ns.max(other.last_ns);
        if self.error.is_none() {
            self.error.clone_from(&other.error);
        }
    }

    /// Messages that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.owed.saturating_sub(self.got)
    }
}
