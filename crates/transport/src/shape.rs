//! Shapes: the ways a client is given messages and told what happens. One table says all of each of them: what it is made
//! of, when a wait in it ends, how a message is put, how a notice is put, what its client may ask for.

use dialect::hub::{Cursors, Message, Visible};
use dialect::{Classic, Transport, dklab, realplexor};

use crate::native::{self, CommandReader};
use crate::notice::{Notice, Tone};
use crate::{Coder, Coding};

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
}

/// What bytes are made of around messages and notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// One answer of HTTP.
    Answer,
    /// Server-Sent Events.
    Events,
    /// A stream of lines.
    Lines,
    /// WebSocket.
    WebSocket,
    /// Bytes as they are, up to the end of the connection.
    Bytes,
}

/// When a wait ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Not by itself.
    Stream,
    /// With one answer, after which the connection may ask again.
    OnePoll,
    /// With one message of a queue, and the connection with it.
    OneMessage,
    /// With all that is due by external cursors, when something is, and the connection with it.
    WhenDue,
}

/// What is known of a shape.
#[derive(Debug)]
struct Row {
    shape: Shape,
    /// Whose words it is in, where they are not our own.
    dialect: Classic,
    framing: Framing,
    ending: Ending,
    /// Whether it has words for a message that was taken back.
    tells_removals: bool,
    /// Whether it has words for a gap.
    tells_gaps: bool,
    render: Render,
    notice: fn(Notice<'_>, Tone, &mut Vec<u8>),
    /// How commands of its clients are read, where they may give some.
    command: Option<CommandReader>,
}

/// Appends a message for a client whose matches are the targets of these indices.
type Render = fn(&Message, &[usize], Cursors, &mut Coder<'_>, &mut Vec<u8>);

impl Shape {
    /// All shapes, by number.
    pub const ALL: [Self; TABLE.len()] = {
        let mut all = [Self::PollObject; TABLE.len()];
        let mut n = 0;
        while n < TABLE.len() {
            all[n] = TABLE[n].shape;
            n += 1;
        }
        all
    };

    /// How many frames a message can have for one match: what [`Self::slot`] gives is less.
    pub const SLOTS: usize = 2 * (TABLE.len() + LAST_STREAM - FIRST_STREAM + 1);

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

    /// That of clients of another dialect than our own; `None`: there is no such dialect.
    pub fn of_dialect(dialect: Classic) -> Option<Self> {
        let foreign = dialect != Classic::None;
        TABLE.iter().find(|row| foreign && row.dialect == dialect).map(|row| row.shape)
    }

    /// Whose words it is in.
    pub fn dialect(self) -> Classic {
        self.row().dialect
    }

    /// What bytes are made of around messages.
    pub fn framing(self) -> Framing {
        self.row().framing
    }

    /// When a wait ends.
    pub fn ending(self) -> Ending {
        self.row().ending
    }

    /// Whether a frame is left open, so that each client gets an end of his own: by [`crate::close_document`].
    pub fn leaves_open(self) -> bool {
        self == Self::PollObject
    }

    /// Whether it is a WebSocket.
    pub fn is_ws(self) -> bool {
        self.framing() == Framing::WebSocket
    }

    /// Whether it has words for who is on a channel.
    pub fn tells_presence(self) -> bool {
        self.row().tells_removals
    }

    /// Whether a client is told this. That a message was taken back, or that a user came or went, has no place among bare payloads, nor in old dialects.
    pub fn tells(self, message: &Message) -> bool {
        self.row().tells_removals || (message.removal().is_none() && message.movement().is_none())
    }

    /// Whether a client can be told of a gap.
    pub fn tells_gaps(self) -> bool {
        self.row().tells_gaps
    }

    /// How a client's commands are read, where it may give some.
    pub(crate) fn command(self) -> Option<CommandReader> {
        self.row().command
    }

    /// The number of this shape's frames in a coding. Only streams go in chunks; theirs are behind all others.
    pub fn slot(self, coding: Coding) -> usize {
        let behind = if coding.is_chunked() { TABLE.len() - FIRST_STREAM } else { 0 };
        2 * (behind + self as usize) + usize::from(coding.deflates())
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
        (self.row().render)(message.message(), matches, cursors, coder, out);
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

    /// Appends a notice, where this shape has words for it.
    pub(crate) fn tell(self, notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
        (self.row().notice)(notice, tone, out);
    }

    fn row(self) -> &'static Row {
        &SHAPES[self as usize]
    }
}

/// A row for each shape, by number.
const TABLE: [Row; 10] = [
    Row {
        shape: Shape::PollObject,
        dialect: Classic::None,
        framing: Framing::Answer,
        ending: Ending::OnePoll,
        tells_removals: true,
        tells_gaps: true,
        render: native::poll_object,
        notice: silence,
        command: None,
    },
    Row {
        shape: Shape::PollRaw,
        dialect: Classic::None,
        framing: Framing::Answer,
        ending: Ending::OnePoll,
        tells_removals: false,
        tells_gaps: true,
        render: native::poll_raw,
        notice: silence,
        command: None,
    },
    Row {
        shape: Shape::SseObject,
        dialect: Classic::None,
        framing: Framing::Events,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::event_object,
        notice: native::tell_by_event,
        command: None,
    },
    Row {
        shape: Shape::SseBare,
        dialect: Classic::None,
        framing: Framing::Events,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::event_bare,
        notice: native::tell_by_event,
        command: None,
    },
    Row {
        shape: Shape::StreamObject,
        dialect: Classic::None,
        framing: Framing::Lines,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::line_object,
        notice: native::tell_by_line,
        command: None,
    },
    Row {
        shape: Shape::StreamRaw,
        dialect: Classic::None,
        framing: Framing::Lines,
        ending: Ending::Stream,
        tells_removals: false,
        tells_gaps: false,
        render: native::line_raw,
        notice: native::tell_by_empty_line,
        command: None,
    },
    Row {
        shape: Shape::WsObject,
        dialect: Classic::None,
        framing: Framing::WebSocket,
        ending: Ending::Stream,
        tells_removals: true,
        tells_gaps: true,
        render: native::frame_object,
        notice: native::tell_by_frame,
        command: Some(native::read_command),
    },
    Row {
        shape: Shape::WsRaw,
        dialect: Classic::None,
        framing: Framing::WebSocket,
        ending: Ending::Stream,
        tells_removals: false,
        tells_gaps: true,
        render: native::frame_raw,
        notice: native::tell_by_frame_beside_payloads,
        command: Some(native::read_command),
    },
    Row {
        shape: Shape::Dklab,
        dialect: Classic::Dklab,
        framing: Framing::Bytes,
        ending: Ending::OneMessage,
        tells_removals: false,
        tells_gaps: false,
        render: |message, matches, _, _, out| {
            dklab::write(message, *matches.first().expect("whoever takes listens"), out);
        },
        notice: silence,
        command: None,
    },
    Row {
        shape: Shape::Realplexor,
        dialect: Classic::Realplexor,
        framing: Framing::Bytes,
        ending: Ending::WhenDue,
        tells_removals: false,
        tells_gaps: false,
        render: |message, matches, _, _, out| realplexor::write_one(message, matches, out),
        notice: silence,
        command: None,
    },
];

static SHAPES: [Row; TABLE.len()] = TABLE;

/// The shapes that go in chunks, where a client takes that: all that are streams of HTTP.
const FIRST_STREAM: usize = Shape::SseObject as usize;
const LAST_STREAM: usize = Shape::StreamRaw as usize;

/// A row stands at its shape's number, and streams of HTTP stand together: so no two shapes have the same frames.
const _: () = {
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

/// About what a frame adds to its data.
const FRAME_LEN: usize = 128;
