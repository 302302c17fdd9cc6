//! The keys of entries in the settings file, and the settings that stand both there and above all entries.

use super::kind::Kind::{
    Address, Certified, Choice, Count, Dialects, Duration, Files, Globs, KeyHash, Label, Pattern, Rights,
    Size, Truth,
};
use super::setting::{Setting, line};

/// The keys of an entry `[[wait]]`.
pub(crate) static WAIT_ENTRY: &[Setting] =
    &[line("address", Address, "0.0.0.0:8088", "Where to listen"), DIALECT, TLS, TLS_CERTIFICATE, TLS_KEY];

/// The keys of an entry `[[in]]`.
pub(crate) static IN_ENTRY: &[Setting] =
    &[line("address", Address, "127.0.0.1:10010", "Where to listen"), DIALECT, TLS, TLS_CERTIFICATE, TLS_KEY];

/// The keys of an entry `[[key]]`.
pub(crate) static KEY_ENTRY: &[Setting] = &[
    line("hash", KeyHash, "sha256:…", "What `multiplexor key make` prints for the server"),
    line(
        "certificate",
        Certified,
        "app.example",
        "The certificate that stands for it, if it comes from an authority of client_ca",
    ),
    line("name", Label, "shop", "What it is called in logs and refusals"),
    line("may", Rights, "publish", "What its owner may do; left out: everything"),
    line("match", Globs, "order.*", "With which channels; left out: all"),
];

/// The keys of an entry `[[channel]]`.
pub(crate) static CHANNEL_ENTRY: &[Setting] = &[
    line("match", Pattern, "chat.*", "A channel's name, or the beginning of names and `*`"),
    HISTORY_MESSAGES,
    HISTORY_AGE,
    HISTORY_BYTES,
    PAYLOAD_LIMIT,
    line(
        "ttl",
        Duration("0s", "30d"),
        "5m",
        "How long a message is kept whose publisher gives no ttl; who comes too late is told of no gap",
    ),
    LISTEN,
    line("durable", Truth, "true", "Whether its messages are kept in the store, if there is one"),
    line(
        "poison",
        Choice(&["keep", "skip"]),
        "keep",
        "What becomes of a message of more than 30 KiB to which a client comes back, though it was written whole to it five \
         times: it is given again, or the client is told of a gap in its place",
    ),
];

pub(crate) const LISTEN: Setting = line(
    "listen",
    Choice(&["open", "token"]),
    "open",
    "Who may listen to a channel: whoever knows its name, or who shows a token or a signed URL for it",
);

pub(crate) const HISTORY_MESSAGES: Setting = line(
    "history_messages",
    Count("0", "100000"),
    "100",
    "Messages kept a channel for those who come back; 0 keeps none",
);
pub(crate) const HISTORY_AGE: Setting =
    line("history_age", Duration("0s", "30d"), "1h", "How long a message is kept");
pub(crate) const HISTORY_BYTES: Setting =
    line("history_bytes", Size("0", "64GiB"), "1MiB", "Bytes of payload kept a channel");
pub(crate) const PAYLOAD_LIMIT: Setting =
    line("payload_limit", Size("1", "256MiB"), "999000", "Bytes of a message at the most");

pub(crate) const TLS_CERTIFICATE: Setting = line(
    "tls_certificate",
    Files,
    "",
    "Certificates, each with those up to its authority, as fullchain.pem of certbot; the WAIT line then speaks TLS. \
     Clients get the one for the name they ask for, or the first; read again when they change",
);
pub(crate) const TLS_KEY: Setting = line(
    "tls_key",
    Files,
    "",
    "The private keys of these certificates, in the same order, as privkey.pem of certbot",
);
pub(crate) const TLS: Setting = line(
    "tls",
    Choice(&["on", "off"]),
    "on",
    "Whether TLS is spoken there; left out: on the WAIT line where there are certificates, on the IN line as in_tls says",
);

pub(crate) const DIALECT: Setting = line(
    "dialect",
    Dialects,
    "multiplexor",
    "The classic dialect that is spoken there beside the native one",
);
