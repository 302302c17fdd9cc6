//! What a server says, decoded as a client would: events, lines, frames, documents.

use std::io::Read as _;

use codec::deflate::{GZIP_HEAD, inflate};
use codec::sse;
use codec::ws::{Opcode, RSV1, decode_header};
use exchange::hub::{Cursors, EVERYBODY, Position, Read};
use flate2::read::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use multiplexor_wait::exchange;
use serde_json::Value;
use transport::codec;

use super::CHANNELS;

/// One thing a client is told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A message's number; its channels, where they are told; its cursor, where it is told.
    Message(usize, Vec<usize>, Option<Position>),
    Cursor(Position),
    /// The connection is up, and its client may say what it wants.
    Welcome(Position),
    /// Something of these is gone; empty: of any.
    Gap(Vec<usize>),
    Deleted(usize),
    /// The message at this place was taken back from a channel; its own cursor, where it is told.
    TakenBack(usize, Position, Option<Position>),
    Subscribed(Page),
    Unsubscribed(Vec<usize>),
    /// A long poll's answer ends.
    Answered,
    Close(u16),
    Nothing,
}

/// A page of a backlog.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) names: Vec<usize>,
    /// Messages with their channels.
    pub(crate) messages: Vec<(usize, Vec<usize>)>,
    /// What was taken back: the channel and the place.
    pub(crate) taken: Vec<(usize, Position)>,
    pub(crate) cursor: Position,
    pub(crate) more: bool,
    /// Something is gone.
    pub(crate) gap: bool,
}

/// A gzip stream without an end, as a client inflates it that keeps what came before.
pub(crate) struct Gzip {
    /// Bytes of the head that have not come yet.
    head_left: usize,
    state: Decompress,
    /// What was in it, and is not understood yet.
    pub(crate) plain: Vec<u8>,
}

impl Gzip {
    pub(crate) fn new() -> Self {
        Self { head_left: GZIP_HEAD.len(), state: Decompress::new(false), plain: Vec::new() }
    }

    /// Takes bytes as they came.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>) {
        let head = self.head_left.min(bytes.len());
        let at = GZIP_HEAD.len() - self.head_left;
        assert_eq!(bytes.drain(..head).collect::<Vec<u8>>(), GZIP_HEAD[at..at + head]);
        self.head_left -= head;
        let start = self.state.total_in();
        loop {
            self.plain.reserve(4_096);
            let done = usize::try_from(self.state.total_in() - start).unwrap();
            let before = (done, self.plain.len());
            let status = self.state.decompress_vec(&bytes[done..], &mut self.plain, FlushDecompress::Sync);
            // Without room or input it says so; there is no last block.
            assert!(matches!(status, Ok(Status::Ok | Status::BufError)), "{status:?}");
            let done = usize::try_from(self.state.total_in() - start).unwrap();
            if (done, self.plain.len()) == before {
                assert_eq!(done, bytes.len(), "all of it is inflated");
                break;
            }
        }
        bytes.clear();
    }
}

/// Reads cursors.
#[derive(Clone, Copy)]
pub(crate) struct Places(pub(crate) Cursors);

impl Places {
    pub(crate) fn read(self, text: &str) -> Position {
        match self.0.read(text) {
            Some(Read::Here(position)) => position,
            other => panic!("{text} is no cursor: {other:?}"),
        }
    }

