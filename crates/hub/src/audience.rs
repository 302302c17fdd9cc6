//! Who may see a message, of those who wait on its channels.
//!
//! A shard gives its clients [`Visible`] messages, and there is one way to come by one: to ask
//! [`Message::visible_to`] for that client. What only puts a message into some dialect's words takes any message: whoever calls
//! it has asked.
//!
//! Most messages are for all, and have nothing more for it. Whom another one is for stands in front of its data, in the
//! same bytes.

use std::ops::Deref;
use std::str::Split;

use serde::{Deserialize, Serialize};

use crate::{Message, Payload, Position, ShardId};

/// Who may see a message, of those who wait on its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience<'a> {
    /// All of them.
    All,
    /// Whoever waits on one of these channels, too: names, separated by commas.
    AnyOf(&'a str),
    /// All but this connection.
    Except(ConnectionId),
    /// Whoever has shown that he is this user.
    Only(&'a str),
}

/// Which of them it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum AudienceKind {
    /// [`Audience::All`].
    #[default]
    All,
    /// [`Audience::AnyOf`].
    AnyOf,
    /// [`Audience::Except`].
    Except,
    /// [`Audience::Only`].
    Only,
}

/// A connection of the WAIT line. There is no second one like it, also when the program was started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// A random number of its shard's start, in which stands the mark of its user, where it has one.
    pub start: u64,
    /// Its shard.
    pub shard: ShardId,
    /// Its place there; of a chain of polls, which has none, more bits of its number.
    pub index: u32,
    /// Which of those that had this place; of a chain of polls, its number, and the highest bit.
    pub generation: u32,
}

/// Somebody who waits, as far as audiences ask.
pub trait Reader {
    /// Whether it waits on one of these channels.
    fn waits_on_any(&self, channels: Split<'_, char>) -> bool;

    /// Whether it is this connection.
    fn is_connection(&self, id: ConnectionId) -> bool;

    /// Whether it has shown that it is this user.
    fn is_user(&self, user: &str) -> bool;
}

/// A message that its reader may see.
#[derive(Debug, Clone, Copy)]
pub struct Visible<'a>(&'a Message);

/// That a reader may see a message: for who asked, and gives the message out a little later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission(Position);

impl Message {
    /// The message for this reader, if he may see it.
    #[inline]
    pub fn visible_to(&self, reader: &impl Reader) -> Option<Visible<'_>> {
        self.audience().admits(reader).then_some(Visible(self))
    }

    /// The message for a reader who was admitted to it before. Panics where that was another message.
    pub fn visible_by(&self, admission: Admission) -> Visible<'_> {
        assert_eq!(self.position, admission.0, "the reader was admitted to another message");
        Visible(self)
    }
}

impl<'a> Visible<'a> {
    /// The message.
    pub fn message(self) -> &'a Message {
        self.0
    }

    /// That its reader may see it.
    pub fn admission(self) -> Admission {
        Admission(self.0.position)
    }
}

impl Deref for Visible<'_> {
    type Target = Message;

    fn deref(&self) -> &Message {
        self.0
    }
}

impl Payload {
    /// The same for this audience only. All of its bytes are data so far. Panics where all bytes are given to clients
    /// ([`crate::Origin::is_given_whole`]): the audience would be among them.
    pub fn limited_to(self, audience: Audience<'_>) -> Self {
        assert!(!self.origin.is_given_whole(), "all bytes of an input of 2009 are given to clients");
        debug_assert!(self.audience == AudienceKind::All && self.data.start == 0);
        let bytes = match audience {
            Audience::All => return self,
            Audience::AnyOf(text) | Audience::Only(text) => [text.as_bytes(), &self.bytes].concat(),
            Audience::Except(id) => [&id.to_bytes()[..], &self.bytes].concat(),
        };
        let len = u32::try_from(bytes.len() - self.bytes.len()).expect("names are far below 4 GiB");
        let data = self.data.start + len..self.data.end + len;
        Self { bytes: bytes.into(), data, audience: audience.kind(), ..self }
    }
}

