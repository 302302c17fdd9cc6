//! How long a client may take, or be silent, or stay.

use super::kind::Kind::Duration;
use super::setting::{Setting, line};

pub(crate) const REQUEST_TIMEOUT: Setting = line(
    "request_timeout",
    Duration("100ms", "1h"),
    "20s",
    "How long a request, or a message of a client, may take from its first byte to its last, on both lines",
);
pub(crate) const KEEP_ALIVE: Setting = line(
    "keep_alive",
    Duration("1s", "1h"),
    "75s",
    "How long a connection stays open for a further request, on both lines: longer than a proxy in front keeps it",
);
pub(crate) const POLL_TIMEOUT: Setting = line(
    "poll_timeout",
    Duration("100ms", "1h"),
    "25s",
    "How long a long poll waits before it is answered empty",
);
pub(crate) const HEARTBEAT: Setting = line(
    "heartbeat",
    Duration("100ms", "1h"),
    "25s",
    "How long a stream may be silent before the server says that it lives",
);
pub(crate) const STREAM_AGE: Setting = line(
    "stream_age",
    Duration("0s", "24h"),
    "0s",
    "How long a stream or a WebSocket lasts at the most; it ends in the second half of this time, and its client comes \
     back with its cursor, so that a proxy's old processes go; 0s: as long as its client stays",
);
