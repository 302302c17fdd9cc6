//! What is known of a connection as plain data, for whoever goes on with it. Neither its socket nor its channels are in it,
//! nor what a client wants of whom somebody is asked: such a connection is handed over when the answer has come.

use std::collections::HashSet;

use codec::http::{self, Body};
use codec::ws;
use dialect::hub::limits::CHANNELS_MAX;
use dialect::hub::{Position, Resume, Start, addressed, presence_of};
use dialect::native::Remark;
use dialect::{Classic, DialectSet, PageOrigin};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::conn::{Extra, Manner, Upload};
use crate::limits::{
    AHEAD_LEN_MAX, BODY_LEN_MAX, FRAGMENTS_MAX, HEAD_LEN_MAX, INPUT_LEN_MAX, MESSAGE_LEN_MAX,
};
use crate::receive::HTTP_LIMITS;
use crate::{Backlog, Coding, Conn, Ending, Outbox, Phase, Purpose, Shape};

/// A connection's state in the protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// What a poll's answer says of the request.
    remark: u8,
    last: u64,
    /// The origin of the page, where it is listed by a pattern.
    origin: Option<String>,
    input: Vec<u8>,
    upload: Option<FrozenUpload>,
    /// The rest of a frame that is half sent, and the frames behind it.
    half_sent: Vec<u8>,
    unsent: Vec<u8>,
    message: Option<FrozenMessage>,
    backlog: Option<FrozenBacklog>,
    /// Milliseconds until what has begun to come must be whole.
    deadline_left_ms: Option<u64>,
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
struct FrozenBacklog {
    names: Vec<String>,
    start: FrozenStart,
    added: bool,
    id: Option<String>,
}

/// Where the next page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum FrozenStart {
    Now,
    Everything,
    After(u64),
    Unlisted(u64),
    Lost,
    Time(u64),
    Tail(u32),
    More([u64; 7]),
}

impl Conn {
    /// Freezes the connection at this moment of the clock that its deadline goes by. `None`: somebody is asked about what its
    /// client wants, and whoever waits for the answer finishes it.
    pub fn freeze(&self, now_ms: u64) -> Option<Frozen> {
        if self.phase == Phase::Asking {
            return None;
        }
        let extra = self.extra.as_deref();
        let (half_sent, unsent) = extra.map(|extra| extra.outbox.freeze()).unwrap_or_default();
        // Of who is closed nothing is looked at any more.
        let heard = extra.filter(|_| self.phase != Phase::Closing);
        let waiting = extra.filter(|_| self.phase == Phase::Waiting);
        Some(Frozen {
            phase: self.phase as u8,
            shape: self.shape as u8,
            deflate: self.coding.deflates(),
            chunked: self.coding.is_chunked(),
            dialects: self.dialects.to_bits(),
            close: self.close,
            head_only: self.manner == Manner::Head,
            page: self.page.to_bits(),
            heartbeat_s: self.heartbeat_s,
            remark: match self.manner {
                Manner::Head => Remark::NOTHING,
                Manner::Whole(remark) => remark,
            }
            .to_bits(),
            last: self.last.to_bits(),
            origin: extra.and_then(|extra| extra.origin.as_deref()).map(str::to_owned),
            input: heard.map(|extra| extra.input.clone()).unwrap_or_default(),
            upload: heard.and_then(|extra| extra.upload.as_ref()).map(FrozenUpload::freeze),
            half_sent,
            unsent,
            message: waiting.and_then(|extra| extra.reader.freeze()).map(FrozenMessage::freeze),
            backlog: waiting.and_then(|extra| extra.backlog.as_ref()).map(FrozenBacklog::freeze),
            deadline_left_ms: extra
                .and_then(|extra| extra.deadline_ms)
                .map(|deadline_ms| deadline_ms.saturating_sub(now_ms)),
        })
    }

    /// The connection that was frozen, by the clock of whoever goes on with it; `None`: the data are none of ours.
    pub fn thaw(frozen: Frozen, now_ms: u64) -> Option<Self> {
        let phases = [Phase::Request, Phase::Waiting, Phase::Closing];
        let remark = Remark::from_bits(frozen.remark);
        let mut conn = Self {
            phase: phases.into_iter().find(|phase| *phase as u8 == frozen.phase)?,
            shape: Shape::from_number(frozen.shape)?,
            coding: Coding::new(frozen.deflate, frozen.chunked),
            dialects: DialectSet::from_bits(frozen.dialects)?,
            close: frozen.close,
            manner: if frozen.head_only { Manner::Head } else { Manner::Whole(remark) },
            page: PageOrigin::from_bits(frozen.page),
            heartbeat_s: frozen.heartbeat_s,
            last: Position::from_bits(frozen.last),
            extra: None,
        };
        let upload = match frozen.upload {
            Some(upload) => Some(upload.thaw()?),
            None => None,
        };
        let message = match frozen.message {
            Some(message) => Some(message.thaw()?),
            None => None,
        };
        let backlog = match frozen.backlog {
            Some(backlog) => Some(backlog.thaw()?),
            None => None,
        };
        let extra = Extra {
            input: frozen.input,
            upload,
            outbox: Outbox::thaw(&frozen.half_sent, frozen.unsent),
            reader: ws::FrameReader::thaw(message),
            backlog,
            parked: None,
            deadline_ms: frozen.deadline_left_ms.map(|left_ms| now_ms.saturating_add(left_ms)),
            origin: frozen.origin.map(Into::into),
        };
        conn.extra = Some(Box::new(extra));
        conn.tidy();
        conn.is_sound().then_some(conn)
    }

