//! The table: which shapes there are, and a row for each. A dialect is one more of both.

use std::sync::OnceLock;

use dialect::hub::{Cursors, Message};
use dialect::{Classic, dklab, realplexor};

use super::{Ending, Framing, Row};
use crate::Coder;
use crate::native;
use crate::notice::{Notice, Tone};

/// A way a message is put into bytes: dialect, framing and envelope together. All clients of one
/// shape and the same match get the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Shape {
    /// A long poll's document.
    PollObject,
    /// A long poll's answer that is one payload.
    PollRaw,
    /// Server-Sent Events, data is the object.
    SseObject,
    /// Server-Sent Events, data is the payload.
    SseBare,
    /// A stream, an object a line.
    StreamObject,
    /// A stream, a payload a line.
    StreamRaw,
    /// WebSocket, an object a text frame.
    WsObject,
    /// WebSocket, a payload a frame.
    WsRaw,
    /// A client of 2009: one message, and the end.
    Dklab,
    /// A client of Realplexor: all that is due, and the end.
    Realplexor,
    /// A client of a dialect that is no part of this program: [`Shape::give`].
    Guest,
}

/// A row for each shape, by number.
pub(super) const TABLE: [Row; 10] = [
    Row {
        shape: Shape::PollObject,
        dialect: Classic::None,
        framing: Framing::Answer,
        ending: Ending::OnePoll,
        tells_removals: true,
        tells_gaps: true,
        render: native::poll_object,
        uncovered: native::poll_object,
        notice: silence,
        hears: false,
    },
    Row {
        shape: Shape::PollRaw,
        dialect: Classic::None,
        framing: Framing::Answer,
        ending: Ending::OnePoll,
        tells_removals: false,
        tells_gaps: true,
        render: native::poll_raw,
        uncovered: native::poll_raw,
        notice: silence,
        hears: false,
    },
    Row {
        shape: Shape::SseObject,
        dialect: Classic::None,
        framing: Framing::Events,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::event_object,
        uncovered: native::event_object,
        notice: native::tell_by_event,
        hears: false,
    },
    Row {
        shape: Shape::SseBare,
        dialect: Classic::None,
        framing: Framing::Events,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::event_bare,
        uncovered: native::event_bare,
        notice: native::tell_by_event,
        hears: false,
    },
    Row {
        shape: Shape::StreamObject,
        dialect: Classic::None,
        framing: Framing::Lines,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::line_object,
        uncovered: native::line_object,
        notice: native::tell_by_line,
        hears: false,
    },
    Row {
        shape: Shape::StreamRaw,
        dialect: Classic::None,
        framing: Framing::Lines,
        ending: Ending::Stream,
        tells_removals: false,
        tells_gaps: false,
        render: native::line_raw,
        uncovered: native::line_raw,
        notice: native::tell_by_empty_line,
        hears: false,
    },
    Row {
        shape: Shape::WsObject,
        dialect: Classic::None,
        framing: Framing::WebSocket,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::frame_object,
        uncovered: native::frame_object_uncovered,
        notice: native::tell_by_frame,
        hears: true,
    },
    Row {
        shape: Shape::WsRaw,
        dialect: Classic::None,
        framing: Framing::WebSocket,
        ending: Ending::Stream,
        tells_removals: false,
        tells_gaps: true,
        render: native::frame_raw,
        uncovered: native::frame_raw,
        notice: native::tell_by_frame_beside_payloads,
        hears: true,
    },
    Row {
        shape: Shape::Dklab,
        dialect: Classic::Dklab,
        framing: Framing::Bytes,
        ending: Ending::OneMessage,
        tells_removals: false,
        tells_gaps: false,
        render: one_of_dklab,
        uncovered: one_of_dklab,
        notice: silence,
        hears: false,
    },
    Row {
        shape: Shape::Realplexor,
        dialect: Classic::Realplexor,
        framing: Framing::Bytes,
        ending: Ending::WhenDue,
        tells_removals: false,
        tells_gaps: false,
        render: one_of_realplexor,
        uncovered: one_of_realplexor,
        notice: silence,
        hears: false,
    },
];

pub(super) static SHAPES: [Row; TABLE.len()] = TABLE;

/// How many shapes there are.
pub(super) const COUNT: usize = Shape::Guest as usize + 1;

/// A row that is given. It is set once, and before any connection that needs it.
pub(super) static GUEST: OnceLock<&'static Row> = OnceLock::new();

#[cold]
pub(super) fn given() -> &'static Row {
    GUEST.get().expect("who gives a dialect gives its row first")
}

fn one_of_dklab(message: &Message, matches: &[usize], _: Cursors, _: &mut Coder<'_>, out: &mut Vec<u8>) {
    dklab::write(message, *matches.first().expect("whoever takes listens"), out);
}

fn one_of_realplexor(message: &Message, matches: &[usize], _: Cursors, _: &mut Coder<'_>, out: &mut Vec<u8>) {
    realplexor::write_one(message, matches, out);
}

/// The shapes that go in chunks, where a client takes that: all that are streams of HTTP.
pub(super) const FIRST_STREAM: usize = Shape::SseObject as usize;
pub(super) const LAST_STREAM: usize = Shape::StreamRaw as usize;

/// A row stands at its shape's number, and streams of HTTP stand together: so no two shapes have the same frames.
const _: () = {
    assert!(COUNT == TABLE.len() + 1, "all shapes but one have a row here");
    let mut n = 0;
    while n < TABLE.len() {
        assert!(TABLE[n].shape as usize == n, "a row is not where its shape's number says");
        let is_stream = matches!(TABLE[n].framing, Framing::Events | Framing::Lines);
        assert!(is_stream == (FIRST_STREAM <= n && n <= LAST_STREAM), "a stream of HTTP stands apart");
        n += 1;
    }
};

/// A client that gets one answer is told nothing beside it.
fn silence(_: Notice<'_>, _: Tone, _: &mut Vec<u8>) {}