impl<'a> Audience<'a> {
    /// What stands in front of the data of a message that has an audience of this kind. What cannot be read is for nobody.
    pub(crate) fn read(kind: AudienceKind, head: &'a [u8]) -> Self {
        let text = || str::from_utf8(head).ok();
        let read = match kind {
            AudienceKind::All => Some(Self::All),
            AudienceKind::AnyOf => text().map(Self::AnyOf),
            AudienceKind::Except => ConnectionId::read(head).map(Self::Except),
            AudienceKind::Only => text().map(Self::Only),
        };
        read.unwrap_or(NOBODY)
    }

    /// Which it is.
    pub fn kind(self) -> AudienceKind {
        match self {
            Self::All => AudienceKind::All,
            Self::AnyOf(_) => AudienceKind::AnyOf,
            Self::Except(_) => AudienceKind::Except,
            Self::Only(_) => AudienceKind::Only,
        }
    }

    /// The channels of which a reader must wait on one; `None`: that does not matter.
    pub fn channels(self) -> Option<impl Iterator<Item = &'a str>> {
        match self {
            Self::AnyOf(list) => Some(list.split(',')),
            Self::All | Self::Except(_) | Self::Only(_) => None,
        }
    }

    #[inline]
    fn admits(self, reader: &impl Reader) -> bool {
        match self {
            Self::All => true,
            Self::AnyOf(list) => reader.waits_on_any(list.split(',')),
            Self::Except(id) => !reader.is_connection(id),
            Self::Only(user) => reader.is_user(user),
        }
    }
}

impl ConnectionId {
    /// The highest generation of a connection that has a place.
    pub const GENERATION_MAX: u32 = u32::MAX >> 1;
    /// Bits of an index: its place within a shard, or what stands there of the number of a chain of polls.
    pub const INDEX_BITS: u32 = 22;

    /// What its shard knows the connection by.
    pub fn token(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// That of the chain of polls of this number, on a shard.
    pub fn of_polls(start: u64, shard: ShardId, number: u64) -> Self {
        let index = (number >> GENERATION_BITS) & ((1 << Self::INDEX_BITS) - 1);
        let generation = number & u64::from(Self::GENERATION_MAX) | 1 << GENERATION_BITS;
        let bits = |bits: u64| u32::try_from(bits).expect("they are fewer than 32 bits");
        Self { start, shard, index: bits(index), generation: bits(generation) }
    }

    /// Whether it is of a chain of polls, and not of a connection that has a place.
    pub fn is_of_polls(self) -> bool {
        self.generation > Self::GENERATION_MAX
    }

    fn to_bytes(self) -> [u8; ID_LEN] {
        let Self { start, shard, index, generation } = self;
        let mut bytes = [0; ID_LEN];
        bytes[..8].copy_from_slice(&start.to_le_bytes());
        bytes[8..10].copy_from_slice(&shard.0.to_le_bytes());
        bytes[10..14].copy_from_slice(&index.to_le_bytes());
        bytes[14..].copy_from_slice(&generation.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (start, bytes) = bytes.split_first_chunk()?;
        let (shard, bytes) = bytes.split_first_chunk()?;
        let (index, bytes) = bytes.split_first_chunk()?;
        Some(Self {
            start: u64::from_le_bytes(*start),
            shard: ShardId(u16::from_le_bytes(*shard)),
            index: u32::from_le_bytes(*index),
            generation: u32::from_le_bytes(bytes.try_into().ok()?),
        })
    }
}

/// No channel has this name.
const NOBODY: Audience<'static> = Audience::AnyOf("");
/// Bits of the generation of a connection that has a place.
const GENERATION_BITS: u32 = u32::BITS - 1;
/// Bytes of a connection's id in front of data.
const ID_LEN: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial;

    /// A reader on these channels, as this connection, with this user.
    struct Trial<'a>(&'a [&'a str], ConnectionId, Option<&'a str>);

    impl Reader for Trial<'_> {
        fn waits_on_any(&self, mut channels: Split<'_, char>) -> bool {
            channels.any(|name| self.0.contains(&name))
        }

        fn is_connection(&self, id: ConnectionId) -> bool {
            self.1 == id
        }

        fn is_user(&self, user: &str) -> bool {
            self.2 == Some(user)
        }
    }

