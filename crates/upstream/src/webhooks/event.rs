//! An event as a webhook is told it: an object that is rendered once for all of them.

use dialect::native::{write_object, write_string};
use exchange::hub::{Change, Cursors, Message, Millis, OrderItem, Position, is_of_all_users, presence_of};

use super::settings::{EventType, Webhook};

/// Something that webhooks are told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) at: Position,
    pub(super) time: Millis,
    pub(super) json: Box<[u8]>,
}

impl Event {
    /// What an item of the order is to webhooks, if any of these is told of it; and which ones are.
    pub(super) fn of<'a>(
        item: &OrderItem,
        hooks: impl Iterator<Item = &'a Webhook>,
        cursors: Cursors,
    ) -> Option<(Self, Vec<usize>)> {
        let (kind, channels) = kind_of(item)?;
        let wants = |hook: &Webhook| match &channels[..] {
            [] => hook.wants(kind, None),
            channels => channels.iter().any(|channel| hook.wants(kind, Some(channel))),
        };
        let wanted: Vec<usize> =
            hooks.enumerate().filter(|(_, hook)| wants(hook)).map(|(index, _)| index).collect();
        if wanted.is_empty() {
            return None;
        }
        let time = match item {
            OrderItem::Message(message) => message.time,
            OrderItem::Change(change) => change.time,
        };
        let json = render(item, kind, channels.first().copied(), time, cursors);
        Some((Self { at: item.position(), time, json: json.into() }, wanted))
    }

    /// Bytes that it counts while it waits.
    pub(super) fn cost(&self) -> usize {
        self.json.len() + EVENT_COST
    }
}

/// What an item is, and on which channels it is that; on none where it is about a user on whatever it waits.
fn kind_of(item: &OrderItem) -> Option<(EventType, Vec<&str>)> {
    let message = match item {
        OrderItem::Change(Change { what, name, .. }) => {
            let kind = if what.is_online() { EventType::ChannelOnline } else { EventType::ChannelOffline };
            return Some((kind, vec![name]));
        }
        OrderItem::Message(message) => message,
    };
    if let Some(movement) = message.movement() {
        let channel = presence_of(&message.targets()[0].name)?;
        return Some(match (is_of_all_users(channel), movement.joined) {
            (true, true) => (EventType::UserOnline, Vec::new()),
            (true, false) => (EventType::UserOffline, Vec::new()),
            (false, true) => (EventType::UserJoined, vec![channel]),
            (false, false) => (EventType::UserLeft, vec![channel]),
        });
    }
    message
        .is_event()
        .then(|| (EventType::MessageClient, message.targets().iter().map(|target| &*target.name).collect()))
}

/// `{"type", "time", "cursor", "channel"?, "user"?, "info"?, "message"?}`.
fn render(
    item: &OrderItem,
    kind: EventType,
    channel: Option<&str>,
    time: Millis,
    cursors: Cursors,
) -> Vec<u8> {
    let (seconds, millis) = (time / 1_000, time % 1_000);
    let name = kind.name();
    let mut out = format!("{{\"type\":\"{name}\",\"time\":{seconds}.{millis:03},\"cursor\":\"").into_bytes();
    cursors.write(item.position(), &mut out);
    out.push(b'"');
    if let Some(channel) = channel {
        out.extend_from_slice(b",\"channel\":");
        write_string(channel, &mut out);
    }
    if let OrderItem::Message(message) = item {
        write_who(message, &mut out);
    }
    out.push(b'}');
    out
}

fn write_who(message: &Message, out: &mut Vec<u8>) {
    if let Some(movement) = message.movement() {
        out.extend_from_slice(b",\"user\":");
        write_string(movement.user, out);
        if let Some(info) = movement.info {
            out.extend_from_slice(b",\"info\":");
            out.extend_from_slice(info.as_bytes());
        }
        return;
    }
    if let Some(user) = message.payload().speaker().user() {
        out.extend_from_slice(b",\"user\":");
        write_string(user, out);
    }
    out.extend_from_slice(b",\"message\":");
    let all: Vec<usize> = (0..message.targets().len()).collect();
    write_object(message, &all, None, out);
}

/// Bytes that an event counts beside its text.
const EVENT_COST: usize = 64;
