//! The keys of entries in the settings file, and the settings that stand both there and above all entries.

use std::time::Duration;

use crate::Effect;
use crate::key::{SettingKey, choice, duration, truth};
use crate::keys;
use crate::kind::ValueKind::{
    Address, Certified, Choice, Dialects, Events, Globs, KeyHash, Label, Pattern, Rights, Url,
    WebhookSecrets, Word,
};
use crate::setting::{Setting, line};

/// The keys of an entry `[[wait]]`.
pub(crate) static WAIT_ENTRY: &[Setting] = &[
    line(Effect::Restart, "address", Address, keys::WAIT.default_text(), "Where to listen"),
    DIALECT,
    TLS,
    keys::TLS_CERTIFICATE.setting,
    keys::TLS_KEY.setting,
];

/// The keys of an entry `[[in]]`.
pub(crate) static IN_ENTRY: &[Setting] = &[
    line(Effect::Restart, "address", Address, keys::IN.default_text(), "Where to listen"),
    DIALECT,
    TLS,
    keys::TLS_CERTIFICATE.setting,
    keys::TLS_KEY.setting,
];

/// The keys of an entry `[[key]]`.
pub(crate) static KEY_ENTRY: &[Setting] = &[
    line(Effect::Live, "hash", KeyHash, "sha256:…", "What `multiplexor key make` prints for the server"),
    line(
        Effect::Live,
        "certificate",
        Certified,
        "app.example",
        "The certificate that stands for it, if it comes from an authority of client_ca",
    ),
    line(Effect::Live, "name", Label, "shop", "What it is called in logs and refusals"),
    line(Effect::Live, "may", Rights, "publish", "What its owner may do; left out: everything"),
    line(Effect::Live, "match", Globs, "order.*", "With which channels; left out: all"),
];

/// The keys of an entry `[[webhook]]`.
pub(crate) static WEBHOOK_ENTRY: &[Setting] = &[
    line(
        Effect::Live,
        "url",
        Url,
        "https://app.example/events",
        "Where it is called; by https, or on loopback. Redirects are not followed",
    ),
    line(
        Effect::Live,
        "secret",
        WebhookSecrets,
        "whsec_…",
        "What its calls are signed with; two while you change it",
    ),
    line(
        Effect::Live,
        "match",
        Pattern,
        "chat.*",
        "Of which channels it is told; left out: of all, and of users whatever they wait on",
    ),
    line(Effect::Live, "events", Events, "user.online", "Of what it is told; left out: of everything"),
    line(
        Effect::Live,
        "name",
        Word,
        WEBHOOK_NAME,
        "What it is called; how far it has come is kept by this name, and ids of calls begin with it",
    ),
];

/// What a webhook is called that nobody gave a name.
pub(crate) const WEBHOOK_NAME: &str = "webhook";

/// The keys of an entry `[[channel]]`.
pub(crate) static CHANNEL_ENTRY: &[Setting] = &[
    line(Effect::Live, "match", Pattern, "chat.*", "A channel's name, or the beginning of names and `*`"),
    keys::HISTORY_MESSAGES.setting,
    keys::HISTORY_AGE.setting,
    keys::HISTORY_BYTES.setting,
    keys::PAYLOAD_LIMIT.setting,
    TTL.setting,
    keys::LISTEN.setting,
    HISTORY.setting,
    PRESENCE.setting,
    PUBLISH.setting,
    PUBLISH_HOOK.setting,
    DURABLE.setting,
    POISON.setting,
];

pub(crate) const TTL: SettingKey<Duration> = duration(
    Effect::Live,
    "ttl",
    ["0s", "30d"],
    "5m",
    "How long a message is kept whose publisher gives no ttl; who comes too late is told of no gap",
);
pub(crate) const POISON: SettingKey<&'static str> = choice(
    Effect::Live,
    "poison",
    &["keep", "skip"],
    "keep",
    "What becomes of a message of more than 30 KiB to which a client comes back, though it was written whole to it five \
         times: it is given again, or the client is told of a gap in its place",
);
pub(crate) const HISTORY: SettingKey<&'static str> = choice(
    Effect::Live,
    "history",
    &["open", "token", "off"],
    "open",
    "Which clients may read what was said before, page by page and by since and tail: whoever may listen, who shows a \
     token with `history` for it, or none; one that comes back is told of a gap then. Not open, it is closed to clients of \
     2009 and of Realplexor",
);
pub(crate) const PRESENCE: SettingKey<&'static str> = choice(
    Effect::Restart,
    "presence",
    &["off", "open", "token"],
    "off",
    "Which clients may be told which users are on a channel, and who joins and leaves: none, and it is not known; whoever \
     may listen; who shows a token with `presence` for it",
);
pub(crate) const PUBLISH: SettingKey<&'static str> = choice(
    Effect::Live,
    "publish",
    &["off", "open", "token"],
    "off",
    "Which clients may publish, by WebSocket or POST /pub: none; whoever may listen; who shows a token with `publish` for it",
);
pub(crate) const PUBLISH_HOOK: SettingKey<bool> = truth(
    Effect::Live,
    "publish_hook",
    "false",
    "Whether your application is asked, at publish_hook_url, about each message that a client publishes",
);
pub(crate) const DURABLE: SettingKey<bool> =
    truth(Effect::Restart, "durable", "true", "Whether its messages are kept in the store, if there is one");

pub(crate) const TLS: Setting = line(
    Effect::Restart,
    "tls",
    Choice(&["on", "off"]),
    "on",
    "Whether TLS is spoken there; left out: on the WAIT line where there are certificates, on the IN line as in_tls says",
);

pub(crate) const DIALECT: Setting = line(
    Effect::Restart,
    "dialect",
    Dialects,
    "multiplexor",
    "The classic dialect that is spoken there beside the native one",
);
