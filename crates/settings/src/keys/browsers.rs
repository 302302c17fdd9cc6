//! Browsers, keys and certificates.

use std::time::Duration;

use crate::api_key::KeyEntry;
use crate::key::{Key, api_keys, duration, switch, texts};
use crate::kind::Kind;

pub const ORIGINS: Key<Vec<String>> = texts(
    "origins",
    Kind::Origins,
    "",
    "Origins of the pages that may show credentials on the WAIT line, beside pages of its own host. Without it, \
     pages that know a token may show it, and cookies count for its own host only",
);
pub const KEY: Key<Vec<KeyEntry>> = api_keys(
    "key",
    "",
    "API keys that may do everything on the IN line; where any key is set, nobody may use it without one. \
     Give it by a variable or a file, since flags are seen by every user of the machine",
);
pub const TLS_CERTIFICATE: Key<Vec<String>> = texts(
    "tls_certificate",
    Kind::Files,
    "",
    "Certificates, each with those up to its authority, as fullchain.pem of certbot; the WAIT line then speaks TLS. \
     Clients get the one for the name they ask for, or the first; read again when they change",
);
pub const TLS_KEY: Key<Vec<String>> = texts(
    "tls_key",
    Kind::Files,
    "",
    "The private keys of these certificates, in the same order, as privkey.pem of certbot",
);
pub const IN_TLS: Key<bool> =
    switch("in_tls", "off", "Whether the IN line speaks TLS, too, with the same certificates");
pub const CLIENT_CA: Key<Vec<String>> = texts(
    "client_ca",
    Kind::Files,
    "",
    "Whose certificates clients of the IN line may show instead of an API key; only where it speaks TLS",
);
pub const IN_HOSTS: Key<Vec<String>> = texts(
    "in_hosts",
    Kind::Names,
    "",
    "Names by which the IN line may be called, beside IP addresses and localhost",
);
pub const SIGN_IN_AGE: Key<Duration> = duration(
    "sign_in_age",
    ["1s", "30d"],
    "12h",
    "How long somebody who signed in with an API key in a browser need not do so again",
);
