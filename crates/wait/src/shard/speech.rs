//! What a client says to others: who may, and how much of it; then it gets its place on the path of all messages.

use access::{Subject, Verdict};
use exchange::hub::{Audience, ConnectionId, Door, Payload, Publish, Refused, Right, Session, excerpt};
use exchange::{Hash, PublishError, Receipt, SaidKey, Unstored};
use serde_json::value::RawValue;
use transport::dialect::{Code, Except, PageOrigin, Problem, Speech, Wait};

use super::Shard;
use super::access::Who;
use crate::kernel::Kernel;

/// How a client says something, and so is answered.
#[derive(Debug)]
pub(super) enum Voice {
    /// By a command of a live WebSocket, with this id.
    Command(Option<Box<RawValue>>),
    /// By a request of its own, which is kept while it is not answered.
    Request(Box<Wait>),
}

/// What a client says, which may be said.
#[derive(Debug)]
pub(super) struct Utterance {
    /// To which channels; never empty.
    pub(super) names: Vec<Box<str>>,
    pub(super) speech: Speech,
    /// Which connection is not given it.
    pub(super) except: Option<ConnectionId>,
    pub(super) session: Option<Session>,
    /// Under what its key is kept, where it has one.
    pub(super) key: Option<Hash>,
}

impl<K: Kernel> Shard<K> {
    /// A request wants to publish. `verdict`: what was said of its client when somebody was asked.
    pub(super) fn begin_speech(
        &mut self,
        index: usize,
        wait: Wait,
        head: Vec<u8>,
        verdict: Option<&Verdict>,
    ) {
        match self.admit_speech(index, &wait, verdict) {
            Ok(Who::Session(session)) => {
                let Wait { names, speech: Some(speech), .. } = &wait else { return };
                let (names, speech) = (names.clone(), (**speech).clone());
                // What goes on with it elsewhere must not say it a second time.
                let rest = Speech { data: Vec::new(), ..speech.clone() };
                let wait =
                    Wait { names: Vec::new(), credentials: None, speech: Some(Box::new(rest)), ..wait };
                self.say(index, session, names, speech, Voice::Request(Box::new(wait)));
            }
            Ok(Who::Unknown(subject, about)) => self.park(index, wait, head, subject, about),
            Err(problem) => self.refuse_wait(index, problem, &wait),
        }
    }

    fn admit_speech(&mut self, index: usize, wait: &Wait, verdict: Option<&Verdict>) -> Result<Who, Problem> {
        if wait.names.is_empty() {
            let why =
                "it is not known whether the message was taken; send it again under the same idempotency key";
            return Err(Problem::new(503, Code::Full, why));
        }
        self.check_page_speaks(index)?;
        if wait.speech.as_ref().is_some_and(|speech| speech.is_unproven) {
            let why = "the request comes with a cookie, and without Origin or Sec-Fetch-Site, so it is not known which page \
                       made it; send one of them, or show a token in Authorization";
            return Err(Problem::new(403, Code::Origin, why));
        }
        self.identify(index, wait, verdict)
    }

    /// Whether the page behind a connection may say something, with credentials or without: any site could have its
    /// visitors speak here.
    fn check_page_speaks(&self, index: usize) -> Result<(), Problem> {
        if !matches!(self.slab[index].conn.page, PageOrigin::FOREIGN | PageOrigin::CROSS_SITE) {
            return Ok(());
        }
        let why = "the page behind it is neither of this host nor listed in `origins` of the server, so it may not publish; list \
                   its origin there";
        Err(Problem::new(403, Code::Origin, why))
    }

    /// A client says something: it is answered at once, or when the application and the store have taken it.
    pub(super) fn say(
        &mut self,
        index: usize,
        session: Option<Session>,
        names: Vec<Box<str>>,
        speech: Speech,
        voice: Voice,
    ) {
        let said = self.check_speech(index, session.as_ref(), &names, &speech).and_then(|except| {
            self.check_speaking()?;
            let utterance = Utterance { names: names.clone(), speech, except, session, key: None };
            self.first_of_its_key(index, utterance)
        });
        match said {
            Err(problem) => self.answer_speech(index, &names, voice, Err(problem)),
            Ok(KeyedSpeech::Before(receipt)) => {
                self.counters.repeated.add(1);
                self.follow(index, names, voice, receipt);
            }
            Ok(KeyedSpeech::First(utterance))
                if self.exchange.registry().rules().asks_about(&utterance.names[0]) =>
            {
                self.ask_about(index, *utterance, voice);
            }
            Ok(KeyedSpeech::First(utterance)) => self.utter(index, *utterance, voice),
        }
    }

    /// Gives what may be said its place.
    pub(super) fn utter(&mut self, index: usize, utterance: Utterance, voice: Voice) {
        let names = utterance.names.clone();
        match self.place(utterance) {
            Ok(receipt) => self.follow(index, names, voice, receipt),
            Err(problem) => self.answer_speech(index, &names, voice, Err(problem)),
        }
    }

