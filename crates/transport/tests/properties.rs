//! What holds for any bytes, in any state: nothing panics, nothing is taken that was not given, and it
//! always gets on.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use common::{Line, env, handed_over};
use multiplexor_transport::codec::ws::{self, Opcode};
use multiplexor_transport::dialect::hub::Start;
use multiplexor_transport::limits::{AHEAD_LEN_MAX, INPUT_LEN_MAX, MESSAGE_LEN_MAX};
use multiplexor_transport::{Action, Backlog, Conn, Phase, Purpose, Shape};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Each call takes something, or asks for more, or ends the connection.
    #[test]
    fn it_always_gets_on(mut bytes in any_bytes(), shape in prop::sample::select(&Shape::ALL[..]), waiting: bool, backlog: bool) {
        let mut conn = Conn::new();
        if waiting {
            (conn.phase, conn.shape) = (Phase::Waiting, shape);
        }
        if waiting && backlog {
            let names = vec!["a".into()];
            conn.extra_mut().backlog = Some(Backlog { names, start: Start::Now, purpose: Purpose::Opening });
        }
        let mut at = 0;
        loop {
            let (taken, action) = conn.receive(&mut bytes[at..], env());
            prop_assert!(taken <= bytes.len() - at);
            at += taken;
            match action {
                Action::More => break,
                Action::Close(_) => prop_assert!(conn.phase == Phase::Closing),
                _ => prop_assert!(taken > 0),
            }
            prop_assert!(conn.phase != Phase::Closing || conn.extra.as_ref().is_none_or(|extra| extra.input.is_empty()));
        }
        // Asked again with the same, it asks for more again.
        if at < bytes.len() {
            let (taken, action) = conn.receive(&mut bytes[at..], env());
            prop_assert!(taken == 0 && matches!(action, Action::More));
        }
    }

    /// What is done does not depend on how the bytes came, nor on who goes on with them.
    #[test]
    fn cuts_change_nothing(bytes in any_bytes(), cuts in vec(any::<prop::sample::Index>(), 0..8), answers_polls: bool) {
        let run = |mut places: Vec<usize>, hands_over| {
            places.sort_unstable();
            let (mut line, mut at) = (Line::of(Conn::new()), 0);
            line.answers_polls = answers_polls;
            for place in places.into_iter().chain([bytes.len()]) {
                line.feed(&bytes[at..place]);
                at = place;
                if hands_over {
                    line.conn = handed_over(&line.conn);
                }
            }
            (line.exact.clone(), line.end())
        };
        let places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        let whole = run(Vec::new(), false);
        prop_assert_eq!(&whole, &run(places.clone(), false));
        prop_assert_eq!(&whole, &run(places, true));
    }
}

#[test]
fn the_longest_message_fits_and_is_taken_whole() {
    let mut text = br#"{"token":""#.to_vec();
    text.resize(MESSAGE_LEN_MAX - 2, b'x');
    text.extend_from_slice(b"\"}");
    let mut wire = Vec::new();
    ws::encode_client_frame(Opcode::Text, [1, 2, 3, 4], &text, &mut wire);
    assert!(wire.len() <= INPUT_LEN_MAX);
    let mut conn = Conn::new();
    (conn.phase, conn.shape) = (Phase::Waiting, Shape::WsObject);
    let last = wire.len() - 1;
    let (taken, action) = conn.receive(&mut wire.clone()[..last], env());
    assert!(taken == 0 && matches!(action, Action::More) && last <= conn.input_len_max());
    let (taken, action) = conn.receive(&mut wire, env());
    assert!(taken == wire.len() && matches!(action, Action::Command(_)));
}

#[test]
fn a_message_longer_than_that_is_refused_before_it_has_come() {
    for (len, code) in [(MESSAGE_LEN_MAX, None), (MESSAGE_LEN_MAX + 1, Some(1009))] {
        let mut conn = Conn::new();
        (conn.phase, conn.shape) = (Phase::Waiting, Shape::WsObject);
        let mut head = vec![0x81, 0xff];
        head.extend((len as u64).to_be_bytes());
        head.extend([0; 4]);
        let closed = match conn.receive(&mut head, env()) {
            (_, Action::Close(frame)) => Some(u16::from_be_bytes([frame[2], frame[3]])),
            _ => None,
        };
        assert_eq!(closed, code);
    }
}

#[test]
fn who_sends_far_ahead_of_a_long_poll_is_cut_off() {
    let sends = |ahead: usize| {
        let mut line = Line::of(Conn::new());
        line.feed(b"GET /sub/a HTTP/1.1\r\nHost: a\r\n\r\n");
        line.feed(&vec![b'x'; ahead]);
        line.facts.last().unwrap() == "sends too much ahead"
    };
    assert!(!sends(AHEAD_LEN_MAX) && sends(AHEAD_LEN_MAX + 1));
}

#[test]
fn nothing_is_kept_of_who_is_no_longer_listened_to() {
    for (start, rest) in [
        (
            &b"POST /sub/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\naaaaa\r\n"[..],
            &b"x"[..],
        ),
        (UPGRADE_AND_FRAGMENT, b"\x88\x80\x00\x00\x00\x00"),
        (UPGRADE_AND_FRAGMENT, b"\x81\x00"),
    ] {
        let mut line = Line::of(Conn::new());
        line.feed(start);
        assert!(line.conn.extra.is_some());
        line.feed(rest);
        assert!(line.conn.phase == Phase::Closing && line.conn.extra.is_none());
    }
}

const UPGRADE_AND_FRAGMENT: &[u8] = b"GET /sub/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x01\x81\x00\x00\x00\x00x";

/// Bytes that get somewhere: pieces of requests and frames among others.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&'static [u8]> = vec![
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"OPTIONS ",
        b"/sub/a",
        b"/sub/",
        b"/healthz",
        b"?since=0",
        b"?raw=1&tail=2",
        b" HTTP/1.1\r\nHost: a\r\n",
        b" HTTP/1.0\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Connection: close\r\n",
        b"5\r\nabcde\r\n",
        b"0\r\n\r\n",
        b"Accept: text/event-stream\r\n",
        b"Last-Event-ID: a0000005\r\n",
        b"GET /sub/a HTTP/1.1\r\nHost: a\r\n\r\n",
        UPGRADE_AND_FRAGMENT,
        b"{\"ping\":1}",
        b"\x81\x8a\x00\x00\x00\x00",
        b"\x80\x80\x00\x00\x00\x00",
        b"\x89\x80\x00\x00\x00\x00",
        b"\x88\x82\x00\x00\x00\x00\x03\xe8",
    ];
    let piece =
        prop_oneof![4 => prop::sample::select(words).prop_map(<[u8]>::to_vec), 1 => vec(any::<u8>(), 0..20)];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}