    /// What a JSON text says.
    pub(crate) fn object(self, text: &[u8]) -> Said {
        if let Ok(number) = str::from_utf8(text).unwrap().trim_start().parse() {
            return Said::Message(number, Vec::new(), None);
        }
        let value: Value = serde_json::from_slice(text).expect("it is JSON");
        if let Some(taken) = value.get("deleted_message") {
            let (channel, place) = self.taken(taken);
            return Said::TakenBack(channel, place, value["cursor"].as_str().map(|text| self.read(text)));
        }
        if value.get("data").is_some() {
            let (number, channels) = message(&value);
            return Said::Message(number, channels, value["cursor"].as_str().map(|text| self.read(text)));
        }
        if let Some(names) = value.get("subscribed") {
            return Said::Subscribed(Page {
                names: many(names),
                messages: items(&value["messages"], false).map(message).collect(),
                taken: items(&value["messages"], true)
                    .map(|item| self.taken(&item["deleted_message"]))
                    .collect(),
                cursor: self.read(value["cursor"].as_str().expect("a page has a cursor")),
                more: value["more"] == true,
                gap: value["gap"] == true,
            });
        }
        if let Some(names) = value.get("unsubscribed") {
            return Said::Unsubscribed(many(names));
        }
        if value["gap"] == true {
            return Said::Gap(vec![one(&value["channel"])]);
        }
        if let Some(name) = value.get("deleted") {
            return Said::Deleted(one(name));
        }
        if let Some(cursor) = value.get("cursor") {
            return Said::Cursor(self.read(cursor.as_str().unwrap()));
        }
        assert!(value.get("pong").is_some(), "{value}");
        Said::Nothing
    }

