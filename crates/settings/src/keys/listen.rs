//! Where both lines listen, as whom, and how they log.

use crate::Effect;
use crate::ListenerEntry;
use crate::key::{SettingKey, choice, count_or_auto, listeners, switch, text};
use crate::kind::ValueKind;

pub const WAIT: SettingKey<Vec<ListenerEntry>> = listeners(
    Effect::Restart,
    "wait",
    "0.0.0.0:8088",
    "Where clients wait (subscribe): the WAIT line, open to the world",
);
pub const IN: SettingKey<Vec<ListenerEntry>> = listeners(
    Effect::Restart,
    "in",
    "127.0.0.1:10010",
    "Where application servers publish: the IN line; where others can reach it, with an API key only",
);
pub const UNIX_MODE: SettingKey<String> = text(
    Effect::Restart,
    "unix_mode",
    ValueKind::Mode,
    "0660",
    "The mode of UNIX sockets; one of the IN line that others may use (0666) needs an API key, as an open address does",
);
pub const UNIX_OWNER: SettingKey<String> = text(
    Effect::Restart,
    "unix_owner",
    ValueKind::Owner,
    "",
    "To whom UNIX sockets are given: a user, `:` and a group, or both; none: to whom the program is",
);
pub const SHARDS: SettingKey<Option<u64>> = count_or_auto(
    Effect::Restart,
    "shards",
    ["1", "1024"],
    "auto",
    "Threads of the WAIT line; auto: one a processor",
);
pub const IO_URING: SettingKey<bool> = switch(
    Effect::Restart,
    "io_uring",
    "on",
    "Whether a message to many goes to the kernel by io_uring, where there is one: many sends in one call",
);
pub const LOG: SettingKey<&'static str> = choice(
    Effect::Restart,
    "log",
    &["text", "json"],
    "text",
    "How to log, on standard error: text for people, json for machines",
);
pub const LOG_LEVEL: SettingKey<&'static str> = choice(
    Effect::Live,
    "log_level",
    &["error", "warn", "info", "debug", "trace"],
    "info",
    "How much to log; never payloads",
);
pub const USER: SettingKey<String> = text(
    Effect::Restart,
    "user",
    ValueKind::Account,
    "",
    "Whom the program becomes when it is started as root, as soon as it listens; it must be able to write the store, \
     and to read certificates that are to be reloaded",
);
pub const GROUP: SettingKey<String> = text(
    Effect::Restart,
    "group",
    ValueKind::Account,
    "",
    "In which group it is then; without it, in that of the user",
);
pub const SANDBOX: SettingKey<bool> = switch(
    Effect::Restart,
    "sandbox",
    "on",
    "Whether the program shuts itself off from files that it does not need, and from calls of the kernel that no server makes, \
     where the kernel has Landlock and seccomp",
);
