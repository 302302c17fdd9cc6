//! A connection handed to another process: there it does what it would have done here, byte for byte.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::sync::Arc;

use common::{Line, cursors, handed_over};
use multiplexor_transport::codec::ws::{self, Opcode};
use multiplexor_transport::dialect::hub::{Glob, Grant, Position, Right, Session, Start, WallTime};
use multiplexor_transport::dialect::native::{Credentials, Shown};
use multiplexor_transport::dialect::{Transport, Wait};
use multiplexor_transport::{Backlog, Coding, Conn, Frozen, Notice, Opening, Phase, Purpose, Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::value::RawValue;

/// After `before`, the connection and its copy do the same with `after`, however that comes.
fn check(before: &[u8], after: &[u8]) {
    for step in [1, 7, after.len()] {
        let mut here = Line::of(Conn::new());
        here.feed(before);
        let mut there = copy(&here);
        here.exact.clear();
        here.facts.clear();
        for part in after.chunks(step) {
            here.feed(part);
            there.feed(part);
        }
        assert_eq!(here.exact, there.exact);
        assert!(!here.exact.is_empty() || here.conn.phase != Phase::Request, "something was to be seen");
        assert_eq!(frozen(&here.conn), frozen(&there.conn));
        assert_eq!(here.end(), there.end());
    }
}

/// The line as it goes on in another process.
fn copy(line: &Line) -> Line {
    Line::of(handed_over(&line.conn).conn)
}

fn frozen(conn: &Conn) -> Vec<u8> {
    conn.freeze(Vec::new(), 0, None).to_bytes()
}

fn frame(opcode: Opcode, payload: &[u8], fin: bool) -> Vec<u8> {
    let mut out = Vec::new();
    ws::encode_client_frame(opcode, [1, 2, 3, 4], payload, &mut out);
    out[0] = if fin { out[0] } else { out[0] & 0x7f };
    out
}

#[test]
fn a_session_goes_on_with_its_connection() {
    let grant = |rights: &[Right], names| Grant { rights: rights.iter().copied().collect(), names };
    let grants = [
        grant(&[Right::Listen], Glob::name("a*b")),
        grant(&[Right::Listen, Right::History], Glob::new("room.*").unwrap()),
    ];
    let some = Session::new(Some("ann"), Some(WallTime::from_millis(17)), &grants);
    for session in [some, Session::new(Some("bob"), None, &[]), Session::new(None, None, &grants)] {
        let frozen = Conn::new().freeze(Vec::new(), 0, Some(&session)).to_bytes();
        let thawed = Conn::thaw(Frozen::from_bytes(&frozen).unwrap()).unwrap();
        assert_eq!(thawed.session, Some(session));
    }
    assert_eq!(handed_over(&Conn::new()).session, None);
}

#[test]
fn whoever_is_asked_about_goes_on_to_wait_for_the_verdict() {
    let shown = [
        Shown::Tokens(vec!["t".into(), "u".into()]),
        Shown::Headers("cookie: a=b\r\n".into()),
        Shown::Signature {
            path: "a".into(),
            expires: "17".into(),
            user: "ann".into(),
            iat: "7".into(),
            signature: "s".into(),
        },
    ];
    let transports = [Transport::Poll, Transport::Sse, Transport::Stream, Transport::WebSocket];
    for (shown, transport) in shown.into_iter().flat_map(|shown| transports.map(|one| (shown.clone(), one))) {
        let wait = || Wait {
            presence: true,
            older: None,
            speech: None,
            names: vec!["a".into(), "b".into()],
            start: Start::After(Position::from_bits(7)),
            transport,
            bare: true,
            connection: Some("0123456789abcdefABCD-_".into()),
            patience: Some(std::time::Duration::from_secs(7)),
            heartbeat: Some(std::time::Duration::from_secs(5)),
            compression: transport == Transport::Sse,
            head_only: false,
            hears_refusals: transport == Transport::Sse,
            credentials: Some(Box::new(Credentials {
                shown: shown.clone(),
                ambient: true,
                foreign: Some("https://shop.example".into()),
            })),
        };
        let mut conn = Conn::new();
        conn.park(wait(), b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), 7);
        assert!(conn.is_parked_for(7) && !conn.is_parked_for(8));
        let mut there = handed_over(&conn).conn;
        assert_eq!(there.phase, Phase::Asking);
        assert_eq!(there.unpark(), Some((wait(), b"HTTP/1.1 200 OK\r\n\r\n".to_vec())));
        assert!(there.unpark().is_none() && there.phase == Phase::Waiting);
    }
}

