//! A message as plain data, for another program.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::kind::{Kind, Origin};
use crate::{AudienceKind, Bytes, Message, Millis, Payload, Position, Target};

/// A message as it stands in the history of one channel.
#[derive(Serialize, Deserialize)]
pub(crate) struct FrozenEntry {
    position: Position,
    time: Millis,
    ttl: Option<Millis>,
    /// The channels it went to, with the cursors of its publisher's; `None`: that in whose history it stands.
    targets: Vec<(Option<String>, Option<Box<str>>)>,
    bytes: Bytes,
    data: (u32, u32),
    origin: Origin,
    audience: AudienceKind,
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
    kind: Kind,
}

impl FrozenEntry {
    /// A message in the history of the channel of this name.
    pub(crate) fn freeze(message: &Message, channel: &str) -> Self {
        let said = message.payload();
        let name = |target: &Target| (*target.name != *channel).then(|| target.name.to_string());
        let end = said.head_len + said.data().len();
        let place = |place| u32::try_from(place).expect("ranges in a payload are 32 bits");
        Self {
            position: message.position,
            time: message.time,
            ttl: message.ttl(),
            targets: message.targets().iter().map(|target| (name(target), target.alias.clone())).collect(),
            bytes: said.bytes.into(),
            data: (place(said.head_len), place(end)),
            origin: said.origin,
            audience: said.audience,
            event: said.event.map(Box::from),
            content_type: said.content_type.map(Box::from),
            kind: said.kind,
        }
    }

    /// The message again. `names` are those of other channels, each held once.
    pub(crate) fn thaw(self, channel: &Arc<str>, names: &mut HashMap<String, Arc<str>>) -> Option<Message> {
        let (start, end) = self.data;
        if self.targets.is_empty() || start > end || end as usize > self.bytes.len() {
            return None;
        }
        let mut name = |name: Option<String>| match name {
            None => Arc::clone(channel),
            Some(name) => Arc::clone(names.entry(name).or_insert_with_key(|name| name.as_str().into())),
        };
        let targets = self.targets.into_iter().map(|(other, alias)| Target { name: name(other), alias });
        let payload = Payload {
            bytes: self.bytes,
            data: start..end,
            origin: self.origin,
            audience: self.audience,
            event: self.event,
            content_type: self.content_type,
            kind: self.kind,
        };
        Some(Message::new(self.position, self.time, self.ttl, targets.collect(), payload))
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self)
    }
}

impl<'a> Deserialize<'a> for Bytes {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_bytes(AsBytes)
    }
}

/// Copies bytes once, to where they stay.
struct AsBytes;

impl Visitor<'_> for AsBytes {
    type Value = Bytes;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(bytes.into())
    }
}
