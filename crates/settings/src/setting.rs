//! One setting: its names, its kind, its default, and how it is read from what somebody says.

use toml::de::DeValue;

use super::kind::ValueKind::{Pattern, PublicKeys};
use super::kind::{Notation, ValueKind, why_no_key, why_no_pattern};
use super::{Effect, Value};

/// One line of the table of settings.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// As in a settings file; flag and variable are made of it.
    pub name: &'static str,
    /// When another value counts.
    pub effect: Effect,
    pub(crate) kind: ValueKind,
    /// As somebody would write it.
    pub(crate) default: &'static str,
    /// A sentence without its full stop.
    pub(crate) help: &'static str,
}

impl Setting {
    /// The flag, without its dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("MULTIPLEXOR_{}", self.name.to_uppercase())
    }

    /// Whether it may be given several times.
    pub fn is_list(&self) -> bool {
        self.kind.is_list()
    }

    /// What stands for its value in the help.
    pub fn value_name(&self) -> &'static str {
        self.kind.value_name()
    }

    /// What is allowed, in words.
    pub fn allowed(&self) -> String {
        self.kind.allowed()
    }

    /// The value that a text stands for; `None`: none that is allowed.
    pub fn parse(&self, text: String) -> Option<Value> {
        self.kind.read(&[text]).ok()
    }

    /// A value as one would write it in a flag.
    pub fn written(&self, value: &Value) -> String {
        self.kind.written(value).concat()
    }

    /// A value as it stands in a settings file.
    pub fn toml(&self, value: &Value) -> String {
        self.kind.toml(value)
    }

    /// The help of its flag.
    pub fn flag_help(&self) -> String {
        if self.default.is_empty() {
            self.help.to_owned()
        } else {
            format!("{} [default: {}]", self.help, self.default)
        }
    }

    /// Reads what somebody said by a flag or a variable.
    pub(crate) fn read(&self, source: &str, texts: &[String]) -> Result<Value, String> {
        self.kind.read(texts).map_err(|text| {
            let said = self.kind.nothing().map_or_else(|| format!("{text:?}"), str::to_owned);
            format!("{source} is {said}; {}", self.kind.advice(self.default, Notation::Plain))
        })
    }

    /// Reads what a file says about it.
    pub(crate) fn read_toml(&self, value: &DeValue<'_>) -> Result<Value, String> {
        let wrong = |what: &str| format!("{} is {what}; {}", self.name, self.advice_toml());
        let texts = self.kind.texts(value).map_err(|what| wrong(&what))?;
        self.kind.read(&texts).map_err(|text| match self.kind {
            _ if texts.is_empty() => wrong("an empty list"),
            PublicKeys => wrong(&format!("{}, but {}", self.kind.quoted(&text), why_no_key(&text))),
            kind if kind.nothing().is_some() => wrong(kind.nothing().unwrap_or_default()),
            Pattern => wrong(&format!("{}, but {}", self.kind.quoted(&text), why_no_pattern(&text))),
            kind => wrong(&kind.quoted(&text)),
        })
    }

    /// What a file may say about it.
    pub(crate) fn advice_toml(&self) -> String {
        self.kind.advice(self.default, Notation::Toml)
    }

    /// The value that stands where nothing is said.
    pub fn default(&self) -> Value {
        self.kind.read(&[self.default.to_owned()]).expect("a test reads all defaults")
    }
}

pub(crate) const fn line(
    effect: Effect,
    name: &'static str,
    kind: ValueKind,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, effect, kind, default, help }
}
