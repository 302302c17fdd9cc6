//! HTTP answers as bytes: heads of streams, complete answers, a long poll's document.

use codec::http::Head;
use dialect::hub::{Cursors, Message, Position};
use dialect::{Answer, Transport};

/// The head of a stream of events. It ends with the connection.
pub(crate) const SSE_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\n\
    X-Accel-Buffering: no\r\n\
    Access-Control-Allow-Origin: *\r\n\
    Connection: close\r\n\r\n";

/// The head of an HTTP stream, of objects or of bare payloads. It ends with the connection.
pub(crate) fn stream_head(bare: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    Head::new(&mut out, 200)
        .header("Content-Type", if bare { "application/octet-stream" } else { "application/x-ndjson" })
        .header("Cache-Control", "no-cache, no-transform")
        .header("X-Accel-Buffering", "no")
        .header("Access-Control-Allow-Origin", "*")
        .header("Connection", "close")
        .end();
    out
}

/// The head that makes the connection a WebSocket.
pub(crate) fn ws_head(accept: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    Head::new(&mut out, 101)
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Accept", accept)
        .end();
    out
}

/// What `HEAD` of a subscription is answered.
pub(crate) fn only_head(transport: Transport) -> Answer {
    let content_type = match transport {
        Transport::Poll | Transport::WebSocket => "application/json",
        Transport::Sse => "text/event-stream",
        Transport::Stream => "application/x-ndjson",
    };
    Answer { status: 200, content_type, headers: Vec::new(), body: Vec::new() }
}

/// A complete answer.
pub(crate) fn answer(answer: &Answer, close: bool, head_only: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + answer.body.len());
    let mut head = Head::new(&mut out, answer.status);
    if !answer.content_type.is_empty() {
        head = head.header("Content-Type", answer.content_type);
    }
    // The head of a body that is not made says no length (RFC 9110, 8.6).
    if answer.status != 204 && !(head_only && answer.body.is_empty()) {
        head = head.number("Content-Length", answer.body.len() as u64);
    }
    head = head.header("Cache-Control", "no-store").header("Access-Control-Allow-Origin", "*");
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

/// A long poll's answer: the document of messages already put as objects.
pub(crate) fn poll_document(
    objects: &[Vec<u8>],
    cursor: Position,
    gap: bool,
    cursors: Cursors,
    out: &mut Vec<u8>,
) {
    let mut cursor_text = Vec::with_capacity(16);
    cursors.write(cursor, &mut cursor_text);
    let frame: &[&[u8]] = &[b"{\"cursor\":\"", &cursor_text, b"\",\"messages\":["];
    let end: &[u8] = if gap { b"],\"gap\":true}" } else { b"]}" };
    let objects_len: usize = objects.iter().map(Vec::len).sum();
    let len = frame.iter().map(|part| part.len()).sum::<usize>()
        + objects_len
        + objects.len().saturating_sub(1)
        + end.len();
    out.reserve(POLL_HEAD_LEN + len);
    Head::new(out, 200)
        .header("Content-Type", "application/json")
        .number("Content-Length", len as u64)
        .header("Cache-Control", "no-store")
        .header("Access-Control-Allow-Origin", "*")
        .end();
    frame.iter().for_each(|part| out.extend_from_slice(part));
    for (n, object) in objects.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(object);
    }
    out.extend_from_slice(end);
}

/// A long poll's answer that is one payload, with its cursor in a header; and whether some before it were lost.
pub(crate) fn poll_raw(message: &Message, gap: bool, cursors: Cursors, out: &mut Vec<u8>) {
    let payload = &message.payload;
    let usual = if payload.binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    let mut head = Head::new(out, 200)
        .header("Content-Type", payload.content_type.as_deref().unwrap_or(usual))
        .number("Content-Length", payload.data().len() as u64)
        .header("Multiplexor-Cursor", cursors.text(message.position));
    if let Some(event) = &payload.event {
        head = head.header("Multiplexor-Event", event.as_bytes());
    }
    end_raw(head, gap);
    out.extend_from_slice(payload.data());
}

/// A raw long poll's answer when there is no payload to give: only the cursor, and whether some were lost.
pub(crate) fn poll_raw_empty(cursor: Position, gap: bool, cursors: Cursors, out: &mut Vec<u8>) {
    end_raw(Head::new(out, 204).header("Multiplexor-Cursor", cursors.text(cursor)), gap);
}

fn end_raw(mut head: Head<'_>, gap: bool) {
    if gap {
        head = head.header("Multiplexor-Gap", "true");
    }
    head.header("Cache-Control", "no-store")
        .header("Access-Control-Allow-Origin", "*")
        .header("Access-Control-Expose-Headers", "Multiplexor-Cursor, Multiplexor-Event, Multiplexor-Gap")
        .end();
}

/// About what the head of a long poll's answer takes.
const POLL_HEAD_LEN: usize = 160;
