//! An event as a webhook is told it: an object that is rendered once for all of them.

use std::sync::Arc;

use dialect::native::{write_object, write_string};
use exchange::hub::{Change, Cursors, Message, Millis, OrderItem, Position, is_of_all_users, presence_of};

use super::settings::{EventType, Webhook};

/// Something that webhooks are told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WebhookEvent {
    pub(super) at: Position,
    pub(super) time: Millis,
    pub(super) json: Box<[u8]>,
}

/// An event as some webhooks are told it: these, by their places.
type Told = (Arc<WebhookEvent>, Vec<usize>);

impl WebhookEvent {
    /// What an item of the order is to the webhooks that are told of it. A message of several channels names to each webhook those of
    /// which it is told; whoever is told of the same ones shares what is rendered.
    pub(super) fn of<'a>(
        item: &OrderItem,
        hooks: impl Iterator<Item = &'a Webhook>,
        cursors: Cursors,
    ) -> Vec<Told> {
        let Some((kind, channels)) = kind_of(item) else { return Vec::new() };
        // Places of channels among those of the item, and of webhooks.
        let mut ways: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        for (place, hook) in hooks.enumerate() {
            let wants = |index: &usize| hook.wants(kind, Some(channels[*index]));
            let matched: Vec<usize> = (0..channels.len()).filter(wants).collect();
            if matched.is_empty() && !(channels.is_empty() && hook.wants(kind, None)) {
                continue;
            }
            match ways.iter_mut().find(|(known, _)| *known == matched) {
                Some((_, places)) => places.push(place),
                None => ways.push((matched, vec![place])),
            }
        }
        let told = |(matched, places): (Vec<usize>, Vec<usize>)| {
            let channel = matched.first().map(|index| channels[*index]);
            let (time, json) = render(item, kind, channel, &matched, cursors);
            (Arc::new(Self { at: item.position(), time, json: json.into() }), places)
        };
        ways.into_iter().map(told).collect()
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

/// `{"type", "time", "cursor", "channel"?, "user"?, "info"?, "message"?}`, and its time. `matched`: channels of a message.
fn render(
    item: &OrderItem,
    kind: EventType,
    channel: Option<&str>,
    matched: &[usize],
    cursors: Cursors,
) -> (Millis, Vec<u8>) {
    let time = match item {
        OrderItem::Message(message) => message.time,
        OrderItem::Change(change) => change.time,
    };
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
        write_who(message, matched, &mut out);
    }
    out.push(b'}');
    (time, out)
}

fn write_who(message: &Message, matched: &[usize], out: &mut Vec<u8>) {
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
    write_object(message, matched, None, out);
}

/// Bytes that an event counts beside its text.
const EVENT_COST: usize = 64;
