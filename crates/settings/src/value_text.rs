//! How a value stands in a settings file: read from TOML, and written as such.

use std::time::Duration;

use access::WebhookSecret;
use toml::de::DeValue;

use crate::ListenerEntry;
use crate::api_key::KeyEntry;
use crate::kind::{Value, ValueKind};
use crate::networks::network_text;
use crate::quote::{described, excerpt, number, quoted};

impl ValueKind {
    /// The texts of a TOML value of the right type; otherwise what it is instead.
    pub(crate) fn texts(self, value: &DeValue<'_>) -> Result<Vec<String>, String> {
        let wrong = || Err(described(value));
        match value {
            DeValue::Array(items) if self.is_list() => {
                let text = |item: &DeValue<'_>| item.as_str().map(str::to_owned);
                items
                    .iter()
                    .map(|item| {
                        text(item.get_ref())
                            .ok_or_else(|| format!("a list with {}", described(item.get_ref())))
                    })
                    .collect()
            }
            DeValue::Integer(_)
                if matches!(self, Self::Count(..) | Self::CountOrAuto(..) | Self::Size(..)) =>
            {
                Ok(vec![number(value)])
            }
            DeValue::Boolean(truth) if self == Self::Truth => Ok(vec![truth.to_string()]),
            DeValue::String(_) if matches!(self, Self::Count(..) | Self::Truth) => wrong(),
            DeValue::String(text) if matches!(self, Self::CountOrAuto(..)) && text != "auto" => wrong(),
            DeValue::String(text) => Ok(vec![text.clone().into_owned()]),
            _ => wrong(),
        }
    }

    /// A text of the right type but the wrong value, as the file has it.
    pub(crate) fn quoted(self, text: &str) -> String {
        let is_number = text.parse::<i128>().is_ok();
        let may_be_number = matches!(self, Self::Count(..) | Self::CountOrAuto(..) | Self::Size(..));
        if is_number && may_be_number { excerpt(text) } else { quoted(&excerpt(text)) }
    }

    /// The value as TOML.
    pub(crate) fn toml(self, value: &Value) -> String {
        if let Value::Listeners(listeners) = value {
            let items: Vec<String> = listeners.iter().map(ListenerEntry::toml).collect();
            return format!("[{}]", items.join(", "));
        }
        if let Value::Keys(keys) = value {
            let items: Vec<String> = keys.iter().map(KeyEntry::toml).collect();
            return format!("[{}]", items.join(", "));
        }
        let texts = self.written(value);
        let bare = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match &texts[..] {
            _ if self.is_list() && self != Self::Dialects => {
                let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                format!("[{}]", items.join(", "))
            }
            [text] if self == Self::Truth => text.clone(),
            [text]
                if !text.is_empty()
                    && bare(text)
                    && !matches!(
                        self,
                        Self::Pattern
                            | Self::Label
                            | Self::Account
                            | Self::Folder
                            | Self::Word
                            | Self::Text
                            | Self::File
                            | Self::Url
                            | Self::Mode
                            | Self::Owner
                            | Self::Prefix
                    ) =>
            {
                text.clone()
            }
            texts => quoted(&texts.concat()),
        }
    }

    /// The value as somebody would write it, in the largest unit that fits; a list item by item.
    pub(crate) fn written(self, value: &Value) -> Vec<String> {
        match value {
            Value::Listeners(listeners) => {
                listeners.iter().map(|listener| listener.address.to_string()).collect()
            }
            Value::Address(address) => vec![address.to_string()],
            Value::Pattern(pattern) => vec![pattern.as_str().to_owned()],
            Value::Names(names) => names.clone(),
            Value::Networks(networks) => networks.iter().map(network_text).collect(),
            Value::Keys(keys) => {
                keys.iter().filter_map(|key| key.hash.map(|hash| hash.to_string())).collect()
            }
            Value::Secrets(secrets) => secrets.iter().map(|secret| secret.reveal().to_owned()).collect(),
            Value::WebhookSecrets(secrets) => secrets.iter().map(WebhookSecret::reveal).collect(),
            Value::Events(events) => events.iter().map(|kind| kind.name().to_owned()).collect(),
            Value::PublicKeys(keys) => keys.iter().map(|(file, _)| file.clone()).collect(),
            Value::KeyHash(hash) => vec![hash.to_string()],
            Value::Certified(said) => vec![said.to_string()],
            Value::Label(text) | Value::Text(text) | Value::File(text, _) => vec![text.clone()],
            Value::Url(url) => vec![url.as_ref().map_or_else(String::new, ToString::to_string)],
            Value::Rights(rights) => rights.iter().map(|right| right.name().to_owned()).collect(),
            Value::Globs(globs) => globs.iter().map(|glob| glob.as_str().to_owned()).collect(),
            Value::Dialect(dialect) => vec![dialect.name().to_owned()],
            Value::Choice(word) => vec![(*word).to_owned()],
            Value::Number(number) if matches!(self, Self::Size(..)) => vec![size(*number)],
            Value::Number(number) => vec![number.to_string()],
            Value::Auto => vec!["auto".to_owned()],
            Value::Duration(time) => vec![duration(*time)],
        }
    }
}

fn duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    if millis == 0 { "0s".to_owned() } else { in_units(millis, &units) }
}

fn size(len: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "")];
    if len == 0 { "0".to_owned() } else { in_units(len, &units) }
}

/// The largest unit of which it is a whole number.
fn in_units(number: u64, units: &[(u64, &str)]) -> String {
    let unit = units.iter().find(|(unit, _)| number.is_multiple_of(*unit));
    unit.map_or_else(|| number.to_string(), |(unit, name)| format!("{}{name}", number / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_the_largest_unit_that_fits() {
        for (millis, text) in [
            (0, "0s"),
            (500, "500ms"),
            (25_000, "25s"),
            (90_000, "90s"),
            (3_600_000, "1h"),
            (86_400_000, "1d"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
        for (len, text) in
            [(0, "0"), (1, "1"), (1_000, "1000"), (5_120, "5KiB"), (1 << 30, "1GiB"), (256 << 20, "256MiB")]
        {
            assert_eq!(size(len), text);
        }
    }
}
