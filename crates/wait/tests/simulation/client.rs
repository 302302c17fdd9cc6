//! A client of the simulation: it connects, reads as fast as it likes, breaks off, and comes back with
//! the last cursor it saw. Everything it is told is held against the model.

use std::collections::BTreeSet;

use exchange::hub::Position;
use multiplexor_wait::exchange;
use testkit::kernel::{SimPeer, World};
use testkit::seeds::Chance;
use testkit::wire::{get, text_frame};
use transport::codec::http::{Body, BodyFraming};
use transport::codec::sse;
use transport::{Ending, Shape};

use super::model::Model;
use super::said::{Gzip, Page, Places, Said, head};
use super::session::{Owed, Session};
use super::telegraph::{self, Lines};

pub(crate) struct Client {
    pub(crate) shape: Shape,
    places: Places,
    channels: usize,
    /// It speaks TLS.
    tls: bool,
    /// What it wants to listen to when it connects again.
    wants: BTreeSet<usize>,
    cursor: Option<Position>,
    pub(crate) line: Option<Line>,
    /// It reads nothing for the time being.
    pub(crate) stopped: bool,
    /// It takes compressed messages.
    compresses: bool,
}

/// A connection.
pub(crate) struct Line {
    pub(crate) peer: SimPeer,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    /// The head of a stream has come.
    begun: bool,
    /// All history was asked for, not what follows a place.
    everything: bool,
    /// It spoke HTTP/1.0.
    old: bool,
    /// What a stream in chunks comes through, and what was in them.
    chunks: Option<Body>,
    stream: Vec<u8>,
    /// What a compressed stream comes through.
    gzip: Option<Gzip>,
    reader: sse::SseReader,
    /// Of the telegraph: where it is in what it is told.
    lines: Lines,
    pub(crate) session: Session,
    /// The last message of the backlog of channels being added; `None`: no page of it has come.
    added_last: Option<usize>,
    /// A page of that backlog has come, and another is to follow: no cursor but a page's is told meanwhile.
    paging: bool,
    /// All history of the added channels was asked for.
    added_all: bool,
    /// A command was sent and is not answered.
    asking: bool,
}

impl Client {
    pub(crate) fn new(shape: Shape, compresses: bool, places: Places, channels: usize, tls: bool) -> Self {
        let wants = BTreeSet::new();
        Self { shape, places, channels, tls, wants, cursor: None, line: None, stopped: false, compresses }
    }

    /// Chooses other channels for the next connection.
    pub(crate) fn choose(&mut self, chance: &mut Chance, most: usize) {
        self.wants = chance.some(self.channels, most).into_iter().collect();
    }

    /// Connects and asks.
    pub(crate) fn connect(&mut self, world: &World, chance: &mut Chance, listener: usize, model: &Model) {
        let peer =
            if self.tls { SimPeer::connect_tls(world, listener) } else { SimPeer::connect(world, listener) };
        let session = Session::new(Position::START, self.hears_taken());
        self.line = Some(Line {
            peer,
            unsent: Vec::new(),
            unread: Vec::new(),
            begun: false,
            everything: false,
            old: false,
            chunks: None,
            stream: Vec::new(),
            gzip: None,
            reader: sse::SseReader::new(1 << 20),
            lines: Lines::default(),
            session,
            added_last: None,
            paging: false,
            added_all: false,
            asking: false,
        });
        self.ask(chance, model);
    }

    /// Whether it comes back with a cursor: raw streams and frames tell none.
    fn resumes(&self) -> bool {
        !matches!(self.shape, Shape::StreamRaw | Shape::WsRaw)
    }

    /// Whether it is told that a message was taken back: bare payloads have no words for it.
    fn hears_taken(&self) -> bool {
        !matches!(self.shape, Shape::StreamRaw | Shape::WsRaw | Shape::PollRaw)
    }

    /// Says hello. When it is welcome, it says what it wants.
    fn say_hello(&mut self, model: &Model) {
        let (everybody, hears_taken) = (self.channels, self.hears_taken());
        let line = self.line.as_mut().expect("it is connected");
        line.session = Session::new(Position::START, hears_taken);
        line.session.live = [(everybody, Owed::from_now(model, everybody))].into();
        line.unsent.extend(b"HELLO\n");
    }

    /// Is welcome, and joins its channels from where it was.
    fn join_again(&mut self, chance: &mut Chance, model: &Model) {
        let names: Vec<usize> = self.wants.iter().copied().collect();
        let all = self.cursor.is_none() && chance.once_in(3);
        self.join(model, &names, self.cursor, all);
        let line = self.line.as_mut().expect("it is connected");
        line.session.comes_back = true;
    }

