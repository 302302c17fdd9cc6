//! What no single setting can say: what must go together, and what must not.

use std::collections::BTreeSet;

use access::limits::{KEYS_MAX, TOKEN_KEYS_MAX};
use exchange::hub::{Door, excerpt};
use upstream::limits::WEBHOOKS_MAX;
use wait::Origins;

use super::reader::{CHANNEL, WEBHOOK};
use super::webhook::WebhookEntry;
use super::{Address, ListenerEntry, Settings, Values, authentication};
use crate::keys;

impl Settings {
    /// All that is wrong between them. Of settings that are wrong by themselves nothing is concluded.
    pub(crate) fn check(&self, values: &Values) -> Vec<String> {
        let checks: [(&[&str], Result<(), String>); 14] = [
            (&[WEBHOOK], check_webhooks(values)),
            (&[keys::IN.name(), keys::KEY.name(), keys::UNIX_MODE.name()], self.check_strangers(values)),
            (
                &[keys::KEY.name()],
                check_count(values, keys::KEY.name(), "API keys", values.get(&keys::KEY).len(), KEYS_MAX),
            ),
            (&[keys::TOKEN_SECRET.name()], self.check_secrets(values)),
            (&[keys::TOKEN_KEY.name()], self.check_keys(values)),
            (&[keys::HOOK.name(), keys::HOOK_HEADERS.name()], self.check_hook(values)),
            (
                &[keys::PUBLISH_HOOK_URL.name(), keys::HOOK.name(), CHANNEL],
                authentication::check_publish_hook(values),
            ),
            (&[keys::TAKEOVER_PREFIX.name()], authentication::check_prefix(values)),
            (
                &[keys::TAKEOVER.name(), keys::TAKEOVER_PREFIX.name(), keys::WAIT_PREFIX.name()],
                self.check_takeover(values),
            ),
            (&[keys::TOKEN_KEYS_URL.name()], authentication::check_keys_url(values)),
            (&[keys::HOOK_HEADERS.name()], authentication::check_hook_headers(values)),
            (&[keys::TOKEN_COOKIE.name()], authentication::check_cookie(values)),
            (
                &[keys::ORIGINS.name()],
                check_count(
                    values,
                    keys::ORIGINS.name(),
                    "origins",
                    values.get(&keys::ORIGINS).len(),
                    Origins::COUNT_MAX,
                ),
            ),
            (
                &[
                    keys::LISTEN.name(),
                    keys::TOKEN_SECRET.name(),
                    keys::TOKEN_KEY.name(),
                    keys::TOKEN_KEYS_URL.name(),
                    keys::HOOK.name(),
                    keys::TAKEOVER.name(),
                    CHANNEL,
                ],
                self.check_doors(values),
            ),
        ];
        let told = checks.into_iter().filter(|(about, _)| !values.is_wrong(about));
        let mut wrong: Vec<String> = told.filter_map(|(_, checked)| checked.err()).collect();
        if !values.is_wrong(&[keys::WAIT.name(), keys::IN.name()]) {
            wrong.extend(self.given_twice(values));
        }
        wrong
    }

    /// Nobody may publish but who shows a key, or who is on this machine.
    fn check_strangers(&self, values: &Values) -> Result<(), String> {
        let open = self.in_listeners.iter().find(|listener| !listener.is_loopback());
        let Some(ListenerEntry { address: open, .. }) = open.filter(|_| self.in_line.keys.is_empty()) else {
            return Ok(());
        };
        Err(format!(
            "{}the IN line would listen on {open}, where strangers could publish; set an API key by \
             MULTIPLEXOR_KEY, made by `multiplexor key make`, or give {}",
            values.place(keys::IN.name()),
            match open {
                Address::Inet(_) => "a loopback address such as 127.0.0.1:10010",
                Address::Unix(_) => "a unix_mode that shuts others out, such as 0660",
            }
        ))
    }

    fn check_secrets(&self, values: &Values) -> Result<(), String> {
        let count = self.wait_line.tokens.secrets.len();
        check_count(values, keys::TOKEN_SECRET.name(), "of token_secret", count, TOKEN_KEYS_MAX)
    }