    /// The same, whose client is not answered here.
    pub(super) fn place(&mut self, utterance: Utterance) -> Result<Receipt, Problem> {
        let Utterance { names, speech, except, session, key } = utterance;
        let Speech { data, kind, content_type, event, ttl, .. } = speech;
        let user = session.as_ref().and_then(Session::user);
        let payload = Payload { event, content_type, ..Payload::of_client(&data, user, kind) };
        let payload = payload.limited_to(except.map_or(Audience::All, Audience::Except));
        let publish =
            Publish { channels: names.into_iter().collect(), aliases: Default::default(), payload, ttl };
        let placed = self.exchange.shard(self.id).publish(publish);
        if let Some(key) = key {
            self.exchange.shares().messages.keys.settle(key, placed.as_ref().ok().cloned());
        }
        self.counters.published.add(u64::from(placed.is_ok()));
        placed.map_err(refused)
    }

    /// Whether a client may say this now; and which connection is not given it.
    fn check_speech(
        &mut self,
        index: usize,
        session: Option<&Session>,
        names: &[Box<str>],
        speech: &Speech,
    ) -> Result<Option<ConnectionId>, Problem> {
        self.check_page_speaks(index)?;
        self.check_names(names)?;
        self.check_may_say(session, names)?;
        let general = self.settings.client_payload_limit as u64;
        let rules = self.exchange.registry().rules();
        let own = names.iter().filter_map(|name| rules.payload_limit(name)).min();
        let len_max = own.map_or(general, |own| own.min(general));
        if speech.data.len() as u64 > len_max {
            let why =
                format!("the data has more than {len_max} bytes, the most that a client may say at once");
            return Err(Problem::new(413, Code::Payload, why));
        }
        if let [_, .., _] = names
            && let Some(name) = names.iter().find(|name| rules.asks_about(name))
        {
            let why = format!(
                "the application is asked about each message to {:?}; publish to it alone",
                excerpt(name)
            );
            return Err(Problem::bad(Code::ChannelList, why));
        }
        let except = self.except_of(index, session, &speech.except)?;
        self.take_message(index, session, names.len())?;
        Ok(except)
    }

    /// Whether a client may publish to all of these channels at this moment.
    pub(super) fn check_may_say(&self, session: Option<&Session>, names: &[Box<str>]) -> Result<(), Problem> {
        if self.draining.is_some() {
            return Err(Problem::new(503, Code::Draining, "this server is going down; try again soon"));
        }
        if let Some(session) = session {
            self.check_ended(session)?;
        }
        self.check_publish(session, names)
    }

    /// Whether a client may publish to all of these channels.
    pub(super) fn check_publish(&self, session: Option<&Session>, names: &[Box<str>]) -> Result<(), Problem> {
        let registry = self.exchange.registry();
        let Some(name) = names.iter().find(|name| !registry.may(session, Right::Publish, name)) else {
            return Ok(());
        };
        let (door, name) = (registry.rules().publish(name), excerpt(name));
        Err(match (door, session) {
            (Door::Off, _) => {
                let why = format!(
                    "clients may not publish to {name:?}: a rule of the server for it would say publish = \"open\" or \
                     \"token\"; what begins with $ is the server's own"
                );
                Problem::new(403, Code::Publish, why)
            }
            (Door::Open, _) => return self.check_grants(session, names),
            (Door::Token, None) => {
                let why = format!("to publish to {name:?}, show credentials whose `publish` names it");
                Problem::new(401, Code::Credentials, why)
            }
            (Door::Token, Some(_)) => {
                let why = format!(
                    "the credentials shown do not grant to publish to {name:?}; `publish` in the token, or in what the hook \
                     said, must name it"
                );
                Problem::new(403, Code::Grant, why)
            }
        })
    }

    /// Which connection is not given what a client says.
    fn except_of(
        &self,
        index: usize,
        session: Option<&Session>,
        except: &Except,
    ) -> Result<Option<ConnectionId>, Problem> {
        let user = session.and_then(Session::user);
        let text = match except {
            Except::Nobody => return Ok(None),
            Except::Sender => return Ok(Some(self.identity(index).id(user))),
            Except::Connection(text) => text,
        };
        let ids = self.exchange.registry().connection_ids();
        let id = ids.read(text).ok_or_else(|| {
            let why = format!(
                "{:?} is no id of a connection; give the 22 characters that this client was told as `connection`",
                excerpt(text)
            );
            Problem::bad(Code::Connection, why)
        })?;
        if self.is_of_another(id, user) {
            let why = "the connection of Multiplexor-Except is of another user, or of an earlier start of the server; name one \
                       of your own, or leave it out";
            return Err(Problem::new(403, Code::Connection, why));
        }
        Ok(Some(id))
    }

