//! One waiting client: what it says, and what the bytes that come mean. Knows no socket.

use codec::http::{Body, BodyFraming};

use crate::answer::{decode, decode_head};
use crate::compression::{Broken, Packed, PackedCoding};
use crate::marker::{Stamp, scan};
use crate::plan::{ClientTransport, Plan};
use crate::template::{Fill, Template};
use crate::track::Track;

/// What a client remembers between two reads.
#[derive(Debug, Default)]
pub(crate) struct ClientState {
    pub(crate) track: Track,
    /// Messages sent while it was away, which it is owed when it comes back.
    pub(crate) missed: u32,
    /// The last cursor it was told, where the request asks for one.
    cursor: Box<str>,
    /// Bytes that make sense only with those to come.
    held: Box<[u8]>,
    /// What a stream in chunks comes through.
    chunks: Option<Body>,
    stage: ClientStage,
}

/// What came out of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// The server has accepted the request; streams only.
    Ready,
    /// A message.
    Mark(Stamp),
    /// An answer is complete: ask again, on a new connection if it says so.
    Again { reconnect: bool },
    /// The request was refused, or what came is no answer.
    Refused(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ClientStage {
    /// The head of the answer is awaited.
    #[default]
    Head,
    /// Messages come.
    Live,
    /// Compressed ones do; of a gzip stream perhaps its head first.
    Packed { coding: PackedCoding, at_head: bool },
}

/// What all clients of a worker share.
#[derive(Debug)]
pub(crate) struct ClientOptions {
    transport: ClientTransport,
    request: Template,
    host: String,
    headers: String,
    name_len: usize,
    /// What fills `{value}`: client n has the one at n, from the first on again where there are fewer.
    values: Vec<Box<str>>,
}

impl ClientOptions {
    /// As the plan says, with the lines of its file.
    pub(crate) fn new(plan: &Plan, values: Vec<Box<str>>) -> Self {
        let request = Template::new(&plan.target.path);
        let (host, mut headers) = (plan.target.host.clone(), plan.headers.clone());
        if plan.compressed {
            headers.push_str(if plan.transport == ClientTransport::Ws { OFFER_OF_FRAMES } else { OFFER });
        }
        Self { transport: plan.transport, request, host, headers, name_len: plan.name_len, values }
    }

    /// What client `number` of all has for itself.
    fn value(&self, number: u32) -> &str {
        let at = (number as usize).checked_rem(self.values.len());
        at.map_or("", |at| &self.values[at])
    }

    /// Whether a client that comes back says where it was.
    pub(crate) fn resumes(&self) -> bool {
        self.request.has_cursor()
    }

    /// Whether a client counts as waiting when it has asked, since nobody answers yet.
    pub(crate) fn is_ready_at_once(&self) -> bool {
        self.transport == ClientTransport::Poll
    }
}

impl ClientState {
    /// Begins a connection or a poll of client `number` of all anew: appends the request.
    pub(crate) fn ask(&mut self, manner: &ClientOptions, number: u32, channel: u32, out: &mut Vec<u8>) {
        self.stage = ClientStage::Head;
        self.held = Box::default();
        self.chunks = None;
        out.extend_from_slice(b"GET ");
        let fill = Fill {
            channel,
            name_len: manner.name_len,
            cursor: &self.cursor,
            value: manner.value(number),
            payload: b"",
        };
        manner.request.fill(&fill, out);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(manner.host.as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(manner.headers.as_bytes());
        out.extend_from_slice(match manner.transport {
            ClientTransport::Sse => b"Accept: text/event-stream\r\n\r\n".as_slice(),
            ClientTransport::Stream => b"Accept: application/x-ndjson\r\n\r\n",
            ClientTransport::Poll => b"\r\n",
            ClientTransport::Ws => {
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: bXVsdGlwbGV4b3IgYmVuYw==\r\n\r\n"
            }
        });
    }

    /// Whether it knows where it is, so that it is owed what it misses.
    pub(crate) fn can_resume(&self) -> bool {
        !self.cursor.is_empty()
    }

    /// Takes bytes as they came, and tells what they say.
    pub(crate) fn take(
        &mut self,
        manner: &ClientOptions,
        packed: &mut Packed,
        bytes: &[u8],
        mut tell: impl FnMut(ReadOutcome),
    ) {
        let held = std::mem::take(&mut self.held);
        let (joined, data);
        let bytes = match &mut self.chunks {
            None => bytes,
            Some(chunks) => {
                let Some(plain) = unchunked(chunks, bytes) else {
                    return tell(ReadOutcome::Refused(GARBLED.to_owned()));
                };
                data = plain;
                &data
            }
        };
        let bytes = if held.is_empty() {
            bytes
        } else {
            joined = [&held, bytes].concat();
            &joined
        };
        if manner.transport == ClientTransport::Poll {
            return self.take_answers(manner, packed, bytes, &mut tell);
        }
        self.take_stream(manner, packed, bytes, &mut tell);
    }

    fn take_stream(
        &mut self,
        manner: &ClientOptions,
        packed: &mut Packed,
        bytes: &[u8],
        tell: &mut impl FnMut(ReadOutcome),
    ) {
        let data;
        let mut rest = bytes;
        if self.stage == ClientStage::Head {
            let expected = if manner.transport == ClientTransport::Ws { 101 } else { 200 };
            match decode_head(bytes) {
                Ok(None) => return self.held = bytes.into(),
                Ok(Some(head)) if head.status == expected => {
                    rest = &bytes[head.len..];
                    if head.framing == Some(BodyFraming::Chunked) {
                        let mut chunks = Body::new(BodyFraming::Chunked);
                        match unchunked(&mut chunks, rest) {
                            Some(plain) => data = plain,
                            None => return tell(ReadOutcome::Refused(GARBLED.to_owned())),
                        }
                        rest = &data;
                        self.chunks = Some(chunks);
                    }
                    self.stage = match head.coding {
                        PackedCoding::Plain => ClientStage::Live,
                        coding => ClientStage::Packed { coding, at_head: true },
                    };
                }
                Ok(Some(head)) => return tell(ReadOutcome::Refused(format!("status {}", head.status))),
                Err(_) => return tell(ReadOutcome::Refused("what came is no HTTP answer".to_owned())),
            }
            tell(ReadOutcome::Ready);
        }
        if let ClientStage::Packed { coding, mut at_head } = self.stage {
            let each = |plain: &[u8]| self.hear(manner, plain, tell);
            let done = match coding {
                PackedCoding::Frames => packed.frames(rest, each),
                _ => packed.stream(rest, &mut at_head, each),
            };
            self.stage = ClientStage::Packed { coding, at_head };
            return match done {
                Ok(done) if done < rest.len() => self.held = rest[done..].into(),
                Ok(_) => {}
                Err(Broken) => tell(ReadOutcome::Refused(UNREADABLE.to_owned())),
            };
        }
        let mut done = rest.len();
        if manner.resumes() {
            // Only whole lines are looked at; a frame of WebSocket ends with its object.
            let end = if manner.transport == ClientTransport::Ws { b'}' } else { b'\n' };
            done = memchr::memrchr(end, rest).map_or(0, |at| at + 1);
            self.remember(manner, &rest[..done]);
        }
        done = scan(&rest[..done], |mark| tell(ReadOutcome::Mark(mark))).min(done);
        if done < rest.len() {
            self.held = rest[done..].into();
        }
    }

    /// What is whole.
    fn hear(&mut self, manner: &ClientOptions, plain: &[u8], tell: &mut impl FnMut(ReadOutcome)) {
        scan(plain, |mark| tell(ReadOutcome::Mark(mark)));
        self.remember(manner, plain);
    }

    fn take_answers(
        &mut self,
        manner: &ClientOptions,
        packed: &mut Packed,
        bytes: &[u8],
        tell: &mut impl FnMut(ReadOutcome),
    ) {
        match decode(bytes) {
            Ok(None) => self.held = bytes.into(),
            Ok(Some((head, _))) if head.status >= 300 => {
                tell(ReadOutcome::Refused(format!("status {}", head.status)));
            }
            Ok(Some((head, len))) => {
                let body = &bytes[head.len..len];
                let plain = if head.coding == PackedCoding::Gzip { packed.document(body) } else { Ok(body) };
                match plain {
                    Ok(plain) => self.hear(manner, plain, tell),
                    Err(Broken) => return tell(ReadOutcome::Refused(UNREADABLE.to_owned())),
                }
                tell(ReadOutcome::Again { reconnect: !head.keep_alive });
            }
            Err(_) => tell(ReadOutcome::Refused("what came is no HTTP answer".to_owned())),
        }
    }

    /// Keeps the last cursor in these bytes, if the request will need it.
    fn remember(&mut self, manner: &ClientOptions, bytes: &[u8]) {
        if !manner.resumes() {
            return;
        }
        let (begin, end): (&[u8], u8) = match manner.transport {
            ClientTransport::Sse => (b"id: ", b'\n'),
            _ => (b"\"cursor\":\"", b'"'),
        };
        let Some(at) = memchr::memmem::rfind(bytes, begin) else { return };
        let value = &bytes[at + begin.len()..];
        let Some(len) = memchr::memchr(end, value) else { return };
        if let Ok(cursor) = str::from_utf8(&value[..len]) {
            self.cursor = cursor.trim_end().into();
        }
    }
}

/// What was in the chunks; `None`: they are none.
fn unchunked(chunks: &mut Body, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::with_capacity(bytes.len());
    chunks.decode(bytes, &mut data, usize::MAX).ok()?;
    Some(data)
}

const GARBLED: &str = "what came is no chunked body";
const OFFER: &str = "Accept-Encoding: gzip\r\n";
const OFFER_OF_FRAMES: &str = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
    client_no_context_takeover\r\n";
const UNREADABLE: &str = "what came cannot be inflated message by message";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::marker::write_payload;
    use crate::plan::{Endpoint, Schedule};

    fn manner(transport: ClientTransport, path: &str) -> ClientOptions {
        let plan = Plan {
            transport,
            target: Endpoint { path: path.to_owned(), ..Endpoint::parse("http://127.0.0.1:1").unwrap() },
            schedule: Schedule::new(1, false),
            compressed: false,
            headers: String::new(),
            name_len: 0,
            connect_rate: 0.0,
            pending_max: 1,
            sources: 0,
            by_reset: true,
            values: None,
        };
        ClientOptions::new(&plan, vec!["one".into(), "two".into()])
    }

    fn payload(number: u32) -> String {
        let mut out = Vec::new();
        write_payload(Stamp { number, sent_ns: 1 }, 40, &mut out);
        String::from_utf8(out).unwrap()
    }

    /// However the bytes are cut in two, the same is told; and `request` is what is asked next.
    fn check(transport: ClientTransport, path: &str, wire: &str, expected: &[ReadOutcome], request: &str) {
        let manner = manner(transport, path);
        for cut in 0..=wire.len() {
            let (mut client, mut told, mut out) = (ClientState::default(), Vec::new(), Vec::new());
            client.ask(&manner, 5, 7, &mut out);
            for part in [&wire[..cut], &wire[cut..]] {
                client.take(&manner, &mut Packed::default(), part.as_bytes(), |one| told.push(one));
            }
            assert_eq!(told, expected, "cut at {cut}");
            out.clear();
            client.ask(&manner, 5, 7, &mut out);
            let line = String::from_utf8(out).unwrap().lines().next().unwrap().to_owned();
            assert_eq!(line, request, "cut at {cut}");
        }
    }

    fn mark(number: u32) -> ReadOutcome {
        ReadOutcome::Mark(Stamp { number, sent_ns: 1 })
    }

    #[test]
    fn an_event_stream_is_read_at_every_cut() {
        let (one, two) = (payload(1), payload(2));
        let wire = format!("HTTP/1.1 200 OK\r\n\r\nid: a\n\nid: b\ndata: {one}\n\nid: c\ndata: {two}\n\n");
        let expected = [ReadOutcome::Ready, mark(1), mark(2)];
        check(
            ClientTransport::Sse,
            "/sub/{ch}?since={cursor}",
            &wire,
            &expected,
            "GET /sub/c7?since=c HTTP/1.1",
        );
        check(ClientTransport::Sse, "/sub/{ch}", &wire, &expected, "GET /sub/c7 HTTP/1.1");
    }

    #[test]
    fn a_stream_in_chunks_is_read_at_every_cut() {
        let (one, two) = (payload(1), payload(2));
        let mut wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for text in
            ["id: a\n\n".to_owned(), format!("id: b\ndata: {one}\n\nid: c\nda"), format!("ta: {two}\n\n")]
        {
            let start = wire.len();
            wire.extend(text.into_bytes());
            codec::http::enclose_chunk(start, &mut wire);
        }
        let (wire, path) = (String::from_utf8(wire).unwrap(), "/sub/{ch}?since={cursor}");
        check(
            ClientTransport::Sse,
            path,
            &wire,
            &[ReadOutcome::Ready, mark(1), mark(2)],
            "GET /sub/c7?since=c HTTP/1.1",
        );
    }

    #[test]
    fn objects_are_read_at_every_cut() {
        let (one, two) = (payload(1), payload(2));
        let wire = format!(
            "{{\"cursor\":\"a\"}}\n{{\"cursor\":\"b\",\"data\":\"{one}\"}}\n{{\"cursor\":\"c\",\"data\":\"{two}\"}}\n"
        );
        let expected = [ReadOutcome::Ready, mark(1), mark(2)];
        let path = "/{ch}/{cursor}";
        let stream = format!("HTTP/1.1 200 OK\r\n\r\n{wire}");
        check(ClientTransport::Stream, path, &stream, &expected, "GET /c7/c HTTP/1.1");
        let ws = format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n{wire}");
        check(ClientTransport::Ws, path, &ws, &expected, "GET /c7/c HTTP/1.1");
    }

    #[test]
    fn a_poll_asks_again_when_its_answer_is_whole() {
        let body = format!("{{\"cursor\":\"b\",\"messages\":[{}]}}", payload(1));
        let wire = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let expected = [mark(1), ReadOutcome::Again { reconnect: false }];
        check(ClientTransport::Poll, "/{ch}?since={cursor}", &wire, &expected, "GET /c7?since=b HTTP/1.1");
        let wire = wire.replace("Content", "Connection: close\r\nContent");
        let expected = [mark(1), ReadOutcome::Again { reconnect: true }];
        check(ClientTransport::Poll, "/{ch}", &wire, &expected, "GET /c7 HTTP/1.1");
    }

    #[test]
    fn each_asks_with_what_it_has() {
        let manner = manner(ClientTransport::Sse, "/{ch}?token={value}");
        for (number, line) in
            [(0, "GET /c7?token=one "), (1, "GET /c7?token=two "), (2, "GET /c7?token=one ")]
        {
            let mut out = Vec::new();
            ClientState::default().ask(&manner, number, 7, &mut out);
            assert!(out.starts_with(line.as_bytes()), "{number}");
        }
    }

    #[test]
    fn a_refusal_is_told() {
        let wire = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        for transport in
            [ClientTransport::Sse, ClientTransport::Ws, ClientTransport::Stream, ClientTransport::Poll]
        {
            let (mut client, mut told) = (ClientState::default(), Vec::new());
            client
                .take(&manner(transport, "/"), &mut Packed::default(), wire.as_bytes(), |one| told.push(one));
            assert_eq!(told, [ReadOutcome::Refused("status 404".to_owned())]);
        }
    }
}
