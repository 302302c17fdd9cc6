//! Settings of what is bounded since it costs much: calls, checks, handshakes, memory.

use super::kind::Kind::{Count, Size};
use super::setting::{Setting, line};

pub(crate) const TAKEOVER_CALLS: Setting = line(
    "takeover_calls",
    Count("1", "10000"),
    "256",
    "Such requests under way at once, of which each address has its share; as many wait, and others are refused",
);

pub(crate) const TOKEN_CHECKS: Setting = line(
    "token_checks",
    Count("1", "1000000"),
    "1000",
    "Checks a second of signatures by public keys that come to nothing, in all; of them each address has its share",
);

pub(crate) const TLS_HANDSHAKES: Setting = line(
    "tls_handshakes",
    Count("16", "1000000"),
    "1000",
    "Handshakes of TLS under way at once, on each line: a newcomer takes the place of whoever has most of them",
);

pub(crate) const MEMORY_LIMIT: Setting = line(
    "memory_limit",
    Size("0", "65536GiB"),
    "0",
    "Memory that the program may have: when a tenth of it is left, large requests are refused, and with a twentieth \
     new clients; 0: what the machine and the cgroup have",
);