    /// Joins channels: from this cursor on, from the beginning, or from now on.
    fn join(&mut self, model: &Model, names: &[usize], since: Option<Position>, all: bool) {
        let line = self.line.as_mut().expect("it is connected");
        let owed = |channel: &usize| match since {
            Some(since) => (*channel, Owed::after(model, *channel, since)),
            None => (*channel, Owed::from_now(model, *channel)),
        };
        line.session.adding = names.iter().map(owed).collect();
        (line.asking, line.added_all, line.added_last) = (true, all, None);
        let since = since.map(|since| self.places.0.text(since));
        let since = since.as_deref().or_else(|| all.then_some("0"));
        if self.shape == Shape::Guest {
            line.unsent.extend(telegraph::join(names, since).into_bytes());
            return;
        }
        let names: Vec<String> = names.iter().map(|channel| format!("\"c{channel}\"")).collect();
        let from = match since {
            Some("0") => ",\"since\":0".to_owned(),
            Some(since) => format!(",\"since\":\"{since}\""),
            None => String::new(),
        };
        line.unsent.extend(text_frame(&format!("{{\"subscribe\":[{}]{from}}}", names.join(","))));
    }

    /// Says from where it wants to wait on its channels.
    fn ask(&mut self, chance: &mut Chance, model: &Model) {
        if self.shape == Shape::Guest {
            return self.say_hello(model);
        }
        let cursor = self.cursor.filter(|_| self.resumes());
        let everything = cursor.is_none() && self.resumes() && chance.once_in(3);
        let names: Vec<String> = self.wants.iter().map(|channel| format!("c{channel}")).collect();
        let mut query = match self.shape {
            Shape::SseObject => "?envelope=1&transport=sse",
            Shape::SseBare => "?raw=1&transport=sse",
            Shape::StreamObject => "?transport=stream",
            Shape::StreamRaw => "?transport=stream&raw=1",
            Shape::PollObject => "?transport=poll",
            Shape::PollRaw => "?transport=poll&raw=1",
            Shape::WsObject => "?transport=ws",
            Shape::WsRaw => "?transport=ws&raw=1",
            Shape::Dklab | Shape::Realplexor => unreachable!("they have tests of their own"),
            Shape::Guest => unreachable!("it speaks no HTTP"),
        }
        .to_owned();
        let mut headers = String::new();
        if self.shape.is_ws() {
            headers += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
            headers += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        }
        if self.compresses {
            headers += match self.shape.is_ws() {
                true => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
                false => "Accept-Encoding: gzip\r\n",
            };
        }
        if let Some(cursor) = cursor.map(|cursor| self.places.0.text(cursor)) {
            if chance.once_in(2) {
                headers += &format!("Last-Event-ID: {cursor}\r\n");
            } else {
                query += &format!("&since={cursor}");
            }
        } else if everything {
            query += "&since=0";
        }
        if chance.once_in(8) {
            query += "&wait=0"; // which polls heed
        }
        if chance.once_in(4) {
            query += "&heartbeat=1"; // which all others heed
        }
        let request = if self.shape.is_ws() || chance.once_in(2) {
            get(&format!("/sub/{}{query}", names.join(",")), &headers)
        } else {
            let body = names.join("\n");
            let len = body.len();
            format!("POST /sub/{query} HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {len}\r\n\r\n{body}")
        };
        let old = !self.shape.is_ws() && self.shape.ending() != Ending::OnePoll && chance.once_in(4);
        let request = if old { testkit::wire::old(&request) } else { request };
        let owed = |channel: &usize| match cursor {
            Some(cursor) => (*channel, Owed::after(model, *channel, cursor)),
            None => (*channel, Owed::from_now(model, *channel)),
        };
        let hears_taken = self.hears_taken();
        let line = self.line.as_mut().expect("it is connected");
        line.session = Session::new(cursor.unwrap_or(Position::START), hears_taken);
        line.session.live = self.wants.iter().chain([&self.channels]).map(owed).collect();
        (line.everything, line.old) = (everything, old);
        line.unsent.extend(request.into_bytes());
    }

    /// Sends at most so many bytes of what it has to say. True: it did.
    pub(crate) fn send(&mut self, most: usize) -> bool {
        let Some(line) = &mut self.line else { return false };
        let len = most.min(line.unsent.len());
        line.peer.send(line.unsent.drain(..len).collect::<Vec<u8>>());
        len > 0
    }

