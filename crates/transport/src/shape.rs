//! Shapes: the ways a client is given messages and told what happens. One table says all of each of them: what it is made
//! of, when a wait in it ends, how a message is put, how a notice is put, what its client may ask for.

mod table;

use dialect::hub::{Cursors, Message, Visible};
use dialect::{Classic, Transport};

use crate::notice::{Notice, Tone};
use crate::{Coder, Coding};

use table::{COUNT, FIRST_STREAM, GUEST, LAST_STREAM, SHAPES, TABLE, given};

pub use table::Shape;

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

/// All there is to say of a shape.
#[derive(Debug)]
pub struct Row {
    /// The shape.
    pub shape: Shape,
    /// Whose words it is in.
    pub dialect: Classic,
    /// What bytes are made of around its messages and notices.
    pub framing: Framing,
    /// When a wait in it ends.
    pub ending: Ending,
    /// Whether it has words for a message that was taken back, and for who is on a channel.
    pub tells_removals: bool,
    /// Whether it has words for a gap.
    pub tells_gaps: bool,
    /// How a message is put.
    pub render: Render,
    /// How it is put while its client is owed the backlog of channels that it added: without a cursor, which would speak for that, too.
    pub uncovered: Render,
    /// How a notice is put. What there are no words for is passed over.
    pub notice: fn(Notice<'_>, Tone, &mut Vec<u8>),
    /// Whether its clients say something while they wait ([`dialect::Dialect::command`]).
    pub hears: bool,
}

/// Appends a message for a client whose matches are the targets of these indices.
pub type Render = fn(&Message, &[usize], Cursors, &mut Coder<'_>, &mut Vec<u8>);

impl Shape {
    /// All shapes that are a part of this program, by number.
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
    pub const SLOTS: usize = 2 * (COUNT + LAST_STREAM - FIRST_STREAM + 1);

    /// The row of the dialect that is no part of this program, before its first connection; there is one at most, and a second one
    /// changes nothing.
    pub fn give(row: &'static Row) {
        assert!(row.shape == Self::Guest && row.dialect == Classic::Guest, "its row says whose it is");
        let is_stream = matches!(row.framing, Framing::Events | Framing::Lines);
        assert!(!is_stream, "streams of HTTP stand together in the table");
        GUEST.get_or_init(|| row);
    }

    /// The shape of this number; `None`: there is none, or it was given to no other part of this program.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        let given = GUEST.get().map(|row| row.shape).filter(|shape| *shape as u8 == number);
        Self::ALL.get(usize::from(number)).copied().or(given)
    }

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
        let all = SHAPES.iter().chain(GUEST.get().copied());
        all.filter(|row| foreign && row.dialect == dialect).map(|row| row.shape).next()
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

    /// Whether clients say something while they wait.
    pub fn hears(self) -> bool {
        self.row().hears
    }

    /// The number of this shape's frames in a coding. Only streams go in chunks; theirs are behind all others.
    pub fn slot(self, coding: Coding) -> usize {
        let behind = if coding.is_chunked() { COUNT - FIRST_STREAM } else { 0 };
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

    /// Appends it for one that is owed the backlog of channels that it added.
    pub(crate) fn render_uncovered(
        self,
        message: Visible<'_>,
        matches: &[usize],
        cursors: Cursors,
        coder: &mut Coder<'_>,
        out: &mut Vec<u8>,
    ) {
        (self.row().uncovered)(message.message(), matches, cursors, coder, out);
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
        // Whose row is not in the table has one elsewhere: nobody else looks there.
        SHAPES.get(self as usize).unwrap_or_else(given)
    }
}

/// About what a frame adds to its data.
const FRAME_LEN: usize = 128;
