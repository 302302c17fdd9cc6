//! What a waiting client is told besides live messages: beginnings, pages, heartbeats, gaps, ends.

use codec::{http, sse, ws};
use dialect::hub::{Cursors, Position, Visible, WallTime};
use dialect::multiplexor::Words;
use dialect::native::{PageEnd, Paths};
use dialect::{Classic, Cors, Problem, multiplexor, native};
use serde_json::value::RawValue;

use crate::answer;
use crate::{Coder, Coding, Conn, Pages, Phase, Shape};

/// The beginning of a wait.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Up to here the client is owed nothing.
    pub cursor: Position,
    /// Channels of which something it was owed is gone.
    pub gaps: &'a [&'a str],
    /// After how many milliseconds a browser that lost its connection should come back.
    pub retry_ms: u32,
}

/// A message with its matches: indices into its targets.
#[derive(Debug)]
pub struct Part<'a> {
    /// The message, which the client may see.
    pub message: Visible<'a>,
    /// The targets this client listens to.
    pub matches: &'a [usize],
}

/// What the answer to a long poll tells besides its messages.
#[derive(Debug)]
pub struct PollEnd<'a> {
    /// Up to here the client is then owed nothing.
    pub cursor: Position,
    /// Something it was owed is gone.
    pub gap: bool,
    /// A channel that was deleted while the client waited. A raw poll has no word for it.
    pub deleted: Option<&'a str>,
}

impl Conn {
    /// The first words of a stream, after its head: gaps, then the cursor, with reconnect advice.
    pub fn open(&self, opening: &Opening<'_>, cursors: Cursors, out: &mut Vec<u8>) {
        // Before the cursor: that may be past the gap, and the connection may break in between.
        self.gaps(opening.gaps, out);
        match self.shape {
            Shape::SseObject | Shape::SseBare => self.stored(out, |out| {
                sse::encode_retry(opening.retry_ms, out);
                write_cursor_event(opening.cursor, cursors, out);
            }),
            Shape::WsRaw | Shape::StreamRaw => {}
            _ => self.heartbeat(opening.cursor, cursors, out),
        }
    }

    /// Tells that messages of these channels are gone. A bare stream has no words for it.
    pub fn gaps(&self, channels: &[&str], out: &mut Vec<u8>) {
        if channels.is_empty() {
            return;
        }
        match self.shape {
            Shape::SseObject | Shape::SseBare => {
                let mut data = b"{\"channels\":".to_vec();
                native::write_strings(channels, &mut data);
                data.push(b'}');
                let event = sse::Event { id: None, event: Some("gap"), data: Some(&data) };
                self.stored(out, |out| sse::encode(&event, out));
            }
            Shape::StreamObject | Shape::WsObject | Shape::WsRaw => {
                for channel in channels {
                    self.say(|text| native::write_gap(channel, text), out);
                }
            }
            Shape::StreamRaw
            | Shape::PollObject
            | Shape::PollRaw
            | Shape::Multiplexor
            | Shape::Realplexor => {}
        }
    }

    /// Repeats the cursor, so that the connection is seen to live.
    pub fn heartbeat(&self, cursor: Position, cursors: Cursors, out: &mut Vec<u8>) {
        match self.shape {
            Shape::SseObject | Shape::SseBare => {
                self.stored(out, |out| write_cursor_event(cursor, cursors, out));
            }
            Shape::StreamObject | Shape::WsObject => {
                self.say(|text| native::write_cursor(cursor, cursors, text), out)
            }
            Shape::StreamRaw => self.stored(out, |out| out.push(b'\n')),
            Shape::WsRaw => ws::encode_frame(ws::Opcode::Ping, &[], out),
            Shape::PollObject | Shape::PollRaw | Shape::Multiplexor | Shape::Realplexor => {}
        }
    }

