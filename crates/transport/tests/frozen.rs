//! A connection handed to another process: there it does what it would have done here, byte for byte.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::sync::Arc;

use common::{Line, NOW_MS, cursors, handed_over};
use multiplexor_transport::codec::ws::{self, Opcode};
use multiplexor_transport::dialect::hub::{Position, Resume, Start};
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
    Line::of(handed_over(&line.conn))
}

fn frozen(conn: &Conn) -> Frozen {
    conn.freeze(NOW_MS).expect("nobody is asked about it")
}

fn frame(opcode: Opcode, payload: &[u8], fin: bool) -> Vec<u8> {
    let mut out = Vec::new();
    ws::encode_client_frame(opcode, [1, 2, 3, 4], payload, &mut out);
    out[0] = if fin { out[0] } else { out[0] & 0x7f };
    out
}

#[test]
fn whoever_somebody_is_asked_about_is_not_handed_over() {
    let mut conn = Conn::new();
    let wait = Wait { transport: Transport::Sse, bare: true, ..Wait::of(vec!["a".into()], Start::Now) };
    conn.park(wait, Vec::new(), 7);
    assert_eq!(conn.freeze(NOW_MS), None);
    assert!(conn.unpark().is_some() && conn.freeze(NOW_MS).is_some());
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
        assert_eq!(handed_over(conn).warning(), Some(warning));
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
            let mut conn = Conn::of(shape.dialect());
            (conn.phase, conn.shape, conn.coding) = (phase, shape, coding);
            conn.last = Position::from_bits(77);
            let mut there = handed_over(&conn);
            assert_eq!((there.phase, there.shape, there.last), (phase, shape, conn.last));
            assert_eq!(there.coding, coding);
            assert!(there.extra.is_none(), "an idle connection is small there too");
            assert_eq!(words(&mut conn), words(&mut there));
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
        let mut there = handed_over(&conn);
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
fn what_has_begun_to_come_has_as_much_time_as_before() {
    let mut line = Line::of(Conn::new());
    line.feed(&POLL[..9]);
    line.conn.extra_mut().deadline_ms = Some(NOW_MS + 700);
    let deadline = |now_ms| {
        let there = Conn::thaw(frozen(&line.conn), now_ms).unwrap();
        there.extra.unwrap().deadline_ms
    };
    assert_eq!((deadline(NOW_MS), deadline(10)), (Some(NOW_MS + 700), Some(710)));
    line.conn.extra_mut().deadline_ms = Some(NOW_MS - 1);
    let there = Conn::thaw(frozen(&line.conn), 10).unwrap();
    assert_eq!(there.extra.unwrap().deadline_ms, Some(10), "it is over");
}

#[test]
fn a_state_to_which_nobody_comes_is_refused() {
    let refused = |change: &dyn Fn(&mut Conn)| {
        let mut conn = Conn::new();
        change(&mut conn);
        Conn::thaw(frozen(&conn), NOW_MS).is_none()
    };
    let names = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect::<Vec<_>>();
    let reads = |conn: &mut Conn, shape, list: &[&str], purpose| {
        (conn.phase, conn.shape) = (Phase::Waiting, shape);
        conn.extra_mut().backlog = Some(Backlog { names: names(list), start: Start::Now, purpose });
    };
    let opens =
        |list: &'static [&str]| move |conn: &mut Conn| reads(conn, Shape::SseBare, list, Purpose::Opening);
    assert!(!refused(&opens(&["a", "$presence:a", "$all"])));
    assert!(refused(&opens(&["a", "a"])) && refused(&opens(&[""])) && refused(&opens(&["$users"])));
    assert!(refused(&|conn| reads(conn, Shape::PollObject, &["a"], Purpose::Opening)), "a poll has one page");
    assert!(
        refused(&|conn| reads(conn, Shape::SseObject, &["a"], Purpose::Added(None))),
        "it cannot ask for more"
    );
    assert!(refused(&|conn| conn.shape = Shape::Dklab), "its listener does not speak so");
    assert!(refused(&|conn| conn.last = Position::from_bits(u64::MAX)));
    assert!(refused(&|conn| conn.extra_mut().input = vec![b' '; 1 << 20]));
}

#[test]
fn a_backlog_goes_on_where_it_is() {
    let after = Start::After(Position::from_bits(9));
    let more = [[9, 7, 0, 0, 0, 9, u64::MAX], [9, 7, 4, 11, 1, 10, 12]]
        .map(|numbers| Start::More(Resume::of_numbers(numbers).unwrap()));
    let first = [Start::Now, Start::Everything, after, Start::Lost, Start::Time(5), Start::Tail(3)];
    for start in first.into_iter().chain(more) {
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
        let mut bytes = postcard::to_stdvec(&frozen(&line.conn)).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(tail);
        if let Some(conn) = postcard::from_bytes(&bytes).ok().and_then(|frozen| Conn::thaw(frozen, NOW_MS)) {
            Line::of(conn).feed(&wire);
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
