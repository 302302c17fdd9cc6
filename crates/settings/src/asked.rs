//! Who may come in, and who is asked about it: tokens, the hook, the application behind the WAIT line.

use std::net::IpAddr;
use std::time::Duration;

use access::Tokens;
use wait::Shows;

use super::count;
use super::values::Values;

/// By what tokens and signatures are checked.
pub(crate) fn tokens(values: &Values) -> Tokens {
    Tokens {
        secrets: values.secrets("token_secret").to_vec(),
        keys: values.public_keys("token_key").cloned().collect(),
        audiences: values.names("token_audience"),
        finds_keys: values.url("token_keys_url").is_some(),
    }
}

/// Whom to ask.
pub(crate) fn upstream(values: &Values) -> upstream::Settings {
    let hook = |url| upstream::Hook {
        url,
        timeout: values.duration("hook_timeout"),
        age: values.duration("hook_age"),
        calls: count(values.count("hook_calls")),
    };
    let takeover = |url| upstream::Takeover {
        url,
        timeout: values.duration("takeover_timeout"),
        calls: count(values.count("takeover_calls")),
    };
    upstream::Settings {
        hook: values.url("hook").map(hook),
        keys: values.url("token_keys_url"),
        takeover: values.url("takeover").map(takeover),
    }
}

/// How long a client waits at the most for what is asked: for a call to end, and for its own.
pub(crate) fn verdict_timeout(values: &Values) -> Duration {
    let hook = 2 * values.duration("hook_timeout");
    let longest = match values.url("takeover") {
        Some(_) => hook.max(2 * values.duration("takeover_timeout")),
        None => hook,
    };
    longest + VERDICT_MARGIN
}

/// What of a request counts as credentials.
pub(crate) fn shows(values: &Values) -> Shows {
    let names = |name| values.names(name).into_iter().map(String::into_boxed_str);
    let has_hook = values.url("hook").is_some();
    Shows {
        tokens: !tokens(values).is_empty(),
        headers: names("hook_headers")
            .filter(|_| has_hook)
            .map(|name| name.to_ascii_lowercase().into_boxed_str())
            .collect(),
        cookies: names("hook_cookies").filter(|_| has_hook).collect(),
        token_cookie: values.label("token_cookie").to_owned().into(),
    }
}

/// Checks the beginning of the paths that are the application's. The error says what would be right.
pub(crate) fn check_prefix(values: &Values) -> Result<(), String> {
    let (place, prefix) = (values.place("takeover_prefix"), values.label("takeover_prefix"));
    if prefix.starts_with('/') && !prefix.contains(['?', '#']) {
        return Ok(());
    }
    Err(format!("{place}takeover_prefix is {prefix:?}; give the beginning of a path, such as /app/"))
}

/// Checks that nobody on the way to the keys could put others in their place. The error says what would be right.
pub(crate) fn check_keys_url(values: &Values) -> Result<(), String> {
    let Some(url) = values.url("token_keys_url") else { return Ok(()) };
    let is_here = url.host().is_some_and(is_loopback);
    if is_here || url.scheme_str() == Some("https") {
        return Ok(());
    }
    Err(format!(
        "{}token_keys_url is an address on the network without TLS, where whoever is on the way could answer with keys \
         of their own and sign tokens for anybody; begin it with https://, or give one on loopback, such as \
         http://127.0.0.1/keys",
        values.place("token_keys_url")
    ))
}

/// Whether this host, as it stands in a URL, is this machine and nothing else.
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(
        |_| host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
        |address| address.to_canonical().is_loopback(),
    )
}

/// Checks that what the hook gets of a client is about who it is. The error says what would be right.
pub(crate) fn check_hook_headers(values: &Values) -> Result<(), String> {
    let names = values.names("hook_headers");
    let Some(name) = names.iter().find(|name| upstream::is_of_one_request(name)) else { return Ok(()) };
    Err(format!(
        "{}hook_headers names {name}, which is about the client's own request or connection and would break the hook's; \
         name headers that say who a client is, such as cookie and authorization",
        values.place("hook_headers")
    ))
}

/// Checks the name of the cookie that may hold a token. The error says what would be right.
pub(crate) fn check_cookie(values: &Values) -> Result<(), String> {
    let (place, name) = (values.place("token_cookie"), values.label("token_cookie"));
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Ok(());
    }
    Err(format!(
        "{place}token_cookie is {name:?}; give letters, digits, `-`, `_` and `.`, such as __Host-token"
    ))
}

/// What a verdict may take beyond that.
const VERDICT_MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "localhost", "Keys.Localhost"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["10.0.0.1", "[::2]", "[::ffff:10.0.0.1]", "127.0.0.1.example", "localhost.example", "0.0.0.0"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
