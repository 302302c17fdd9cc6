//! What all requests of the IN line share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use exchange::Exchange;
use tokio::sync::Semaphore;

use crate::counters::Counters;
use crate::limits::{CLASSIC_LEN_MAX, CLASSIC_TIMEOUT, CONNECTIONS_MAX, PAYLOAD_LEN_MAX, PUBLISH_WAIT};
use crate::probes::Canaries;

/// What may be set about coming in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a message at the most.
    pub payload_limit: usize,
    /// Names by which the line may be called, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Bytes of a message in the words of 2009, its head included.
    pub classic_limit: usize,
    /// How long such a message may take.
    pub classic_timeout: Duration,
    /// How long a publish waits when a shard owes its readers too much, before it is refused.
    pub publish_wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payload_limit: PAYLOAD_LEN_MAX,
            hosts: Vec::new(),
            classic_limit: CLASSIC_LEN_MAX,
            classic_timeout: CLASSIC_TIMEOUT,
            publish_wait: PUBLISH_WAIT,
        }
    }
}

/// Reads counters that belong to somebody else: name and value of each.
pub(crate) type ReadCounters = Box<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync>;

/// The line, as a request sees it.
pub(crate) struct Line {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    pub(crate) canaries: Arc<Canaries>,
    /// The counters of the WAIT line, of which this crate knows nothing else.
    pub(crate) wait_counters: ReadCounters,
    /// One permit a connection.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) started: Instant,
    draining: AtomicBool,
}

impl Line {
    pub(crate) fn new(exchange: Arc<Exchange>, settings: Settings, wait_counters: ReadCounters) -> Self {
        Self {
            exchange,
            settings,
            counters: Counters::default(),
            canaries: Arc::default(),
            wait_counters,
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            started: Instant::now(),
            draining: AtomicBool::new(false),
        }
    }

    /// Bytes that a message to all of these channels may have.
    pub(crate) fn payload_limit(&self, channels: &[impl AsRef<str>]) -> usize {
        let limit = self.exchange.payload_limit(channels, self.settings.payload_limit as u64);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    /// The program ends: from now on the line is not ready for more.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn connections_open(&self) -> usize {
        CONNECTIONS_MAX - self.connections.available_permits()
    }
}
