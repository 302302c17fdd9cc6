//! Who may listen, and who is asked about it.

use std::time::Duration;

use access::{PublicKey, TokenSecret, WebhookSecret};
use upstream::Uri;

use crate::Effect;
use crate::key::{
    SettingKey, choice, count, duration, label, public_keys, secrets, text, texts, url, webhook_secrets,
};
use crate::kind::ValueKind;

pub const LISTEN: SettingKey<&'static str> = choice(
    Effect::Live,
    "listen",
    &["open", "token"],
    "open",
    "Who may listen to a channel: whoever knows its name, or who shows a token or a signed URL for it",
);
pub const TOKEN_SECRET: SettingKey<Vec<TokenSecret>> = secrets(
    Effect::Live,
    "token_secret",
    "",
    "What your application signs tokens (HS256) and URLs with; several while you change it. Better by a variable \
     or a file, since flags are seen by every user of the machine",
);
pub const TOKEN_KEY: SettingKey<Vec<PublicKey>> = public_keys(
    Effect::Live,
    "token_key",
    "",
    "Public keys of your application, for tokens by RS, PS, ES or EdDSA",
);
pub const TOKEN_KEYS_URL: SettingKey<Option<Uri>> = url(
    Effect::Restart,
    "token_keys_url",
    "",
    "Where the public keys of whoever makes your tokens are found, as a JWK set; fetched every 10 minutes, and \
     when a token names one that is new. By https, or on loopback",
);
pub const TOKEN_CHECKS: SettingKey<u64> = count(
    Effect::Live,
    "token_checks",
    ["1", "1000000"],
    "1000",
    "Checks a second of signatures by public keys that come to nothing, in all; of them each address has its share",
);
pub const TOKEN_AUDIENCE: SettingKey<Vec<String>> = texts(
    Effect::Live,
    "token_audience",
    ValueKind::Texts,
    "",
    "What `aud` of a token must name one of; without it, tokens must be for nobody in particular",
);
pub const TOKEN_COOKIE: SettingKey<String> = label(
    Effect::Live,
    "token_cookie",
    ValueKind::Label,
    "multiplexor_token",
    "The cookie in which a browser may show a token: letters, digits, `-`, `_` and `.`",
);
pub const HOOK: SettingKey<Option<Uri>> = url(
    Effect::Restart,
    "hook",
    "",
    "Where your application says who a client is, by the cookies and headers that the client sent",
);
pub const HOOK_HEADERS: SettingKey<Vec<String>> = texts(
    Effect::Live,
    "hook_headers",
    ValueKind::Tokens,
    "cookie, authorization",
    "Headers of a client that the hook gets; none that are about the client's own request or connection, such as host",
);
pub const HOOK_COOKIES: SettingKey<Vec<String>> = texts(
    Effect::Live,
    "hook_cookies",
    ValueKind::Tokens,
    "",
    "Cookies that the hook gets; without it, all. Name your session's, so that others do not make it be asked anew",
);
pub const HOOK_TIMEOUT: SettingKey<Duration> =
    duration(Effect::Restart, "hook_timeout", ["100ms", "1m"], "5s", "How long the hook may take");
pub const HOOK_AGE: SettingKey<Duration> = duration(
    Effect::Restart,
    "hook_age",
    ["1s", "30d"],
    "10m",
    "How long what the hook said holds, where it does not say so itself",
);
pub const HOOK_CALLS: SettingKey<u64> = count(
    Effect::Restart,
    "hook_calls",
    ["1", "1000"],
    "32",
    "Calls of the hook under way at once; others wait",
);
pub const PUBLISH_HOOK_URL: SettingKey<Option<Uri>> = url(
    Effect::Restart,
    "publish_hook_url",
    "",
    "Where your application is asked about messages of clients, where a rule says publish_hook; left out: at hook",
);
pub const PUBLISH_HOOK_SECRET: SettingKey<Vec<WebhookSecret>> = webhook_secrets(
    Effect::Restart,
    "publish_hook_secret",
    "",
    "What these calls are signed with, as webhooks are: whsec_ and base64; two while you change it",
);
pub const PUBLISH_HOOK_CALLS: SettingKey<u64> = count(
    Effect::Restart,
    "publish_hook_calls",
    ["1", "1000"],
    "64",
    "Such calls under way at once, of which each address has its share; one of a sender. Others wait, 8 of a sender",
);
pub const TAKEOVER: SettingKey<Option<Uri>> = url(
    Effect::Restart,
    "takeover",
    "",
    "Where your application answers requests of the WAIT line that are not for us; where it names channels, the \
     client is held",
);
pub const WAIT_PREFIX: SettingKey<String> = text(
    Effect::Restart,
    "wait_prefix",
    ValueKind::Prefix,
    "",
    "What stands before all paths of the WAIT line, such as /push; others are 404, and the classic dialects are left alone",
);
pub const TAKEOVER_PREFIX: SettingKey<String> = label(
    Effect::Restart,
    "takeover_prefix",
    ValueKind::Label,
    "/",
    "How the paths begin of requests that are passed on",
);
pub const TAKEOVER_TIMEOUT: SettingKey<Duration> = duration(
    Effect::Restart,
    "takeover_timeout",
    ["100ms", "10m"],
    "30s",
    "How long the application may take for such a request",
);
pub const TAKEOVER_CALLS: SettingKey<u64> = count(
    Effect::Restart,
    "takeover_calls",
    ["1", "10000"],
    "256",
    "Such requests under way at once, of which each address has its share; as many wait, and others are refused",
);