    fn check_keys(&self, values: &Values) -> Result<(), String> {
        let count = self.wait_line.tokens.keys.len();
        check_count(values, keys::TOKEN_KEY.name(), "of token_key", count, TOKEN_KEYS_MAX)
    }

    fn check_hook(&self, values: &Values) -> Result<(), String> {
        if self.upstream.hook.is_none() || !self.wait_line.shows.headers.is_empty() {
            return Ok(());
        }
        let place = values.place(keys::HOOK_HEADERS.name());
        Err(format!(
            "{place}hook_headers is empty, so the hook would be asked about nobody; name cookie, for one"
        ))
    }

    /// Something must be left for the application that is the WAIT line's by no other word.
    fn check_takeover(&self, values: &Values) -> Result<(), String> {
        if self.upstream.takeover.is_none() {
            return Ok(());
        }
        let (place, prefix) =
            (values.place(keys::TAKEOVER_PREFIX.name()), values.get(&keys::TAKEOVER_PREFIX));
        let paths = &self.wait_line.paths;
        let is_same =
            !paths.prefix().is_empty() && prefix.strip_suffix('/').unwrap_or(&prefix) == paths.prefix();
        let is_ours = |ours: &str| ours.ends_with('/') && prefix.starts_with(ours) && paths.hold(ours);
        let ours = paths.all().iter().find(|ours| is_ours(ours));
        let why = match ours {
            _ if is_same => "is wait_prefix, too, behind which the WAIT line's own paths are".to_owned(),
            Some(ours) => format!("begins with {ours}, where clients wait, so nothing would be passed on"),
            None => return Ok(()),
        };
        Err(format!(
            "{place}takeover_prefix is {prefix:?}, which {why}; give each a beginning of its own, such as /app/ and /push"
        ))
    }

    /// Where a channel asks for a token, there must be a way to have one.
    fn check_doors(&self, values: &Values) -> Result<(), String> {
        let closed = values.channels.iter().find_map(|entry| Some((&entry.origin, entry.closes()?)));
        let (place, name) = match closed {
            Some((origin, name)) => (format!("{origin}: "), name),
            None => (values.place(keys::LISTEN.name()), keys::LISTEN.name()),
        };
        let is_asked = self.upstream.hook.is_some() || self.upstream.takeover.is_some();
        let is_way_in = !self.wait_line.tokens.is_empty() || is_asked;
        if is_way_in || (closed.is_none() && self.hub.listen != Door::Token) {
            return Ok(());
        }
        Err(format!(
            "{place}{name} is \"token\", but nobody could have one; set token_secret, token_key, token_keys_url or \
             hook, too"
        ))
    }

    /// The addresses that stand in the settings more than once.
    fn given_twice(&self, values: &Values) -> Vec<String> {
        let (mut seen, mut wrong) = (Vec::new(), Vec::new());
        let of_wait = self.wait.iter().map(|listener| (&listener.address, keys::WAIT.name()));
        let of_in = self.in_listeners.iter().map(|listener| (&listener.address, keys::IN.name()));
        let is_one = |address: &Address| address.inet().is_none_or(|address| address.port() != 0);
        for (address, line) in of_wait.chain(of_in).filter(|(address, _)| is_one(address)) {
            if seen.contains(&address) {
                wrong.push(format!(
                    "{}{address} is given twice; give each address once, to the WAIT line or to the IN line",
                    values.place(line)
                ));
            } else {
                seen.push(address);
            }
        }
        wrong
    }
}

/// Checks what no single entry can say.
fn check_webhooks(values: &Values) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let twice = values.webhooks.iter().find(|entry| !names.insert(&entry.webhook.name));
    if let Some(WebhookEntry { webhook, origin, .. }) = twice {
        let name = excerpt(&webhook.name);
        return Err(format!(
            "{origin}: two webhooks are named {name:?}; give each a name of its own, by which is kept how far it has come"
        ));
    }
    match values.webhooks.get(WEBHOOKS_MAX) {
        None => Ok(()),
        Some(entry) => Err(format!("{}: there are more than {WEBHOOKS_MAX} [[webhook]]", entry.origin)),
    }
}

fn check_count(values: &Values, name: &str, what: &str, count: usize, max: usize) -> Result<(), String> {
    if count <= max {
        return Ok(());
    }
    Err(format!("{}there are {count} {what}; at most {max} are allowed", values.place(name)))
}
