//! All settings for who administers the program: what holds, who said so, when another value counts. Nothing in it is a secret.

use serde_json::{Map, Value as Json, json};
use upstream::Uri;

use crate::compare::effect_of;
use crate::foundation::Foundation;
use crate::reader::{CHANNEL, WEBHOOK};
use crate::report::{entry, json_value, key_entry};
use crate::{Effect, Setting, Source, TABLE, Value, Values};

impl Values {
    /// Every setting by its name: its value, who said so, when another one counts; and where another one was read that waits for
    /// a restart, that one.
    pub fn overview(&self, fresh: &Self, waiting: &[&str]) -> Json {
        let mut settings = Map::new();
        for (name, value) in self.shown() {
            let mut told = value;
            told["takes_effect"] = json!(effect_of(name).name());
            if waiting.contains(&name) {
                let read = fresh.shown().into_iter().find(|(other, _)| *other == name);
                told["waiting"] = read.map_or(Json::Null, |(_, value)| value);
            }
            settings.insert(name.to_owned(), told);
        }
        Json::Object(settings)
    }

    /// Every setting with its value and who said so, without secrets.
    fn shown(&self) -> Vec<(&'static str, Json)> {
        let shown =
            |setting: &Setting, (value, origin): &(Value, Source)| entry(public(setting, value), origin);
        let mut all: Vec<_> =
            TABLE.iter().map(|setting| (setting.name, shown(setting, self.entry(setting.name)))).collect();
        let values = |values: &[(&'static Setting, Value)]| {
            let values =
                values.iter().map(|(setting, value)| (setting.name.to_owned(), public(setting, value)));
            Json::Object(values.collect())
        };
        let channels = self.channels.iter().map(|one| entry(values(&one.values), &one.origin));
        all.push((CHANNEL, json!({ "value": channels.collect::<Json>() })));
        let webhooks = self.webhooks.iter().map(|one| entry(values(&one.values), &one.origin));
        all.push((WEBHOOK, json!({ "value": webhooks.collect::<Json>() })));
        all
    }
}

/// What a server that runs with `running`, an answer of `GET /settings`, would make of these values, which a file of its own
/// says: for each setting that would change, when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    /// What would change at a reload.
    pub changed: Vec<&'static str>,
    /// What would wait for a restart.
    pub waiting: Vec<&'static str>,
    /// What a flag or a variable of the server says, which beats the file.
    pub beaten: Vec<&'static str>,
    /// Secrets of both, of which nobody can say here whether they are the same.
    pub unknown: Vec<&'static str>,
}

impl Against {
    /// Compares. `None`: that is no answer of `GET /settings`.
    pub fn of(values: &Values, running: &Json) -> Option<Self> {
        let mut found = Self::default();
        let (old_foundation, foundation) = (Foundation::told(running)?, Foundation::of(values));
        for (name, fresh) in values.shown() {
            let theirs = running.get(name)?;
            let (old, new) = (bare(&theirs["value"]), bare(&fresh["value"]));
            let is_beaten = matches!(theirs["from"].as_str(), Some("flag" | "environment"));
            if old == new {
                if is_secret(values, name) && new != json!(0) && new != json!([]) && !is_beaten {
                    found.unknown.push(name);
                }
            } else if is_beaten {
                if fresh["from"] != json!("default") {
                    found.beaten.push(name);
                }
            } else if theirs["takes_effect"] == json!(Effect::Restart.name())
                || old_foundation.holds_back(name, &foundation)
            {
                found.waiting.push(name);
            } else {
                found.changed.push(name);
            }
        }
        Some(found)
    }
}

/// A value without who said so, which entries of lists have with them.
fn bare(value: &Json) -> Json {
    let Some(items) = value.as_array() else { return value.clone() };
    items.iter().map(|item| item.get("from").map_or(item, |_| &item["value"]).clone()).collect()
}

fn is_secret(values: &Values, name: &str) -> bool {
    match name {
        CHANNEL => false,
        WEBHOOK => !values.webhooks.is_empty(),
        _ => matches!(values.entry(name).0, Value::Secrets(_) | Value::WebhookSecrets(_) | Value::Keys(_)),
    }
}

/// The value for machines, without what is secret in it.
fn public(setting: &Setting, value: &Value) -> Json {
    match value {
        Value::Keys(keys) => {
            let hidden = |mut entry: Json| {
                entry["hash"] = entry["hash"].as_str().map_or(Json::Null, |_| json!(HIDDEN));
                entry
            };
            keys.iter().map(|key| hidden(key_entry(key))).collect()
        }
        Value::Url(Some(url)) => json!(public_url(url)),
        _ => json_value(setting, value),
    }
}

/// The address without a user and a password, and without what is asked for.
fn public_url(url: &Uri) -> String {
    let scheme = url.scheme_str().map_or_else(String::new, |scheme| format!("{scheme}://"));
    let host = url.authority().map_or("", |authority| authority.as_str());
    let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"));
    let query = if url.query().is_some() { format!("?{HIDDEN}") } else { String::new() };
    format!("{scheme}{host}{}{query}", url.path())
}

const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File;

    const SECRETS: &str = "token_secret = \"a-secret-of-thirty-two-bytes-or-more\"\n\
        hook = \"http://127.0.0.1/who?key=hidden\"\n\
        key = [\"sha256:fd9cc05f12fa2de6bbf0baa8c4ce41a67d24de1ad6f34d2b06a2bbf27a1b6b45\"]\n\
        [[webhook]]\nurl = \"http://127.0.0.1/e?key=hidden\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n";

    fn values(file: &str) -> Values {
        Values::gather(|_| None, &File::read("x.toml", file).unwrap())
    }

    #[test]
    fn nothing_in_it_is_a_secret() {
        let values = values(SECRETS);
        let told = values.overview(&values, &[]);
        let text = told.to_string();
        for secret in ["thirty-two", "hidden", "fd9cc0", "MfKQ9r8"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        assert_eq!(told["hook"]["value"], "http://127.0.0.1/who?…");
        assert_eq!(public_url(&"http://me:password@a/b".parse().unwrap()), "http://…@a/b");
        assert_eq!(told["token_secret"]["value"], 1);
    }

    #[test]
    fn each_is_told_with_its_source_its_mark_and_what_waits() {
        let (old, fresh) = (values("poll_timeout = \"1s\""), values("\nshards = 3"));
        let merged = old.merge(&fresh);
        let told = merged.values.overview(&fresh, &merged.waiting);
        assert_eq!(
            told["poll_timeout"],
            json!({ "value": "25s", "from": "default", "takes_effect": "live" })
        );
        assert_eq!(told["shards"]["value"], "auto");
        assert_eq!(told["shards"]["takes_effect"], "restart");
        assert_eq!(
            told["shards"]["waiting"],
            json!({ "value": 3, "from": "file", "file": "x.toml", "line": 2 })
        );
        assert!(TABLE.iter().all(|setting| {
            Effect::ALL.iter().any(|effect| told[setting.name]["takes_effect"] == effect.name())
        }));
    }

    #[test]
    fn a_file_is_compared_with_what_a_server_says() {
        let running = values("poll_timeout = \"1s\"\n").overview(&values(""), &[]);
        let found = Against::of(&values("shards = 3\n[[channel]]\nmatch = \"a\"\n"), &running).unwrap();
        assert_eq!(
            (&found.changed[..], &found.waiting[..]),
            (&["poll_timeout", "channel"][..], &["shards"][..])
        );
        assert_eq!(Against::of(&values("poll_timeout = \"1s\"\n"), &running), Some(Against::default()));
        assert_eq!(Against::of(&values(""), &json!({})), None);
    }
}
