//! Who may see what: each message that is handed to a connection, of a page or live, is asked about here.

use std::collections::HashSet;
use std::str::Split;

use exchange::Exchange;
use exchange::hub::{Admission, ConnectionId, Message, Position, Reader, Session, Visible};
use smallvec::SmallVec;
use transport::{Part, Shape};

use super::Shard;
use super::identity::Identity;
use crate::guests::Guests;
use crate::kernel::Kernel;
use crate::members::Members;
use crate::slot::Subs;

/// A connection, as audiences ask about it.
#[derive(Clone, Copy)]
pub(super) struct Viewer<'a> {
    pub(super) identity: Identity<'a>,
    pub(super) channels: Channels<'a>,
    pub(super) user: User<'a>,
}

/// On which channels it waits.
#[derive(Clone, Copy)]
pub(super) enum Channels<'a> {
    /// On this one alone.
    One(&'a str),
    /// On those that it is a member of.
    Of { exchange: &'a Exchange, members: &'a Members, subs: &'a Subs },
    /// It is about to wait on those of which this is true.
    Asked(&'a dyn Fn(&str) -> bool),
    /// The same, and it is a member of these already.
    Added { asked: &'a dyn Fn(&str) -> bool, exchange: &'a Exchange, members: &'a Members, subs: &'a Subs },
}

/// Who it has shown that it is.
#[derive(Clone, Copy)]
pub(super) enum User<'a> {
    /// Whoever waits in this place.
    Of(&'a Guests, usize),
    /// Whoever has this session.
    Session(Option<&'a Session>),
}

/// A message of a page, for whom it was read, with the targets that he waits on.
pub(super) struct Given {
    message: Message,
    admission: Admission,
    matches: SmallVec<[usize; 2]>,
    /// See [`Part::beside`].
    beside: bool,
}

impl Reader for Viewer<'_> {
    fn waits_on_any(&self, mut channels: Split<'_, char>) -> bool {
        match self.channels {
            Channels::One(name) => channels.any(|channel| channel == name),
            Channels::Asked(is_asked) => channels.any(is_asked),
            Channels::Of { exchange, members, subs } => is_member(exchange, members, subs, channels),
            Channels::Added { asked, exchange, members, subs } => {
                channels.clone().any(asked) || is_member(exchange, members, subs, channels)
            }
        }
    }

    fn is_connection(&self, id: ConnectionId) -> bool {
        self.identity.is(id, || self.user())
    }

    fn is_user(&self, user: &str) -> bool {
        self.user() == Some(user)
    }
}

impl<'a> Viewer<'a> {
    fn user(&self) -> Option<&'a str> {
        let session = match self.user {
            User::Of(guests, index) => guests.session(index),
            User::Session(session) => session,
        };
        session.and_then(Session::user)
    }

    /// The same who gets a message through this target of it: where it is a member of one channel, that is the one.
    pub(super) fn through(self, message: &'a Message, target: usize) -> Self {
        match self.channels {
            Channels::Of { subs: Subs::One(_), .. } => {
                Self { channels: Channels::One(&message.targets()[target].name), ..self }
            }
            _ => self,
        }
    }
}

impl Given {
    /// The message for this viewer, who waits on those of its channels of which this is true, if he may see it.
    fn of(message: Message, shape: Shape, viewer: &Viewer<'_>, asked: &dyn Fn(&str) -> bool) -> Option<Self> {
        let admission = shown(shape, &message, viewer)?.admission();
        let targets = message.targets().iter().enumerate();
        let matches = targets.filter(|(_, target)| asked(&target.name)).map(|(number, _)| number);
        Some(Self { matches: matches.collect(), admission, message, beside: false })
    }

    pub(super) fn position(&self) -> Position {
        self.message.position
    }

    pub(super) fn part(&self) -> Part<'_> {
        let message = self.message.visible_by(self.admission);
        Part { message, matches: &self.matches, beside: self.beside }
    }
}

impl<K: Kernel> Shard<K> {
    /// The connection at `index`, which waits.
    pub(super) fn viewer(&self, index: usize) -> Viewer<'_> {
        let subs = &self.slab[index].subs;
        Viewer {
            identity: self.identity(index),
            channels: Channels::Of { exchange: &self.exchange, members: &self.members, subs },
            user: User::Of(&self.guests, index),
        }
    }

    /// The connection at `index`, which is about to wait.
    pub(super) fn newcomer<'a>(
        &'a self,
        index: usize,
        is_asked: &'a dyn Fn(&str) -> bool,
        session: Option<&'a Session>,
    ) -> Viewer<'a> {
        let (identity, channels) = (self.identity(index), Channels::Asked(is_asked));
        Viewer { identity, channels, user: User::Session(session) }
    }

    /// Of a page that was read for the connection at `index`, what it may see and is told, with its channels among these.
    pub(super) fn given(&self, index: usize, messages: Vec<Message>, names: &[&str]) -> Vec<Given> {
        let shape = self.slab[index].conn.shape;
        let several = (names.len() > FEW).then(|| names.iter().copied().collect::<HashSet<&str>>());
        let asked =
            |name: &str| several.as_ref().map_or_else(|| names.contains(&name), |names| names.contains(name));
        let (exchange, members, subs) = (&self.exchange, &self.members, &self.slab[index].subs);
        let channels = Channels::Added { asked: &asked, exchange, members, subs };
        let viewer = Viewer { channels, ..self.viewer(index) };
        let is_mixed = self.is_mixed(index);
        let given = messages.into_iter().filter_map(|message| Given::of(message, shape, &viewer, &asked));
        let beside = |given: &Given| is_mixed && self.is_beside(index, &given.message, &given.matches);
        given.map(|given| Given { beside: beside(&given), ..given }).collect()
    }

    /// Of a page of one channel that was read for the connection at `index`, which does not wait, what it may see.
    pub(super) fn given_of(
        &self,
        index: usize,
        messages: Vec<Message>,
        name: &str,
        session: Option<&Session>,
    ) -> Vec<Given> {
        let (shape, asked) = (self.slab[index].conn.shape, |other: &str| other == name);
        let (identity, channels) = (self.identity(index), Channels::One(name));
        let viewer = Viewer { identity, channels, user: User::Session(session) };
        messages.into_iter().filter_map(|message| Given::of(message, shape, &viewer, &asked)).collect()
    }
}

/// Whether who waits so is a member of one of these channels.
fn is_member(exchange: &Exchange, members: &Members, subs: &Subs, channels: Split<'_, char>) -> bool {
    let names: Vec<Box<str>> = channels.map(Box::from).collect();
    let found = exchange.registry().find(&names).into_iter().flatten();
    found.filter_map(|channel| members.find(channel)).any(|key| subs.find(key).is_some())
}

/// The message for a client of this shape, if he may see it and his shape has a word for it.
#[inline]
pub(super) fn shown<'a>(shape: Shape, message: &'a Message, reader: &impl Reader) -> Option<Visible<'a>> {
    message.visible_to(reader).filter(|message| shape.tells(message))
}

/// Up to so many names a list is as quick as a set.
const FEW: usize = 8;