    /// Takes of the messages that a client may say this second: one for each channel. Who is refused takes nothing of what is
    /// everybody's.
    fn take_message(
        &mut self,
        index: usize,
        session: Option<&Session>,
        channels: usize,
    ) -> Result<(), Problem> {
        let count = u32::try_from(channels).unwrap_or(u32::MAX);
        let (asker, now) = (self.asker(index), self.exchange.now());
        let address = self.address(index);
        let shares = self.exchange.shares();
        let messages = &shares.messages;
        let user = session.and_then(Session::user);
        let network = address.map(|address| shares.network(address));
        let connection = (self.id.0, self.token(index));
        let taken = if messages.connections.ask_many(&connection, count, now).is_err() {
            Err((Code::ConnectionMessages, messages.connections.most().requests, "this connection"))
        } else if user.is_some_and(|user| messages.users.ask_many(user, count, now).is_err()) {
            Err((Code::UserMessages, messages.users.most().requests, "this user"))
        } else if network.is_some_and(|network| messages.addresses.ask_many(&network, count, now).is_err()) {
            Err((Code::AddressMessages, messages.addresses.most().requests, "this address"))
        } else if !messages.all.take_many(asker, count, now) {
            Err((Code::ClientMessages, messages.all.per_second(), "all clients"))
        } else {
            Ok(())
        };
        taken.map_err(|(code, most, whose)| {
            self.counters.messages_refused.add(1);
            let why = format!(
                "more than {most} messages a second come from {whose}, of which each counts once for each of its channels; wait a second before \
                 the next one"
            );
            Problem::new(429, code, why)
        })
    }

    /// The connection that says something: the one that it says is its own, or else the one it comes by.
    pub(super) fn speaker(&self, index: usize, utterance: &Utterance) -> ConnectionId {
        let user = utterance.session.as_ref().and_then(Session::user);
        utterance.except.unwrap_or_else(|| self.identity(index).id(user))
    }

    /// Who says something, by one name whatever it comes by: the user, or else the connection.
    pub(super) fn sender(&self, index: usize, utterance: &Utterance) -> String {
        match utterance.session.as_ref().and_then(Session::user) {
            Some(user) => format!("user {user}"),
            None => {
                let ids = self.exchange.registry().connection_ids();
                format!("connection {}", ids.text(self.speaker(index, utterance)).as_str())
            }
        }
    }

    /// Whether it is the first under its key, where it has one.
    fn first_of_its_key(&mut self, index: usize, mut utterance: Utterance) -> Result<KeyedSpeech, Problem> {
        let Utterance { names, speech, .. } = &utterance;
        let Some(text) = speech.key.as_deref() else { return Ok(KeyedSpeech::First(Box::new(utterance))) };
        let owner = self.sender(index, &utterance);
        let key = hash(&[owner.as_bytes(), text.as_bytes()]);
        let ttl = speech.ttl.unwrap_or(u64::MAX).to_le_bytes();
        let parts = [
            speech.event.as_deref().unwrap_or_default().as_bytes(),
            speech.content_type.as_deref().unwrap_or_default().as_bytes(),
            &ttl,
            &speech.data,
        ];
        let message = hash(&names.iter().map(|name| name.as_bytes()).chain(parts).collect::<Vec<_>>());
        let keys = &self.exchange.shares().messages.keys;
        match keys.begin(hash(&[owner.as_bytes()]), key, message, self.exchange.now()) {
            SaidKey::New => {
                utterance.key = Some(key);
                Ok(KeyedSpeech::First(Box::new(utterance)))
            }
            SaidKey::Placed(receipt) => Ok(KeyedSpeech::Before(receipt)),
            SaidKey::UnderWay => {
                let why = "the application is being asked about the message that came first under this key; try again soon";
                Err(Problem::new(429, Code::PublishHookBusy, why))
            }
            SaidKey::Other => Err(Problem::new(
                422,
                Code::KeyReused,
                format!(
                    "the idempotency key {:?} came before with another message; give each message a key of its own, and \
                     repeat it as it was",
                    excerpt(text)
                ),
            )),
        }
    }
}

/// What a message is to those who came before it under its key.
enum KeyedSpeech {
    First(Box<Utterance>),
    Before(Receipt),
}

/// Half of the SHA-256 of these, each with its length in front, so that none can be taken for a part of another.
fn hash(pieces: &[&[u8]]) -> Hash {
    let with_len = |piece: &&[u8]| [&(piece.len() as u64).to_le_bytes(), *piece].concat();
    Subject::of_bytes(&pieces.iter().flat_map(with_len).collect::<Vec<_>>()).to_bytes()
}

/// Why a message has no place.
fn refused(error: PublishError) -> Problem {
    match error {
        PublishError::Full(_) => {
            let why = "clients, or the store, take messages slower than they are published, and the server holds as many as it \
                       may; try again";
            Problem::new(503, Code::Full, why)
        }
        PublishError::Unstored(why) => unstored(why),
        PublishError::Refused(Refused::Payload(len)) => {
            let why =
                format!("the message has more than the {len} bytes that are set for one of its channels");
            Problem::new(413, Code::Payload, why)
        }
        PublishError::Refused(_) => {
            let why =
                "there is no room for another channel; publish to one that is in use, or try again later";
            Problem::new(503, Code::Memory, why)
        }
    }
}

/// The store does not keep it.
pub(super) fn unstored(why: Unstored) -> Problem {
    Problem::new(503, Code::Disk, format!("the message was not taken: {why}; try again later"))
}