    /// Reads at most so many bytes. True: something happened.
    pub(crate) fn read(&mut self, chance: &mut Chance, most: usize, model: &Model) -> bool {
        let Some(line) = &mut self.line else { return false };
        // Half a record is nothing to be read yet, but more follows.
        let some = line.peer.unread() > 0;
        let bytes = line.peer.take_some(most);
        line.unread.extend(bytes);
        self.understand(chance, model);
        if self.line.as_ref().is_some_and(|line| line.peer.is_ended()) {
            self.leave();
            return true;
        }
        some
    }

    /// Gives the connection up.
    pub(crate) fn leave(&mut self) {
        if let Some(line) = self.line.take() {
            line.peer.hang_up();
            self.remember(&line);
        }
    }

    /// Loses the connection.
    pub(crate) fn reset(&mut self) {
        if let Some(line) = self.line.take() {
            line.peer.reset();
            self.remember(&line);
        }
    }

    /// Cut in the middle of a backlog, it comes back for all its channels by the last cursor that was told.
    fn remember(&mut self, line: &Line) {
        // Who has not been told what it came back for is owed it still.
        let comes_back = line.session.comes_back && !line.session.adding.is_empty();
        if comes_back && !line.paging {
            return;
        }
        if self.resumes() && line.session.cursor > Position::START {
            self.cursor = Some(line.session.cursor);
        }
        if line.paging {
            self.wants.extend(line.session.live.keys().chain(line.session.adding.keys()));
            self.wants.remove(&self.channels);
        }
    }

    /// Changes its channels in place, if it can.
    pub(crate) fn command(&mut self, chance: &mut Chance, model: &Model) {
        let Some(line) = self.line.as_mut().filter(|line| line.begun && !line.asking) else { return };
        if !self.shape.hears() {
            return;
        }
        let (live, others): (Vec<usize>, Vec<usize>) =
            (0..self.channels).partition(|channel| line.session.live.contains_key(channel));
        let is_guest = self.shape == Shape::Guest;
        if chance.once_in(8) {
            line.unsent.extend(if is_guest { b"PING\r\n".to_vec() } else { text_frame("{\"ping\":1}") });
        } else if others.is_empty() || (live.len() > 1 && chance.once_in(2)) {
            line.asking = true;
            let name = chance.of(&live);
            let frame = || text_frame(&format!("{{\"unsubscribe\":[\"c{name}\"]}}"));
            line.unsent.extend(if is_guest { telegraph::leave(&[name]).into_bytes() } else { frame() });
        } else {
            let chosen: Vec<usize> = chance.some(others.len(), 2).into_iter().map(|n| others[n]).collect();
            let (since, how) = (line.session.cursor, chance.below(3));
            let since = (how == 0 && since > Position::START).then_some(since);
            self.join(model, &chosen, since, how == 1);
        }
    }

    fn understand(&mut self, chance: &mut Chance, model: &Model) {
        let Some(line) = &mut self.line else { return };
        if self.shape.ending() == Ending::OnePoll {
            if let Some((status, said)) = self.places.answer(&mut line.unread) {
                assert!(matches!(status, 200 | 204 | 408), "the answer is {status}");
                self.hear(chance, said, model);
            }
            return;
        }
        if !line.begun && self.shape != Shape::Guest {
            let Some((status, len, head)) = head(&line.unread) else { return };
            line.unread.drain(..len);
            if status == 408 {
                line.unread.clear();
                return;
            }
            assert!(matches!(status, 200 | 101), "the answer is {status}");
            line.begun = true;
            let name = if self.shape.is_ws() {
                "Sec-WebSocket-Extensions: permessage"
            } else {
                "Content-Encoding: gzip"
            };
            assert_eq!(head.contains(name), self.compresses, "{head}");
            line.gzip = (self.compresses && !self.shape.is_ws()).then(Gzip::new);
            let is_chunked = head.contains("\r\nTransfer-Encoding: chunked\r\n");
            assert_eq!(is_chunked, !line.old && !self.shape.is_ws(), "{head}");
            line.chunks = is_chunked.then(|| Body::new(BodyFraming::Chunked));
            if matches!(self.shape, Shape::StreamRaw | Shape::WsRaw) {
                line.session.live.iter_mut().for_each(|(channel, owed)| owed.at_most(model.count(*channel)));
            }
        }
        let bytes = match &mut line.chunks {
            Some(chunks) => {
                let done =
                    chunks.decode(&line.unread, &mut line.stream, usize::MAX).expect("chunks are right");
                assert_eq!(done.0, line.unread.len(), "nothing follows the last chunk");
                line.unread.clear();
                &mut line.stream
            }
            None => &mut line.unread,
        };
        let bytes = match &mut line.gzip {
            Some(gzip) => {
                gzip.take(bytes);
                &mut gzip.plain
            }
            None => bytes,
        };
        let said = match self.shape {
            Shape::SseObject | Shape::SseBare => self.places.events(&mut line.reader, bytes),
            Shape::StreamObject | Shape::StreamRaw => self.places.lines(bytes),
            Shape::Guest => line.lines.take(self.places, bytes),
            _ => self.places.frames(bytes, self.compresses),
        };
        self.hear(chance, said, model);
    }

