//! How changes are put: events, lines, or one document.

use std::time::Duration;

use dialect::hub::{Change, Changes, Cursors, Position};
use dialect::native;

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
            out.extend_from_slice(format!("retry: {}\n", retry.as_millis()).as_bytes());
        }
        self.cursor(at, cursors, out);
    }

    /// Some changes, each with its cursor.
    pub(super) fn page(self, page: &Changes, cursors: Cursors, out: &mut Vec<u8>) {
        if page.gap {
            self.gap(out);
        }
        for change in &page.changes {
            if self == Self::Sse {
                write_id(change.position, cursors, out);
                out.extend_from_slice(b"data: ");
            }
            write_change(change, cursors, out);
            out.extend_from_slice(if self == Self::Sse { b"\n\n" } else { b"\n" });
        }
    }

    /// The cursor alone: a beginning, or a sign of life.
    pub(super) fn cursor(self, at: Position, cursors: Cursors, out: &mut Vec<u8>) {
        match self {
            Self::Sse => {
                // Firefox keeps an id only where an event comes with it. Nobody hears one of this name; who looks at
                // no names finds JSON.
                out.extend_from_slice(b"event: cursor\n");
                write_id(at, cursors, out);
                out.extend_from_slice(b"data: ");
                write_cursor(at, cursors, out);
                out.extend_from_slice(b"}\n\n");
            }
            Self::Lines => {
                write_cursor(at, cursors, out);
                out.extend_from_slice(b"}\n");
            }
        }
    }

    fn gap(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self {
            Self::Sse => b"event: gap\ndata: {}\n\n",
            Self::Lines => b"{\"gap\":true}\n",
        });
    }
}

/// A long poll's document: `{"cursor", "changes", "gap"?, "more"?}`.
pub(super) fn document(page: &Changes, cursors: Cursors) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write_cursor(page.position, cursors, &mut out);
    out.extend_from_slice(b",\"changes\":[");
    for (n, change) in page.changes.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write_change(change, cursors, &mut out);
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

/// `{"cursor", "channel", "online", "time"}`; time is seconds since the Unix epoch.
fn write_change(change: &Change, cursors: Cursors, out: &mut Vec<u8>) {
    write_cursor(change.position, cursors, out);
    out.extend_from_slice(b",\"channel\":");
    native::write_string(&change.name, out);
    let (seconds, millis) = (change.time / 1_000, change.time % 1_000);
    out.extend_from_slice(
        format!(",\"online\":{},\"time\":{seconds}.{millis:03}}}", change.online).as_bytes(),
    );
}

/// The beginning of an object, with its cursor.
fn write_cursor(at: Position, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(at, out);
    out.push(b'"');
}

fn write_id(at: Position, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id: ");
    cursors.write(at, out);
    out.push(b'\n');
}
