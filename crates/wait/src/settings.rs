//! What may be set about waiting. A shard holds one snapshot, and gets the next by mail.

use std::time::Duration;

use access::{Proxies, Tokens};
use transport::dialect::native::Paths;
use transport::dialect::{Dialects, Origins, Shows};

use crate::limits::{UNACKNOWLEDGED_HEARTBEATS, UNACKNOWLEDGED_MAX, UNACKNOWLEDGED_MIN};

/// What may be set about waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitSettings {
    /// How long a client may take for its request, or for a message of its own, from the first byte to the last.
    pub request_timeout: Duration,
    /// How long a connection stays open for a further request, at least.
    pub keep_alive: Duration,
    /// Handshakes of TLS under way at once, in all shards together.
    pub tls_handshakes: usize,
    /// How long a long poll waits.
    pub poll_timeout: Duration,
    /// How long a stream may be silent.
    pub heartbeat: Duration,
    /// How long a stream lasts at the most; zero: as long as its client stays.
    pub stream_age: Duration,
    /// Bytes a reader may owe us before it is closed.
    pub slow_reader: usize,
    /// Channels a connection may listen to.
    pub channels_limit: usize,
    /// Bytes of a message of a client.
    pub client_payload_limit: usize,
    /// Whether a name with a `*` is refused, which some take for a pattern.
    pub strict_names: bool,
    /// Whether clients that take compressed answers get them.
    pub compression: bool,
    /// Whether sends to many go by io_uring, where the kernel has one for us.
    pub io_uring: bool,
    /// How long a client of 2009 waits for its one message.
    pub classic_timeout: Duration,
    /// Bytes a client of 2009 may send before it names its channel.
    pub classic_limit: usize,
    /// How long a channel stays online after its last client of 2009 left.
    pub classic_grace: Duration,
    /// The dialects besides our own, as they are set.
    pub dialects: Dialects,
    /// With what tokens are signed; nothing: nobody looks at tokens.
    pub tokens: Tokens,
    /// Whose pages may show credentials; none: those who know a token may show it, whoever they are.
    pub origins: Origins,
    /// What counts as credentials: tokens, and what somebody is asked about.
    pub shows: Shows,
    /// Our paths.
    pub paths: Paths,
    /// How the paths begin that are the application's; `None`: all that are not ours lead nowhere.
    pub takeover: Option<Box<str>>,
    /// How long a client waits at the most until it is known who it is.
    pub verdict_timeout: Duration,
    /// Proxies that are believed when they say whose connections and requests they pass on.
    pub proxies: Proxies,
    /// Over what time connections are closed at the end.
    pub drain: Duration,
}

impl WaitSettings {
    /// How long the kernel waits for a client to acknowledge what it was sent, until the client counts as gone.
    pub fn unacknowledged(&self) -> Duration {
        (self.heartbeat * UNACKNOWLEDGED_HEARTBEATS).clamp(UNACKNOWLEDGED_MIN, UNACKNOWLEDGED_MAX)
    }
}

impl Default for WaitSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(20),
            keep_alive: Duration::from_secs(75),
            tls_handshakes: 1_000,
            poll_timeout: Duration::from_secs(25),
            heartbeat: Duration::from_secs(25),
            stream_age: Duration::ZERO,
            slow_reader: 1 << 20,
            channels_limit: 1_000,
            client_payload_limit: 16 << 10,
            strict_names: false,
            compression: true,
            io_uring: true,
            classic_timeout: Duration::from_secs(300),
            classic_limit: 5_120,
            classic_grace: Duration::from_secs(20),
            dialects: Dialects::default(),
            tokens: Tokens::default(),
            origins: Origins::NONE,
            shows: Shows::NOTHING,
            paths: Paths::default(),
            takeover: None,
            verdict_timeout: Duration::from_secs(11),
            proxies: Proxies::default(),
            drain: Duration::from_secs(2),
        }
    }
}
