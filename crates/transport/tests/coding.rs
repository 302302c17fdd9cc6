//! Compression: whatever is told in compressed form says the same as it would without.

#![allow(clippy::unwrap_used, reason = "in a test")]

#[path = "common/said.rs"]
mod said;

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::GzDecoder;
use multiplexor_transport::codec::deflate::{self, Deflater};
use multiplexor_transport::codec::http::{Body, BodyFraming};
use multiplexor_transport::codec::ws;
use multiplexor_transport::dialect::hub::{Cursors, Epoch, Message, Payload, Position, Stage};
use multiplexor_transport::dialect::native::Paths;
use multiplexor_transport::dialect::{Dialects, Origins, Shows};
use multiplexor_transport::{
    Action, Coder, Coding, Conn, Env, Notice, Opening, Pages, Part, Phase, Shape, close_document,
};
use proptest::collection::vec;
use proptest::prelude::*;
use said::{binary, message, named, text, visible};

/// Our paths, with nothing before them.
static OURS: LazyLock<Paths> = LazyLock::new(Paths::default);

fn cursors() -> Cursors {
    Cursors::new(Epoch::new(0))
}

fn waiting(shape: Shape, coding: Coding) -> Conn {
    let mut conn = Conn::new();
    (conn.phase, conn.shape, conn.coding) = (Phase::Waiting, shape, coding);
    conn
}

/// All that a stream can be told: its beginning, a page, live messages, heartbeats, gaps, deletions.
fn told(shape: Shape, coding: Coding, messages: &[Message]) -> Vec<u8> {
    let (conn, mut deflater, mut out) = (waiting(shape, coding), Deflater::default(), Vec::new());
    let mut pages = Pages::default();
    let place = Position::from_bits(3);
    conn.tell(
        Notice::Opening(&Opening {
            cursor: place,
            connection: "0123456789abcdefghijkl",
            gaps: &["a"],
            lists: false,
            retry_ms: 1_000,
        }),
        cursors(),
        &mut out,
    );
    let parts =
        messages.iter().map(|message| Part { message: visible(message), matches: &[0], beside: false });
    conn.page(parts, cursors(), &mut pages, &mut out);
    for message in messages {
        out.extend(shape.frame(visible(message), &[0], cursors(), &mut Coder::new(coding, &mut deflater)));
        conn.tell(Notice::Heartbeat(place), cursors(), &mut out);
        out.extend(shape.frame(visible(message), &[0], cursors(), &mut Coder::stored(coding)));
    }
    conn.tell(Notice::Deleted("a"), cursors(), &mut out);
    out
}

/// What a client makes of an endless gzip stream: all there is, and no complaint but the missing end.
fn gunzipped(stream: &[u8], len: usize) -> Vec<u8> {
    let whole = [&deflate::GZIP_HEAD[..], stream].concat();
    let (mut decoder, mut got) = (GzDecoder::new(&whole[..]), vec![0; len]);
    decoder.read_exact(&mut got).unwrap();
    assert!(decoder.read(&mut [0]).is_err(), "nothing more, and the stream has no end");
    got
}

/// The messages of a WebSocket, inflated.
fn frames(mut bytes: &[u8]) -> (Vec<(ws::Opcode, Vec<u8>)>, usize) {
    let (mut all, mut compressed) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let (header, header_len) = ws::decode_header(bytes).unwrap().unwrap();
        let (payload, rest) = bytes[header_len..].split_at(usize::try_from(header.len).unwrap());
        let payload = match header.rsv {
            0 => payload.to_vec(),
            4 => deflate::inflate(payload, 1 << 20).unwrap(),
            rsv => panic!("{rsv}"),
        };
        compressed += usize::from(header.rsv == 4);
        all.push((header.opcode, payload));
        bytes = rest;
    }
    (all, compressed)
}

