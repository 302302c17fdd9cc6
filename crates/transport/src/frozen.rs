//! A connection's state as plain data, for the process that goes on with it.

mod parked;
mod session;

use codec::http::{self, Body};
use codec::ws;
use dialect::hub::{Position, Session, Start};
use dialect::native::Remark;
use dialect::{DialectSet, Page};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conn::{Extra, Manner, Upload};
use crate::frozen::parked::FrozenParked;
use crate::frozen::session::FrozenSession;
use crate::receive::HTTP_LIMITS;
use crate::{Backlog, Coding, Conn, Outbox, Phase, Purpose, Shape};

/// All there is to know of a connection but its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    phase: u8,
    shape: u8,
    deflate: bool,
    chunked: bool,
    dialects: u8,
    close: bool,
    head_only: bool,
    page: u8,
    heartbeat_s: u8,
    /// The origin of the page, where it is listed by a pattern.
    origin: Option<String>,
    /// What a poll's answer says of the request.
    remark: u8,
    last: u64,
    /// Channels it listens to, each with the place from which on.
    pub channels: Vec<(String, u64)>,
    /// Milliseconds until its timer is due.
    pub due_ms: u64,
    input: Vec<u8>,
    upload: Option<FrozenUpload>,
    /// The rest of what was not sent, a frame cut in half included.
    unsent: Vec<u8>,
    message: Option<FrozenMessage>,
    backlog: Option<FrozenBacklog>,
    parked: Option<FrozenParked>,
    session: Option<FrozenSession>,
}

/// A request whose body is not complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FrozenUpload {
    head: Vec<u8>,
    /// All that came of the body, as data; and the reader's state.
    bytes: Vec<u8>,
    body: [u8; 12],
}

/// A WebSocket message of which some fragments came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FrozenMessage {
    text: bool,
    deflated: bool,
    bytes: Vec<u8>,
    fragments: u64,
}

/// A backlog under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenBacklog {
    names: Vec<String>,
    start: FrozenStart,
    added: bool,
    id: Option<String>,
}

/// Where the next page begins. Behind the first page that is a place; a tail then goes on with all that
/// follows it, which may be more than was asked for, but not less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FrozenStart {
    Now,
    Everything,
    After(u64),
    Unlisted(u64),
    Lost,
    Time(u64),
    Tail(u32),
}

/// A connection that goes on.
#[derive(Debug)]
pub struct Thawed {
    /// Its state.
    pub conn: Conn,
    /// The channels it listened to, each with the place from which on.
    pub channels: Vec<(String, Position)>,
    /// Milliseconds until its timer is due.
    pub due_ms: u64,
    /// Who it is, where it showed credentials.
    pub session: Option<Session>,
}

impl Conn {
    /// Freezes the connection. `channels`: what it listens to, and from which place on; `session`: who it is.
    pub fn freeze(
        &self,
        channels: Vec<(String, Position)>,
        due_ms: u64,
        session: Option<&Session>,
    ) -> Frozen {
        let extra = self.extra.as_deref();
        Frozen {
            phase: self.phase as u8,
            shape: self.shape as u8,
            deflate: self.coding.deflates(),
            chunked: self.coding.is_chunked(),
            dialects: self.dialects.to_bits(),
            close: self.close,
            head_only: self.manner == Manner::Head,
            page: self.page.to_bits(),
            heartbeat_s: self.heartbeat_s,
            origin: extra.and_then(|extra| extra.origin.as_deref()).map(str::to_owned),
            remark: match self.manner {
                Manner::Head => Remark::NOTHING,
                Manner::Whole(remark) => remark,
            }
            .to_bits(),
            last: self.last.to_bits(),
            channels: channels.into_iter().map(|(name, from)| (name, from.to_bits())).collect(),
            due_ms,
            input: extra.map(|extra| extra.input.clone()).unwrap_or_default(),
            upload: extra.and_then(|extra| extra.upload.as_ref()).map(|upload| FrozenUpload {
                head: upload.head.clone(),
                bytes: upload.bytes.clone(),
                body: upload.body.freeze(),
            }),
            unsent: extra.map(|extra| extra.outbox.rest()).unwrap_or_default(),
            message: extra.and_then(|extra| extra.reader.freeze()).map(|partial| FrozenMessage {
                text: partial.opcode == ws::Opcode::Text,
                deflated: partial.deflated,
                bytes: partial.bytes,
                fragments: partial.fragments as u64,
            }),
            backlog: extra.and_then(|extra| extra.backlog.as_ref()).map(freeze_backlog),
            parked: extra.and_then(|extra| extra.parked.as_deref()).map(FrozenParked::freeze),
            session: session.map(FrozenSession::freeze),
        }
    }

