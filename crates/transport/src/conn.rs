//! What is known of a connection: its phase, its shape, how far it has been told.

use codec::http::Body;
use codec::ws;
use dialect::hub::{Position, Start};
use dialect::native::Remark;
use dialect::{Cors, DialectSet, Origins, PageOrigin, Request, Transport, Wait};
use serde_json::value::RawValue;

use crate::{Coding, Outbox, Shape};

/// A connection's state in the protocol. Small: an idle one is these few bytes.
#[derive(Debug)]
pub struct Conn {
    /// What it does now.
    pub phase: Phase,
    /// How messages are put for it; means something while it waits.
    pub shape: Shape,
    /// Whether it is told things in compressed form.
    pub coding: Coding,
    /// What its listener understands besides our own protocol.
    pub dialects: DialectSet,
    /// The connection ends with the answer under way.
    pub(crate) close: bool,
    /// What of the answer is wanted.
    pub(crate) manner: Manner,
    /// Whose page asked.
    pub page: PageOrigin,
    /// After how many seconds of silence a stream is to say that it lives, where its client asks for that; 0: as is set.
    pub heartbeat_s: u8,
    /// The highest place up to which it is owed nothing. Never goes back while it waits.
    pub last: Position,
    /// What an idle connection does not have.
    pub extra: Option<Box<Extra>>,
}

/// What of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Its head.
    Head,
    /// All of it; and this is said in it of its request.
    Whole(Remark),
}

/// What a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// A request is awaited, or part of it has come.
    Request,
    /// The client waits for messages.
    Waiting,
    /// A client wants to wait, and somebody is asked who it is.
    Asking,
    /// Everything was said; what still comes is thrown away until the client closes too.
    Closing,
}

/// What only some connections have, and these not for long.
#[derive(Debug, Default)]
pub struct Extra {
    /// An incomplete head or frame, or what came before it was its turn.
    pub input: Vec<u8>,
    /// A request whose body is not complete.
    pub(crate) upload: Option<Upload>,
    /// What the client is too slow to take.
    pub outbox: Outbox,
    /// A WebSocket message of which some fragments came.
    pub(crate) reader: ws::FrameReader,
    /// A backlog under way.
    pub backlog: Option<Backlog>,
    /// What is wanted by whoever is asked about.
    pub(crate) parked: Option<Box<Parked>>,
    /// When what has begun to come must be whole, by the clock of whoever sets it; taken away when it is.
    pub deadline_ms: Option<u64>,
    /// The origin of the page that asked, where it is listed by a pattern.
    pub(crate) origin: Option<Box<str>>,
}

/// What a client wants that is not let in yet.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) wait: Wait,
    /// The response's head, not written yet.
    pub(crate) head: Vec<u8>,
    /// Which answer it waits for.
    pub(crate) ticket: u64,
}

/// A request whose body is not complete.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The head, to be decoded once more when the body is there.
    pub(crate) head: Vec<u8>,
    /// How much of the body is read.
    pub(crate) body: Body,
    /// What came of it.
    pub(crate) bytes: Vec<u8>,
}

/// A backlog under way: what is to be read next, when the last page was written.
#[derive(Debug)]
pub struct Backlog {
    /// The channels.
    pub names: Vec<Box<str>>,
    /// Where the next page begins.
    pub start: Start,
    /// What it is read for.
    pub purpose: Purpose,
}

/// What a backlog is read for.
#[derive(Debug)]
pub enum Purpose {
    /// The connection's own beginning.
    Opening,
    /// Channels added to a connection that is up; the id goes into every page.
    Added(Option<Box<RawValue>>),
}

impl Conn {
    /// A connection just accepted, of a listener that understands nothing but our own protocol.
    pub fn new() -> Self {
        Self::of(DialectSet::NONE)
    }

    /// A connection just accepted, of a listener that understands this besides our own protocol.
    pub fn of(dialects: impl Into<DialectSet>) -> Self {
        Self {
            phase: Phase::Request,
            shape: Shape::PollObject,
            coding: Coding::Identity,
            dialects: dialects.into(),
            close: false,
            manner: Manner::Whole(Remark::NOTHING),
            page: PageOrigin::OURS,
            heartbeat_s: 0,
            last: Position::START,
            extra: None,
        }
    }

    /// What is kept for the connection; made when it is first asked for.
    pub fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Gives back what is no longer needed. After every step.
    pub fn tidy(&mut self) {
        if self.extra.as_ref().is_some_and(|extra| extra.is_idle()) {
            self.extra = None;
        }
    }

