//! Who may come in, and who is asked about it: tokens, the hook, the application behind the WAIT line.

use std::time::Duration;

use access::Tokens;
use wait::Shows;

use super::count;
use super::values::Values;
use crate::key::SettingKey;
use crate::keys;
use crate::names::{is_loopback, is_name};

/// By what tokens and signatures are checked.
pub(crate) fn tokens(values: &Values) -> Tokens {
    Tokens {
        secrets: values.get(&keys::TOKEN_SECRET),
        keys: values.get(&keys::TOKEN_KEY),
        audiences: values.get(&keys::TOKEN_AUDIENCE),
        finds_keys: values.get(&keys::TOKEN_KEYS_URL).is_some(),
    }
}

/// Whom to ask.
pub(crate) fn upstream(values: &Values) -> upstream::UpstreamSettings {
    let hook = |url| upstream::Hook {
        url,
        timeout: values.get(&keys::HOOK_TIMEOUT),
        age: values.get(&keys::HOOK_AGE),
        calls: count(values.get(&keys::HOOK_CALLS)),
    };
    let takeover = |url| upstream::Takeover {
        url,
        timeout: values.get(&keys::TAKEOVER_TIMEOUT),
        calls: count(values.get(&keys::TAKEOVER_CALLS)),
    };
    let publish = |url| upstream::PublishHook {
        url,
        timeout: values.get(&keys::HOOK_TIMEOUT),
        calls: count(values.get(&keys::PUBLISH_HOOK_CALLS)),
        secrets: values.get(&keys::PUBLISH_HOOK_SECRET),
    };
    let publish_url = values.get(&keys::PUBLISH_HOOK_URL).or_else(|| values.get(&keys::HOOK));
    upstream::UpstreamSettings {
        // A rule that says so may come later.
        publish: publish_url.map(publish),
        hook: values.get(&keys::HOOK).map(hook),
        keys: values.get(&keys::TOKEN_KEYS_URL),
        takeover: values.get(&keys::TAKEOVER).map(takeover),
    }
}

/// How long a client waits at the most for what is asked: for a call to end, and for its own.
pub(crate) fn verdict_timeout(values: &Values) -> Duration {
    let hook = 2 * values.get(&keys::HOOK_TIMEOUT);
    let longest = match values.get(&keys::TAKEOVER) {
        Some(_) => hook.max(2 * values.get(&keys::TAKEOVER_TIMEOUT)),
        None => hook,
    };
    longest + VERDICT_MARGIN
}

/// What of a request counts as credentials.
pub(crate) fn shows(values: &Values) -> Shows {
    let names = |key: &SettingKey<Vec<String>>| values.get(key).into_iter().map(String::into_boxed_str);
    let has_hook = values.get(&keys::HOOK).is_some();
    Shows {
        tokens: !tokens(values).is_empty(),
        headers: names(&keys::HOOK_HEADERS)
            .filter(|_| has_hook)
            .map(|name| name.to_ascii_lowercase().into_boxed_str())
            .collect(),
        cookies: names(&keys::HOOK_COOKIES).filter(|_| has_hook).collect(),
        token_cookie: values.get(&keys::TOKEN_COOKIE).into(),
    }
}

/// Checks that somebody can be asked about messages where that is wanted. The error says what would be right.
pub(crate) fn check_publish_hook(values: &Values) -> Result<(), String> {
    let asks = values.channels.iter().find(|entry| entry.asks_about_messages());
    let url = [&keys::PUBLISH_HOOK_URL, &keys::HOOK].into_iter().find_map(|key| values.get(key));
    match asks {
        Some(entry) if url.is_none() => Err(format!(
            "{}: publish_hook is true, but there is nobody to ask; set publish_hook_url, or hook, too",
            entry.origin
        )),
        _ => Ok(()),
    }
}

/// Checks the beginning of the paths that are the application's. The error says what would be right.
pub(crate) fn check_prefix(values: &Values) -> Result<(), String> {
    let (place, prefix) = (values.place(keys::TAKEOVER_PREFIX.name()), values.get(&keys::TAKEOVER_PREFIX));
    if prefix.starts_with('/') && !prefix.contains(['?', '#']) {
        return Ok(());
    }
    Err(format!("{place}takeover_prefix is {prefix:?}; give the beginning of a path, such as /app/"))
}

/// Checks that nobody on the way to the keys could put others in their place. The error says what would be right.
pub(crate) fn check_keys_url(values: &Values) -> Result<(), String> {
    let Some(url) = values.get(&keys::TOKEN_KEYS_URL) else { return Ok(()) };
    let is_here = url.host().is_some_and(is_loopback);
    if is_here || url.scheme_str() == Some("https") {
        return Ok(());
    }
    Err(format!(
        "{}token_keys_url is an address on the network without TLS, where whoever is on the way could answer with keys \
         of their own and sign tokens for anybody; begin it with https://, or give one on loopback, such as \
         http://127.0.0.1/keys",
        values.place(keys::TOKEN_KEYS_URL.name())
    ))
}

/// Checks that what the hook gets of a client is about who it is. The error says what would be right.
pub(crate) fn check_hook_headers(values: &Values) -> Result<(), String> {
    let names = values.get(&keys::HOOK_HEADERS);
    let Some(name) = names.iter().find(|name| upstream::is_of_one_request(name)) else { return Ok(()) };
    Err(format!(
        "{}hook_headers names {name}, which is about the client's own request or connection and would break the hook's; \
         name headers that say who a client is, such as cookie and authorization",
        values.place(keys::HOOK_HEADERS.name())
    ))
}

/// Checks the name of the cookie that may hold a token. The error says what would be right.
pub(crate) fn check_cookie(values: &Values) -> Result<(), String> {
    let (place, name) = (values.place(keys::TOKEN_COOKIE.name()), values.get(&keys::TOKEN_COOKIE));
    if is_name(&name) {
        return Ok(());
    }
    Err(format!(
        "{place}token_cookie is {name:?}; give letters, digits, `-`, `_` and `.`, such as __Host-token"
    ))
}

/// What a verdict may take beyond that.
const VERDICT_MARGIN: Duration = Duration::from_secs(1);
