//! The classic dialects.

use std::time::Duration;

use crate::Effect;
use crate::file_text::FileText;
use crate::key::{SettingKey, count, duration, file, size, switch, text};
use crate::kind::ValueKind;

pub const CLASSIC_WAIT_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Live,
    "classic_wait_timeout",
    ["100ms", "1h"],
    "300s",
    "How long a client of the classic dialect waits before it is answered empty",
);
pub const CLASSIC_GRACE: SettingKey<Duration> = duration(
    Effect::Live,
    "classic_grace",
    ["0s", "1h"],
    "20s",
    "How long a channel stays online after its last classic client left",
);
pub const CLASSIC_WAIT_LIMIT: SettingKey<u64> = size(
    Effect::Live,
    "classic_wait_limit",
    ["64", "1MiB"],
    "5KiB",
    "Bytes a classic client may send to say what it waits for",
);
pub const CLASSIC_IN_LIMIT: SettingKey<u64> = size(
    Effect::Live,
    "classic_in_limit",
    ["64", "256MiB"],
    "100KiB",
    "Bytes of one input on the IN line in the classic dialect",
);
pub const CLASSIC_IN_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Live,
    "classic_in_timeout",
    ["100ms", "1h"],
    "20s",
    "How long one input on the IN line in the classic dialect may take",
);
pub const REALPLEXOR_USERS: SettingKey<Option<FileText>> = file(
    Effect::Restart,
    "realplexor_users",
    "",
    "Who may publish in the words of Realplexor: lines of login:hash, as htpasswd writes them; a line that \
     begins with a colon lets everybody. Without a file everybody may",
);
pub const REALPLEXOR_IN_LIMIT: SettingKey<u64> = size(
    Effect::NewConnections,
    "realplexor_in_limit",
    ["64", "256MiB"],
    "200KiB",
    "Bytes of one input on the IN line in the words of Realplexor",
);
pub const REALPLEXOR_PARTIAL: SettingKey<bool> = switch(
    Effect::NewConnections,
    "realplexor_partial",
    "off",
    "Whether an HTTP publish whose connection ends before its body is whole is published all the same",
);
pub const REALPLEXOR_MARKER: SettingKey<String> = text(
    Effect::NewConnections,
    "realplexor_marker",
    ValueKind::Word,
    "identifier",
    "The word before the ids in the words of Realplexor",
);
pub const REALPLEXOR_CHARSET: SettingKey<String> = text(
    Effect::NewConnections,
    "realplexor_charset",
    ValueKind::Text,
    "utf-8",
    "What is said of the characters of replies and pages",
);
pub const REALPLEXOR_IFRAME_ID: SettingKey<String> = text(
    Effect::NewConnections,
    "realplexor_iframe_id",
    ValueKind::Word,
    "IFRAME",
    "The id under which the page for frames stands",
);
pub const REALPLEXOR_SCRIPT_ID: SettingKey<String> = text(
    Effect::NewConnections,
    "realplexor_script_id",
    ValueKind::Word,
    "SCRIPT",
    "The id under which the library for pages stands",
);
pub const REALPLEXOR_IFRAME_FILE: SettingKey<Option<FileText>> =
    file(Effect::NewConnections, "realplexor_iframe_file", "", "A page for frames of your own");
pub const REALPLEXOR_SCRIPT_FILE: SettingKey<Option<FileText>> =
    file(Effect::NewConnections, "realplexor_script_file", "", "A library for pages of your own");
pub const REALPLEXOR_WAIT_URI: SettingKey<String> = text(
    Effect::NewConnections,
    "realplexor_wait_uri",
    ValueKind::Text,
    "/",
    "Where the page for frames asks for messages",
);
pub const REALPLEXOR_RECONNECT_DELAY: SettingKey<Duration> = duration(
    Effect::NewConnections,
    "realplexor_reconnect_delay",
    ["0s", "1h"],
    "10ms",
    "How long the page for frames pauses between two requests",
);
pub const REALPLEXOR_MAX_BOUNCES: SettingKey<u64> = count(
    Effect::NewConnections,
    "realplexor_max_bounces",
    ["0", "1000000"],
    "10",
    "After how many requests that ended too soon the page for frames pauses longer",
);
pub const REALPLEXOR_DEBUG: SettingKey<bool> = switch(
    Effect::NewConnections,
    "realplexor_debug",
    "on",
    "Whether the page for frames tells its page of errors",
);