    /// The lines of a stream.
    pub(crate) fn lines(self, bytes: &mut Vec<u8>) -> Vec<Said> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = bytes.drain(..whole).collect();
        let line = |line: &[u8]| if line.is_empty() { Said::Nothing } else { self.object(line) };
        lines.split_inclusive(|byte| *byte == b'\n').map(|text| line(&text[..text.len() - 1])).collect()
    }

    /// The events of an event stream, with each cursor that a blank line made valid.
    pub(crate) fn events(self, reader: &mut sse::SseReader, bytes: &mut Vec<u8>) -> Vec<Said> {
        let mut said = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (mut told, before) = (Vec::new(), reader.last_id().to_owned());
            reader.push(piece, &mut told).expect("events are short");
            let cursor = (reader.last_id() != before).then(|| self.read(reader.last_id()));
            for event in told {
                let value = || -> Value { serde_json::from_slice(&event.data).expect("it is JSON") };
                said.push(match (&*event.event, cursor) {
                    ("gap", None) => Said::Gap(many(&value()["channels"])),
                    ("deleted", None) => Said::Deleted(one(&value()["channel"])),
                    ("deleted-message", Some(_)) => {
                        let (channel, place) = self.taken(&value());
                        Said::TakenBack(channel, place, None)
                    }
                    ("message" | "multiplexor", Some(cursor)) => match self.object(&event.data) {
                        Said::Message(number, channels, None) => {
                            Said::Message(number, channels, Some(cursor))
                        }
                        Said::Message(number, channels, Some(own)) if own == cursor => {
                            Said::Message(number, channels, Some(cursor))
                        }
                        other => panic!("no event says {other:?}"),
                    },
                    // A heartbeat repeats the cursor that its reader has.
                    ("cursor", _) => match self.object(&event.data) {
                        Said::Cursor(place) if place == self.read(reader.last_id()) => Said::Cursor(place),
                        other => panic!("no event `cursor` says {other:?}"),
                    },
                    (name, cursor) => panic!("an event {name} with {cursor:?}"),
                });
            }
            if let (Some(cursor), false) =
                (cursor, matches!(said.last(), Some(Said::Message(_, _, at)) if *at == cursor))
            {
                said.push(Said::Cursor(cursor));
            }
        }
        bytes.clear();
        said
    }

    /// The frames of a WebSocket; each that is compressed is inflated without what came before.
    pub(crate) fn frames(self, bytes: &mut Vec<u8>, takes_deflate: bool) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some((header, head_len)) = decode_header(bytes).expect("frames of ours are right") {
            let len = head_len + usize::try_from(header.len).unwrap();
            if bytes.len() < len {
                break;
            }
            let frame: Vec<u8> = bytes.drain(..len).collect();
            let is_deflated = header.rsv == RSV1 && takes_deflate && header.opcode == Opcode::Text;
            assert!(header.fin && (header.rsv == 0 || is_deflated) && header.mask.is_none());
            let mut payload = frame[head_len..].to_vec();
            if is_deflated {
                payload = inflate(&payload, 1 << 20).expect("a frame is inflated by itself");
            }
            said.push(match (header.opcode, &payload[..]) {
                (Opcode::Text, text) => self.object(text),
                (Opcode::Close, [high, low, ..]) => Said::Close(u16::from_be_bytes([*high, *low])),
                (Opcode::Ping | Opcode::Pong | Opcode::Close, _) => Said::Nothing,
                (opcode, _) => panic!("{opcode:?} came"),
            });
        }
        said
    }

    /// The answer to a long poll, when it is whole: what it tells, and its status.
    pub(crate) fn answer(self, bytes: &mut Vec<u8>) -> Option<(u16, Vec<Said>)> {
        let (status, head_len, head) = head(bytes)?;
        let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let len = head_len + value("Content-Length").map_or(0, |len| len.parse::<usize>().unwrap());
        if bytes.len() < len {
            return None;
        }
        let answer: Vec<u8> = bytes.drain(..len).collect();
        let mut body = answer[head_len..].to_vec();
        if value("Content-Encoding") == Some("gzip") {
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("a document is whole");
            body = plain;
        }
        let cursor = value("Multiplexor-Cursor").map(|text| self.read(text));
        let mut said = match (status, cursor) {
            (200, Some(cursor)) => match self.object(&body) {
                Said::Message(number, channels, None) => vec![Said::Message(number, channels, Some(cursor))],
                other => panic!("a raw answer says {other:?}"),
            },
            (204, Some(cursor)) => vec![Said::Cursor(cursor)],
            (200, None) => self.document(&serde_json::from_slice(&body).expect("it is JSON")),
            _ => Vec::new(),
        };
        if value("Multiplexor-Gap").is_some() {
            said.insert(0, Said::Gap(Vec::new()));
        }
        said.push(Said::Answered);
        Some((status, said))
    }

    /// The channel and the place of a message that was taken back.
    fn taken(self, value: &Value) -> (usize, Position) {
        (one(&value["channel"]), self.read(value["cursor"].as_str().expect("its cursor")))
    }

    fn document(self, value: &Value) -> Vec<Said> {
        let mut said = Vec::new();
        if value["gap"] == true {
            said.push(Said::Gap(Vec::new()));
        }
        for item in value["messages"].as_array().unwrap() {
            if item.get("data").is_none() {
                said.push(self.object(item.to_string().as_bytes()));
                continue;
            }
            let (number, channels) = message(item);
            said.push(Said::Message(number, channels, Some(self.read(item["cursor"].as_str().unwrap()))));
        }
        said.push(Said::Cursor(self.read(value["cursor"].as_str().unwrap())));
        said.extend(value.get("deleted").map(|name| Said::Deleted(one(name))));
        said
    }
}

/// The status of an answer, the length of its head, and the head as text, when all of it is there.
pub(crate) fn head(bytes: &[u8]) -> Option<(u16, usize, String)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("heads are text");
    Some((head[9..12].parse().expect("a status"), end, head))
}

fn message(value: &Value) -> (usize, Vec<usize>) {
    let channels = value.get("channels").map_or_else(|| vec![one(&value["channel"])], many);
    (usize::try_from(value["data"].as_u64().expect("payloads are numbers")).unwrap(), channels)
}

/// Messages of a page, or else what was taken back.
fn items(messages: &Value, are_taken: bool) -> impl Iterator<Item = &Value> {
    let all = messages.as_array().expect("a list").iter();
    all.filter(move |item| item.get("deleted_message").is_some() == are_taken)
}

fn many(names: &Value) -> Vec<usize> {
    names.as_array().unwrap().iter().map(one).collect()
}

fn one(name: &Value) -> usize {
    number_of(name.as_str().expect("a name is text"))
}

/// The number of the channel of this name.
pub(crate) fn number_of(name: &str) -> usize {
    if name == EVERYBODY {
        return CHANNELS;
    }
    name.strip_prefix('c').expect("a name of ours").parse().unwrap()
}
