//! Who is on a channel: what a client must be granted to ask for it, and how the exchange learns who comes and goes.
//!
//! Who asks waits on two channels: the one it names, and the hidden one beside it in which changes are told.

use exchange::hub::{ChannelId, Door, Right, Session, asked_count, excerpt, presence_name, told_name};
use rustc_hash::FxHashSet;
use transport::dialect::{Code, Problem};

use super::Shard;
use super::subscribe::crowded;
use crate::kernel::Kernel;
use crate::limits::PRESENCE_CHANNELS_MAX;

/// Adds the hidden channels in which the users of these are told.
pub(super) fn add_hidden(names: &mut Vec<Box<str>>) {
    let hidden: Vec<Box<str>> = names.iter().map(|name| presence_name(name)).collect();
    names.extend(hidden);
}

/// As how many channels these count: one of which presence is asked for is listened to with its hidden one.
pub(super) fn count_of(names: &[Box<str>], presence: bool) -> usize {
    names.len() * if presence { 2 } else { 1 }
}

/// Those of these channels that a client has named.
pub(super) fn named(names: &[Box<str>]) -> &[Box<str>] {
    &names[..asked_count(names)]
}

/// The channels that these are, or are about, each once.
pub(super) fn about<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = FxHashSet::default();
    names.map(told_name).filter(|name| seen.insert(*name)).collect()
}

impl<K: Kernel> Shard<K> {
    /// Whether a client may be told who is on all of these channels, which it may listen to.
    pub(super) fn check_presence(
        &self,
        index: usize,
        session: Option<&Session>,
        names: &[Box<str>],
    ) -> Result<(), Problem> {
        if !self.slab[index].conn.shape.tells_presence() {
            let why = "presence has no place among bare payloads; open a connection without raw for it";
            return Err(Problem::bad(Code::Presence, why));
        }
        if names.len() > PRESENCE_CHANNELS_MAX {
            let why = format!(
                "presence of {} channels is asked for at once; ask for {PRESENCE_CHANNELS_MAX} at most, and for others by a \
                 further subscription",
                names.len()
            );
            return Err(Problem::bad(Code::ChannelCount, why));
        }
        self.check_presence_grants(session, names)
    }

    /// Whether a client of this session may be told who is on these channels.
    pub(super) fn check_presence_grants(
        &self,
        session: Option<&Session>,
        names: &[Box<str>],
    ) -> Result<(), Problem> {
        let now = self.exchange.wall();
        for name in names {
            let why = match self.exchange.registry().rules().presence(name) {
                Door::Open => continue,
                Door::Token if session.is_some_and(|session| session.may(Right::Presence, name, now)) => {
                    continue;
                }
                Door::Token => {
                    "is told to those alone whose token, or whom the hook, grants `presence` for it"
                }
                Door::Off => {
                    "is told to nobody: a rule of the server for it would say presence = \"open\" or \"token\""
                }
            };
            return Err(Problem::new(403, Code::Presence, format!("who is on {:?} {why}", excerpt(name))));
        }
        Ok(())
    }

    /// A registration is to be taken back, of a connection with this session.
    pub(super) fn leave_as(&mut self, channel: ChannelId, session: Option<&Session>) {
        if let Some(session) = session.filter(|session| session.user().is_some())
            && self.exchange.registry().rules().tells_users()
        {
            self.leaving.users.push((channel, session.clone()));
        } else {
            self.leave(channel);
        }
    }

    /// A connection that waits has a user from now on, and had none before; or there is no room to know that.
    pub(super) fn greet(&mut self, index: usize, session: &Session) -> Result<(), Problem> {
        if self.exchange.registry().rules().tells_users() && session.user().is_some() {
            self.exchange.registry().greet(&self.channels_of(index), session).map_err(crowded)?;
        }
        Ok(())
    }

    /// The hidden channel in which the users of this one are told, if there is one.
    pub(super) fn hidden_of(&self, channel: &str) -> Option<ChannelId> {
        let registry = self.exchange.registry();
        if registry.rules().presence(channel) == Door::Off {
            return None;
        }
        registry.find(&[presence_name(channel)]).into_iter().flatten().next()
    }

    /// A connection that listens to a channel no longer, since that was deleted, is told no more of who is on it.
    pub(super) fn end_hidden(&mut self, index: usize, hidden: Option<ChannelId>) {
        let number = hidden.and_then(|id| self.slab[index].subs.find(self.members.find(id)?));
        if let Some(number) = number {
            let (channel, owed) = self.members.unlink(&mut self.slab, index, number);
            self.settle(owed);
            self.leave(channel);
        }
    }
}