fn check(payloads: Vec<Payload>) {
    let messages: Vec<Message> =
        payloads.into_iter().zip(5..).map(|(payload, place)| message(place, &["a"], payload)).collect();
    for shape in [Shape::SseBare, Shape::SseObject, Shape::StreamObject, Shape::StreamRaw] {
        let plain = told(shape, Coding::Identity, &messages);
        for coding in [Coding::Chunked, Coding::ChunkedDeflate] {
            let (mut body, mut data) = (Body::new(BodyFraming::Chunked), Vec::new());
            let bytes = told(shape, coding, &messages);
            assert_eq!(body.decode(&bytes, &mut data, usize::MAX), Ok((bytes.len(), false)));
            let data = if coding.deflates() { gunzipped(&data, plain.len()) } else { data };
            assert!(data == plain, "{shape:?}");
        }
        assert!(gunzipped(&told(shape, Coding::Deflate, &messages), plain.len()) == plain, "{shape:?}");
    }
    for shape in [Shape::WsObject, Shape::WsRaw] {
        let (plain, _) = frames(&told(shape, Coding::Identity, &messages));
        assert!(frames(&told(shape, Coding::Deflate, &messages)).0 == plain, "{shape:?}");
    }
    for shape in [Shape::PollObject, Shape::PollRaw] {
        for message in &messages {
            let plain = shape.frame(visible(message), &[0], cursors(), &mut Coder::stored(Coding::Deflate));
            let mut deflater = Deflater::default();
            let coded = shape.frame(
                visible(message),
                &[0],
                cursors(),
                &mut Coder::new(Coding::Deflate, &mut deflater),
            );
            assert_eq!(body(&ended(shape, coded)), body(&ended(shape, plain)), "{shape:?}");
        }
    }
}

/// A frame as one client gets it.
fn ended(shape: Shape, mut frame: Vec<u8>) -> Vec<u8> {
    if shape.leaves_open() {
        close_document(Some("0123456789abcdefghijkl"), &mut frame);
    }
    frame
}

/// An answer's body, as the client's program sees it.
fn body(answer: &[u8]) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let head = str::from_utf8(&answer[..end]).unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", answer.len() - end)), "{head}");
    if !head.contains("Content-Encoding: gzip\r\n") {
        return answer[end..].to_vec();
    }
    let mut body = Vec::new();
    GzDecoder::new(&answer[end..]).read_to_end(&mut body).unwrap();
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_is_said_with_and_without(
        texts in vec(("[a-f {}\":,\n]{0,40}", 0..60_usize), 0..4),
        bytes in vec(any::<u8>(), 0..600),
    ) {
        let mut payloads: Vec<Payload> = texts.iter().map(|(part, times)| text(&part.repeat(*times))).collect();
        payloads.push(binary(&bytes));
        check(payloads);
    }
}

#[test]
fn long_messages_are_told_whole() {
    check(vec![
        named("tick", text(&"x".repeat(300_000))),
        binary(&(0..=255).cycle().take(200_000).collect::<Vec<u8>>()),
    ]);
}

