//! A device of a user: it comes by one transport or another, falls behind, breaks off, and comes back with its cursor. If it
//! asks who is there, it has exactly the users of each room at every cursor that it is told.

use std::collections::{BTreeMap, BTreeSet};

use exchange::hub::Read;
use multiplexor_wait::exchange;
use serde_json::Value;
use testkit::kernel::{SimPeer, World};
use testkit::seeds::Chance;
use testkit::wire::{poll, sse, stream, text_frame, websocket};
use transport::codec::sse::SseReader;

use super::model::{Model, Set};
use super::told::{Told, document, events, frames, lines};
use super::{ROOMS, name_of};

pub(crate) struct Client {
    /// Its user and what proves that; none: it is anonymous.
    pub(crate) user: Option<(String, String)>,
    /// It reads nothing for the time being.
    pub(crate) stopped: bool,
    /// It wants to be where it is, and goes of itself no more.
    pub(crate) steady: bool,
    pub(crate) line: Option<Line>,
    /// Where it wants to be when it comes again.
    wants: BTreeSet<usize>,
    /// The users of the rooms of which it has a whole list.
    pub(crate) sets: BTreeMap<usize, Set>,
    cursor: Option<String>,
}

/// A connection.
pub(crate) struct Line {
    pub(crate) peer: SimPeer,
    way: Way,
    /// It asks who is there.
    pub(crate) watches: bool,
    pub(crate) rooms: BTreeSet<usize>,
    /// Since when it is surely registered, and where; nowhere as far as one knows.
    sure: (u64, BTreeSet<usize>),
    unsent: Vec<u8>,
    unread: Vec<u8>,
    begun: bool,
    reader: SseReader,
    /// Pages of lists of which more is to come.
    pages: BTreeMap<usize, Set>,
    /// A command was sent and is not answered.
    asking: bool,
    /// Of the answer that is being read: whose list comes at its end.
    listed: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Sse,
    Stream,
    WebSocket,
    Poll,
}

impl Client {
    pub(crate) fn new(user: Option<(String, String)>, chance: &mut Chance) -> Self {
        let wants = chance.some(ROOMS, ROOMS).into_iter().collect();
        let (sets, cursor) = Default::default();
        Self { user, stopped: false, steady: false, line: None, wants, sets, cursor }
    }

    /// Connects by any transport, and asks.
    pub(crate) fn connect(&mut self, world: &World, chance: &mut Chance, shards: usize, model: &mut Model) {
        if !self.steady && chance.once_in(4) {
            self.wants = chance.some(ROOMS, ROOMS).into_iter().collect();
        }
        let way = chance.of(&[Way::Sse, Way::Stream, Way::WebSocket, Way::Poll]);
        self.line = Some(Line {
            peer: SimPeer::connect(world, chance.index(shards)),
            way,
            watches: !chance.once_in(4),
            rooms: BTreeSet::new(),
            sure: Default::default(),
            unsent: Vec::new(),
            unread: Vec::new(),
            begun: false,
            reader: SseReader::new(1 << 20),
            pages: BTreeMap::new(),
            asking: false,
            listed: Vec::new(),
        });
        self.ask(chance, model);
    }

    fn ask(&mut self, chance: &mut Chance, model: &mut Model) {
        let Some(line) = &mut self.line else { return };
        let names: Vec<String> = self.wants.iter().map(|room| name_of(*room)).collect();
        let mut target = format!("/sub/{}?heartbeat=5", names.join(","));
        if line.watches {
            target += "&presence=1";
            self.sets.retain(|room, _| self.wants.contains(room));
        } else {
            self.sets.clear();
        }
        if let Some((user, token)) = &self.user {
            target += &format!("&token={token}");
            self.wants.iter().for_each(|room| model.asks(*room, user));
        }
        if chance.once_in(6) {
            // It has forgotten all it knew, as a page does that is loaded again.
            (self.cursor, self.sets) = Default::default();
        }
        if let Some(cursor) = &mut self.cursor {
            let knows_all = self.wants.iter().all(|room| self.sets.contains_key(room));
            if line.watches && !knows_all {
                cursor.replace_range(..1, "p");
            }
            if cursor.starts_with('p') {
                self.sets.clear();
            }
            target += &format!("&since={cursor}");
        }
        line.rooms.clone_from(&self.wants);
        line.unsent.extend(match line.way {
            Way::Sse => sse(&target).into_bytes(),
            Way::Stream => stream(&format!("{target}&transport=stream")).into_bytes(),
            Way::WebSocket => websocket(&target).into_bytes(),
            Way::Poll if !self.steady && chance.once_in(5) => poll(&format!("{target}&wait=0")).into_bytes(),
            Way::Poll => poll(&target).into_bytes(),
        });
    }