    /// Tells that a channel was deleted and is listened to no longer.
    pub fn deleted(&self, channel: &str, out: &mut Vec<u8>) {
        match self.shape {
            Shape::SseObject | Shape::SseBare => {
                let mut data = b"{\"channel\":".to_vec();
                native::write_string(channel, &mut data);
                data.push(b'}');
                let event = sse::Event { id: None, event: Some("deleted"), data: Some(&data) };
                self.stored(out, |out| sse::encode(&event, out));
            }
            Shape::StreamObject | Shape::WsObject | Shape::WsRaw => {
                self.say(|text| native::write_deleted(channel, text), out);
            }
            Shape::StreamRaw
            | Shape::PollObject
            | Shape::PollRaw
            | Shape::Multiplexor
            | Shape::Realplexor => {}
        }
    }

    /// Tells that the time of the credentials is over; the end follows.
    pub fn expired(&self, out: &mut Vec<u8>) {
        match self.shape {
            Shape::SseObject | Shape::SseBare => {
                let event = sse::Event { id: None, event: Some("expired"), data: Some(b"{}") };
                self.stored(out, |out| sse::encode(&event, out));
            }
            Shape::StreamObject | Shape::WsObject | Shape::WsRaw => self.say(native::write_expired, out),
            Shape::StreamRaw
            | Shape::PollObject
            | Shape::PollRaw
            | Shape::Multiplexor
            | Shape::Realplexor => {}
        }
    }

    /// Tells that a WebSocket goes on by another token.
    pub fn renewed(&self, expires: Option<WallTime>, id: Option<&RawValue>, out: &mut Vec<u8>) {
        self.say(|text| native::write_renewed(expires, id, text), out);
    }

