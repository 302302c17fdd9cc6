//! What a waiting client is told besides live messages, byte for byte in every shape.

#![allow(clippy::unwrap_used, reason = "in a test")]

#[path = "common/said.rs"]
mod said;

use std::sync::LazyLock;

use multiplexor_transport::codec::{sse, ws};
use multiplexor_transport::dialect::hub::{Cursors, Epoch, Message, Position, Stage};
use multiplexor_transport::dialect::native::{PageEnd, Paths};
use multiplexor_transport::dialect::{Code, Cors, Dialects, Origins, Problem, Shows, Transport};
use multiplexor_transport::{Action, Coding, Conn, Env, Notice, Opening, Pages, Part, Phase, PollEnd, Shape};
use said::{binary, message, named, text, visible};
use serde_json::value::RawValue;

/// Our paths, with nothing before them.
static OURS: LazyLock<Paths> = LazyLock::new(Paths::default);
static DIALECTS: LazyLock<Dialects> = LazyLock::new(Dialects::default);

/// The id of a connection.
const ID: &str = "0123456789abcdefghijkl";
/// How streams of objects begin.
const OPENING: &str = r#"{"cursor":"a0000005","connection":"0123456789abcdefghijkl"}"#;

/// A client that waits in this shape.
fn waiting(shape: Shape) -> Conn {
    let mut conn = Conn::new();
    (conn.phase, conn.shape) = (Phase::Waiting, shape);
    conn
}

fn cursors() -> Cursors {
    Cursors::new(Epoch::new(0))
}

fn place(number: u64) -> Position {
    Position::from_bits(number)
}

/// What is written is this; of a WebSocket, a row of `OPCODE:PAYLOAD` in angle brackets.
fn check(shape: Shape, expected: &str, write: impl FnOnce(&mut Conn, &mut Vec<u8>)) {
    let (mut conn, mut out) = (waiting(shape), Vec::new());
    write(&mut conn, &mut out);
    let got = if shape.is_ws() { frames(&out) } else { String::from_utf8(out).unwrap() };
    assert_eq!(got, expected, "{shape:?}");
}

fn frames(mut bytes: &[u8]) -> String {
    let mut told = String::new();
    while !bytes.is_empty() {
        let (header, header_len) = ws::decode_header(bytes).unwrap().unwrap();
        let (payload, rest) = bytes[header_len..].split_at(usize::try_from(header.len).unwrap());
        told += &format!("<{:?}:{}>", header.opcode, payload.escape_ascii())
            .replace("\\\"", "\"")
            .replace("\\\\", "\\");
        bytes = rest;
    }
    told
}

#[test]
fn a_stream_begins_with_its_cursor() {
    let check = |shape, expected: &str| {
        let opening = Opening { cursor: place(5), connection: ID, gaps: &[], lists: false, retry_ms: 1_500 };
        check(shape, expected, |conn, out| conn.tell(Notice::Opening(&opening), cursors(), out));
    };
    let first = "retry: 1500\nevent: cursor\nid: a0000005\ndata: {\"cursor\":\"a0000005\",\"connection\":\"0123456789abcdefghijkl\"}\n\n";
    check(Shape::SseBare, first);
    check(Shape::SseObject, first);
    check(Shape::StreamObject, &format!("{OPENING}\n"));
    check(Shape::StreamRaw, "");
    check(Shape::WsObject, &format!("<Text:{OPENING}>"));
    check(Shape::WsRaw, "");
    check(Shape::PollObject, "");
    check(Shape::PollRaw, "");
}

#[test]
fn a_browser_notes_the_first_cursor_by_an_event_of_no_message() {
    let mut out = Vec::new();
    waiting(Shape::SseBare).tell(
        Notice::Opening(&Opening {
            cursor: place(5),
            connection: ID,
            gaps: &[],
            lists: false,
            retry_ms: 2_000,
        }),
        cursors(),
        &mut out,
    );
    let (mut reader, mut told) = (sse::SseReader::new(1_000), Vec::new());
    reader.push(&out, &mut told).unwrap();
    assert_eq!((reader.last_id(), reader.retry_ms()), ("a0000005", Some(2_000)));
    assert!(told.len() == 1 && told[0].event == "cursor", "{told:?}");
    assert_eq!(told[0].data, OPENING.as_bytes(), "what looks at no names finds JSON");
}