    fn hear(&mut self, chance: &mut Chance, said: Vec<Said>, model: &Model) {
        for fact in said {
            let Some(line) = &mut self.line else { return };
            if std::mem::take(&mut line.everything) {
                line.session.live.iter_mut().for_each(|(channel, owed)| match *channel == self.channels {
                    // What was for everybody before it came is not its history.
                    true => owed.at_most(model.count(*channel)),
                    false => owed.history(model.forgotten(*channel)),
                });
            }
            match fact {
                Said::Message(number, channels, cursor) => {
                    assert!(cursor.is_none_or(|cursor| cursor == model.position(number)));
                    line.session.message(model, number, &channels);
                    let is_covered = !matches!(self.shape, Shape::StreamRaw | Shape::WsRaw);
                    assert!(cursor.is_some() || !is_covered || !line.session.adding.is_empty());
                    assert!(cursor.is_none() || !line.paging, "a cursor speaks for a backlog under way");
                    cursor.inspect(|cursor| line.session.cursor(model, *cursor));
                }
                Said::Cursor(position) => {
                    assert!(!line.paging, "a cursor speaks for a backlog under way");
                    line.session.cursor(model, position);
                }
                Said::Welcome(position) => {
                    line.begun = true;
                    line.session.cursor(model, position);
                    self.join_again(chance, model);
                }
                Said::Gap(channels) => {
                    let all = || line.session.live.keys().copied().collect();
                    let channels = if channels.is_empty() { all() } else { channels };
                    Session::gap(&mut line.session.live, model, &channels);
                }
                Said::TakenBack(channel, place, cursor) => {
                    line.session.taken_back(model, channel, place);
                    assert!(cursor.is_none() || !line.paging, "a cursor speaks for a backlog under way");
                    cursor.inspect(|cursor| line.session.cursor(model, *cursor));
                }
                Said::Deleted(channel) => line.session.deleted(model, channel),
                Said::Subscribed(page) => line.added(model, &page),
                Said::Unsubscribed(names) => {
                    line.asking = false;
                    line.session.live.retain(|channel, _| !names.contains(channel));
                    line.session.leave(&names);
                    self.wants =
                        line.session.live.keys().copied().filter(|name| *name != self.channels).collect();
                    if self.wants.is_empty() {
                        self.wants.insert(names[0]);
                    }
                }
                Said::Answered => {
                    self.cursor = Some(line.session.cursor).filter(|cursor| *cursor > Position::START);
                    if line.peer.is_ended() || chance.once_in(8) {
                        self.leave();
                    } else {
                        self.ask(chance, model);
                    }
                }
                Said::Close(code) => {
                    // 1001: it had its time. 1008: half a command was sent, and the rest of it not in time.
                    assert!(matches!(code, 1000 | 1001 | 1008 | 1013), "closed with {code}");
                    self.leave();
                }
                Said::Nothing => {}
            }
        }
    }
}

impl Line {
    /// A page of the backlog of channels that are added; with the last one they are live.
    fn added(&mut self, model: &Model, page: &Page) {
        let session = &mut self.session;
        assert!(self.asking && page.names.iter().all(|name| session.adding.contains_key(name)));
        if std::mem::take(&mut self.added_all) {
            session.adding.iter_mut().for_each(|(channel, owed)| owed.history(model.forgotten(*channel)));
        }
        if page.gap {
            // Later pages name no channels.
            let names: Vec<usize> = session.adding.keys().copied().collect();
            Session::gap(&mut session.adding, model, &names);
        }
        for (number, channels) in &page.messages {
            assert!(self.added_last < Some(*number), "a backlog is in order");
            self.added_last = Some(*number);
            session.backlog(model, *number, channels);
        }
        page.taken.iter().for_each(|(channel, place)| session.taken_back(model, *channel, *place));
        session.page_end(model, page.cursor);
        self.paging = page.more;
        if !page.more {
            self.asking = false;
            session.comes_back = false;
            session.live.append(&mut session.adding);
        }
    }

    /// Whether everything it had to say is said.
    pub(crate) fn has_asked(&self) -> bool {
        self.unsent.is_empty()
    }
}
