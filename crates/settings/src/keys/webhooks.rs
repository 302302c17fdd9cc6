//! Whom the application lets be told what comes about.

use std::time::Duration;

use crate::Effect;
use crate::key::{SettingKey, duration, size};

pub const WEBHOOK_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Live,
    "webhook_timeout",
    ["100ms", "1m"],
    "10s",
    "How long a webhook may take to answer",
);
pub const WEBHOOK_RETRY: SettingKey<Duration> = duration(
    Effect::Live,
    "webhook_retry",
    ["1s", "30d"],
    "1d",
    "How long an event is tried that a webhook does not take; then it is left out, and the next call tells a gap",
);
pub const WEBHOOK_BACKLOG: SettingKey<u64> = size(
    Effect::Live,
    "webhook_backlog",
    ["64KiB", "1GiB"],
    "64MiB",
    "Bytes of events that wait for one webhook; beyond, the oldest are left out, and the next call tells a gap",
);