    /// Makes the connection that was frozen; `None` when the data are none of ours.
    pub fn thaw(frozen: Frozen) -> Option<Thawed> {
        let phase = [Phase::Request, Phase::Waiting, Phase::Asking, Phase::Closing]
            .into_iter()
            .find(|p| *p as u8 == frozen.phase)?;
        let shape = *Shape::ALL.get(usize::from(frozen.shape))?;
        let dialects = DialectSet::from_bits(frozen.dialects)?;
        let upload = match frozen.upload {
            Some(upload) => {
                http::decode(&upload.head, &HTTP_LIMITS).ok().flatten()?;
                Some(Upload { head: upload.head, body: Body::thaw(upload.body)?, bytes: upload.bytes })
            }
            None => None,
        };
        let message = match frozen.message {
            Some(message) => Some(ws::FrozenPartial {
                opcode: if message.text { ws::Opcode::Text } else { ws::Opcode::Binary },
                deflated: message.deflated,
                bytes: message.bytes,
                fragments: usize::try_from(message.fragments).ok()?,
            }),
            None => None,
        };
        let mut outbox = Outbox::default();
        if !frozen.unsent.is_empty() {
            outbox.push(frozen.unsent.into(), 0);
        }
        let backlog = match frozen.backlog {
            Some(backlog) => Some(thaw_backlog(backlog)?),
            None => None,
        };
        let parked = match frozen.parked {
            Some(parked) => Some(Box::new(parked.thaw()?)),
            None => None,
        };
        let session = match frozen.session {
            Some(session) => Some(session.thaw()?),
            None => None,
        };
        let reader = ws::Reader::thaw(message);
        let input = frozen.input;
        let origin = frozen.origin.map(Into::into);
        let extra = Extra { input, upload, outbox, reader, backlog, parked, origin, deadline_ms: None };
        let remark = Remark::from_bits(frozen.remark);
        let mut conn = Self {
            phase,
            shape,
            coding: Coding::new(frozen.deflate, frozen.chunked),
            dialects,
            close: frozen.close,
            manner: if frozen.head_only { Manner::Head } else { Manner::Whole(remark) },
            page: Page::from_bits(frozen.page),
            heartbeat_s: frozen.heartbeat_s,
            last: Position::from_bits(frozen.last),
            extra: Some(Box::new(extra)),
        };
        conn.tidy();
        let channels =
            frozen.channels.into_iter().map(|(name, from)| (name, Position::from_bits(from))).collect();
        Some(Thawed { conn, channels, due_ms: frozen.due_ms, session })
    }
}

impl Frozen {
    /// The frozen connection as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("plain data always fit a vector")
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` when it is none of ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes).ok()
    }
}

impl FrozenStart {
    fn freeze(start: Start) -> Self {
        match start {
            Start::Now => Self::Now,
            Start::Everything => Self::Everything,
            Start::After(position) => Self::After(position.to_bits()),
            Start::Unlisted(position) => Self::Unlisted(position.to_bits()),
            Start::Lost => Self::Lost,
            Start::Time(time) => Self::Time(time),
            Start::Tail(count) => Self::Tail(count),
            Start::More(resume) if resume.lists() => Self::Unlisted(resume.after().to_bits()),
            Start::More(resume) => Self::After(resume.after().to_bits()),
        }
    }

    fn thaw(self) -> Start {
        match self {
            Self::Now => Start::Now,
            Self::Everything => Start::Everything,
            Self::After(place) => Start::After(Position::from_bits(place)),
            Self::Unlisted(place) => Start::Unlisted(Position::from_bits(place)),
            Self::Lost => Start::Lost,
            Self::Time(time) => Start::Time(time),
            Self::Tail(count) => Start::Tail(count),
        }
    }
}

fn freeze_backlog(backlog: &Backlog) -> FrozenBacklog {
    let (added, id) = match &backlog.purpose {
        Purpose::Opening => (false, None),
        Purpose::Added(id) => (true, id.as_ref().map(|id| id.get().to_owned())),
    };
    let names = backlog.names.iter().map(|name| name.to_string()).collect();
    FrozenBacklog { names, start: FrozenStart::freeze(backlog.start), added, id }
}

fn thaw_backlog(frozen: FrozenBacklog) -> Option<Backlog> {
    let id = match frozen.id {
        Some(id) => Some(RawValue::from_string(id).ok()?),
        None => None,
    };
    Some(Backlog {
        names: frozen.names.into_iter().map(String::into_boxed_str).collect(),
        start: frozen.start.thaw(),
        purpose: if frozen.added { Purpose::Added(id) } else { Purpose::Opening },
    })
}