#[test]
fn what_gains_nothing_goes_as_it_is() {
    let short = message(5, &["a"], text("hello"));
    let long = message(6, &["a"], text(&r#"{"price": 17, "symbol": "ABC"}"#.repeat(40)));
    let mut deflater = Deflater::default();
    let mut coded = |shape: Shape, message: &Message| {
        shape.frame(visible(message), &[0], cursors(), &mut Coder::new(Coding::Deflate, &mut deflater))
    };
    assert_eq!(frames(&coded(Shape::WsObject, &short)).1, 0);
    assert_eq!(frames(&coded(Shape::WsObject, &long)).1, 1);
    let plain = Shape::SseBare.frame(visible(&short), &[0], cursors(), &mut Coder::stored(Coding::Identity));
    assert_eq!(coded(Shape::SseBare, &short).len(), plain.len() + 10, "a stored block, and an empty one");
    assert!(coded(Shape::SseBare, &long).len() < 150);
    assert!(!coded(Shape::PollObject, &short).windows(4).any(|four| four == b"gzip"));
    assert!(coded(Shape::PollObject, &long).windows(4).any(|four| four == b"gzip"));
}

#[test]
fn a_message_is_the_same_bytes_whoever_was_told_what_before() {
    let long = message(6, &["a"], text(&"the same and the same and ".repeat(40)));
    let other = message(7, &["a"], text(&"something else, something else, ".repeat(40)));
    for shape in Shape::ALL {
        let (mut fresh, mut used) = (Deflater::default(), Deflater::default());
        shape.frame(visible(&other), &[0], cursors(), &mut Coder::new(Coding::Deflate, &mut used));
        let frame = |deflater| {
            shape.frame(visible(&long), &[0], cursors(), &mut Coder::new(Coding::Deflate, deflater))
        };
        assert_eq!(frame(&mut fresh), frame(&mut used), "{shape:?}");
    }
}

/// The head of the answer to a request with these headers, and the coding that follows.
fn asked(target: &str, headers: &str, compression: bool) -> (String, Coding) {
    let mut request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n").into_bytes();
    let env = Env {
        cursors: cursors(),
        now: 0,
        classic_limit: 0,
        dialects: &Dialects::default(),
        compression,
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
    let (_, action) = conn.receive(&mut request, env);
    let Action::Wait { head, .. } = action else { panic!("{action:?}") };
    let head_len = head.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let begins = match conn.coding {
        Coding::ChunkedDeflate => [b"a\r\n", &deflate::GZIP_HEAD[..], b"\r\n"].concat(),
        _ => Vec::new(),
    };
    assert_eq!(&head[head_len..], begins);
    (String::from_utf8(head[..head_len].to_vec()).unwrap(), conn.coding)
}

#[test]
fn it_is_for_those_who_take_it() {
    for target in ["/sub/a?transport=sse", "/sub/a?transport=stream"] {
        for (accept, coding) in [
            ("gzip, deflate, br, zstd", Coding::ChunkedDeflate),
            ("br;q=1.0, x-GZIP ; q=0.1", Coding::ChunkedDeflate),
            ("gzip;q=0", Coding::Chunked),
            ("gzip;q=0.000, identity", Coding::Chunked),
            ("br", Coding::Chunked),
            ("identity", Coding::Chunked),
        ] {
            let (head, got) = asked(target, &format!("Accept-Encoding: {accept}\r\n"), true);
            assert_eq!(got, coding, "{accept}");
            assert_eq!(
                head.contains("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"),
                coding.deflates()
            );
            assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
        }
        assert_eq!(asked(target, "", true).1, Coding::Chunked);
        assert_eq!(asked(target, "Accept-Encoding: gzip\r\n", false).1, Coding::Chunked);
    }
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAccept-Encoding: gzip\r\n";
    assert_eq!(asked("/sub/a", upgrade, true).1, Coding::Identity);
    let offer = format!("{upgrade}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    let (head, coding) = asked("/sub/a", &offer, true);
    assert_eq!(coding, Coding::Deflate);
    let answer = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
    assert!(head.contains(answer), "{head}");
    assert_eq!(asked("/sub/a", &offer, false).1, Coding::Identity);
    assert_eq!(
        asked("/sub/a?transport=stream", &offer, true).1,
        Coding::ChunkedDeflate,
        "overruled, but gzip is taken"
    );
}

#[test]
fn a_client_may_compress_its_commands() {
    let mut piece = Vec::new();
    Deflater::default().piece(br#"{"ping":["again","again","again"]}"#, &mut piece);
    let mut frame = Vec::new();
    ws::encode_client_frame(
        ws::Opcode::Text,
        [1, 2, 3, 4],
        piece.strip_suffix(&deflate::PIECE_END).unwrap(),
        &mut frame,
    );
    frame[0] |= 0x40;
    let env = Env {
        cursors: cursors(),
        now: 0,
        classic_limit: 0,
        dialects: &Dialects::default(),
        compression: true,
        origins: &Origins::NONE,
        shows: &Shows::NOTHING,
        paths: &OURS,
        stage: Stage::Serving,
        takeover: None,
        tls: false,
        gate: None,
        is_short: false,
    };
    let (_, action) = waiting(Shape::WsObject, Coding::Deflate).receive(&mut frame.clone(), env);
    assert!(matches!(action, Action::Command(_)), "{action:?}");
    let (_, action) = waiting(Shape::WsObject, Coding::Identity).receive(&mut frame, env);
    assert!(matches!(action, Action::Close(_)), "{action:?}");
}
