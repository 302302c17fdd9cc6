//! What a waiting client gets: a head and a filler at once, and later one array of all that is due.

use std::borrow::Cow;

use hub::{Decimal, Message, Millis, Origin, Position, Visible};
use smallvec::SmallVec;

use super::Tag;
use crate::GUARDS;
use crate::native::write_value;

/// Appends the head of an answer and, unless only the head is wanted, the filler that is body already.
/// `mark`: the client speaks HTTP, and may be told from where on it now listens.
pub fn write_head(charset: &str, mark: Option<&[u8]>, head_only: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\
          Cache-Control: no-store, no-cache, must-revalidate\r\n\
          Expires: Mon, 26 Jul 1997 05:00:00 GMT\r\nContent-Type: text/javascript; charset=",
    );
    out.extend_from_slice(charset.as_bytes());
    if let Some(mark) = mark {
        out.extend_from_slice(
            b"\r\nAccess-Control-Allow-Origin: *\r\n\
              Access-Control-Expose-Headers: X-Realplexor-Cursor\r\nX-Realplexor-Cursor: ",
        );
        out.extend_from_slice(mark);
        for (name, value) in GUARDS {
            out.extend_from_slice(format!("\r\n{name}: {value}").as_bytes());
        }
    }
    out.extend_from_slice(if head_only { b"\r\n\r\n" } else { b"\r\n\r\n \r\n" });
}

/// One message that is due.
#[derive(Debug)]
pub struct Part<'a> {
    message: &'a Message,
    /// The targets through which it is due, by name.
    matches: SmallVec<[usize; 2]>,
    /// Its place in the array: its least cursor.
    key: Decimal,
    /// Its greatest.
    last: Decimal,
}

/// All that is due.
#[derive(Debug, Default)]
pub struct Reply<'a> {
    parts: Vec<Part<'a>>,
}

impl<'a> Part<'a> {
    /// A message that its client may see, and that is due in the targets of these indices; none: it is not due.
    pub fn new(message: Visible<'a>, matches: impl IntoIterator<Item = usize>) -> Option<Self> {
        let message = message.message();
        let mut matches: SmallVec<[usize; 2]> = matches.into_iter().collect();
        matches.sort_unstable_by(|a, b| message.targets()[*a].name.cmp(&message.targets()[*b].name));
        let cursors = || matches.iter().map(|target| message.outside(*target));
        Some(Self { message, key: cursors().min()?, last: cursors().max()?, matches })
    }
}

impl<'a> Reply<'a> {
    /// The reply of these parts: in the order of cursors, where they are equal in that of data. Where it is
    /// too long, or was `cut`, what is left out has greater cursors in each channel than what is in it, and
    /// is due the next time. Returns with it where it was cut.
    pub fn new(
        mut parts: Vec<Part<'a>>,
        mut cut: Option<Decimal>,
        len_max: usize,
    ) -> (Self, Option<Decimal>) {
        parts.sort_by(|a, b| {
            a.key.cmp(&b.key).then_with(|| a.message.payload().data().cmp(b.message.payload().data()))
        });
        let mut len = 0;
        let fits = parts.iter().take_while(|part| {
            len += part.message.payload().data().len();
            len <= len_max
        });
        let fitting = fits.count().max(1);
        if fitting < parts.len() {
            let key = parts[fitting - 1].key.clone();
            cut = Some(cut.map_or_else(|| key.clone(), |cut| cut.min(key.clone())));
        }
        if let Some(cut) = &cut
            && parts.iter().any(|part| part.last <= *cut)
        {
            parts.retain(|part| part.last <= *cut);
        }
        (Self { parts }, cut)
    }

    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Appends the array. The tag goes into cursors of the server.
    pub fn write(&self, tag: Option<Tag>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"[\n");
        for (n, part) in self.parts.iter().enumerate() {
            if n > 0 {
                out.extend_from_slice(b",\n");
            }
            write_part(part.message, &part.matches, tag, out);
        }
        out.extend_from_slice(b"\n]");
    }
}

/// Appends the array of one message that is due in the targets of these indices, sorted by name, without a tag.
pub fn write_one(message: &Message, matches: &[usize], out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\n");
    write_part(message, matches, None, out);
    out.extend_from_slice(b"\n]");
}

fn write_part(message: &Message, matches: &[usize], tag: Option<Tag>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"  {\n    \"ids\": {");
    for (n, target) in matches.iter().enumerate() {
        out.extend_from_slice(if n > 0 { b", \"" } else { b" \"" });
        out.extend_from_slice(message.targets()[*target].name.as_bytes());
        out.extend_from_slice(b"\": \"");
        message.write_outside(*target, out);
        if let Some(tag) = tag.filter(|_| message.targets()[*target].alias.is_none()) {
            tag.write(out);
        }
        out.push(b'"');
    }
    let data = data(message);
    out.extend_from_slice(b" },\n    \"data\":");
    out.push(if data.contains(&b'\n') { b'\n' } else { b' ' });
    out.extend_from_slice(&data);
    out.extend_from_slice(b"\n  }");
}

/// What was published in this dialect goes as it came; everything else is JSON.
fn data(message: &Message) -> Cow<'_, [u8]> {
    let payload = message.payload();
    if payload.origin == Origin::Realplexor {
        return payload.data().into();
    }
    let mut value = Vec::with_capacity(payload.data().len() + 2);
    write_value(payload, &mut value);
    value.into()
}

/// The cursor that stands for a place at this time, as text.
pub fn mark(time: Millis, position: Position) -> Vec<u8> {
    let mut text = Vec::with_capacity(32);
    Decimal::write_mark(time, position, &mut text);
    text
}
