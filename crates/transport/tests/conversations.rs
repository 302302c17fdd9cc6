//! Runs the conversation files: what clients send, and what is to be done, at every cut of the input.
//!
//! The format is told in `testkit::conversation`; facts are in the words of `common::Line`. Settings:
//! `polls=answered` answers each long poll at once, `heads=shown` shows answers byte for byte, `classic=on`
//! speaks the dialect of 2009, too, `realplexor=on` that of Realplexor. Between any
//! two parts the connection is handed over to another process, which must change nothing.

mod common;

use std::path::Path;

use common::{Line, handed_over};
use multiplexor_transport::Conn;
use multiplexor_transport::codec::ws::{self, Opcode};
use multiplexor_transport::dialect::Classic;
use testkit::conversation::{self, Case, Word};

#[test]
fn conversations_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations");
    let cases = conversation::read_folder(&folder, directive);
    assert!(cases.len() > 50);
    for case in cases {
        case.check(|parts| run(&case, parts, false));
        if case.input.len() < HANDED_OVER_LEN_MAX {
            case.check(|parts| run(&case, parts, true));
        }
    }
}

fn run(case: &Case, parts: &[&[u8]], hands_over: bool) -> Vec<String> {
    let set = |key: &str, value: &str| case.settings.iter().any(|(k, v)| k == key && v == value);
    let mut line = Line::of(if set("classic", "on") {
        Conn::of(Classic::Dklab)
    } else if set("realplexor", "on") {
        Conn::of(Classic::Realplexor)
    } else {
        Conn::new()
    });
    line.answers_polls = set("polls", "answered");
    line.shows_heads = set("heads", "shown");
    for part in parts {
        line.feed(part);
        if hands_over {
            line.conn = handed_over(&line.conn);
        }
    }
    line.end()
}

/// `request "GET /sub/a" ["Name: value"…]`, `upgrade "/sub/a" ["Name: value"…]` with the RFC's example
/// key, and `frame [more] OPCODE [PAYLOAD…]` of a client; `more`: not the last of its message.
fn directive(words: &[Word]) -> Option<Vec<u8>> {
    let [Word::Plain(name), words @ ..] = words else { return None };
    match name.as_str() {
        "request" => {
            let [Word::Bytes(first), headers @ ..] = words else { return None };
            request(first, headers)
        }
        "upgrade" => {
            let [Word::Bytes(target), headers @ ..] = words else { return None };
            let mut all: Vec<Word> =
                HANDSHAKE.iter().map(|line| Word::Bytes(line.as_bytes().to_vec())).collect();
            all.extend_from_slice(headers);
            request(&[b"GET ", &target[..]].concat(), &all)
        }
        "frame" => frame(words),
        _ => None,
    }
}

fn request(first: &[u8], headers: &[Word]) -> Option<Vec<u8>> {
    let mut out = [first, b" HTTP/1.1\r\nHost: example.org\r\n"].concat();
    for header in headers {
        let Word::Bytes(line) = header else { return None };
        out.extend_from_slice(line);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Some(out)
}

fn frame(words: &[Word]) -> Option<Vec<u8>> {
    let (mut opcode, mut more, mut payload) = (None, false, Vec::new());
    for word in words {
        match word {
            Word::Bytes(bytes) => payload.extend_from_slice(bytes),
            Word::Plain(word) => match word.as_str() {
                "more" => more = true,
                "text" => opcode = Some(Opcode::Text),
                "binary" => opcode = Some(Opcode::Binary),
                "cont" => opcode = Some(Opcode::Continuation),
                "ping" => opcode = Some(Opcode::Ping),
                "pong" => opcode = Some(Opcode::Pong),
                "close" => opcode = Some(Opcode::Close),
                _ => return None,
            },
        }
    }
    let mut out = Vec::new();
    ws::encode_client_frame(opcode?, [0x37, 0xfa, 0x21, 0x3d], &payload, &mut out);
    if more {
        out[0] &= 0x7f;
    }
    Some(out)
}

/// A longer input takes too long to be handed over behind every byte.
const HANDED_OVER_LEN_MAX: usize = 2_000;

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
