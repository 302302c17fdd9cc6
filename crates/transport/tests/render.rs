//! How a message is put, in every shape, byte for byte; and that what is put can be read back.

#![allow(clippy::unwrap_used, reason = "in a test")]

#[path = "common/said.rs"]
mod said;

use multiplexor_transport::codec::{sse, ws};
use multiplexor_transport::dialect::hub::{Cursors, Epoch, Kind, Message, Payload};
use multiplexor_transport::{Coder, Coding, Shape, close_document};
use said::{binary, message, named, text, visible};

/// Nothing is compressed.
fn plain() -> Coder<'static> {
    Coder::stored(Coding::Identity)
}

/// A message to one channel, in one shape.
fn check(shape: Shape, payload: Payload, expected: impl AsRef<[u8]>) {
    check_matches(shape, &message(5, &["a"], payload), &[0], expected);
}

fn check_matches(shape: Shape, message: &Message, matches: &[usize], expected: impl AsRef<[u8]>) {
    let frame = frame(shape, message, matches);
    assert_eq!(frame.escape_ascii().to_string(), expected.as_ref().escape_ascii().to_string(), "{shape:?}");
}

/// A frame as one client gets it.
fn frame(shape: Shape, message: &Message, matches: &[usize]) -> Vec<u8> {
    let mut frame = shape.frame(visible(message), matches, cursors(), &mut plain());
    if shape.leaves_open() {
        close_document(Some("0123456789abcdefghijkl"), &mut frame);
    }
    frame
}

fn cursors() -> Cursors {
    Cursors::new(Epoch::new(0))
}

/// What stands in the head of every answer that holds what others wrote.
const GUARDS: &str = "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n\
                      Cross-Origin-Resource-Policy: same-origin\r\n";

#[test]
fn a_line_of_a_stream_is_an_object() {
    use Shape::StreamObject as It;
    check(
        It,
        text("hi"),
        r#"{"cursor":"a0000005","channel":"a","data":"hi","time":1700000000.250}
"#,
    );
    check(
        It,
        text("{\"n\":\n1}"),
        r#"{"cursor":"a0000005","channel":"a","data":{"n": 1},"time":1700000000.250}
"#,
    );
    check(
        It,
        text("a\r\nb"),
        r#"{"cursor":"a0000005","channel":"a","data":"a\r\nb","time":1700000000.250}
"#,
    );
    check(
        It,
        binary(b"\x00\xff"),
        r#"{"cursor":"a0000005","channel":"a","data":"AP8=","base64":true,"time":1700000000.250}
"#,
    );
    check(
        It,
        named("price", text("10")),
        r#"{"cursor":"a0000005","channel":"a","event":"price","data":10,"time":1700000000.250}
"#,
    );
    check(
        It,
        within("IN: x\n\n", text("hi")),
        r#"{"cursor":"a0000005","channel":"a","data":"hi","time":1700000000.250}
"#,
    );
}

#[test]
fn a_line_of_a_raw_stream_is_the_payload() {
    check(Shape::StreamRaw, text("hi"), "hi\n");
    check(Shape::StreamRaw, text("a\nb"), "a\nb\n");
    check(Shape::StreamRaw, text(""), "\n");
    check(Shape::StreamRaw, named("price", within("head", text("hi"))), "hi\n");
    assert_eq!(
        Shape::StreamRaw.frame(
            visible(&message(5, &["a"], binary(b"\x00\xff"))),
            &[0],
            cursors(),
            &mut plain()
        ),
        b"\x00\xff\n"
    );
}

#[test]
fn an_event_is_the_payload_with_its_cursor() {
    check(Shape::SseBare, text("hi"), "id: a0000005\ndata: hi\n\n");
    check(Shape::SseBare, named("price", text("10")), "event: price\nid: a0000005\ndata: 10\n\n");
    check(
        Shape::SseBare,
        text("a\rb\r\nc\nd\n"),
        "id: a0000005\ndata: a\ndata: b\ndata: c\ndata: d\ndata: \n\n",
    );
    check(Shape::SseBare, text(""), "id: a0000005\ndata: \n\n");
    check(Shape::SseBare, text("data: x\n\nid: 7"), "id: a0000005\ndata: data: x\ndata: \ndata: id: 7\n\n");
}

