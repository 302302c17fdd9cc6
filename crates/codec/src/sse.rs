//! The event stream of `text/event-stream`, as browsers read it (WHATWG HTML, "Server-sent events").
//!
//! The format is lines: whatever is written ends with a blank line, so blocks may be written one
//! after the other and each is dispatched at once. A payload is text to it: its line ends, be they
//! CR, LF or CR LF, all arrive as LF.

mod reader;

use std::io::Write;

pub use reader::{Dispatched, Error, SseReader};

/// One event to be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event<'a> {
    /// What the client sends back as `Last-Event-ID`. Without CR, LF and NUL; one that holds them is
    /// our bug, and is left out.
    pub id: Option<&'a [u8]>,
    /// The event's name; `message` where there is none. It ends at the first CR or LF.
    pub event: Option<&'a str>,
    /// The payload. Without it (empty is not without) the client notes the id and tells nobody.
    pub data: Option<&'a [u8]>,
}

/// Appends an event: its name, its id, its data a line each, and a blank line.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) {
    if let Some(name) =
        event.event.and_then(|name| name.split(['\r', '\n']).next()).filter(|name| !name.is_empty())
    {
        field(b"event: ", name.as_bytes(), out);
    }
    if let Some(id) = event.id {
        let clean = memchr::memchr3(b'\r', b'\n', b'\0', id).is_none();
        debug_assert!(clean, "an id holds no CR, LF or NUL");
        if clean {
            field(b"id: ", id, out);
        }
    }
    if let Some(data) = event.data {
        lines(b"data: ", data, out);
    }
    out.push(b'\n');
}

/// Appends the advice how long to wait before reconnecting, as a field of the event that follows: some readers make
/// an empty event of a block that has nothing else.
pub fn encode_retry(retry_ms: u32, out: &mut Vec<u8>) {
    writeln!(out, "retry: {retry_ms}").expect("a Vec takes whatever is written");
}

/// Appends a comment, which no client shows: a sign of life. Each line of it becomes one.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    lines(b": ", text.as_bytes(), out);
    out.push(b'\n');
}

fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// One field a line; a line end at the very end gives an empty one after it.
fn lines(name: &[u8], text: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + text.len() + 2);
    let mut rest = text;
    while let Some(end) = memchr::memchr2(b'\r', b'\n', rest) {
        field(name, &rest[..end], out);
        let end_len = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + end_len..];
    }
    field(name, rest, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: Event<'_>, expected: &str) {
        let mut out = Vec::new();
        encode(&event, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{event:?}");
    }

    #[test]
    fn fields_have_their_order() {
        let event = Event { id: Some(b"1-42"), event: Some("price"), data: Some(b"10") };
        check(event, "event: price\nid: 1-42\ndata: 10\n\n");
        check(Event { data: Some(b"10"), ..Event::default() }, "data: 10\n\n");
        check(Event { id: Some(b"1-42"), ..Event::default() }, "id: 1-42\n\n");
        check(Event { event: Some("gap"), data: Some(b""), ..Event::default() }, "event: gap\ndata: \n\n");
        check(Event::default(), "\n");
    }

    #[test]
    fn every_line_of_data_is_a_field() {
        let check = |data: &[u8], expected| check(Event { data: Some(data), ..Event::default() }, expected);
        check(b"a\nb", "data: a\ndata: b\n\n");
        check(b"a\rb", "data: a\ndata: b\n\n");
        check(b"a\r\nb", "data: a\ndata: b\n\n");
        check(b"a\n\rb", "data: a\ndata: \ndata: b\n\n");
        check(b"a\n", "data: a\ndata: \n\n");
        check(b"\n", "data: \ndata: \n\n");
        check(b" a", "data:  a\n\n");
        check(b"a\r\n\r\nid: evil", "data: a\ndata: \ndata: id: evil\n\n");
    }

    #[test]
    fn a_name_ends_with_its_line() {
        let check = |name, expected| check(Event { event: Some(name), ..Event::default() }, expected);
        check("a\ndata: evil", "event: a\n\n");
        check("a\r\nb", "event: a\n\n");
        check("\nb", "\n");
        check("", "\n");
    }

    #[test]
    fn advice_and_comments_are_blocks_of_their_own() {
        let mut out = Vec::new();
        encode_retry(1500, &mut out);
        encode_comment("", &mut out);
        encode_comment("still\r\nhere", &mut out);
        assert_eq!(out, b"retry: 1500\n: \n\n: still\n: here\n\n");
    }
}
