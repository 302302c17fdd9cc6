//! Shapes: the ways a message can be put into bytes, and the rendering of each.

use codec::{sse, ws};
use dialect::hub::{Cursors, Kind, Message, Origin, Visible};
use dialect::{Cors, Transport, multiplexor, native, realplexor};

use crate::answer;
use crate::{Coder, Coding, PollEnd};

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
    Multiplexor,
    /// A client of Realplexor: all that is due, and the end.
    Realplexor,
}

impl Shape {
    /// All shapes, by number.
    pub const ALL: [Self; 10] = [
        Self::PollObject,
        Self::PollRaw,
        Self::SseObject,
        Self::SseBare,
        Self::StreamObject,
        Self::StreamRaw,
        Self::WsObject,
        Self::WsRaw,
        Self::Multiplexor,
        Self::Realplexor,
    ];

    /// The shape of a transport with or without the object around the payload.
    pub fn new(transport: Transport, bare: bool) -> Self {
        match (transport, bare) {
            (Transport::Poll, false) => Self::PollObject,
            (Transport::Poll, true) => Self::PollRaw,
            (Transport::Sse, false) => Self::SseObject,
            (Transport::Sse, true) => Self::SseBare,
            (Transport::Stream, false) => Self::StreamObject,
            (Transport::Stream, true) => Self::StreamRaw,
            (Transport::WebSocket, false) => Self::WsObject,
            (Transport::WebSocket, true) => Self::WsRaw,
        }
    }

    /// Whether one answer ends the wait.
    pub fn is_poll(self) -> bool {
        matches!(self, Self::PollObject | Self::PollRaw)
    }

    /// Whether one message ends the wait, and the connection.
    pub fn is_taker(self) -> bool {
        self == Self::Multiplexor
    }

    /// Whether it listens by outside cursors, until something is due.
    pub fn is_listener(self) -> bool {
        self == Self::Realplexor
    }

    /// Whether the connection ends with what it waits for, all of which is to reach the client.
    pub fn is_one_shot(self) -> bool {
        self.is_taker() || self.is_listener()
    }

    /// Whether the wait ends with its answer, of which a part is nothing.
    pub fn ends_with_answer(self) -> bool {
        self.is_poll() || self.is_one_shot()
    }

    /// Whether the client can speak too.
    pub fn is_ws(self) -> bool {
        matches!(self, Self::WsObject | Self::WsRaw)
    }

    /// Whether a client is told this. That a message was taken back has no place among bare payloads, nor in old dialects.
    pub fn tells(self, message: &Message) -> bool {
        match self {
            Self::PollObject | Self::SseObject | Self::SseBare | Self::StreamObject | Self::WsObject => true,
            Self::PollRaw | Self::StreamRaw | Self::WsRaw | Self::Multiplexor | Self::Realplexor => {
                message.removal().is_none()
            }
        }
    }

    /// The number of this shape's frames in a coding. Only streams go in chunks; theirs are behind all others.
    pub fn slot(self, coding: Coding) -> usize {
        let number = if coding.is_chunked() { CHUNKED_SLOTS + self as usize } else { self as usize };
        2 * number + usize::from(coding.deflates())
    }

    /// Appends `message`, which this shape tells, for a client whose matches are the targets of these indices.
    pub fn render(
        self,
        message: Visible<'_>,
        matches: &[usize],
        cursors: Cursors,
        coder: &mut Coder<'_>,
        out: &mut Vec<u8>,
    ) {
        let message = message.message();
        let payload = message.payload();
        match self {
            Self::SseObject | Self::SseBare if payload.origin == Origin::Removal => {
                coder.stream(out, |out| write_removal(message, cursors, out));
            }
            Self::PollObject => {
                let mut object = Vec::with_capacity(payload.data().len() + OBJECT_LEN);
                native::write_told(message, matches, cursors, &mut object);
                let end = PollEnd { cursor: message.position, gap: false, deleted: None };
                answer::poll_document(&[object], &end, cursors, Cors::default(), coder, out);
            }
            Self::PollRaw => answer::poll_raw(message, false, cursors, Cors::default(), coder, out),
            Self::SseBare if payload.kind != Kind::Binary => {
                coder.stream(out, |out| write_event(message, &native::bare_data(payload), cursors, out));
            }
            Self::SseObject | Self::SseBare => {
                let mut object = Vec::with_capacity(payload.data().len() + OBJECT_LEN);
                native::write_told(message, matches, cursors, &mut object);
                coder.stream(out, |out| write_event(message, &object, cursors, out));
            }
            Self::StreamObject => coder.stream(out, |out| {
                native::write_told(message, matches, cursors, out);
                out.push(b'\n');
            }),
            Self::StreamRaw => coder.stream(out, |out| {
                out.extend_from_slice(&native::bare_data(payload));
                out.push(b'\n');
            }),
            Self::WsObject => {
                let mut object = Vec::with_capacity(payload.data().len() + OBJECT_LEN);
                native::write_told(message, matches, cursors, &mut object);
                coder.message(ws::Opcode::Text, &object, out);
            }
            Self::Multiplexor => {
                multiplexor::write(message, *matches.first().expect("whoever takes listens"), out);
            }
            Self::Realplexor => realplexor::write_one(message, matches, out),
            Self::WsRaw => {
                let opcode = if payload.kind == Kind::Binary { ws::Opcode::Binary } else { ws::Opcode::Text };
                coder.message(opcode, payload.data(), out);
            }
        }
    }

    /// The frame of a message.
    ///
    /// ```compile_fail,E0308
    /// # use multiplexor_transport::{dialect::hub::{Cursors, Message}, Coder, Shape};
    /// fn leak(message: &Message, cursors: Cursors, coder: &mut Coder<'_>) -> Vec<u8> {
    ///     Shape::SseBare.frame(message, &[0], cursors, coder) // nobody was asked whether its reader may see it
    /// }
    /// ```
    pub fn frame(
        self,
        message: Visible<'_>,
        matches: &[usize],
        cursors: Cursors,
        coder: &mut Coder<'_>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.payload().data().len() + FRAME_LEN);
        self.render(message, matches, cursors, coder, &mut out);
        out
    }
}

fn write_removal(message: &Message, cursors: Cursors, out: &mut Vec<u8>) {
    let (mut id, mut data) = (Vec::with_capacity(16), Vec::with_capacity(OBJECT_LEN));
    cursors.write(message.position, &mut id);
    native::write_removal(message, cursors, &mut data);
    sse::encode(&sse::Event { id: Some(&id), event: Some("deleted-message"), data: Some(&data) }, out);
}

fn write_event(message: &Message, data: &[u8], cursors: Cursors, out: &mut Vec<u8>) {
    let mut id = Vec::with_capacity(16);
    cursors.write(message.position, &mut id);
    sse::encode(&sse::Event { id: Some(&id), event: message.payload().event, data: Some(data) }, out);
}

/// What is to be added to a shape's number for its chunks.
const CHUNKED_SLOTS: usize = Shape::ALL.len() - Shape::SseObject as usize;
/// About what an object adds to its data.
const OBJECT_LEN: usize = 96;
/// About what a frame adds to its data.
const FRAME_LEN: usize = 128;
