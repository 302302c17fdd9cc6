//! Messages to be rendered, in short.

use std::str::Split;

use multiplexor_transport::dialect::hub::{
    ConnectionId, Kind, Message, Payload, Position, Reader, Target, Visible,
};

/// A message to these channels at this place. Its time is always the same.
pub(crate) fn message(place: u64, channels: &[&str], payload: Payload) -> Message {
    let target = |name: &&str| Target { name: (*name).into(), alias: None };
    let targets = channels.iter().map(target).collect();
    Message::new(Position::from_bits(place), 1_700_000_000_250, None, targets, payload)
}

/// The message for somebody who may see it.
pub(crate) fn visible(message: &Message) -> Visible<'_> {
    message.visible_to(&Anybody).expect("nothing is hidden from anybody")
}

pub(crate) fn text(data: &str) -> Payload {
    Payload::new(data.as_bytes(), Kind::Either)
}

pub(crate) fn binary(data: &[u8]) -> Payload {
    Payload::new(data, Kind::Binary)
}

pub(crate) fn named(event: &str, payload: Payload) -> Payload {
    Payload { event: Some(event.into()), ..payload }
}

/// Somebody from whom nothing is hidden.
struct Anybody;

impl Reader for Anybody {
    fn waits_on_any(&self, _: Split<'_, char>) -> bool {
        true
    }

    fn is_connection(&self, _: ConnectionId) -> bool {
        false
    }

    fn is_user(&self, _: &str) -> bool {
        true
    }
}
