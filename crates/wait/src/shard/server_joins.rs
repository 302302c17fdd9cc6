//! Channels that the application has a connection listen to: those that its credentials name, beside those that it asks for; and
//! those that are joined and left while it waits.

use exchange::hub::{ChannelId, Message, Next, Session, Start, addressed};
use rustc_hash::FxHashSet;
use transport::{Ending, Notice, Phase, Purpose, Shape};

use super::Shard;
use super::presence::add_hidden;
use super::subscribe::texts;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// Says to a stream that begins what it listens to besides what it asked for.
    pub(super) fn tell_joined(&self, index: usize, out: &mut Vec<u8>) {
        let names = self.guests.joined(index);
        if !names.is_empty() {
            self.slab[index].conn.tell(Notice::Joined(names), self.cursors, out);
        }
    }

    /// Whether what comes to a client is in two forms: bare payloads of what it asked for, and objects of what it did not.
    pub(super) fn is_mixed(&self, index: usize) -> bool {
        self.slab[index].conn.shape == Shape::SseBare && !self.guests.joined(index).is_empty()
    }

    /// Whether a message comes to a client by channels alone that it did not ask for, and so in the other form.
    pub(super) fn is_beside(&self, index: usize, message: &Message, matches: &[usize]) -> bool {
        let joined = self.guests.joined(index);
        let mut names = matches.iter().map(|number| &*message.targets()[*number].name);
        names.all(|name| addressed(name).is_some() || joined.iter().any(|join| **join == *name))
    }

    /// A session took the place of another: what that joined, and this one does not, is left, and the other way round. What was
    /// joined in another way stays.
    pub(super) fn follow_session(&mut self, index: usize, before: Option<&Session>, now: &Session) {
        let joins: Vec<Box<str>> = now.joins().map(Box::from).collect();
        let was = before.into_iter().flat_map(Session::joins);
        let left: Vec<Box<str>> = was
            .filter(|name| !joins.iter().any(|join| **join == **name))
            .filter(|name| self.guests.joined(index).iter().any(|joined| **joined == **name))
            .map(Box::from)
            .collect();
        if !joins.is_empty() || !left.is_empty() {
            self.change_channels(index, &joins, &left);
        }
    }

    /// Whether a waiting connection can be made to listen to other channels.
    pub(super) fn can_change(&self, index: usize) -> bool {
        let conn = &self.slab[index].conn;
        conn.phase == Phase::Waiting && matches!(conn.shape.ending(), Ending::Stream | Ending::OnePoll)
    }

    /// The application has a waiting connection listen to these channels, and to those no longer. It is told. False: there is no room
    /// for what it was to listen to.
    pub(super) fn change_channels(&mut self, index: usize, join: &[Box<str>], leave: &[Box<str>]) -> bool {
        let token = self.token(index);
        let mut out = Vec::new();
        let left = self.listened_of(index, leave);
        if !left.is_empty() {
            if !self.leave_channels(index, &left) || self.find(token).is_none() || !self.can_change(index) {
                return true;
            }
            self.slab[index].conn.tell(Notice::Left(&left), self.cursors, &mut out);
        }
        let listened = self.listened_of(index, join);
        let joins: Vec<Box<str>> = join.iter().filter(|name| !listened.contains(name)).cloned().collect();
        let has_room = joins.is_empty() || self.join_channels(index, &joins);
        if !joins.is_empty() && has_room {
            if self.find(token).is_none() || !self.can_change(index) {
                return true;
            }
            self.slab[index].conn.tell(Notice::Joined(&joins), self.cursors, &mut out);
        }
        if !out.is_empty() {
            self.write(index, &out);
        }
        has_room
    }

    /// As how many channels those count that a connection listens to, or is about to when their backlog is through.
    pub(super) fn listened_count(&self, index: usize) -> usize {
        let slot = &self.slab[index];
        let backlog = slot.conn.extra.as_ref().and_then(|extra| extra.backlog.as_ref());
        let names = backlog.into_iter().flat_map(|backlog| &backlog.names);
        slot.subs.len() + names.filter(|name| addressed(name).is_none()).count()
    }

    /// Those of these channels that a connection listens to, or is about to.
    fn listened_of(&self, index: usize, names: &[Box<str>]) -> Vec<Box<str>> {
        let known: FxHashSet<ChannelId> = self.channels_of(index).into_iter().collect();
        let found = self.exchange.registry().find(names);
        let backlog = self.slab[index].conn.extra.as_ref().and_then(|extra| extra.backlog.as_ref());
        let is_awaited =
            |name: &str| backlog.is_some_and(|backlog| backlog.names.iter().any(|one| **one == *name));
        let listened = names.iter().zip(found).filter(|(name, found)| {
            found.is_some_and(|channel| known.contains(&channel)) || is_awaited(name)
        });
        listened.map(|(name, _)| name.clone()).collect()
    }

    /// A connection listens to these channels no longer. What was released before is still given. False: it is gone.
    pub(super) fn leave_channels(&mut self, index: usize, names: &[Box<str>]) -> bool {
        let mut all = names.to_vec();
        if self.exchange.registry().rules().tells_users() {
            add_hidden(&mut all);
        }
        let found = self.exchange.registry().find(&all);
        // A channel deleted before that is found by its new record, and its end is in the mail.
        self.take_mail();
        if !self.visit(index) {
            return false;
        }
        let keys: FxHashSet<u32> =
            found.into_iter().flatten().filter_map(|channel| self.members.find(channel)).collect();
        // From the last one on, since that takes the place of one that goes.
        for number in (0..self.slab[index].subs.len()).rev() {
            if self.slab[index].subs.get(number).is_some_and(|sub| keys.contains(&sub.channel)) {
                let (channel, owed) = self.members.unlink(&mut self.slab, index, number);
                self.settle(owed);
                let session = self.guests.session(index).cloned();
                self.leave_as(channel, session.as_ref());
            }
        }
        if let Some(backlog) = self.slab[index].conn.extra.as_mut().and_then(|extra| extra.backlog.as_mut()) {
            backlog.names.retain(|name| !all.contains(name));
        }
        let joined = self.guests.joined(index);
        let joined: Vec<Box<str>> = joined.iter().filter(|name| !names.contains(name)).cloned().collect();
        self.guests.set_joined(index, joined);
        true
    }

    /// A waiting connection listens to these channels, too, from now on. False: there is no room for them.
    fn join_channels(&mut self, index: usize, names: &[Box<str>]) -> bool {
        let count = self.listened_count(index) + names.len();
        if let Err(problem) = self.check_count(count) {
            self.count_problem(index, &problem, names);
            return false;
        }
        let opening = self.slab[index].conn.extra.as_mut().and_then(|extra| extra.backlog.as_mut());
        if let Some(backlog) = opening.filter(|backlog| matches!(backlog.purpose, Purpose::Opening)) {
            // It is registered with the others, when their backlog is through.
            let at = backlog.names.iter().position(|name| name.starts_with('$'));
            let at = at.unwrap_or(backlog.names.len());
            backlog.names.splice(at..at, names.iter().cloned());
        } else {
            let (guest, session) = (self.guest(index), self.guests.session(index).cloned());
            let page = match self.subscribe(guest, session.as_ref(), &texts(names), Start::Now) {
                Ok(page) => page,
                Err(refused) => {
                    self.count_problem(index, &super::subscribe::crowded(refused), names);
                    return false;
                }
            };
            if let Next::Live { position, channels } = page.next {
                self.join(index, &channels, position);
                if self.slab[index].subs.len() == channels.len() && !self.catch_up(index, position) {
                    return true;
                }
            }
        }
        let joined = self.guests.joined(index).iter().chain(names).cloned().collect();
        self.guests.set_joined(index, joined);
        true
    }
}
