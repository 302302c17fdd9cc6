//! How changes are put: events, lines, or one document.

use std::time::Duration;

use codec::sse;
use dialect::hub::{Change, Cursors, OrderItem, Position};
use dialect::native;

use super::source::WatchPage;

/// How a stream of changes is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WatchEncoding {
    /// Server-Sent Events.
    Sse,
    /// One JSON object a line.
    Lines,
}

impl WatchEncoding {
    /// The media type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// The first words: whether something is gone, and the cursor to begin with, with reconnect advice.
    pub(super) fn open(self, at: Position, gap: bool, retry: Duration, cursors: Cursors, out: &mut Vec<u8>) {
        if gap {
            self.gap(out);
        }
        if self == Self::Sse {
            sse::encode_retry(u32::try_from(retry.as_millis()).unwrap_or(u32::MAX), out);
        }
        self.cursor(at, cursors, out);
    }

    /// Some changes, each with its cursor.
    pub(super) fn page(self, page: &WatchPage, cursors: Cursors, out: &mut Vec<u8>) {
        if page.gap {
            self.gap(out);
        }
        let mut text = Vec::new();
        for item in &page.items {
            text.clear();
            write_item(item, cursors, &mut text);
            self.put(None, Some((item.position(), cursors)), &text, out);
        }
    }

    /// The cursor alone: a beginning, or a sign of life.
    pub(super) fn cursor(self, at: Position, cursors: Cursors, out: &mut Vec<u8>) {
        let mut text = Vec::new();
        write_cursor(at, cursors, &mut text);
        text.push(b'}');
        // Firefox keeps an id only where an event comes with it. Nobody hears one of this name; who looks at
        // no names finds JSON.
        self.put(Some("cursor"), Some((at, cursors)), &text, out);
    }

    fn gap(self, out: &mut Vec<u8>) {
        match self {
            Self::Sse => self.put(Some("gap"), None, b"{}", out),
            Self::Lines => self.put(None, None, b"{\"gap\":true}", out),
        }
    }

    /// One object: an event of this name and with this cursor as its id, or a line.
    fn put(self, event: Option<&str>, at: Option<(Position, Cursors)>, object: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Sse => {
                let id = at.map(|(at, cursors)| cursors.text(at));
                let id = id.as_deref().map(str::as_bytes);
                let event = sse::Event { event, id, data: Some(object) };
                sse::encode(&event, out);
            }
            Self::Lines => {
                out.extend_from_slice(object);
                out.push(b'\n');
            }
        }
    }
}

/// A long poll's document: `{"cursor", "changes", "gap"?, "more"?}`.
pub(super) fn document(page: &WatchPage, cursors: Cursors) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write_cursor(page.position, cursors, &mut out);
    out.extend_from_slice(b",\"changes\":[");
    for (n, item) in page.items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_item(item, cursors, &mut out);
    }
    out.push(b']');
    for (name, is_so) in [("gap", page.gap), ("more", page.more)] {
        if is_so {
            out.extend_from_slice(format!(",\"{name}\":true").as_bytes());
        }
    }
    out.extend_from_slice(b"}\n");
    out
}

/// A change of a channel, or `{"cursor", "joined" or "left": {"channel", "user", "info"?, "time"}}`.
fn write_item(item: &OrderItem, cursors: Cursors, out: &mut Vec<u8>) {
    match item {
        OrderItem::Change(change) => write_change(change, cursors, out),
        OrderItem::Message(message) => {
            write_cursor(message.position, cursors, out);
            let joined = message.movement().is_some_and(|movement| movement.joined);
            out.extend_from_slice(if joined { b",\"joined\":" } else { b",\"left\":" });
            native::write_movement(message, out);
            out.push(b'}');
        }
    }
}

/// `{"cursor", "channel", "online", "time"}`; time is seconds since the Unix epoch.
fn write_change(change: &Change, cursors: Cursors, out: &mut Vec<u8>) {
    write_cursor(change.position, cursors, out);
    out.extend_from_slice(b",\"channel\":");
    native::write_string(&change.name, out);
    let (seconds, millis) = (change.time / 1_000, change.time % 1_000);
    out.extend_from_slice(
        format!(",\"online\":{},\"time\":{seconds}.{millis:03}}}", change.what.is_online()).as_bytes(),
    );
}

/// The beginning of an object, with its cursor.
fn write_cursor(at: Position, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(at, out);
    out.push(b'"');
}