    /// Sends at most so many bytes of what it has to say. True: it did.
    pub(crate) fn send(&mut self, most: usize) -> bool {
        let Some(line) = &mut self.line else { return false };
        let len = most.min(line.unsent.len());
        line.peer.send(line.unsent.drain(..len).collect::<Vec<u8>>());
        len > 0
    }

    /// Reads at most so many bytes. True: something happened.
    pub(crate) fn read(&mut self, chance: &mut Chance, most: usize, model: &mut Model) -> bool {
        let Some(line) = &mut self.line else { return false };
        let bytes = line.peer.take_some(most);
        let some = !bytes.is_empty();
        line.unread.extend(bytes);
        for told in line.understand() {
            self.hear(told, chance, model);
        }
        if self.line.as_ref().is_some_and(|line| line.peer.is_ended()) {
            self.line = None;
            return true;
        }
        some
    }

    pub(crate) fn is_of(&self, user: &str) -> bool {
        self.user.as_ref().is_some_and(|(own, _)| own == user)
    }

    /// The rooms that it is surely registered in.
    pub(crate) fn surely_in(&self) -> impl Iterator<Item = usize> {
        self.line.iter().flat_map(|line| line.sure.1.iter().copied())
    }

    /// It is not known whether it is registered anywhere.
    pub(crate) fn unsure(&mut self) {
        self.line.iter_mut().for_each(|line| line.sure.1.clear());
    }

    /// It breaks off, in one of several ways.
    pub(crate) fn end(&mut self, how: u64, now: u64, model: &mut Model) {
        self.look(now, model);
        let Some(line) = &mut self.line else { return };
        line.sure.1.clear();
        match how {
            0 => return line.peer.half_close(),
            1 => line.peer.reset(),
            _ => line.peer.hang_up(),
        }
        self.line = None;
    }

    /// So many bytes lie unread before the server's writes block.
    pub(crate) fn narrow(&mut self, bytes: usize, now: u64, model: &mut Model) {
        self.look(now, model);
        let Some(line) = &mut self.line else { return };
        line.peer.set_window(bytes);
        // From now on nobody sees when its connection is answered, or given up.
        line.sure.1.clear();
    }

    /// A WebSocket changes its rooms.
    pub(crate) fn command(&mut self, chance: &mut Chance, now: u64, model: &mut Model) {
        self.look(now, model);
        let Some(line) = &mut self.line else { return };
        if line.way != Way::WebSocket || !line.begun || line.asking {
            return;
        }
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..ROOMS).partition(|room| line.rooms.contains(room));
        line.asking = true;
        let text = if outside.is_empty() || (inside.len() > 1 && chance.once_in(2)) {
            let room = chance.of(&inside);
            line.sure.1.remove(&room);
            format!("{{\"unsubscribe\":[\"{}\"]}}", name_of(room))
        } else {
            let room = chance.of(&outside);
            self.user.iter().for_each(|(user, _)| model.asks(room, user));
            format!("{{\"subscribe\":[\"{}\"],\"presence\":{}}}", name_of(room), line.watches)
        };
        line.unsent.extend(text_frame(&text));
    }

    fn hear(&mut self, told: Told, chance: &mut Chance, model: &mut Model) {
        let Some(line) = &mut self.line else { return };
        match told {
            Told::Page(room, users, more) => {
                assert!(line.watches, "who did not ask is told who is there");
                let all = line.pages.entry(room).or_default();
                assert!(users.iter().all(|user| all.last().is_none_or(|last| last < user)), "by name");
                all.extend(users);
                if !more {
                    self.sets.insert(room, line.pages.remove(&room).unwrap_or_default());
                }
            }
            Told::Change(room, user, joined) => {
                assert!(line.watches, "who did not ask is told of {user}");
                let Some(set) = self.sets.get_mut(&room).filter(|_| !line.listed.contains(&room)) else {
                    return;
                };
                if joined {
                    set.insert(user)
                } else {
                    set.remove(&user)
                };
            }
            Told::Cursor(cursor) => self.cursor(cursor, model),
            Told::Subscribed(rooms, more) => {
                line.rooms.extend(rooms);
                line.asking = more;
                self.wants.clone_from(&line.rooms);
            }
            Told::Unsubscribed(rooms) => {
                line.asking = false;
                line.rooms.retain(|room| !rooms.contains(room));
                self.sets.retain(|room, _| !rooms.contains(room));
                self.wants.clone_from(&line.rooms);
            }
            Told::Answer(rooms) => line.listed = rooms,
            Told::Answered => {
                line.listed.clear();
                if line.peer.is_done() || (!self.steady && chance.once_in(4)) {
                    line.peer.hang_up();
                    self.line = None;
                } else {
                    self.ask(chance, model);
                }
            }
            Told::Closed | Told::Refused => {
                if let Told::Refused = told {
                    let user = self.user.as_ref().map(|(user, _)| user.as_str()).unwrap_or_default();
                    assert!(model.ended_ever(user), "{user} is refused, and nobody ended it");
                }
                line.peer.hang_up();
                self.line = None;
            }
        }
    }

    /// A cursor: who knows who is there knows it exactly.
    fn cursor(&mut self, cursor: String, model: &Model) {
        let Some(line) = &self.line else { return };
        match model.cursors.read(&cursor) {
            Some(Read::Here(place)) => {
                let rooms = line.rooms.iter().filter(|room| !line.listed.contains(room));
                for room in rooms.filter(|_| line.watches && !line.asking) {
                    let expected = model.set_at(*room, place);
                    assert_eq!(
                        self.sets.get(room),
                        Some(expected),
                        "room {room} at {place:?} by {:?}",
                        line.way
                    );
                }
            }
            Some(Read::Unlisted(_)) => assert!(line.watches, "who did not ask is owed a list"),
            other => panic!("{cursor} is {other:?}"),
        }
        self.cursor = Some(cursor);
    }

    /// After a step: where it was surely registered it is still, or was until now.
    pub(crate) fn look(&mut self, now: u64, model: &mut Model) {
        let (Some(line), Some((user, _))) = (&mut self.line, &self.user) else { return };
        // Who has said half a command is given up after a while.
        if line.peer.is_done() || !line.unsent.is_empty() {
            line.sure.1.clear();
        }
        for room in &line.sure.1 {
            model.is_there(*room, user, line.sure.0, now);
        }
    }

    /// All was said, read and done: it is registered where it asked to be.
    pub(crate) fn settled(&mut self, now: u64, model: &mut Model) {
        if let Some(line) = self.line.as_mut().filter(|line| line.rests()) {
            if line.sure.1 != line.rooms {
                line.sure = (now, line.rooms.clone());
            }
            self.look(now, model);
            // Nobody sees when a poll is answered, or a slow reader given up: that may lie on the other side for a while.
            let sees_end = model.keeps_slow_readers;
            if let Some(line) = self.line.as_mut().filter(|line| line.way == Way::Poll || !sees_end) {
                line.sure.1.clear();
            }
        }
    }
}

