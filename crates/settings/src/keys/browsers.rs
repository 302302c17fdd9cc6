//! Browsers, keys and certificates.

use std::time::Duration;

use crate::Effect;
use crate::api_key::KeyEntry;
use crate::key::{SettingKey, api_keys, duration, switch, texts};
use crate::kind::ValueKind;

pub const ORIGINS: SettingKey<Vec<String>> = texts(
    Effect::Live,
    "origins",
    ValueKind::Origins,
    "",
    "Origins of the pages that may show credentials on the WAIT line, beside pages of its own host. Without it, \
     pages that know a token may show it, and cookies count for its own host only",
);
pub const KEY: SettingKey<Vec<KeyEntry>> = api_keys(
    Effect::Live,
    "key",
    "",
    "API keys that may do everything on the IN line; where any key is set, nobody may use it without one. \
     Give it by a variable or a file, since flags are seen by every user of the machine",
);
pub const TLS_CERTIFICATE: SettingKey<Vec<String>> = texts(
    Effect::NewConnections,
    "tls_certificate",
    ValueKind::Files,
    "",
    "Certificates, each with those up to its authority, as fullchain.pem of certbot; the WAIT line then speaks TLS. \
     Clients get the one for the name they ask for, or the first; read again when they change",
);
pub const TLS_KEY: SettingKey<Vec<String>> = texts(
    Effect::NewConnections,
    "tls_key",
    ValueKind::Files,
    "",
    "The private keys of these certificates, in the same order, as privkey.pem of certbot",
);
pub const IN_TLS: SettingKey<bool> = switch(
    Effect::Restart,
    "in_tls",
    "off",
    "Whether the IN line speaks TLS, too, with the same certificates",
);
pub const CLIENT_CA: SettingKey<Vec<String>> = texts(
    Effect::NewConnections,
    "client_ca",
    ValueKind::Files,
    "",
    "Whose certificates clients of the IN line may show instead of an API key; only where it speaks TLS",
);
pub const IN_HOSTS: SettingKey<Vec<String>> = texts(
    Effect::Live,
    "in_hosts",
    ValueKind::Names,
    "",
    "Names by which the IN line may be called, beside IP addresses and localhost",
);
pub const SIGN_IN_AGE: SettingKey<Duration> = duration(
    Effect::Restart,
    "sign_in_age",
    ["1s", "30d"],
    "12h",
    "How long somebody who signed in with an API key in a browser need not do so again",
);