    fn connection(index: u32) -> ConnectionId {
        ConnectionId { start: 0x0102_0304_0506_0708, shard: ShardId(9), index, generation: 7 }
    }

    /// A message of four bytes for this audience.
    fn message(audience: Audience<'_>) -> Message {
        let publish = trial::publish("a", 4, None);
        let target = crate::Target { name: "a".into(), alias: None };
        let payload = publish.payload.limited_to(audience);
        Message::new(Position::from_bits(1), 1, None, [target].into_iter().collect(), payload)
    }

    fn check(audience: Audience<'_>, reader: &Trial<'_>, expected: bool) {
        let message = message(audience);
        assert_eq!(message.audience(), audience);
        assert_eq!(message.payload().data(), b"xxxx", "{audience:?}");
        assert_eq!(message.visible_to(reader).is_some(), expected, "{audience:?}");
    }

    #[test]
    fn who_may_see_a_message() {
        let reader = Trial(&["a", "b"], connection(3), Some("ann"));
        check(Audience::All, &reader, true);
        check(Audience::AnyOf("c,b"), &reader, true);
        check(Audience::AnyOf("c,d"), &reader, false);
        check(Audience::AnyOf(""), &reader, false);
        check(Audience::Except(connection(4)), &reader, true);
        check(Audience::Except(connection(3)), &reader, false);
        check(Audience::Only("ann"), &reader, true);
        check(Audience::Only("an"), &reader, false);
        check(Audience::Only("ann"), &Trial(&["a"], connection(3), None), false);
    }

    #[test]
    fn a_chain_of_polls_is_no_connection_that_has_a_place() {
        let of = |number| ConnectionId::of_polls(5, ShardId(1), number);
        let numbers = [0, 1, (1 << GENERATION_BITS) - 1, 1 << GENERATION_BITS, (1 << 53) - 1];
        for (at, number) in numbers.into_iter().enumerate() {
            assert!(of(number).is_of_polls() && of(number).index < 1 << ConnectionId::INDEX_BITS, "{number}");
            assert!(numbers[..at].iter().all(|other| of(*other) != of(number)), "{number}");
        }
        assert!(!ConnectionId { generation: ConnectionId::GENERATION_MAX, ..connection(1) }.is_of_polls());
    }

    #[test]
    fn what_cannot_be_read_is_for_nobody() {
        for kind in [AudienceKind::AnyOf, AudienceKind::Except, AudienceKind::Only] {
            assert_eq!(Audience::read(kind, b"\xff"), NOBODY, "{kind:?}");
        }
        for len in (0..ID_LEN).chain([ID_LEN + 1]) {
            assert_eq!(Audience::read(AudienceKind::Except, &vec![1; len]), NOBODY, "{len}");
        }
    }

    #[test]
    fn messages_for_all_and_for_others_share_nothing_that_is_said_of_them() {
        let mut hub = trial::hub(crate::Limits::default());
        let mut last = None;
        for audience in [Audience::All, Audience::Only("ann"), Audience::Only("bob"), Audience::All] {
            let publish = trial::publish("a", 4, None);
            let payload = publish.payload.limited_to(audience);
            hub.order(crate::Publish { payload, ..publish }, 1).unwrap();
            let message = trial::release(&mut hub, 1).pop().unwrap().message;
            assert_eq!(message.audience(), audience);
            last = Some(message);
        }
        assert!(last.is_some());
    }

    #[test]
    fn an_admission_is_for_one_message() {
        let message = message(Audience::All);
        let admission = message.visible_to(&Trial(&[], connection(1), None)).unwrap().admission();
        assert_eq!(message.visible_by(admission).position, message.position);
        let other = Message::new(
            Position::from_bits(2),
            1,
            None,
            message.targets().iter().cloned().collect(),
            trial::publish("a", 1, None).payload,
        );
        std::panic::catch_unwind(|| other.visible_by(admission)).unwrap_err();
    }
}