impl Line {
    fn understand(&mut self) -> Vec<Told> {
        if self.way == Way::Poll {
            return self.answer();
        }
        if !self.begun {
            let Some((status, len)) = head(&self.unread) else { return Vec::new() };
            let head: Vec<u8> = self.unread.drain(..len).collect();
            if status == 408 {
                self.unread.clear();
                return Vec::new();
            }
            if status == 403 {
                self.unread.clear();
                return vec![Told::Refused];
            }
            assert!(matches!(status, 200 | 101), "{} {}", head.escape_ascii(), self.unread.escape_ascii());
            self.begun = true;
        }
        match self.way {
            Way::Sse => events(&mut self.reader, &mut self.unread),
            Way::Stream => lines(&mut self.unread),
            _ => frames(&mut self.unread),
        }
    }

    /// The answer to a long poll, when it is whole.
    fn answer(&mut self) -> Vec<Told> {
        let Some((status, head_len)) = head(&self.unread) else { return Vec::new() };
        let text = String::from_utf8_lossy(&self.unread[..head_len]).into_owned();
        let len = text.split_once("Content-Length: ").map_or("0", |(_, rest)| rest.lines().next().unwrap());
        let whole_len = head_len + len.parse::<usize>().unwrap();
        if self.unread.len() < whole_len {
            return Vec::new();
        }
        let answer: Vec<u8> = self.unread.drain(..whole_len).collect();
        if status == 408 {
            return Vec::new();
        }
        if status == 403 {
            return vec![Told::Refused];
        }
        assert_eq!(status, 200, "{}", answer.escape_ascii());
        let value: Value = serde_json::from_slice(&answer[head_len..]).expect("it is JSON");
        document(&value)
    }

    /// Whether all it had to say is said, and it waits.
    pub(crate) fn rests(&self) -> bool {
        let waits = self.unsent.is_empty() && !self.asking && !self.peer.is_done();
        waits && self.peer.unread() == 0 && self.unread.is_empty() && (self.begun || self.way == Way::Poll)
    }
}

/// The status of an answer and the length of its head, when all of it is there.
fn head(bytes: &[u8]) -> Option<(u16, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some((String::from_utf8_lossy(&bytes[9..12]).parse().expect("a status"), end))
}
