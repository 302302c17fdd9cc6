//! HTTP answers as bytes: heads of streams, complete answers, a long poll's document.

use std::borrow::Cow;

use codec::deflate::{self, DOCUMENT_END_LEN, GZIP_HEAD};
use codec::http::{Head, enclose_chunk};
use dialect::hub::{Cursors, Kind, Message};
use dialect::{Answer, Cors, GUARDS, NO_STORE, Transport, native};

use crate::{Coder, Coding, PollEnd};

/// The head of a stream of events.
pub(crate) fn sse_head(coding: Coding, cors: Cors<'_>) -> Vec<u8> {
    endless("text/event-stream", coding, cors)
}

/// The head of an HTTP stream, of objects or of bare payloads.
pub(crate) fn stream_head(bare: bool, coding: Coding, cors: Cors<'_>) -> Vec<u8> {
    endless(if bare { "application/octet-stream" } else { "application/x-ndjson" }, coding, cors)
}

/// The head of what ends with the connection, and how its coding begins.
fn endless(content_type: &str, coding: Coding, cors: Cors<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(384);
    let head = Head::new(&mut out, 200)
        .header("Content-Type", content_type)
        .header("Cache-Control", "no-cache, no-transform")
        .header("X-Accel-Buffering", "no");
    let mut head = readable(guarded(head), cors).header("Connection", "close");
    if coding.deflates() {
        head = head.header("Content-Encoding", "gzip").header("Vary", "Accept-Encoding");
    }
    if coding.is_chunked() {
        head = head.header("Transfer-Encoding", "chunked");
    }
    head.end();
    if coding.deflates() {
        let start = out.len();
        out.extend_from_slice(&GZIP_HEAD);
        if coding.is_chunked() {
            enclose_chunk(start, &mut out);
        }
    }
    out
}

/// The head that makes the connection a WebSocket; `accept` answers its key, where it has one.
pub(crate) fn ws_head(accept: Option<&str>, extension: Option<&str>, protocol: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut head = Head::new(&mut out, 101).header("Upgrade", "websocket").header("Connection", "Upgrade");
    if let Some(accept) = accept {
        head = head.header("Sec-WebSocket-Accept", accept);
    }
    if let Some(extension) = extension {
        head = head.header("Sec-WebSocket-Extensions", extension);
    }
    if let Some(protocol) = protocol {
        head = head.header("Sec-WebSocket-Protocol", protocol);
    }
    head.end();
    out
}

/// What `HEAD` of a subscription is answered.
pub(crate) fn only_head(transport: Transport) -> Answer {
    let content_type = match transport {
        Transport::Poll | Transport::WebSocket => "application/json",
        Transport::Sse => "text/event-stream",
        Transport::Stream => "application/x-ndjson",
    };
    Answer { status: 200, content_type, cache: NO_STORE, headers: Vec::new(), body: Cow::default() }
}

/// A complete answer.
pub(crate) fn answer(answer: &Answer, close: bool, head_only: bool, cors: Cors<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + answer.body.len());
    let mut head = Head::new(&mut out, answer.status);
    if !answer.content_type.is_empty() {
        head = head.header("Content-Type", answer.content_type);
    }
    // The head of a body that is not made says no length (RFC 9110, 8.6); nor does one that never has any.
    let has_length = match answer.status {
        204 | 304 => false,
        _ => !head_only || !answer.body.is_empty(),
    };
    if has_length {
        head = head.number("Content-Length", answer.body.len() as u64);
    }
    head = readable(head.header("Cache-Control", answer.cache), cors);
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    if close {
        head = head.header("Connection", "close");
    }
    head.end();
    if !head_only {
        out.extend_from_slice(&answer.body);
    }
    out
}

/// Tells in an answer, behind its first line, for how many seconds the connection stays open for another request; `None`:
/// it ends with this one. What was told before is replaced. What is no answer yet (100) is left as it is.
pub fn tell_stay(answer: &mut Vec<u8>, seconds: Option<u64>) {
    if answer.starts_with(b"HTTP/1.1 1") {
        return;
    }
    let line_len = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let begin = line_len(answer);
    let is_told = answer[begin..].starts_with(KEEP_ALIVE.as_bytes());
    let told_len = if is_told { line_len(&answer[begin..]) } else { 0 };
    let header = match seconds {
        Some(seconds) => format!("{KEEP_ALIVE}{seconds}\r\n"),
        None => "Connection: close\r\n".to_owned(),
    };
    answer.splice(begin..begin + told_len, header.into_bytes());
}