    /// Whether its client waits, and may say something meanwhile.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Waiting && self.shape.hears()
    }

    /// Bytes not yet taken by the kernel.
    pub fn owed_len(&self) -> usize {
        self.extra.as_ref().map_or(0, |extra| extra.outbox.len())
    }

    /// Takes what was kept of the input.
    pub fn take_input(&mut self) -> Vec<u8> {
        self.extra.as_mut().map(|extra| std::mem::take(&mut extra.input)).unwrap_or_default()
    }

    /// Whether some of the input was kept.
    pub fn has_input(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| !extra.input.is_empty())
    }

    /// Whether a backlog is under way.
    pub fn has_backlog(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.backlog.is_some())
    }

    /// It waits so from now on, in a shape of the native protocol.
    pub(crate) fn wait_as(&mut self, wait: &Wait) {
        self.wait_in(Shape::new(wait.transport, wait.bare), wait);
    }

    /// The same in this shape.
    pub(crate) fn wait_in(&mut self, shape: Shape, wait: &Wait) {
        self.shape = shape;
        self.phase = Phase::Waiting;
        // More often than asked for is as asked for.
        let seconds = wait.heartbeat.map_or(0, |time| time.as_secs());
        self.heartbeat_s = u8::try_from(seconds).unwrap_or(u8::MAX);
    }

    /// Keeps what a client wants until it is known who it is.
    pub fn park(&mut self, wait: Wait, head: Vec<u8>, ticket: u64) {
        self.phase = Phase::Asking;
        self.extra_mut().parked = Some(Box::new(Parked { wait, head, ticket }));
    }

    /// Whether it waits for the answer of this ticket; one that comes too late was for an earlier request.
    pub fn is_parked_for(&self, ticket: u64) -> bool {
        let parked = self.extra.as_ref().and_then(|extra| extra.parked.as_ref());
        parked.is_some_and(|parked| parked.ticket == ticket)
    }

    /// What the client wanted that was kept; it waits from now on, or is refused.
    pub fn unpark(&mut self) -> Option<(Wait, Vec<u8>)> {
        let parked = self.extra.as_mut()?.parked.take()?;
        self.phase = Phase::Waiting;
        Some((parked.wait, parked.head))
    }

    /// Whether somebody is asked about a client that wants an answer, and no stream.
    pub fn awaits_answer(&self) -> bool {
        let parked = self.extra.as_ref().and_then(|extra| extra.parked.as_ref());
        parked.is_some_and(|parked| parked.wait.transport == Transport::Poll)
    }

    /// What browsers are told of the answer under way.
    pub fn cors<'a>(&'a self, origins: &'a Origins) -> Cors<'a> {
        let cors = origins.cors(self.page);
        let origin = self.extra.as_ref().and_then(|extra| extra.origin.as_deref());
        Cors { listed: origin.or(cors.listed), ..cors }
    }

    /// Notes whose page asks.
    pub(crate) fn note_page(&mut self, request: &Request<'_>, origins: &Origins) {
        self.page = origins.page(request);
        let origin = origins.by_pattern(self.page, request);
        if origin.is_some() || self.extra.is_some() {
            self.extra_mut().origin = origin.map(Into::into);
        }
    }

    /// What the answer under way says of its request, of which no other answer says it.
    pub fn warning(&self) -> Option<String> {
        match self.manner {
            Manner::Head => None,
            Manner::Whole(remark) => remark.text(),
        }
    }

    /// Whether the connection ends with the answer under way.
    pub fn closes(&self) -> bool {
        self.close
    }

    /// The next answer is the last.
    pub fn end_after_answer(&mut self) {
        self.close = true;
    }

    /// Whether a part of a request has come: its client is slow, not silent.
    pub fn is_mid_request(&self) -> bool {
        self.phase == Phase::Request
            && self.extra.as_ref().is_some_and(|extra| !extra.input.is_empty() || extra.upload.is_some())
    }

    /// Whether a part of a request or of a message has come, and the rest of it is awaited.
    pub fn is_mid_message(&self) -> bool {
        match self.phase {
            Phase::Request => self.is_mid_request(),
            Phase::Waiting if self.shape.hears() => self.extra.as_ref().is_some_and(|extra| {
                extra.backlog.is_none() && (!extra.input.is_empty() || extra.reader.held_bytes() > 0)
            }),
            Phase::Waiting | Phase::Asking | Phase::Closing => false,
        }
    }

    /// The answer is complete: the next request may come.
    pub fn answered(&mut self) {
        self.phase = Phase::Request;
        self.manner = Manner::Whole(Remark::NOTHING);
        if let Some(extra) = &mut self.extra {
            extra.deadline_ms = None;
            extra.origin = None;
        }
    }
}

impl Default for Conn {
    fn default() -> Self {
        Self::new()
    }
}

impl Extra {
    fn is_idle(&self) -> bool {
        self.input.is_empty()
            && self.upload.is_none()
            && self.outbox.is_empty()
            && self.reader.held_bytes() == 0
            && self.backlog.is_none()
            && self.parked.is_none()
            && self.deadline_ms.is_none()
            && self.origin.is_none()
    }
}

const _: () = assert!(size_of::<Conn>() <= 24, "a connection's state is counted in bytes");
