//! A message: one payload for one or more channels; immutable, shared by all who hold it.

use std::ops::Range;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::{ChannelId, Millis, Position};

/// One payload with its place in the order.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its place in the one order.
    pub position: Position,
    /// When it was ordered.
    pub time: Millis,
    /// From when on it may no longer be given to anybody who comes back; `None`: as long as it is kept.
    pub expires: Option<Millis>,
    /// Where it went, each channel once, in the publisher's order. Never empty.
    pub targets: SmallVec<[Target; 1]>,
    /// What was said.
    pub payload: Payload,
}

/// One channel a message went to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The channel, or [`ChannelId::NONE`]. Valid when the message is released and as long as anybody is
    /// registered on it; in a message that comes from history go by the name, since a record may have
    /// been forgotten and its id given to another channel.
    pub channel: ChannelId,
    /// Its name, shared with the channel's record.
    pub name: Arc<str>,
    /// An outside cursor, kept verbatim: a [`crate::Decimal`] (Realplexor).
    pub alias: Option<Box<str>>,
}

/// What a publisher said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// All bytes the publisher sent, its head included where the dialect keeps it.
    pub bytes: Arc<[u8]>,
    /// The range of `bytes` that is data.
    pub data: Range<u32>,
    /// In whose words it came.
    pub origin: Origin,
    /// The publisher's name for this kind of event.
    pub event: Option<Box<str>>,
    /// The publisher's media type.
    pub content_type: Option<Box<str>>,
    /// Whether the data is to be treated as bytes and not as text.
    pub binary: bool,
}

impl Payload {
    /// The bytes that are data.
    pub fn data(&self) -> &[u8] {
        &self.bytes[self.data.start as usize..self.data.end as usize]
    }
}

/// The dialect a message was published in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `POST /pub/…` and all that is modern.
    Native,
    /// dklab_multiplexor, 2009: the whole input is the message.
    Multiplexor,
    /// Dklab_Realplexor: the body is the message.
    Realplexor,
}
