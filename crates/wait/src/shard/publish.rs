//! What clients have said that is not out yet: the application is asked about it, or the store has to keep it first. A
//! shard waits for neither; it finds in its mail that one of them is ready.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

use access::{About, AskedMessage, AuthAnswer, Subject, Verdict};
use exchange::hub::{Millis, Position, Session, ShardId};
use exchange::{Bell, Exchange, Pending, Receipt};
use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use transport::dialect::native::{WARNING, data_of, write_string, write_value};
use transport::dialect::{Answer, Code, NO_STORE, Problem, Speech, Wait};
use transport::{Notice, Phase};

use super::Shard;
use super::speech::{Utterance, Voice, unstored};
use crate::askers::Want;
use crate::kernel::Kernel;
use crate::limits::{SPEAKING_MAX, VERDICTS_PER_TURN};
use crate::questions::{Parking, Waiter, Wanted};

/// What is not out yet.
pub(super) struct Speaking {
    /// What the application is asked about, by ticket.
    pub(super) asked: FxHashMap<u64, PendingQuestion>,
    /// What the store has to keep first, in order.
    stored: VecDeque<(Pending, Waiting)>,
    /// Answers to commands of connections with a backlog under way, for which their cursors would speak.
    late: Vec<(Waiting, Result<Position, Problem>)>,
    bell: Arc<Bell>,
}

/// A message that the application is asked about.
pub(super) struct PendingQuestion {
    utterance: Utterance,
    waiting: Waiting,
}

/// Who waits to hear what became of a message.
struct Waiting {
    waiter: Waiter,
    names: Vec<Box<str>>,
    /// `None`: a request, which its connection keeps.
    command: Option<Option<Box<RawValue>>>,
}

impl Speaking {
    pub(super) fn new(exchange: &Arc<Exchange>, shard: ShardId) -> Self {
        let bell = Arc::new(Bell::new(Arc::clone(exchange), shard));
        Self { asked: FxHashMap::default(), stored: VecDeque::new(), late: Vec::new(), bell }
    }

    /// Whether there is room for one more.
    fn has_room(&self) -> bool {
        self.asked.len() + self.stored.len() + self.late.len() < SPEAKING_MAX
    }

    /// The connections of which something waits.
    pub(super) fn tokens(&self) -> impl Iterator<Item = u64> {
        let asked = self.asked.values().map(|asked| &asked.waiting);
        let others = self
            .stored
            .iter()
            .map(|(_, waiting)| waiting)
            .chain(self.late.iter().map(|(waiting, _)| waiting));
        asked.chain(others).map(|waiting| waiting.waiter.token)
    }

    /// The store has to keep a message first; the bell rings when it has.
    fn await_store(&mut self, mut pending: Pending, waiting: Waiting) {
        let waker = Waker::from(Arc::clone(&self.bell));
        // Whether it is ready by now is looked at where all are.
        let _ = Future::poll(std::pin::Pin::new(&mut pending), &mut Context::from_waker(&waker));
        self.stored.push_back((pending, waiting));
    }
}

impl<K: Kernel> Shard<K> {
    /// Whether there is room for one more that has to wait.
    pub(super) fn check_speaking(&self) -> Result<(), Problem> {
        if self.speaking.has_room() {
            return Ok(());
        }
        let why = "as many messages wait for the store, and for the application, as may; try again soon";
        Err(Problem::new(503, Code::Full, why))
    }

    /// A message has its place: its client is answered, at once or when the store has it.
    pub(super) fn follow(&mut self, index: usize, names: Vec<Box<str>>, voice: Voice, receipt: Receipt) {
        match receipt {
            Receipt::Released(published) => {
                self.answer_speech(index, &names, voice, Ok(published.position));
            }
            Receipt::Ordered(pending) => {
                let waiting = self.keep_waiting(index, names, voice);
                self.speaking.await_store(pending, waiting);
            }
        }
    }

    /// Asks the application whether a message may be said.
    pub(super) fn ask_about(&mut self, index: usize, utterance: Utterance, voice: Voice) {
        let (names, key) = (utterance.names.clone(), utterance.key);
        let user = utterance.session.as_ref().and_then(Session::user);
        let connection = self.exchange.registry().connection_ids().text(self.speaker(index, &utterance));
        let sender = Subject::of(&self.sender(index, &utterance));
        let body = question(&utterance, user, connection.as_str(), self.exchange.wall().millis());
        let ticket = self.asking.ticket();
        let waiter = Waiter { token: self.token(index), ticket };
        // Nobody else may have the answer.
        let subject = Subject::of(&format!("message {} {ticket}", self.id.0));
        let asker = self.asker(index);
        let is_first = self.asking.park(subject, waiter, asker, Wanted::Message) == Parking::First;
        let is_asked =
            is_first && self.ask(subject, asker, About::Message(Arc::new(AskedMessage { sender, body })));
        if !is_asked {
            if is_first {
                self.asking.forget(subject);
            }
            if let Some(key) = key {
                self.exchange.shares().messages.keys.settle(key, None);
            }
            let busy = Wanted::Message.busy();
            return self.answer_speech(index, &names, voice, Err(Problem::new(503, busy.code, busy.detail)));
        }
        self.counters.messages_asked.add(1);
        let waiting = Waiting { waiter, ..self.keep_waiting_for(index, names, voice, ticket) };
        self.speaking.asked.insert(ticket, PendingQuestion { utterance, waiting });
    }

