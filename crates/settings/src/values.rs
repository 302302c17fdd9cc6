//! The value of every setting, and who said so.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use access::{IpNet, PublicKey, TokenSecret};
use upstream::Uri;

use super::keys::KeyEntry;
use super::kind::FileText;
use super::{ChannelEntry, Errors, File, Listener, Setting, TABLE, Value};

/// A value for every line of the table, with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    settings: BTreeMap<&'static str, (Value, Origin)>,
    /// What is set for channels by their names, in the file's order.
    pub channels: Vec<ChannelEntry>,
    /// What is wrong with single ones.
    pub(crate) errors: Errors,
    /// The settings that are wrong, and have their defaults here.
    wrong: BTreeSet<&'static str>,
}

/// Who said what a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, without its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A file, and the line in it.
    File(String, usize),
    /// Nobody.
    Default,
}

/// What a flag or a variable said about a setting.
pub struct Given {
    /// Which of them.
    pub origin: Origin,
    /// What it said, one text each time.
    pub texts: Vec<String>,
}

impl Values {
    /// The value of every setting: as given, else by the file, else by default. All is read, whatever is wrong.
    pub fn gather(given: impl Fn(&Setting) -> Option<Given>, file: &File) -> Self {
        let (mut settings, mut errors, mut wrong) =
            (BTreeMap::new(), file.errors.clone(), file.wrong.clone());
        for setting in TABLE {
            let by_default = || (setting.default(), Origin::Default);
            let entry = match given(setting) {
                Some(Given { origin, texts }) => match setting.read(&origin.to_string(), &texts) {
                    Ok(value) => {
                        wrong.remove(setting.name);
                        (value, origin)
                    }
                    Err(error) => {
                        errors.push(error);
                        wrong.insert(setting.name);
                        by_default()
                    }
                },
                None => file.value(setting.name).unwrap_or_else(by_default),
            };
            settings.insert(setting.name, entry);
        }
        Self { settings, channels: file.channels.clone(), errors, wrong }
    }

    /// These are wrong, too.
    pub fn note(&mut self, errors: Errors) {
        self.errors.append(errors);
    }

    /// Whether one of these is wrong, so that what follows from it is not known.
    pub(crate) fn is_wrong(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wrong.contains(name))
    }

    /// The variables of the environment that said something.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.settings.values().filter_map(|(_, origin)| match origin {
            Origin::Variable(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The value of a setting, and who said so.
    pub(crate) fn entry(&self, name: &str) -> &(Value, Origin) {
        self.settings.get(name).expect("the table has a line for every setting that is used")
    }

    /// Where a file says what a setting is, as the beginning of an error; nothing if no file does.
    pub fn place(&self, name: &str) -> String {
        match &self.entry(name).1 {
            origin @ Origin::File(..) => format!("{origin}: "),
            _ => String::new(),
        }
    }

    pub(crate) fn listeners(&self, name: &str) -> Vec<Listener> {
        if let Value::Listeners(listeners) = self.value(name) { listeners.clone() } else { wrong_kind(name) }
    }

    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        if let Value::Names(names) = self.value(name) { names.clone() } else { wrong_kind(name) }
    }

    pub(crate) fn networks(&self, name: &str) -> &[IpNet] {
        if let Value::Networks(networks) = self.value(name) { networks } else { wrong_kind(name) }
    }

    pub(crate) fn keys(&self, name: &str) -> &[KeyEntry] {
        if let Value::Keys(keys) = self.value(name) { keys } else { wrong_kind(name) }
    }

    pub(crate) fn secrets(&self, name: &str) -> &[TokenSecret] {
        if let Value::Secrets(secrets) = self.value(name) { secrets } else { wrong_kind(name) }
    }

    pub(crate) fn public_keys(&self, name: &str) -> impl Iterator<Item = &PublicKey> {
        let Value::PublicKeys(keys) = self.value(name) else { wrong_kind(name) };
        keys.iter().map(|(_, key)| key)
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        if let Value::Text(text) = self.value(name) { text } else { wrong_kind(name) }
    }

    /// What is in a file, if one is named.
    pub(crate) fn file(&self, name: &str) -> Option<&FileText> {
        let Value::File(path, text) = self.value(name) else { wrong_kind(name) };
        (!path.is_empty()).then_some(text)
    }

    pub(crate) fn url(&self, name: &str) -> Option<Uri> {
        if let Value::Url(url) = self.value(name) { url.clone() } else { wrong_kind(name) }
    }

    pub(crate) fn label(&self, name: &str) -> &str {
        if let Value::Label(label) = self.value(name) { label } else { wrong_kind(name) }
    }

    pub(crate) fn choice(&self, name: &str) -> &'static str {
        if let Value::Choice(choice) = self.value(name) { choice } else { wrong_kind(name) }
    }

    pub(crate) fn duration(&self, name: &str) -> Duration {
        if let Value::Duration(duration) = self.value(name) { *duration } else { wrong_kind(name) }
    }

    /// The duration, or another one for `auto`.
    pub(crate) fn duration_or(&self, name: &str, auto: impl Fn() -> Duration) -> Duration {
        if *self.value(name) == Value::Auto { auto() } else { self.duration(name) }
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.number(name).unwrap_or_else(|| wrong_kind(name))
    }

    /// A count of which the table allows no more than fit.
    pub(crate) fn count_32(&self, name: &str) -> u32 {
        u32::try_from(self.count(name)).unwrap_or(u32::MAX)
    }

    /// A count or size; `None` for `auto`.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Value::Number(number) => Some(*number),
            Value::Auto => None,
            _ => wrong_kind(name),
        }
    }

    pub(crate) fn value(&self, name: &str) -> &Value {
        &self.entry(name).0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(name, line) => write!(f, "{name}:{line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

fn wrong_kind(name: &str) -> ! {
    unreachable!("the table's line for {name} is of another kind than its reader")
}
