//! A setting together with the type of its value: code that reads it repeats neither its name nor its kind.

use std::time::Duration;

use access::{IpNet, PublicKey, TokenSecret, WebhookSecret};
use upstream::Uri;

use crate::api_key::KeyEntry;
use crate::file_text::FileText;
use crate::kind::ValueKind;
use crate::setting::line;
use crate::{Effect, ListenerEntry, Setting, Value};

/// A setting, and how its value is taken out.
#[derive(Debug)]
pub struct SettingKey<T> {
    pub(crate) setting: Setting,
    /// `None` for values of other kinds, which this setting never has.
    pub(crate) take: fn(&Value) -> Option<T>,
}

impl<T> SettingKey<T> {
    /// Its name in a settings file.
    pub const fn name(&self) -> &'static str {
        self.setting.name
    }

    /// Its default, as somebody would write it.
    pub const fn default_text(&self) -> &'static str {
        self.setting.default
    }
}

/// The helps of a setting are sentences without their full stop.
type Help = &'static str;

macro_rules! constructors {
    ($($name:ident($($arg:ident: $of:ty),*) -> $type:ty, $kind:expr, $pattern:pat => $value:expr;)*) => {$(
        pub(crate) const fn $name(
            effect: Effect,
            name: &'static str,
            $($arg: $of,)*
            default: &'static str,
            help: Help,
        ) -> SettingKey<$type> {
            let take = |value: &Value| if let $pattern = value { Some($value) } else { None };
            SettingKey { setting: line(effect, name, $kind, default, help), take }
        }
    )*};
}

constructors! {
    listeners() -> Vec<ListenerEntry>, ValueKind::Listeners, Value::Listeners(listeners) => listeners.clone();
    networks() -> Vec<IpNet>, ValueKind::Networks, Value::Networks(networks) => networks.clone();
    api_keys() -> Vec<KeyEntry>, ValueKind::Keys, Value::Keys(keys) => keys.clone();
    secrets() -> Vec<TokenSecret>, ValueKind::Secrets, Value::Secrets(secrets) => secrets.clone();
    webhook_secrets() -> Vec<WebhookSecret>, ValueKind::WebhookSecrets, Value::WebhookSecrets(secrets) => secrets.clone();
    public_keys() -> Vec<PublicKey>, ValueKind::PublicKeys, Value::PublicKeys(keys) => keys.iter().map(|(_, key)| key.clone()).collect();
    url() -> Option<Uri>, ValueKind::Url, Value::Url(url) => url.clone();
    file() -> Option<FileText>, ValueKind::File, Value::File(path, text) => (!path.is_empty()).then(|| text.clone());
    text(kind: ValueKind) -> String, kind, Value::Text(text) => text.clone();
    label(kind: ValueKind) -> String, kind, Value::Label(label) => label.clone();
    texts(kind: ValueKind) -> Vec<String>, kind, Value::Names(texts) => texts.clone();
    choice(words: &'static [&'static str]) -> &'static str, ValueKind::Choice(words), Value::Choice(word) => *word;
    switch() -> bool, ValueKind::Choice(&["on", "off"]), Value::Choice(word) => *word == "on";
    truth() -> bool, ValueKind::Truth, Value::Choice(word) => *word == "true";
    count(range: Range) -> u64, ValueKind::Count(range[0], range[1]), Value::Number(number) => *number;
    size(range: Range) -> u64, ValueKind::Size(range[0], range[1]), Value::Number(number) => *number;
    duration(range: Range) -> Duration, ValueKind::Duration(range[0], range[1]), Value::Duration(time) => *time;
}

/// A count, or `None` for `auto`.
pub(crate) const fn count_or_auto(
    effect: Effect,
    name: &'static str,
    [min, max]: Range,
    default: &'static str,
    help: Help,
) -> SettingKey<Option<u64>> {
    let take = |value: &Value| match value {
        Value::Number(number) => Some(Some(*number)),
        Value::Auto => Some(None),
        _ => None,
    };
    SettingKey { setting: line(effect, name, ValueKind::CountOrAuto(min, max), default, help), take }
}

/// A time, or `None` for `auto`.
pub(crate) const fn duration_or_auto(
    effect: Effect,
    name: &'static str,
    [min, max]: Range,
    default: &'static str,
    help: Help,
) -> SettingKey<Option<Duration>> {
    let take = |value: &Value| match value {
        Value::Duration(time) => Some(Some(*time)),
        Value::Auto => Some(None),
        _ => None,
    };
    SettingKey { setting: line(effect, name, ValueKind::DurationOrAuto(min, max), default, help), take }
}

/// The least and the most that is allowed, as somebody would write them.
type Range = [&'static str; 2];