    /// The application has said what becomes of a message.
    pub(super) fn hear_of_message(&mut self, asked: PendingQuestion, verdict: &Verdict) {
        let PendingQuestion { mut utterance, waiting } = asked;
        let key = utterance.key;
        let allowed = match &verdict.said {
            // Whoever was told that nobody answered may have said it again.
            _ if !self.is_awaited(&waiting) => Err(silence()),
            AuthAnswer::Allowed(None) => Ok(()),
            AuthAnswer::Allowed(Some(json)) => changed(json, &mut utterance.speech),
            AuthAnswer::Unanswered(status, denied) => {
                Err(Problem::new(*status, denied.code, denied.detail.clone()))
            }
            _ => Err(silence()),
        };
        // What was so when it was asked may no longer be.
        let allowed = allowed.and_then(|()| self.check_again(&utterance, &waiting));
        let placed = match allowed {
            Ok(()) => self.place(utterance),
            Err(problem) => {
                if let Some(key) = key {
                    self.exchange.shares().messages.keys.settle(key, None);
                }
                Err(problem)
            }
        };
        match placed {
            Ok(Receipt::Ordered(pending)) => self.speaking.await_store(pending, waiting),
            Ok(Receipt::Released(published)) => self.end_waiting(waiting, Ok(published.position)),
            Err(problem) => self.end_waiting(waiting, Err(problem)),
        }
    }

    /// The shard ends: what the application has not said yes to was not said.
    pub(super) fn give_up_asked(&mut self) {
        for (_, asked) in self.speaking.asked.drain() {
            if let Some(key) = asked.utterance.key {
                self.exchange.shares().messages.keys.settle(key, None);
            }
        }
    }

    /// Whether what was asked about may still be said: by who its client is now, or was when it had said so.
    fn check_again(&self, utterance: &Utterance, waiting: &Waiting) -> Result<(), Problem> {
        let before = utterance.session.as_ref();
        let index = self.find(waiting.waiter.token);
        let renewed = index.and_then(|index| self.guests.session(index));
        let renewed = renewed.filter(|now| before.is_some_and(|before| before.user() == now.user()));
        let session = renewed.or(before);
        if session.is_some_and(|session| !session.is_live(self.exchange.wall())) {
            let why = "the time of the credentials that were shown is over; come back with new ones";
            return Err(Problem::new(401, Code::Credentials, why));
        }
        self.check_may_say(session, &utterance.names)
    }

    /// Answers those whose messages the store has, in order.
    pub(super) fn run_speaking(&mut self) {
        // Also where nobody waits any more: it may be rung for one who was answered meanwhile.
        self.speaking.bell.answer();
        for (waiting, outcome) in std::mem::take(&mut self.speaking.late) {
            self.end_waiting(waiting, outcome);
        }
        for _ in 0..VERDICTS_PER_TURN {
            let Some(outcome) = self.speaking.stored.front().and_then(|(pending, _)| pending.look()) else {
                return;
            };
            let Some((_, waiting)) = self.speaking.stored.pop_front() else { return };
            let outcome = outcome.map(|published| published.position).map_err(unstored);
            self.end_waiting(waiting, outcome);
        }
    }

    /// Whether some can be answered now.
    pub(super) fn has_spoken(&self) -> bool {
        self.speaking.stored.front().is_some_and(|(pending, _)| pending.is_done())
            || self.speaking.late.iter().any(|(waiting, _)| !self.has_backlog(waiting))
    }

    /// Whether a cursor of the connection's backlog would speak for an answer.
    fn has_backlog(&self, waiting: &Waiting) -> bool {
        let index = self.find(waiting.waiter.token).filter(|_| waiting.command.is_some());
        index.is_some_and(|index| self.slab[index].conn.has_backlog())
    }

    fn keep_waiting(&mut self, index: usize, names: Vec<Box<str>>, voice: Voice) -> Waiting {
        let ticket = self.asking.ticket();
        self.keep_waiting_for(index, names, voice, ticket)
    }

    /// Whoever said something waits; a request is kept with its connection.
    fn keep_waiting_for(&mut self, index: usize, names: Vec<Box<str>>, voice: Voice, ticket: u64) -> Waiting {
        let waiter = Waiter { token: self.token(index), ticket };
        match voice {
            Voice::Command(id) => Waiting { waiter, names, command: Some(id) },
            Voice::Request(wait) => {
                self.slab[index].conn.park(*wait, Vec::new(), ticket);
                self.set_timer(index, self.settings.verdict_timeout);
                Waiting { waiter, names, command: None }
            }
        }
    }

