//! Who may come in, and who is asked about it: tokens, the hook, the application behind the WAIT line.

use std::time::Duration;

use access::Tokens;
use wait::Shows;

use super::count;
use super::values::Values;

/// By what tokens and signatures are checked.
pub(super) fn tokens(values: &Values) -> Tokens {
    Tokens {
        secrets: values.secrets("token_secret").to_vec(),
        keys: values.public_keys("token_key").cloned().collect(),
        audiences: values.names("token_audience"),
        finds_keys: values.url("token_keys_url").is_some(),
    }
}

/// Whom to ask.
pub(super) fn upstream(values: &Values) -> upstream::Settings {
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
pub(super) fn verdict_timeout(values: &Values) -> Duration {
    let hook = 2 * values.duration("hook_timeout");
    let longest = match values.url("takeover") {
        Some(_) => hook.max(values.duration("takeover_timeout")),
        None => hook,
    };
    longest + VERDICT_MARGIN
}

/// What of a request counts as credentials.
pub(super) fn shows(values: &Values) -> Shows {
    let names = |name| values.names(name).into_iter().map(String::into_boxed_str);
    let has_hook = values.url("hook").is_some();
    Shows {
        tokens: !tokens(values).is_empty(),
        headers: names("hook_headers")
            .filter(|_| has_hook)
            .map(|name| name.to_ascii_lowercase().into_boxed_str())
            .collect(),
        cookies: names("hook_cookies").filter(|_| has_hook).collect(),
    }
}

/// Checks the beginning of the paths that are the application's. The error says what would be right.
pub(super) fn check_prefix(values: &Values) -> Result<(), String> {
    let (place, prefix) = (values.place("takeover_prefix"), values.label("takeover_prefix"));
    if prefix.starts_with('/') && !prefix.contains(['?', '#']) {
        return Ok(());
    }
    Err(format!("{place}takeover_prefix is {prefix:?}; give the beginning of a path, such as /app/"))
}

/// What a verdict may take beyond that.
const VERDICT_MARGIN: Duration = Duration::from_secs(1);