#[test]
fn an_event_is_an_object_where_that_is_wanted_or_the_payload_is_binary() {
    let object = r#"{"cursor":"a0000005","channel":"a","data":"AP8=","base64":true,"time":1700000000.250}"#;
    let expected = format!("id: a0000005\ndata: {object}\n\n");
    check(Shape::SseObject, binary(b"\x00\xff"), &expected);
    check(Shape::SseBare, binary(b"\x00\xff"), &expected);
    let object = r#"{"cursor":"a0000005","channel":"a","event":"e","data":"a\nb","time":1700000000.250}"#;
    check(Shape::SseObject, named("e", text("a\nb")), format!("event: e\nid: a0000005\ndata: {object}\n\n"));
}

#[test]
fn a_frame_is_an_object_or_the_payload() {
    let object = r#"{"cursor":"a0000005","channel":"a","data":"hi","time":1700000000.250}"#;
    check(Shape::WsObject, text("hi"), ws_frame(1, object));
    check(Shape::WsRaw, text("hi"), ws_frame(1, "hi"));
    check(Shape::WsRaw, binary(b"\x00\x7f"), ws_frame(2, "\0\x7f"));
}

#[test]
fn a_poll_is_a_document() {
    let body = r#"{"cursor":"a0000005","messages":[{"cursor":"a0000005","channel":"a","data":"hi","time":1700000000.250}],"connection":"0123456789abcdefghijkl"}"#;
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 142\r\nCache-Control: no-store\r\n\
                {GUARDS}Access-Control-Allow-Origin: *\r\n\r\n"
    );
    check(Shape::PollObject, text("hi"), format!("{head}{body}"));
}

#[test]
fn a_raw_poll_is_the_payload_with_its_type() {
    let check = |payload, kind: &str, event: &str, body: &str| {
        let len = body.len();
        let expected = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nMultiplexor-Cursor: a0000005\r\n{event}\
             Cache-Control: no-store\r\n{GUARDS}Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: \
             Multiplexor-Cursor, Multiplexor-Event, Multiplexor-Gap\r\n\r\n{body}"
        );
        check(Shape::PollRaw, payload, &expected);
    };
    check(text("hi"), "text/plain; charset=utf-8", "", "hi");
    check(typed("application/json", text("{}")), "application/json", "", "{}");
    check(typed("x/y\r\nSet-Cookie: a", text("")), "x/y  Set-Cookie: a", "", "");
    check(binary(b"\x01\x02"), "application/octet-stream", "", "\x01\x02");
    check(named("price", text("10")), "text/plain; charset=utf-8", "Multiplexor-Event: price\r\n", "10");
}

