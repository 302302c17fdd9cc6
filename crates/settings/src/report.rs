//! What holds, with who said so: as a settings file, or as JSON.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::{KeyEntry, ListenerEntry, Setting, Source, TABLE, Value, Values};

impl Values {
    /// As a settings file, each line with who said so.
    pub fn report(&self) -> String {
        let lines: Vec<(String, &Source)> = TABLE
            .iter()
            .map(|setting| {
                let (value, origin) = self.entry(setting.name);
                (format!("{} = {}", setting.name, shown(setting, value)), origin)
            })
            .collect();
        let width =
            lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= WIDTH_MAX).max();
        let mut text = String::new();
        for (line, origin) in lines {
            writeln!(text, "{line:<0$} # {origin}", width.unwrap_or(0)).expect("a string takes everything");
        }
        for entry in &self.channels {
            writeln!(text, "\n[[channel]] # {}", entry.origin).expect("a string takes everything");
            for (setting, value) in &entry.values {
                let value = setting.kind.toml(value);
                writeln!(text, "{} = {value}", setting.name).expect("a string takes everything");
            }
        }
        for entry in &self.webhooks {
            writeln!(text, "\n[[webhook]] # {}", entry.origin).expect("a string takes everything");
            for (setting, value) in &entry.values {
                let value = shown(setting, value);
                writeln!(text, "{} = {value}", setting.name).expect("a string takes everything");
            }
        }
        text
    }

    /// For machines: value and origin by name.
    pub fn json(&self) -> String {
        let mut settings = Map::new();
        for setting in TABLE {
            let (value, origin) = self.entry(setting.name);
            settings.insert(setting.name.to_owned(), entry(json_value(setting, value), origin));
        }
        let channels = self.channels.iter().map(|channel| {
            let values = channel.values.iter();
            let values = values.map(|(setting, value)| (setting.name.to_owned(), json_value(setting, value)));
            entry(values.collect(), &channel.origin)
        });
        settings.insert("channel".to_owned(), channels.collect());
        let webhooks = self.webhooks.iter().map(|webhook| {
            let values = webhook.values.iter();
            let values = values.map(|(setting, value)| (setting.name.to_owned(), json_value(setting, value)));
            entry(values.collect(), &webhook.origin)
        });
        settings.insert("webhook".to_owned(), webhooks.collect());
        format!("{:#}\n", Json::Object(settings))
    }
}

/// The value as TOML; of a secret only that there is one.
fn shown(setting: &Setting, value: &Value) -> String {
    match value {
        Value::Secrets(secrets) if !secrets.is_empty() => format!("[…] # {} not shown", secrets.len()),
        Value::WebhookSecrets(secrets) if !secrets.is_empty() => {
            format!("[…] # {} not shown", secrets.len())
        }
        _ => setting.kind.toml(value),
    }
}

/// Numbers and sizes as numbers, the rest as one would write it.
pub(crate) fn json_value(setting: &Setting, value: &Value) -> Json {
    let mut texts = setting.kind.written(value);
    match value {
        Value::Number(number) => json!(number),
        Value::Listeners(listeners) => {
            let entry = |one: &ListenerEntry| {
                let mut entry = json!({"address": one.address.to_string(), "dialect": one.dialect.name()});
                if let Some(tls) = one.tls {
                    entry["tls"] = json!(if tls { "on" } else { "off" });
                }
                if !one.certificates.is_empty() {
                    entry["tls_certificate"] = json!(one.certificates);
                    entry["tls_key"] = json!(one.keys);
                }
                entry
            };
            listeners.iter().map(entry).collect()
        }
        Value::Secrets(secrets) => json!(secrets.len()),
        Value::WebhookSecrets(secrets) => json!(secrets.len()),
        Value::Keys(keys) => keys.iter().map(key_entry).collect(),
        _ if setting.kind.is_list() => json!(texts),
        _ => json!(texts.pop()),
    }
}

pub(crate) fn key_entry(key: &KeyEntry) -> Json {
    json!({
        "name": key.name,
        "hash": key.hash.map(|hash| hash.to_string()),
        "certificate": key.certificate.as_ref().map(ToString::to_string),
        "may": key.may.iter().map(|right| right.name()).collect::<Vec<_>>(),
        "match": key.names.iter().map(|glob| glob.as_str()).collect::<Vec<_>>(),
    })
}

pub(crate) fn entry(value: Json, origin: &Source) -> Json {
    match origin {
        Source::Flag(flag) => json!({"value": value, "from": "flag", "flag": format!("--{flag}")}),
        Source::Variable(name) => json!({"value": value, "from": "environment", "variable": name}),
        Source::File(file, line) => json!({"value": value, "from": "file", "file": file, "line": line}),
        Source::Default => json!({"value": value, "from": "default"}),
    }
}

/// Where a line is longer, its origin does not stand below the others'.
const WIDTH_MAX: usize = 60;