    /// Whether a connection can come to this state.
    fn is_sound(&self) -> bool {
        let whose = self.shape.dialect();
        let is_ours = whose == Classic::None || self.dialects.iter().any(|one| one == whose);
        let Some(extra) = &self.extra else { return is_ours && self.last <= Position::END };
        let is_live_ws = self.is_live() && self.shape.is_ws();
        let may_read_on = match extra.backlog.as_ref().map(|backlog| &backlog.purpose) {
            None => true,
            Some(Purpose::Opening) => self.phase == Phase::Waiting && self.shape.ending() == Ending::Stream,
            Some(Purpose::Added(_)) => self.is_live(),
        };
        is_ours
            && self.last <= Position::END
            && may_read_on
            && (extra.upload.is_none() || self.phase == Phase::Request)
            && (extra.reader.held_bytes() == 0 || is_live_ws)
            && extra.input.len() <= INPUT_LEN_MAX.max(HEAD_LEN_MAX + AHEAD_LEN_MAX)
    }
}

impl FrozenUpload {
    fn freeze(upload: &Upload) -> Self {
        Self { head: upload.head.clone(), bytes: upload.bytes.clone(), body: upload.body.freeze() }
    }

    fn thaw(self) -> Option<Upload> {
        http::decode(&self.head, &HTTP_LIMITS).ok().flatten()?;
        let body = Body::thaw(self.body)?;
        (self.bytes.len() <= BODY_LEN_MAX).then_some(Upload { head: self.head, body, bytes: self.bytes })
    }
}

impl FrozenMessage {
    fn freeze(partial: ws::FrozenPartial) -> Self {
        Self {
            text: partial.opcode == ws::Opcode::Text,
            deflated: partial.deflated,
            bytes: partial.bytes,
            fragments: partial.fragments as u64,
        }
    }

    fn thaw(self) -> Option<ws::FrozenPartial> {
        let fragments = usize::try_from(self.fragments).ok().filter(|count| *count <= FRAGMENTS_MAX)?;
        let opcode = if self.text { ws::Opcode::Text } else { ws::Opcode::Binary };
        let Self { deflated, bytes, .. } = self;
        (bytes.len() <= MESSAGE_LEN_MAX).then_some(ws::FrozenPartial { opcode, deflated, bytes, fragments })
    }
}

impl FrozenBacklog {
    fn freeze(backlog: &Backlog) -> Self {
        let (added, id) = match &backlog.purpose {
            Purpose::Opening => (false, None),
            Purpose::Added(id) => (true, id.as_ref().map(|id| id.get().to_owned())),
        };
        let names = backlog.names.iter().map(|name| name.to_string()).collect();
        Self { names, start: FrozenStart::freeze(backlog.start), added, id }
    }

    fn thaw(self) -> Option<Backlog> {
        let id = match self.id {
            Some(id) => Some(RawValue::from_string(id).ok()?),
            None => None,
        };
        are_names(&self.names).then_some(())?;
        Some(Backlog {
            names: self.names.into_iter().map(String::into_boxed_str).collect(),
            start: self.start.thaw()?,
            purpose: if self.added { Purpose::Added(id) } else { Purpose::Opening },
        })
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
            Start::More(resume) => Self::More(resume.to_numbers()),
        }
    }

    fn thaw(self) -> Option<Start> {
        Some(match self {
            Self::Now => Start::Now,
            Self::Everything => Start::Everything,
            Self::After(place) => Start::After(Position::from_bits(place)),
            Self::Unlisted(place) => Start::Unlisted(Position::from_bits(place)),
            Self::Lost => Start::Lost,
            Self::Time(time) => Start::Time(time),
            Self::Tail(count) => Start::Tail(count),
            Self::More(numbers) => Start::More(Resume::of_numbers(numbers)?),
        })
    }
}

/// Whether these are channels that a client can read from, each once.
fn are_names(names: &[String]) -> bool {
    let mut seen = HashSet::new();
    let is_readable = |name: &String| match name.strip_prefix('$') {
        Some(_) => addressed(name).is_some() || presence_of(name).is_some_and(|name| !name.is_empty()),
        None => !name.is_empty(),
    };
    let listened = names.iter().filter(|name| addressed(name).is_none()).count();
    listened <= CHANNELS_MAX && names.iter().all(|name| is_readable(name) && seen.insert(name))
}