#[test]
fn gaps_are_told_before_the_cursor_that_may_be_past_them() {
    let check = |shape, expected: &str| {
        let opening =
            Opening { cursor: place(5), connection: ID, gaps: &["a", "b\""], lists: false, retry_ms: 1_500 };
        check(shape, expected, |conn, out| conn.tell(Notice::Opening(&opening), cursors(), out));
    };
    let event = "event: gap\ndata: {\"channels\":[\"a\",\"b\\\"\"]}\n\n\
                 retry: 1500\nevent: cursor\nid: a0000005\n";
    let event = &format!("{event}data: {OPENING}\n\n");
    check(Shape::SseBare, event);
    check(Shape::SseObject, event);
    let gaps = "{\"gap\":true,\"channel\":\"a\"}\n{\"gap\":true,\"channel\":\"b\\\"\"}\n";
    check(Shape::StreamObject, &format!("{gaps}{OPENING}\n"));
    check(Shape::StreamRaw, "");
    let frames = "<Text:{\"gap\":true,\"channel\":\"a\"}><Text:{\"gap\":true,\"channel\":\"b\\\"\"}>";
    check(Shape::WsRaw, frames);
    check(Shape::WsObject, &format!("{frames}<Text:{OPENING}>"));
}

#[test]
fn a_heartbeat_repeats_the_cursor() {
    let check = |shape, expected: &str| {
        check(shape, expected, |conn, out| conn.tell(Notice::Heartbeat(place(62)), cursors(), out))
    };
    let event = "event: cursor\nid: a00000010\ndata: {\"cursor\":\"a00000010\"}\n\n";
    check(Shape::SseBare, event);
    check(Shape::SseObject, event);
    check(Shape::StreamObject, "{\"cursor\":\"a00000010\"}\n");
    check(Shape::StreamRaw, "\n");
    check(Shape::WsObject, r#"<Text:{"cursor":"a00000010"}>"#);
    check(Shape::WsRaw, "<Ping:>");
    check(Shape::PollObject, "");
}

#[test]
fn a_deletion_is_told() {
    let check =
        |shape, expected| check(shape, expected, |conn, out| conn.tell(Notice::Deleted("a"), cursors(), out));
    check(Shape::SseBare, "event: deleted\ndata: {\"channel\":\"a\"}\n\n");
    check(Shape::SseObject, "event: deleted\ndata: {\"channel\":\"a\"}\n\n");
    check(Shape::StreamObject, "{\"deleted\":\"a\"}\n");
    check(Shape::StreamRaw, "");
    check(Shape::WsObject, r#"<Text:{"deleted":"a"}>"#);
    check(Shape::WsRaw, r#"<Text:{"deleted":"a"}>"#);
    check(Shape::PollObject, "");
}

#[test]
fn only_a_websocket_has_last_words() {
    let check = |shape, expected: &str| {
        check(shape, expected, |conn, out| {
            conn.farewell(1001, "bye", cursors(), out);
            assert_eq!(conn.phase, Phase::Closing);
            conn.farewell(1001, "once is enough", cursors(), out);
        });
    };
    check(Shape::WsObject, r"<Close:\x03\xe9bye>");
    check(Shape::WsRaw, r"<Close:\x03\xe9bye>");
    for shape in Shape::ALL.into_iter().filter(|shape| !shape.is_ws()) {
        check(shape, "");
    }
    let mut out = Vec::new();
    Conn::new().farewell(1001, "who has not begun is told nothing", cursors(), &mut out);
    assert!(out.is_empty());
}

#[test]
fn a_stream_in_chunks_ends_by_the_last_one_where_nothing_is_left_to_come_back_for() {
    for (code, expected) in [(1000, "0\r\n\r\n"), (1008, "0\r\n\r\n"), (1001, ""), (1013, "")] {
        for shape in [Shape::SseObject, Shape::SseBare, Shape::StreamObject, Shape::StreamRaw] {
            check(shape, expected, |conn, out| {
                conn.coding = Coding::Chunked;
                conn.farewell(code, "bye", cursors(), out);
            });
        }
    }
}

#[test]
fn what_a_stream_is_told_is_a_chunk() {
    check(
        Shape::SseBare,
        "38\r\nevent: cursor\nid: a0000005\ndata: {\"cursor\":\"a0000005\"}\n\n\r\n",
        |conn, out| {
            conn.coding = Coding::Chunked;
            conn.tell(Notice::Heartbeat(place(5)), cursors(), out);
        },
    );
    check(Shape::StreamObject, "16\r\n{\"cursor\":\"a0000005\"}\n\r\n", |conn, out| {
        conn.coding = Coding::Chunked;
        conn.tell(Notice::Heartbeat(place(5)), cursors(), out);
    });
    check(Shape::StreamRaw, "4\r\nx\n1\n\r\n", |conn, out| {
        conn.coding = Coding::Chunked;
        conn.page(parts(&two()), cursors(), &mut Pages::default(), out);
        conn.page(parts(&[]), cursors(), &mut Pages::default(), out);
    });
}

#[test]
fn half_a_request_is_answered_when_its_time_is_over() {
    let mut silent = Conn::new();
    assert!(!silent.is_mid_request() && silent.too_late(&OURS, &DIALECTS).is_empty());
    assert_eq!(silent.phase, Phase::Closing);

    let mut slow = Conn::new();
    slow.extra_mut().input = b"GET /sub".to_vec();
    let answer = String::from_utf8(slow.too_late(&OURS, &DIALECTS)).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 408 Request Timeout\r\n")
            && answer.contains("\r\nConnection: close\r\n")
    );
    assert!(answer.contains("\"code\":\"request-timeout\""));
    assert!(slow.too_late(&OURS, &DIALECTS).is_empty(), "it is said once");
}

/// Parts of a page: each message to a client that listens to its first channel.
fn parts(messages: &[Message]) -> impl Iterator<Item = Part<'_>> {
    messages.iter().map(|message| Part { message: visible(message), matches: &[0], beside: false })
}

fn two() -> Vec<Message> {
    vec![message(3, &["a"], text("x")), message(4, &["b"], named("e", text("1")))]
}

#[test]
fn a_page_looks_as_if_it_came_live() {
    let check = |shape, expected: &str| {
        check(shape, expected, |conn, out| conn.page(parts(&two()), cursors(), &mut Pages::default(), out))
    };
    check(Shape::SseBare, "id: a0000003\ndata: x\n\nevent: e\nid: a0000004\ndata: 1\n\n");
    check(Shape::StreamRaw, "x\n1\n");
    check(Shape::WsRaw, "<Text:x><Text:1>");
}

#[test]
fn a_poll_gets_all_messages_due_and_one_cursor() {
    let body = |parts: &[Message], gap, deleted| {
        let mut out = Vec::new();
        waiting(Shape::PollObject).poll_answer(
            self::parts(parts),
            PollEnd { connection: Some(ID), gap, deleted, ..PollEnd::at(place(9)) },
            cursors(),
            Cors::default(),
            &mut Pages::default(),
            &mut out,
        );
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        let own = format!(",\"connection\":\"{ID}\"}}");
        format!("{}}}", body.strip_suffix(&own).expect("the id comes last"))
    };
    assert_eq!(body(&[], false, None), r#"{"cursor":"a0000009","messages":[]}"#);
    assert_eq!(body(&[], true, None), r#"{"cursor":"a0000009","messages":[],"gap":true}"#);
    let objects = concat!(
        r#"{"cursor":"a0000003","channel":"a","data":"x","time":1700000000.250},"#,
        r#"{"cursor":"a0000004","channel":"b","event":"e","data":1,"time":1700000000.250}"#
    );
    assert_eq!(body(&two(), false, None), format!(r#"{{"cursor":"a0000009","messages":[{objects}]}}"#));
    assert_eq!(
        body(&two(), true, None),
        format!(r#"{{"cursor":"a0000009","messages":[{objects}],"gap":true}}"#)
    );
    let deleted = r#"{"cursor":"a0000009","messages":[],"gap":true,"deleted":"\"a\""}"#;
    assert_eq!(body(&[], true, Some("\"a\"")), deleted);
}

/// The answer's status, cursor, mark and body.
fn raw_poll(messages: &[Message], gap: bool) -> (String, String, bool, String) {
    let mut out = Vec::new();
    waiting(Shape::PollRaw).poll_answer(
        parts(messages),
        PollEnd { connection: Some(ID), gap, ..PollEnd::at(place(9)) },
        cursors(),
        Cors::default(),
        &mut Pages::default(),
        &mut out,
    );
    let text = String::from_utf8(out).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let value = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.map(str::to_owned)
    };
    let status = head.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(value("Content-Length"), (status == "200").then(|| body.len().to_string()));
    (status, value("Multiplexor-Cursor").unwrap(), value("Multiplexor-Gap").is_some(), body.to_owned())
}

#[test]
fn a_raw_poll_gets_one_message_and_its_cursor() {
    let said = |status: &str, cursor: &str, gap, body: &str| (status.into(), cursor.into(), gap, body.into());
    assert_eq!(raw_poll(&two(), false), said("200", "a0000003", false, "x"));
    assert_eq!(raw_poll(&[], false), said("204", "a0000009", false, ""));
    assert_eq!(raw_poll(&[], true), said("204", "a0000009", true, ""));
}

/// A mark without a payload would have to leave the cursor where it is, and so would be told for ever.
#[test]
fn a_raw_poll_that_is_told_of_a_gap_gets_on() {
    let (status, cursor, gap, body) = raw_poll(&two(), true);
    assert_eq!((&*status, &*cursor, gap, &*body), ("200", "a0000003", true, "x"));
}

#[test]
fn a_message_beside_a_backlog_has_no_cursor() {
    let check = |shape, expected: &str| {
        check(shape, expected, |conn, out| {
            conn.uncovered(
                &Part { message: visible(&message(3, &["a"], text("x"))), matches: &[0], beside: false },
                cursors(),
                out,
            );
        });
    };
    check(Shape::WsObject, r#"<Text:{"channel":"a","data":"x","time":1700000000.250}>"#);
    check(Shape::WsRaw, "<Text:x>");
}

#[test]
fn answers_of_a_websocket_name_their_question() {
    let id = RawValue::from_string("{\"n\": 7}".into()).unwrap();
    let names: [Box<str>; 2] = ["a".into(), "b".into()];
    for shape in [Shape::WsObject, Shape::WsRaw] {
        let last = r#"<Text:{"subscribed":["a","b"],"messages":[],"cursor":"a0000005","id":{"n": 7}}>"#;
        check(shape, last, |conn, out| {
            let end = PageEnd { cursor: place(5), more: false, gap: false };
            let subscribed = Notice::Subscribed { names: &names, parts: &[], end, id: Some(&id) };
            conn.tell(subscribed, cursors(), out);
        });
        let page = [message(3, &["a"], binary(b"\xff"))];
        let object = r#"{"channel":"a","data":"/w==","base64":true,"time":1700000000.250}"#;
        let end = r#""cursor":"a0000003","more":true,"gap":true"#;
        let expected = format!(r#"<Text:{{"subscribed":["a","b"],"messages":[{object}],{end}}}>"#);
        check(shape, &expected, |conn, out| {
            let end = PageEnd { cursor: place(3), more: true, gap: true };
            let parts: Vec<Part<'_>> = parts(&page).collect();
            conn.tell(Notice::Subscribed { names: &names, parts: &parts, end, id: None }, cursors(), out);
        });
        check(shape, r#"<Text:{"unsubscribed":["a","b"],"id":{"n": 7}}>"#, |conn, out| {
            conn.tell(Notice::Unsubscribed { names: &names, id: Some(&id) }, cursors(), out);
        });
        check(shape, r#"<Text:{"pong":{"n": 7}}>"#, |conn, out| {
            conn.tell(Notice::Pong { value: &id, id: None }, cursors(), out);
        });
        check(shape, r#"<Text:{"pong":{"n": 7},"id":{"n": 7}}>"#, |conn, out| {
            conn.tell(Notice::Pong { value: &id, id: Some(&id) }, cursors(), out);
        });
        let problem = Problem::bad(Code::Since, "y");
        let told = r#"{"type":"about:blank","title":"Bad Request","status":400,"code":"since","detail":"y"}"#;
        check(shape, &format!(r#"<Text:{{"error":{told},"id":{{"n": 7}}}}>"#), |conn, out| {
            conn.tell(Notice::Error { problem: &problem, id: Some(&id) }, cursors(), out);
        });
    }
}

#[test]
fn pages_that_are_listed_may_read_answers_with_their_credentials() {
    let origins = Origins::new(["https://shop.example".to_owned()]);
    let env = Env {
        cursors: cursors(),
        now: 0,
        classic_limit: 0,
        dialects: &Dialects::default(),
        compression: false,
        origins: &origins,
        shows: &Shows::NOTHING,
        paths: &OURS,
        stage: Stage::Serving,
        takeover: None,
        tls: false,
        gate: None,
        is_short: false,
    };
    let head = |method: &str, path: &str, origin: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: push.example\r\nOrigin: {origin}\r\nAccept: text/event-stream\r\n\r\n"
        );
        match Conn::new().receive(&mut request.into_bytes(), env).1 {
            Action::Send(bytes) | Action::Close(bytes) | Action::Wait { head: bytes, .. } => {
                String::from_utf8(bytes).unwrap()
            }
            action => panic!("{action:?}"),
        }
    };
    let listed = "\r\nAccess-Control-Allow-Origin: https://shop.example\r\n\
                  Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n";
    let all = "\r\nAccess-Control-Allow-Origin: *\r\nVary: Origin\r\n";
    for (method, path) in [("GET", "/sub/a"), ("GET", "/healthz"), ("OPTIONS", "/sub/a"), ("GET", "/nowhere")]
    {
        for (origin, expected) in [
            ("https://shop.example", listed),
            ("https://evil.example", all),
            ("null", all),
            ("http://push.example", all),
        ] {
            let head = head(method, path, origin);
            assert!(head.contains(expected), "{method} {path} {origin}: {head}");
            assert_eq!(head.matches("Access-Control-Allow-Origin").count(), 1, "{head}");
        }
    }
}

#[test]
fn a_request_that_is_refused_later_leaves_the_connection_as_it_was() {
    let env = Env {
        cursors: cursors(),
        now: 0,
        classic_limit: 0,
        dialects: &Dialects::default(),
        compression: false,
        origins: &Origins::NONE,
        shows: &Shows::NOTHING,
        paths: &OURS,
        stage: Stage::Serving,
        takeover: None,
        tls: false,
        gate: None,
        is_short: false,
    };
    let mut conn = Conn::new();
    let mut request = *b"GET /sub/a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";
    let (_, action) = conn.receive(&mut request, env);
    assert!(matches!(action, Action::Wait { wait, .. } if wait.transport == Transport::Sse));
    let action = conn.refuse(Problem::new(403, Code::Grant, "no"), &Origins::NONE);
    assert!(matches!(action, Action::Send(bytes) if bytes.starts_with(b"HTTP/1.1 403 ")));
    assert_eq!(conn.phase, Phase::Request);

    conn.end_after_answer();
    let (_, action) = conn.receive(&mut request, env);
    assert!(
        matches!(action, Action::Wait { .. }) && conn.closes(),
        "a further request does not keep it open"
    );
    let action = conn.refuse(Problem::new(503, Code::Draining, "no"), &Origins::NONE);
    assert!(matches!(action, Action::Close(_)));
}