/// Adds a warning to an answer, behind its first line, and that pages may read it. Where there is none yet, nothing is added.
pub fn tell_warning(answer: &mut Vec<u8>, warning: &str) {
    if let Some(begin) = answer.iter().position(|byte| *byte == b'\n') {
        let name = native::WARNING;
        let headers = format!("{name}: {warning}\r\nAccess-Control-Expose-Headers: {name}\r\n");
        answer.splice(begin + 1..begin + 1, headers.into_bytes());
    }
}

/// Who may read the answer: pages of a listed origin with their credentials, all others without.
fn readable<'a>(head: Head<'a>, cors: Cors<'_>) -> Head<'a> {
    let head = match cors.listed {
        Some(origin) => head
            .header("Access-Control-Allow-Origin", origin)
            .header("Access-Control-Allow-Credentials", "true"),
        None => head.header("Access-Control-Allow-Origin", "*"),
    };
    if cors.varies { head.header("Vary", "Origin") } else { head }
}

/// Says what is said with all that others wrote.
fn guarded(head: Head<'_>) -> Head<'_> {
    GUARDS.iter().fold(head, |head, (name, value)| head.header(name, value))
}

/// A long poll's answer: the document of messages already put as objects, and of changes of who is there. It is left open for
/// [`close_document`].
pub(crate) fn poll_document(
    [messages, changes]: [&[Vec<u8>]; 2],
    end: &PollEnd<'_>,
    cursors: Cursors,
    cors: Cors<'_>,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    let body = document([messages, changes], end, cursors);
    let tail_len = if end.connection.is_some() { CONNECTION_END_LEN } else { 1 };
    out.reserve(POLL_HEAD_LEN + body.len() + tail_len);
    let mut head = Head::new(out, 200).header("Content-Type", "application/json");
    let packed = coder.open_document(&body);
    head = match &packed {
        None => head.number("Content-Length", (body.len() + tail_len) as u64),
        Some(packed) => head
            .number("Content-Length", (packed.len() + tail_len + DOCUMENT_END_LEN) as u64)
            .header("Content-Encoding", "gzip")
            .header("Vary", "Accept-Encoding"),
    };
    readable(guarded(head.header("Cache-Control", "no-store")), cors).end();
    match packed {
        None => {
            out.extend_from_slice(&body);
            out.push(OPEN_PLAIN);
        }
        Some(packed) => {
            out.extend_from_slice(&packed);
            out.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
            // As gzip has it: the length modulo 2^32 (RFC 1952, section 2.3.1).
            out.extend_from_slice(&(body.len() as u64).to_le_bytes()[..4]);
            out.push(OPEN_GZIP);
        }
    }
}

/// Ends the long poll's document at the end of `out`, which was left open so that all who get the same share it, for one of
/// them: by the id of his connection, where the document is to have one.
pub fn close_document(connection: Option<&str>, out: &mut Vec<u8>) {
    let tail = connection.map_or_else(|| b"}".to_vec(), |id| [id.as_bytes(), b"\"}"].concat());
    debug_assert!(connection.is_none() || tail.len() == CONNECTION_END_LEN);
    let form = out.pop().expect("a document left open says how it is put");
    if form == OPEN_PLAIN {
        out.extend_from_slice(&tail);
        return;
    }
    let (open, len) = out.split_last_chunk().expect("its length stands there");
    let (open, sum) = open.split_last_chunk().expect("its checksum stands there");
    let (open_len, sum, len) = (open.len(), u32::from_le_bytes(*sum), u32::from_le_bytes(*len));
    out.truncate(open_len);
    deflate::end_document(&tail, sum, len, out);
}

/// The document itself, left open.
fn document([messages, changes]: [&[Vec<u8>]; 2], end: &PollEnd<'_>, cursors: Cursors) -> Vec<u8> {
    let cursors = if end.lists { cursors.unlisted() } else { cursors };
    let objects_len: usize = messages.iter().chain(changes).map(|object| object.len() + 1).sum();
    let mut body = Vec::with_capacity(objects_len + DOCUMENT_LEN);
    body.extend_from_slice(b"{\"cursor\":\"");
    cursors.write(end.cursor, &mut body);
    body.extend_from_slice(b"\",\"messages\":[");
    body.extend_from_slice(&messages.join(&b','));
    body.push(b']');
    if !changes.is_empty() {
        body.extend_from_slice(b",\"changes\":[");
        body.extend_from_slice(&changes.join(&b','));
        body.push(b']');
    }
    for (n, list) in end.present.iter().enumerate() {
        body.extend_from_slice(if n == 0 { b",\"present\":[" } else { b"," });
        native::write_present_whole(list, &mut body);
    }
    if !end.present.is_empty() {
        body.push(b']');
    }
    if end.gap {
        body.extend_from_slice(b",\"gap\":true");
    }
    if end.more {
        body.extend_from_slice(b",\"more\":true");
    }
    if let Some(name) = end.deleted {
        body.extend_from_slice(b",\"deleted\":");
        native::write_string(name, &mut body);
    }
    if let Some(reason) = end.ended {
        body.extend_from_slice(b",\"ended\":");
        native::write_reason(reason, &mut body);
    }
    if end.connection.is_some() {
        body.extend_from_slice(b",\"connection\":\"");
    }
    body
}

/// A long poll's answer that is one payload, with its cursor in a header; and whether some before it were lost.
pub(crate) fn poll_raw(
    message: &Message,
    gap: bool,
    cursors: Cursors,
    cors: Cors<'_>,
    coder: &mut Coder<'_>,
    out: &mut Vec<u8>,
) {
    let payload = message.payload();
    let usual =
        if payload.kind == Kind::Binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    let head = Head::new(out, 200).header("Content-Type", payload.content_type.unwrap_or(usual));
    let (head, body) = coded(head, payload.data(), coder);
    let mut head = head.header("Multiplexor-Cursor", cursors.text(message.position));
    if let Some(event) = &payload.event {
        head = head.header("Multiplexor-Event", event.as_bytes());
    }
    end_raw(head, gap, cors);
    out.extend_from_slice(&body);
}

/// The body as it is sent, and what the head says of it.
fn coded<'h, 'b>(
    head: Head<'h>,
    body: impl Into<Cow<'b, [u8]>>,
    coder: &mut Coder<'_>,
) -> (Head<'h>, Cow<'b, [u8]>) {
    let body = body.into();
    let Some(document) = coder.document(&body) else {
        return (head.number("Content-Length", body.len() as u64), body);
    };
    let head = head
        .number("Content-Length", document.len() as u64)
        .header("Content-Encoding", "gzip")
        .header("Vary", "Accept-Encoding");
    (head, document.into())
}

/// A raw long poll's answer when there is no payload to give: only the cursor, and whether some were lost.
pub(crate) fn poll_raw_empty(end: &PollEnd<'_>, cursors: Cursors, cors: Cors<'_>, out: &mut Vec<u8>) {
    end_raw(Head::new(out, 204).header("Multiplexor-Cursor", cursors.text(end.cursor)), end.gap, cors);
}

fn end_raw(mut head: Head<'_>, gap: bool, cors: Cors<'_>) {
    if gap {
        head = head.header("Multiplexor-Gap", "true");
    }
    readable(guarded(head.header("Cache-Control", "no-store")), cors)
        .header("Access-Control-Expose-Headers", "Multiplexor-Cursor, Multiplexor-Event, Multiplexor-Gap")
        .end();
}

/// How the header begins that says how long a connection stays (RFC 2068, section 19.7.1.1).
const KEEP_ALIVE: &str = "Keep-Alive: timeout=";
/// About what the head of a long poll's answer takes.
const POLL_HEAD_LEN: usize = 352;
/// What a document has around its messages, without the end.
const DOCUMENT_LEN: usize = 80;
/// An id of 22 characters, a quotation mark and a bracket.
const CONNECTION_END_LEN: usize = 24;
/// How the last byte of a document left open says that it stands there as it is.
const OPEN_PLAIN: u8 = 0;
/// Or that it is compressed, and that its checksum and its length stand before this.
const OPEN_GZIP: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, seconds: Option<u64>, after: &str) {
        let mut answer = before.as_bytes().to_vec();
        tell_stay(&mut answer, seconds);
        assert_eq!(String::from_utf8(answer).unwrap(), after);
    }

    #[test]
    fn how_long_a_connection_stays_is_told_once() {
        let (plain, stays) =
            ("HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=75\r\nA: b\r\n\r\n");
        let ends = "HTTP/1.1 200 OK\r\nConnection: close\r\nA: b\r\n\r\n";
        check(plain, Some(75), stays);
        check(stays, Some(75), stays);
        check(plain, None, ends);
        check(stays, None, ends);
        check("HTTP/1.1 100 Continue\r\n\r\n", Some(75), "HTTP/1.1 100 Continue\r\n\r\n");
    }
}
