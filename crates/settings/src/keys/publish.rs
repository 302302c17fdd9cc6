//! What publishers may do.

use std::time::Duration;

use crate::Effect;
use crate::key::{SettingKey, count, duration};

pub const IDEMPOTENCY_AGE: SettingKey<Duration> = duration(
    Effect::Restart,
    "idempotency_age",
    ["0s", "1d"],
    "10m",
    "How long a repeated publish with the same idempotency key gets the first answer; 0s: not at all",
);
pub const IDEMPOTENCY_KEYS: SettingKey<u64> = count(
    Effect::Restart,
    "idempotency_keys",
    ["0", "100000000"],
    "1000000",
    "Idempotency keys remembered at once; the oldest are forgotten early",
);
pub const PUBLISH_RATE: SettingKey<u64> =
    count(Effect::Live, "publish_rate", ["0", "10000000"], "0", "Messages a second in all; 0: any number");
pub const ADDRESS_PUBLISH_RATE: SettingKey<u64> = count(
    Effect::Live,
    "address_publish_rate",
    ["0", "1000000"],
    "0",
    "Messages that one address may publish a second; 0: any number",
);
pub const KEY_PUBLISH_RATE: SettingKey<u64> = count(
    Effect::Live,
    "key_publish_rate",
    ["0", "1000000"],
    "0",
    "Messages that may be published a second with one API key; 0: any number",
);
pub const IN_ADDRESS_REQUESTS: SettingKey<u64> = count(
    Effect::Live,
    "in_address_requests",
    ["0", "1000000"],
    "0",
    "Requests that one address may make a second on the IN line; 0: any number",
);
pub const KEY_REQUESTS: SettingKey<u64> = count(
    Effect::Live,
    "key_requests",
    ["0", "1000000"],
    "0",
    "Requests that may be made a second with one API key; 0: any number",
);
