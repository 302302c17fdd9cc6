//! What a settings file says of channels by their names: an entry `[[channel]]`.

use exchange::hub::{Door, Pattern, Rule};

use crate::entries::{CHANNEL_ENTRY, DURABLE, HISTORY, POISON, PRESENCE, PUBLISH, PUBLISH_HOOK, TTL};
use crate::key::SettingKey;
use crate::{Setting, Source, Value, keys, millis};

/// An entry `[[channel]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelEntry {
    pub(crate) pattern: Pattern,
    /// What it says, in the order of the table; the pattern first.
    pub(crate) values: Vec<(&'static Setting, Value)>,
    pub(crate) origin: Source,
}

impl ChannelEntry {
    /// An entry of these values; `None` when it has no pattern, or something in it is wrong.
    pub(crate) fn new(values: Vec<(&'static Setting, Option<Value>)>, origin: Source) -> Option<Self> {
        let values = values.into_iter().map(|(setting, value)| Some((setting, value?)));
        let mut values = values.collect::<Option<Vec<_>>>()?;
        values.sort_by_key(|(setting, _)| CHANNEL_ENTRY.iter().position(|key| key == *setting));
        let (_, Value::Pattern(pattern)) = values.first()? else { return None };
        Some(Self { pattern: pattern.clone(), values, origin })
    }

    /// The setting by which it closes something of its channels to those without a token.
    pub(crate) fn closes(&self) -> Option<&'static str> {
        let Rule { listen, history, presence, publish, .. } = self.rule();
        let doors = [
            (keys::LISTEN.name(), listen),
            (HISTORY.name(), history),
            (PRESENCE.name(), presence),
            (PUBLISH.name(), publish),
        ];
        doors.into_iter().find_map(|(name, door)| (door == Some(Door::Token)).then_some(name))
    }

    /// Whether the application is asked about what clients publish.
    pub(crate) fn asks_about_messages(&self) -> bool {
        let Rule { publish, publish_hook, .. } = self.rule();
        publish_hook == Some(true) && publish.is_some_and(|door| door != Door::Off)
    }

    /// As the hub takes it.
    pub(crate) fn rule(&self) -> Rule {
        Rule {
            pattern: self.pattern.clone(),
            history_messages: self
                .get(&keys::HISTORY_MESSAGES)
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            history_age: self.get(&keys::HISTORY_AGE).map(millis),
            history_bytes: self.get(&keys::HISTORY_BYTES),
            payload_limit: self.get(&keys::PAYLOAD_LIMIT),
            ttl: self.get(&TTL).map(millis),
            listen: self.get(&keys::LISTEN).map(door),
            history: self.get(&HISTORY).map(door),
            presence: self.get(&PRESENCE).map(door),
            publish: self.get(&PUBLISH).map(door),
            publish_hook: self.get(&PUBLISH_HOOK),
            durable: self.get(&DURABLE),
            skip_poison: self.get(&POISON).map(|word| word == "skip"),
        }
    }

    /// What it says of a setting, if anything.
    fn get<T>(&self, key: &SettingKey<T>) -> Option<T> {
        let (_, value) = self.values.iter().find(|(setting, _)| setting.name == key.name())?;
        (key.take)(value)
    }
}

/// Who may.
pub(crate) fn door(word: &str) -> Door {
    match word {
        "token" => Door::Token,
        "off" => Door::Off,
        _ => Door::Open,
    }
}