    /// Whether what becomes of it can still be told. What was said by command is said, though its connection has ended.
    fn is_awaited(&self, waiting: &Waiting) -> bool {
        let Waiter { token, ticket } = waiting.waiter;
        waiting.command.is_some()
            || self.find(token).is_some_and(|index| self.slab[index].conn.is_parked_for(ticket))
    }

    /// What became of it is known.
    fn end_waiting(&mut self, waiting: Waiting, outcome: Result<Position, Problem>) {
        if self.has_backlog(&waiting) {
            self.speaking.late.push((waiting, outcome));
            return;
        }
        let Waiting { waiter, names, command } = waiting;
        let found = match command {
            Some(id) => {
                let index = self.find(waiter.token).filter(|index| self.slab[*index].conn.is_live());
                index.map(|index| (index, Voice::Command(id)))
            }
            None => self.unpark(waiter).map(|(index, wait, _)| (index, Voice::Request(Box::new(wait)))),
        };
        if let Some((index, voice)) = found {
            self.answer_speech(index, &names, voice, outcome);
            self.askers.push(waiter.token, Want::Look);
        }
    }

    /// Tells a client what became of what it said.
    pub(super) fn answer_speech(
        &mut self,
        index: usize,
        names: &[Box<str>],
        voice: Voice,
        outcome: Result<Position, Problem>,
    ) {
        match (voice, outcome) {
            (Voice::Command(id), Ok(at)) => {
                // All that is before it is told first: whoever comes back with its cursor is owed nothing of that.
                self.take_mail();
                if self.visit(index) {
                    let published = Notice::Published { name: &names[0], at, id: id.as_deref() };
                    let mut out = Vec::new();
                    self.slab[index].conn.tell(published, self.cursors, &mut out);
                    self.write(index, &out);
                }
            }
            (Voice::Command(id), Err(problem)) => self.answer_error(index, &problem, names, id.as_deref()),
            (Voice::Request(wait), Ok(at)) => self.answer_request(index, &wait, at),
            (Voice::Request(_), Err(problem)) => {
                self.slab[index].conn.phase = Phase::Waiting;
                self.refuse(index, problem, names);
            }
        }
    }

    /// `{"cursor": C}`, and the same in a header.
    fn answer_request(&mut self, index: usize, wait: &Wait, at: Position) {
        let cursor = self.cursors.text(at);
        let body = format!("{{\"cursor\":\"{cursor}\"}}\n").into_bytes().into();
        let warning = wait.speech.as_ref().and_then(|speech| speech.warning.as_deref());
        let mut exposed = "Multiplexor-Cursor".to_owned();
        let mut headers = vec![("Multiplexor-Cursor", cursor.to_string())];
        if let Some(warning) = warning {
            headers.push((WARNING, warning.to_owned()));
            exposed = format!("{exposed}, {WARNING}");
        }
        headers.push(("Access-Control-Expose-Headers", exposed));
        let answer = Answer { status: 200, content_type: "application/json", cache: NO_STORE, headers, body };
        let action = self.slab[index].conn.answer(&answer, &self.settings.origins);
        self.act(index, action);
    }
}

/// What the application is told of a message: JSON.
fn question(utterance: &Utterance, user: Option<&str>, connection: &str, now: Millis) -> Vec<u8> {
    let mut out = b"{".to_vec();
    let text = |name: &str, value: &str, out: &mut Vec<u8>| {
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        write_string(value, out);
        out.push(b',');
    };
    if let Some(user) = user {
        text("user", user, &mut out);
    }
    text("connection", connection, &mut out);
    text("channel", &utterance.names[0], &mut out);
    if let Some(event) = &utterance.speech.event {
        text("event", event, &mut out);
    }
    let Speech { data, kind, .. } = &utterance.speech;
    let payload = exchange::hub::Payload::new(&data[..], *kind);
    out.extend_from_slice(b"\"data\":");
    write_value(payload.said(), &mut out);
    if *kind == exchange::hub::Kind::Binary {
        out.extend_from_slice(b",\"base64\":true");
    }
    out.extend_from_slice(format!(",\"time\":{}.{:03}}}", now / 1_000, now % 1_000).as_bytes());
    out
}

/// The application says something else in its place.
fn changed(json: &str, speech: &mut Speech) -> Result<(), Problem> {
    let raw: Box<RawValue> = serde_json::from_str(json).map_err(|_| silence())?;
    let (data, kind) = data_of(&raw).map_err(|_| silence())?;
    (speech.data, speech.kind, speech.content_type) = (data, kind, None);
    Ok(())
}

fn silence() -> Problem {
    let why = "the application was asked about the message, and gave no good answer; try again soon";
    Problem::new(503, Code::PublishHook, why)
}
