//! Messages, requests, and their time.

use std::time::Duration;

use crate::Effect;
use crate::key::{SettingKey, count, duration, duration_or_auto, size, switch};

pub const PAYLOAD_LIMIT: SettingKey<u64> =
    size(Effect::Live, "payload_limit", ["1", "256MiB"], "999000", "Bytes of a message at the most");
pub const CLIENT_PAYLOAD_LIMIT: SettingKey<u64> = size(
    Effect::Live,
    "client_payload_limit",
    ["1", "128KiB"],
    "16KiB",
    "Bytes of a message of a client at the most, where a rule says publish",
);
pub const CHANNELS_LIMIT: SettingKey<u64> =
    count(Effect::Live, "channels_limit", ["1", "1000"], "1000", "Channels a connection may listen to");
pub const STRICT_NAMES: SettingKey<bool> = switch(
    Effect::Live,
    "strict_names",
    "off",
    "Whether a client is refused that names a channel with a `*`, which stands for itself; else its answer has a warning",
);
pub const COMPRESSION: SettingKey<bool> = switch(
    Effect::Live,
    "compression",
    "on",
    "Whether clients that take compressed messages get them: compressed once for all who are told the same",
);
pub const REQUEST_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Live,
    "request_timeout",
    ["100ms", "1h"],
    "20s",
    "How long a request, or a message of a client, may take from its first byte to its last, on both lines",
);
pub const KEEP_ALIVE: SettingKey<Duration> = duration(
    Effect::Live,
    "keep_alive",
    ["1s", "1h"],
    "75s",
    "How long a connection stays open for a further request, on both lines: longer than a proxy in front keeps it",
);
pub const POLL_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Live,
    "poll_timeout",
    ["100ms", "1h"],
    "25s",
    "How long a long poll waits before it is answered empty",
);
pub const HEARTBEAT: SettingKey<Duration> = duration(
    Effect::Live,
    "heartbeat",
    ["100ms", "1h"],
    "25s",
    "How long a stream may be silent before the server says that it lives",
);
pub const STREAM_AGE: SettingKey<Duration> = duration(
    Effect::NewConnections,
    "stream_age",
    ["0s", "24h"],
    "0s",
    "How long a stream or a WebSocket lasts at the most; it ends in the second half of this time, and its client comes \
     back with its cursor, so that a proxy's old processes go; 0s: as long as its client stays",
);
pub const SLOW_READER: SettingKey<u64> = size(
    Effect::Live,
    "slow_reader",
    ["1KiB", "1GiB"],
    "1MiB",
    "Bytes a client may leave unread before it is closed, to resume by its cursor",
);
pub const TLS_HANDSHAKES: SettingKey<u64> = count(
    Effect::Live,
    "tls_handshakes",
    ["16", "1000000"],
    "1000",
    "Handshakes of TLS under way at once, on each line: a newcomer takes the place of whoever has most of them",
);
pub const MEMORY_LIMIT: SettingKey<u64> = size(
    Effect::Live,
    "memory_limit",
    ["0", "65536GiB"],
    "0",
    "Memory that the program may have: when a tenth of it is left, large requests are refused, and with a twentieth \
     new clients; 0: what the machine and the cgroup have",
);
pub const GRACE: SettingKey<Duration> = duration(
    Effect::Live,
    "grace",
    ["0s", "1h"],
    "30s",
    "How long a channel stays online after its last client left",
);
pub const LAME_DUCK: SettingKey<Option<Duration>> = duration_or_auto(
    Effect::Live,
    "lame_duck",
    ["0s", "10m"],
    "auto",
    "How long both lines serve on after SIGTERM while /readyz says that the end is near; auto: 5s where NOTIFY_SOCKET or \
     KUBERNETES_SERVICE_HOST is set or the program is process 1, else 0s",
);
pub const DRAIN: SettingKey<Duration> = duration(
    Effect::Live,
    "drain",
    ["0s", "10m"],
    "2s",
    "Over what time connections are closed when the program ends",
);