    /// A page of a backlog, as if it came live.
    pub fn page<'a>(
        &self,
        parts: impl Iterator<Item = Part<'a>>,
        cursors: Cursors,
        pages: &mut Pages,
        out: &mut Vec<u8>,
    ) {
        let mut coder = Coder::of_pages(self.coding, pages);
        if self.shape.is_ws() {
            parts.for_each(|part| self.shape.render(part.message, part.matches, cursors, &mut coder, out));
            return;
        }
        // A page is compressed as a whole.
        let mut plain = Coder::stored(Coding::Identity);
        let mut parts = parts.peekable();
        if parts.peek().is_some() {
            coder.stream(out, |out| {
                parts
                    .for_each(|part| self.shape.render(part.message, part.matches, cursors, &mut plain, out));
            });
        }
    }

    /// A long poll's answer. Of several messages a raw poll gives the first, with its cursor.
    pub fn poll_answer<'a>(
        &self,
        mut parts: impl Iterator<Item = Part<'a>>,
        end: PollEnd<'_>,
        cursors: Cursors,
        cors: Cors<'_>,
        pages: &mut Pages,
        out: &mut Vec<u8>,
    ) {
        let coder = &mut Coder::of_pages(self.coding, pages);
        if self.shape == Shape::PollRaw {
            match parts.next() {
                // The mark comes with a payload, so that the client gets on: alone it would be told again and
                // again to whoever listens to several channels, one of them trimmed further.
                Some(part) => answer::poll_raw(part.message.message(), end.gap, cursors, cors, coder, out),
                None => answer::poll_raw_empty(&end, cursors, cors, out),
            }
            return;
        }
        let object = |part: Part<'a>| {
            let mut object = Vec::with_capacity(part.message.payload().data().len() + 96);
            native::write_told(&part.message, part.matches, cursors, &mut object);
            object
        };
        let objects: Vec<Vec<u8>> = parts.map(object).collect();
        answer::poll_document(&objects, &end, cursors, cors, coder, out);
    }

    /// A page of the backlog of channels added to a live WebSocket.
    pub fn added<'a>(
        &self,
        names: &[Box<str>],
        parts: impl Iterator<Item = Part<'a>>,
        end: PageEnd,
        id: Option<&RawValue>,
        cursors: Cursors,
        out: &mut Vec<u8>,
    ) {
        let messages = parts.map(|part| (part.message.message(), part.matches));
        self.say(|text| native::write_subscribed(names, messages, end, id, cursors, text), out);
    }

    /// A live message for a WebSocket that is still owed the backlog of other channels. It carries no cursor: that
    /// would speak for the backlog, too.
    pub fn uncovered(&self, part: &Part<'_>, cursors: Cursors, out: &mut Vec<u8>) {
        match self.shape {
            Shape::WsObject => {
                self.say(|text| native::write_uncovered(&part.message, part.matches, cursors, text), out)
            }
            // No other shape's clients add channels; a raw one's frames never have a cursor.
            shape => shape.render(part.message, part.matches, cursors, &mut Coder::stored(self.coding), out),
        }
    }

    /// The answer to `unsubscribe`.
    pub fn removed(&self, names: &[Box<str>], id: Option<&RawValue>, out: &mut Vec<u8>) {
        self.say(|text| native::write_unsubscribed(names, id, text), out);
    }

    /// The answer to `ping`.
    pub fn pong(&self, value: &RawValue, out: &mut Vec<u8>) {
        self.say(|text| native::write_pong(value, text), out);
    }

    /// Tells a live WebSocket that something could not be done.
    pub fn error(&self, problem: &Problem, id: Option<&RawValue>, out: &mut Vec<u8>) {
        self.say(|text| native::write_error(problem, id, text), out);
    }

    /// The last words before the server ends the connection: of a WebSocket why; of a stream in chunks, where the
    /// client is not to come back for the rest, the last chunk. Without that it sees a cut, as at a drain it is to.
    pub fn farewell(&mut self, code: u16, reason: &str, out: &mut Vec<u8>) {
        if self.phase == Phase::Waiting && self.shape.is_ws() {
            ws::encode_close(code, reason, out);
        } else if self.phase == Phase::Waiting && self.coding.is_chunked() && FINAL.contains(&code) {
            out.extend_from_slice(http::LAST_CHUNK);
        }
        self.phase = Phase::Closing;
    }

    /// The answer to whoever took too long for a request; nothing for whoever said nothing, or nothing that
    /// is a request.
    pub fn too_late(&mut self, paths: &Paths) -> Vec<u8> {
        let late = self.is_mid_request();
        self.phase = Phase::Closing;
        if !late {
            return Vec::new();
        }
        let input = self.extra.as_ref().map(|extra| &extra.input[..]).unwrap_or_default();
        let classic = match self.classic {
            Classic::None => false,
            Classic::Multiplexor => multiplexor::whose(input, paths.all(), None) == Some(Words::Classic),
            Classic::Realplexor => true,
        };
        if classic && !multiplexor::is_like_http(input) {
            return Vec::new();
        }
        let problem =
            Problem::new(408, "request-timeout", "the request did not come in time; send it whole at once");
        answer::answer(&problem.into(), true, false, Cors::default())
    }

    /// Puts a JSON text where this shape has a place for one: a line, or a text frame.
    fn say(&self, write: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        if self.shape.is_ws() {
            let mut text = Vec::new();
            write(&mut text);
            ws::encode_frame(ws::Opcode::Text, &text, out);
        } else {
            self.stored(out, |out| {
                write(out);
                out.push(b'\n');
            });
        }
    }

    /// Appends to a stream what is short, or for this client alone.
    fn stored(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        Coder::stored(self.coding).stream(out, write);
    }
}

/// All is said; the time of the credentials is over.
const FINAL: [u16; 2] = [1000, 1008];

/// A cursor as an event. Nobody hears one of this name, but Firefox keeps an id only where an event comes with it, and
/// who looks at no names finds JSON.
fn write_cursor_event(cursor: Position, cursors: Cursors, out: &mut Vec<u8>) {
    let (mut id, mut data) = (Vec::with_capacity(16), Vec::with_capacity(32));
    cursors.write(cursor, &mut id);
    native::write_cursor(cursor, cursors, &mut data);
    sse::encode(&sse::Event { id: Some(&id), event: Some("cursor"), data: Some(&data) }, out);
}
