//! What may be set about waiting. A shard holds one snapshot, and gets the next by mail.

use std::time::Duration;

/// What may be set about waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a client may take for its request, and how long it may be silent between two.
    pub request_timeout: Duration,
    /// How long a long poll waits.
    pub poll_timeout: Duration,
    /// How long a stream may be silent.
    pub heartbeat: Duration,
    /// Bytes a reader may owe us before it is closed.
    pub slow_reader: usize,
    /// Channels a connection may listen to.
    pub channels_limit: usize,
    /// Over what time connections are closed at the end.
    pub drain: Duration,
    /// How long a client of the classic dialect waits before it is answered empty.
    pub classic_timeout: Duration,
    /// Bytes a client of the classic dialect may send before its marker is read.
    pub classic_limit: usize,
    /// How long a channel stays online after its last client left, if that was a classic one.
    pub classic_grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(20),
            poll_timeout: Duration::from_secs(25),
            heartbeat: Duration::from_secs(25),
            slow_reader: 1 << 20,
            channels_limit: 1_000,
            drain: Duration::from_secs(2),
            classic_timeout: Duration::from_secs(300),
            classic_limit: 5_120,
            classic_grace: Duration::from_secs(20),
        }
    }
}