const PROBE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
const POLL: &[u8] = b"GET /sub/a HTTP/1.1\r\nHost: a\r\n\r\n";
const LENGTH: &[u8] = b"POST /sub/ HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nab,\xd1\x87,c";
const CHUNKED: &[u8] =
    b"POST /sub/?transport=sse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\naa,bb\r\n2\r\n,c\r\n0\r\nT: x\r\n\r\n";
const UPGRADE: &[u8] = b"GET /sub/a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_poll_that_waits_with_a_warning_keeps_it_and_has_nothing_of_its_own() {
    for query in ["sinse=0", "limit=20"] {
        let mut line = Line::of(Conn::new());
        line.feed(format!("GET /sub/a*?{query} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let conn = &line.conn;
        let warning = conn.warning().unwrap();
        assert!(
            warning.contains("did you mean since?") || warning.contains("limit means nothing here"),
            "{warning}"
        );
        assert!(warning.contains("a * in a channel's name"), "{warning}");
        assert!(
            conn.phase == Phase::Waiting && conn.extra.is_none(),
            "100,000 of them would fill the memory"
        );
        assert_eq!(handed_over(conn).conn.warning(), Some(warning));
    }
}

#[test]
fn half_a_request_goes_on() {
    for request in [PROBE, POLL, LENGTH, CHUNKED, UPGRADE] {
        for cut in 0..request.len() {
            check(&request[..cut], &request[cut..]);
        }
    }
}

#[test]
fn half_a_body_is_really_half_read() {
    for (request, cut) in [(LENGTH, LENGTH.len() - 2), (CHUNKED, CHUNKED.len() - 20)] {
        let mut line = Line::of(Conn::new());
        line.feed(&request[..cut]);
        assert!(line.conn.is_mid_request() && copy(&line).conn.is_mid_request());
        assert!(line.conn.take_input().is_empty(), "the body's bytes are taken as they come");
    }
}

#[test]
fn requests_that_came_ahead_are_not_lost() {
    let mut line = Line::of(Conn::new());
    line.feed(&[POLL, PROBE, b"GET /he"].concat());
    let mut there = copy(&line);
    for line in [&mut line, &mut there] {
        line.conn.answered();
        line.exact.clear();
        line.feed(b"althz HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(line.exact.len(), 2, "both that waited for their turn");
    }
    assert_eq!(line.exact, there.exact);
}

#[test]
fn the_last_answer_stays_the_last() {
    let mut line = Line::of(Conn::new());
    line.feed(b"GET /sub/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(line.conn.closes() && copy(&line).conn.closes());
}

#[test]
fn a_message_in_fragments_goes_on() {
    let frames = [
        frame(Opcode::Text, b"{\"ping\":\"\xd1", false),
        frame(Opcode::Ping, b"?", true),
        frame(Opcode::Continuation, b"\x87\xd0", false),
        frame(Opcode::Continuation, b"\xb0\"}", true),
        frame(Opcode::Binary, b"\x00", false),
        frame(Opcode::Continuation, b"\x00", true),
        frame(Opcode::Close, &[3, 232], true),
    ];
    let wire = [UPGRADE, &frames.concat()].concat();
    for cut in UPGRADE.len()..wire.len() {
        check(&wire[..cut], &wire[cut..]);
    }
}

#[test]
fn a_fault_in_a_message_is_found_there_too() {
    let start = [UPGRADE, &frame(Opcode::Text, b"\xd1", false)].concat();
    check(&start, &frame(Opcode::Continuation, b"x", true));
    check(&start, &frame(Opcode::Text, b"x", true));
    check(UPGRADE, &frame(Opcode::Continuation, b"x", true));
    check(UPGRADE, b"\x81\x01x");
}

#[test]
fn every_phase_and_shape_is_kept() {
    for phase in [Phase::Request, Phase::Waiting, Phase::Closing] {
        let codings = [Coding::Identity, Coding::Deflate, Coding::Chunked, Coding::ChunkedDeflate];
        for (shape, coding) in Shape::ALL.into_iter().flat_map(|shape| codings.map(|coding| (shape, coding)))
        {
            let mut conn = Conn::new();
            (conn.phase, conn.shape, conn.coding) = (phase, shape, coding);
            conn.last = Position::from_bits(77);
            let mut there = handed_over(&conn);
            assert_eq!((there.conn.phase, there.conn.shape, there.conn.last), (phase, shape, conn.last));
            assert_eq!(there.conn.coding, coding);
            assert!(there.conn.extra.is_none(), "an idle connection is small there too");
            assert_eq!(
                (there.due_ms, &there.channels[..]),
                (1_234, &[("news".into(), Position::from_bits(3))][..])
            );
            assert_eq!(words(&mut conn), words(&mut there.conn));
        }
    }
}

/// All that it can be made to say.
fn words(conn: &mut Conn) -> Vec<u8> {
    let mut out = Vec::new();
    conn.tell(
        Notice::Opening(&Opening {
            cursor: conn.last,
            connection: "0123456789abcdefghijkl",
            gaps: &["a"],
            lists: false,
            retry_ms: 1_000,
        }),
        cursors(),
        &mut out,
    );
    conn.tell(Notice::Heartbeat(conn.last), cursors(), &mut out);
    conn.tell(Notice::Deleted("a"), cursors(), &mut out);
    conn.farewell(1001, "bye", cursors(), &mut out);
    out
}

#[test]
fn the_rest_of_a_half_sent_frame_is_sent() {
    for sent in 0..5 {
        let mut conn = Conn::new();
        (conn.phase, conn.shape) = (Phase::Waiting, Shape::WsObject);
        let outbox = &mut conn.extra_mut().outbox;
        outbox.push(Arc::from(*b"first"), sent);
        outbox.push(Arc::from(*b"second"), 0);
        outbox.push(Arc::from(*b"third"), 0);
        let mut there = handed_over(&conn).conn;
        assert_eq!(there.owed_len(), conn.owed_len());
        assert_eq!(drain(&mut there), drain(&mut conn));
        assert!(there.extra.is_none() && conn.extra.is_none());
    }
}

/// All that is owed, three bytes at a time.
fn drain(conn: &mut Conn) -> Vec<u8> {
    let mut out = Vec::new();
    while conn.owed_len() > 0 {
        let outbox = &mut conn.extra_mut().outbox;
        let bytes: Vec<u8> = outbox.slices(8).iter().flat_map(|slice| slice.to_vec()).take(3).collect();
        outbox.advance(bytes.len());
        out.extend(bytes);
    }
    conn.tidy();
    out
}

#[test]
fn a_backlog_goes_on_where_it_is() {
    let after = Start::After(Position::from_bits(9));
    for start in [Start::Now, Start::Everything, after, Start::Lost, Start::Time(5), Start::Tail(3)] {
        for id in [None, Some(RawValue::from_string("[1]".into()).unwrap())] {
            check_backlog(start, Purpose::Added(id));
        }
        check_backlog(start, Purpose::Opening);
    }
}

fn check_backlog(start: Start, purpose: Purpose) {
    let mut line = Line::of(Conn::new());
    line.feed(UPGRADE);
    let names = vec!["a".into(), "b".into()];
    line.conn.extra_mut().backlog = Some(Backlog { names, start, purpose });
    line.feed(&frame(Opcode::Ping, b"waits its turn", true));
    line.exact.clear();
    let mut there = copy(&line);
    assert!(there.conn.has_backlog());
    let here = line.conn.extra_mut().backlog.take().unwrap();
    let backlog = there.conn.extra_mut().backlog.take().unwrap();
    assert_eq!(format!("{backlog:?}"), format!("{here:?}"));
    for line in [&mut line, &mut there] {
        assert!(line.exact.is_empty(), "nothing is read while a backlog is under way");
        line.feed(&frame(Opcode::Ping, b"and this one behind it", true));
        assert_eq!(line.exact.len(), 2);
    }
    assert_eq!(line.exact, there.exact);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Data that are none of ours are refused, or make a connection that can be talked to.
    #[test]
    fn strange_data_do_no_harm(
        pieces in vec(any_piece(), 1..4),
        cut: prop::sample::Index,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in vec(any::<u8>(), 0..4),
    ) {
        let wire = pieces.concat();
        let mut line = Line::of(Conn::new());
        line.feed(&wire[..cut.index(wire.len() + 1)]);
        let mut bytes = frozen(&line.conn);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(tail);
        if let Some(thawed) = Frozen::from_bytes(&bytes).and_then(Conn::thaw) {
            Line::of(thawed.conn).feed(&wire);
        }
    }
}

/// A piece of what clients send.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![PROBE, POLL, LENGTH, CHUNKED, UPGRADE]).prop_map(<[u8]>::to_vec),
        Just(frame(Opcode::Text, b"{\"ping\":1}", true)),
        Just(frame(Opcode::Text, b"{\"pi", false)),
        Just(frame(Opcode::Continuation, b"ng\":2}", true)),
        Just(frame(Opcode::Ping, b"?", true)),
        Just(frame(Opcode::Close, b"", true)),
        vec(any::<u8>(), 0..6),
    ]
}
