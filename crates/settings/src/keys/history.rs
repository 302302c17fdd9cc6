//! What is kept, in memory and on a disk.

use std::time::Duration;

use crate::Effect;
use crate::key::{SettingKey, choice, count, duration, label, size, switch};
use crate::kind::ValueKind;

pub const HISTORY_MESSAGES: SettingKey<u64> = count(
    Effect::Live,
    "history_messages",
    ["0", "100000"],
    "100",
    "Messages kept a channel for those who come back; 0 keeps none",
);
pub const HISTORY_AGE: SettingKey<Duration> =
    duration(Effect::Live, "history_age", ["0s", "30d"], "1h", "How long a message is kept");
pub const HISTORY_RENEW: SettingKey<bool> = switch(
    Effect::Live,
    "history_renew",
    "off",
    "Whether a message renews the time of all that is kept of its channel, as Realplexor did it",
);
pub const HISTORY_BYTES: SettingKey<u64> =
    size(Effect::Live, "history_bytes", ["0", "64GiB"], "1MiB", "Bytes of payload kept a channel");
pub const HISTORY_BUDGET: SettingKey<u64> = size(
    Effect::Live,
    "history_budget",
    ["0", "1024GiB"],
    "256MiB",
    "Bytes of payload kept in all; the oldest of all go first",
);
pub const CHANNELS_BUDGET: SettingKey<u64> = size(
    Effect::Restart,
    "channels_budget",
    ["1MiB", "1024GiB"],
    "512MiB",
    "Bytes that records of channels may take, about 240 and the name each; names that nobody waits on and nobody ever \
     published to go first, and an eighth is for channels that are published to",
);
pub const RESUME_WINDOW: SettingKey<Duration> = duration(
    Effect::Live,
    "resume_window",
    ["0s", "30d"],
    "1h",
    "How long a silent channel is remembered, so that a gap can be told; at least the history's age counts",
);
pub const PRESENCE_GRACE: SettingKey<Duration> = duration(
    Effect::Live,
    "presence_grace",
    ["0s", "1h"],
    "10s",
    "How long a user has to come back to a channel before others are told that it left, where a rule says presence",
);
pub const PRESENCE_LIST: SettingKey<u64> = count(
    Effect::Live,
    "presence_list",
    ["0", "1000"],
    "200",
    "Users in the list that a newcomer gets who asks for presence; how many there are it is told in any case",
);
pub const PRESENCE_HISTORY: SettingKey<u64> = count(
    Effect::Live,
    "presence_history",
    ["0", "100000"],
    "1000",
    "Joins and leaves kept of a channel for those who come back, as long as resume_window; others get the list anew",
);
pub const STORE: SettingKey<String> = label(
    Effect::Restart,
    "store",
    ValueKind::Folder,
    "",
    "Where messages are kept on disk, so that they outlive the program; without it they do not",
);
pub const STORE_SYNC: SettingKey<&'static str> = choice(
    Effect::Restart,
    "store_sync",
    &["always", "interval", "os"],
    "always",
    "When what is kept is made safe against power loss: before a publisher is answered; once a second; when the \
     system likes",
);
pub const STORE_LIMIT: SettingKey<u64> = size(
    Effect::Restart,
    "store_limit",
    ["16MiB", "1024GiB"],
    "1GiB",
    "Bytes on disk in all; what is still needed of the oldest is written anew, and the rest of it removed",
);
