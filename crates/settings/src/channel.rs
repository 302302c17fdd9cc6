//! What a settings file says of channels by their names: an entry `[[channel]]`.

use exchange::hub::{Door, Pattern, Rule};

use super::entries::CHANNEL_ENTRY;
use super::{Origin, Setting, Value, millis};

/// An entry `[[channel]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelEntry {
    pub(crate) pattern: Pattern,
    /// What it says, in the order of the table; the pattern first.
    pub(crate) values: Vec<(&'static Setting, Value)>,
    pub(crate) origin: Origin,
}

impl ChannelEntry {
    /// An entry of these values; `None` when it has no pattern, or something in it is wrong.
    pub(crate) fn new(values: Vec<(&'static Setting, Option<Value>)>, origin: Origin) -> Option<Self> {
        let values = values.into_iter().map(|(setting, value)| Some((setting, value?)));
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by_key(|(setting, _)| CHANNEL_ENTRY.iter().position(|key| key == *setting));
        let (_, Value::Pattern(pattern)) = values.first()? else { return None };
        Some(Self { pattern: pattern.clone(), values, origin })
    }

    /// Whether it closes its channels to those without a token.
    pub(crate) fn closes(&self) -> bool {
        self.rule().listen == Some(Door::Token)
    }

    /// As the hub takes it.
    pub(crate) fn rule(&self) -> Rule {
        let messages = self.number("history_messages");
        Rule {
            pattern: self.pattern.clone(),
            history_messages: messages.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            history_age: self.millis("history_age"),
            history_bytes: self.number("history_bytes"),
            payload_limit: self.number("payload_limit"),
            ttl: self.millis("ttl"),
            listen: self.value("listen").map(door),
            durable: self.value("durable").map(|value| *value == Value::Choice("true")),
            skip_poison: self.value("poison").map(|value| *value == Value::Choice("skip")),
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    fn millis(&self, name: &str) -> Option<u64> {
        match self.value(name)? {
            Value::Duration(duration) => Some(millis(*duration)),
            _ => None,
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(setting, _)| setting.name == name).map(|(_, value)| value)
    }
}

/// Who may listen.
pub(crate) fn door(value: &Value) -> Door {
    if *value == Value::Choice("token") { Door::Token } else { Door::Open }
}