#[test]
fn only_the_clients_own_matches_are_named() {
    let three = message(5, &["a", "b\"", "c"], text("1"));
    let check = |matches: &[usize], names: &str| {
        let object = format!(r#"{{"cursor":"a0000005",{names},"data":1,"time":1700000000.250}}"#);
        check_matches(Shape::StreamObject, &three, matches, format!("{object}\n"));
        check_matches(Shape::SseObject, &three, matches, format!("id: a0000005\ndata: {object}\n\n"));
        check_matches(Shape::WsObject, &three, matches, ws_frame(1, &object));
        check_matches(Shape::WsRaw, &three, matches, ws_frame(1, "1"));
        check_matches(Shape::SseBare, &three, matches, "id: a0000005\ndata: 1\n\n");
    };
    check(&[0], r#""channel":"a""#);
    check(&[1], r#""channel":"b\"""#);
    check(&[0, 2], r#""channels":["a","c"]"#);
    check(&[0, 1, 2], r#""channels":["a","b\"","c"]"#);
}

/// Whatever is said, a client reads what was meant: shapes of streams one message after the other.
#[test]
fn what_is_put_can_be_read_back() {
    let payloads = [
        text("hi"),
        text("a\rb\r\nc\nd"),
        text("{\"a\":[1,\n2]}"),
        text(&"long ".repeat(30_000)),
        text(""),
        text("\u{feff}чат"),
        binary(b"\x00\r\n\xff"),
        named("e", text("x")),
    ];
    let all: Vec<Message> =
        payloads.into_iter().zip(1..).map(|(payload, place)| message(place, &["a", "b"], payload)).collect();
    for shape in Shape::ALL {
        let wire: Vec<u8> = all
            .iter()
            .flat_map(|message| shape.frame(visible(message), &[1], cursors(), &mut plain()))
            .collect();
        match shape {
            Shape::SseObject | Shape::SseBare => read_events(shape, &wire, &all),
            Shape::StreamObject => read_lines(&wire, &all),
            Shape::WsObject | Shape::WsRaw => read_frames(shape, &wire, &all),
            Shape::PollObject | Shape::PollRaw => {
                all.iter().for_each(|message| read_answer(shape, &frame(shape, message, &[1]), message));
            }
            Shape::StreamRaw | Shape::Dklab | Shape::Realplexor | Shape::Guest => {}
        }
    }
}

fn read_events(shape: Shape, wire: &[u8], all: &[Message]) {
    let (mut reader, mut told) = (sse::SseReader::new(1 << 20), Vec::new());
    reader.push(wire, &mut told).unwrap();
    assert_eq!(told.len(), all.len());
    for (event, message) in told.iter().zip(all) {
        assert_eq!(event.event, message.payload().event.unwrap_or("message"));
        assert_eq!(event.last_id, cursors().text(message.position));
        if shape == Shape::SseBare && message.payload().kind != Kind::Binary {
            let meant = std::str::from_utf8(message.payload().data()).unwrap();
            assert_eq!(event.data, meant.replace("\r\n", "\n").replace('\r', "\n").as_bytes());
        } else {
            read_object(&event.data, message);
        }
    }
}

fn read_lines(wire: &[u8], all: &[Message]) {
    let text = std::str::from_utf8(wire).unwrap();
    assert_eq!(text.lines().count(), all.len());
    text.lines().zip(all).for_each(|(line, message)| read_object(line.as_bytes(), message));
}

fn read_frames(shape: Shape, mut wire: &[u8], all: &[Message]) {
    for message in all {
        let (header, header_len) = ws::decode_header(wire).unwrap().unwrap();
        let (payload, rest) = wire[header_len..].split_at(usize::try_from(header.len).unwrap());
        assert!(header.fin && header.rsv == 0 && header.mask.is_none());
        let binary = shape == Shape::WsRaw && message.payload().kind == Kind::Binary;
        assert_eq!(header.opcode, if binary { ws::Opcode::Binary } else { ws::Opcode::Text });
        match shape {
            Shape::WsRaw => assert_eq!(payload, message.payload().data()),
            _ => read_object(payload, message),
        }
        wire = rest;
    }
    assert!(wire.is_empty());
}

fn read_answer(shape: Shape, wire: &[u8], message: &Message) {
    let head_len = wire.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (head, body) = wire.split_at(head_len);
    let head = std::str::from_utf8(head).unwrap();
    assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
    let cursor = cursors().text(message.position);
    if shape == Shape::PollRaw {
        assert!(head.contains(&format!("\r\nMultiplexor-Cursor: {cursor}\r\n")), "{head}");
        assert_eq!(body, message.payload().data());
        return;
    }
    let document: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(document["cursor"], *cursor);
    assert_eq!(document["messages"].as_array().unwrap().len(), 1);
    read_object(document["messages"][0].to_string().as_bytes(), message);
}

/// The object says what the message says.
fn read_object(text: &[u8], message: &Message) {
    let object: serde_json::Value = serde_json::from_slice(text).unwrap();
    assert_eq!(object["cursor"], *cursors().text(message.position));
    assert_eq!(object["channel"], *message.targets()[1].name);
    assert_eq!(object["event"].as_str(), message.payload().event);
    let data = message.payload().data();
    if message.payload().kind == Kind::Binary {
        assert_eq!((&object["data"], &object["base64"]), (&"AA0K/w==".into(), &true.into()));
    } else if let Ok(value) = serde_json::from_slice::<serde_json::Value>(data) {
        assert_eq!(object["data"], value);
    } else {
        assert_eq!(object["data"], *std::str::from_utf8(data).unwrap());
    }
}

/// A frame of a server with this payload, which is short.
fn ws_frame(opcode: u8, payload: &str) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    assert!(len < 126);
    [&[0x80 | opcode, len], payload.as_bytes()].concat()
}

fn typed(content_type: &str, payload: Payload) -> Payload {
    Payload { content_type: Some(content_type.into()), ..payload }
}

/// The data is only a range of the bytes.
fn within(head: &str, payload: Payload) -> Payload {
    let bytes = [head.as_bytes(), &payload.bytes, b"\n"].concat();
    let start = u32::try_from(head.len()).expect("short");
    Payload { bytes: bytes.into(), data: start..start + payload.data.end, ..payload }
}
