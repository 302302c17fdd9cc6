//! What a waiting client gets: a head and a filler at once, and later one array of all that is due.

use std::borrow::Cow;

use hub::{Message, Origin};

use super::Tag;
use crate::GUARDS;
use crate::due::Reply;
use crate::native::write_value;

/// Appends the head of an answer and, unless only the head is wanted, the filler that is body already.
/// `mark`: the client speaks HTTP, and may be told from where on it now listens.
pub(super) fn write_head(charset: &str, mark: Option<&[u8]>, head_only: bool, out: &mut Vec<u8>) {
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

/// Appends the array. The tag goes into cursors of the server.
pub(super) fn write_reply(reply: &Reply<'_>, tag: Option<Tag>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"[\n");
    for (n, part) in reply.parts().iter().enumerate() {
        if n > 0 {
            out.extend_from_slice(b",\n");
        }
        write_part(part.message(), part.matches(), tag, out);
    }
    out.extend_from_slice(b"\n]");
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
    if payload.origin == Origin::VerbatimBody {
        return payload.data().into();
    }
    let mut value = Vec::with_capacity(payload.data().len() + 2);
    write_value(payload, &mut value);
    value.into()
}
