//! Which connection it is: the id that its client is told, made where it is wanted, and taken over from an earlier connection where
//! the client shows that it had it.

use std::collections::VecDeque;

use exchange::hub::{ConnectionId, Session};
use exchange::{ConnectionIds, ConnectionText, Location, Order};
use transport::Phase;
use transport::dialect::Wait;

use super::Shard;
use crate::beside::Beside;
use crate::kernel::Kernel;
use crate::limits::VERDICTS_PER_TURN;
use crate::questions::Waiter;

/// What ids are made of beside places, and those that are not made of them.
#[derive(Default)]
pub(super) struct Identities {
    /// That of the last connection.
    generation: u32,
    /// Those that were taken over, or were there before their user was known.
    kept: Beside<ConnectionId>,
    /// Chains of polls that were given an id.
    polls: u64,
    /// Connections that wanted the id of one of another shard, each with whether that is still there.
    told: VecDeque<(Waiter, bool)>,
}

/// What the id of a connection is made of.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) ids: &'a ConnectionIds,
    pub(super) identities: &'a Identities,
    /// The id that it has where it has no user.
    pub(super) place: ConnectionId,
    pub(super) index: usize,
}

impl Identities {
    /// That of a further connection, which no other one in its place has.
    pub(super) fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1) & ConnectionId::GENERATION_MAX;
        self.generation
    }

    /// The last generation, and how many chains of polls were given an id: what a shard has to go on from.
    pub(super) fn counts(&self) -> (u32, u64) {
        (self.generation, self.polls)
    }

    /// Goes on from there.
    pub(super) fn go_on_from(&mut self, (generation, polls): (u32, u64)) {
        (self.generation, self.polls) = (generation, polls);
    }

    /// The id of a connection that is not made of its place.
    pub(super) fn kept(&self, index: usize) -> Option<ConnectionId> {
        self.kept.get(index).copied()
    }

    /// A connection came over, or goes, with an id that is not made of its place; nobody else may have it meanwhile.
    pub(super) fn set_kept(&mut self, index: usize, id: Option<ConnectionId>) {
        match id {
            Some(id) => drop(self.kept.put(index, id)),
            None => drop(self.kept.remove(index)),
        }
    }

    /// Whether some can go on.
    pub(super) fn has_told(&self) -> bool {
        !self.told.is_empty()
    }
}

impl Identity<'_> {
    /// The id, where it is of this user.
    pub(super) fn id(self, user: Option<&str>) -> ConnectionId {
        let own = || ConnectionId { start: self.place.start ^ self.ids.mark(user), ..self.place };
        self.identities.kept.get(self.index).copied().unwrap_or_else(own)
    }

    /// Whether it has this id. Whose it is, is looked at last.
    pub(super) fn is<'u>(self, id: ConnectionId, user: impl FnOnce() -> Option<&'u str>) -> bool {
        match self.identities.kept.get(self.index) {
            Some(kept) => *kept == id,
            None => ConnectionId { start: id.start, ..self.place } == id && self.id(user()) == id,
        }
    }
}

impl<K: Kernel> Shard<K> {
    /// What the id of the connection at `index` is made of.
    pub(super) fn identity(&self, index: usize) -> Identity<'_> {
        Identity {
            ids: self.exchange.registry().connection_ids(),
            identities: &self.identities,
            place: place(self.start, self.id, index, self.slab[index].generation),
            index,
        }
    }

    /// The id of the connection at `index`, whose user is known. That of a poll is told to nobody, unless it goes on with a chain of
    /// them.
    pub fn id_of(&self, index: usize) -> ConnectionId {
        self.identity(index).id(self.guests.session(index).and_then(Session::user))
    }

    /// The id that the client of a stream is told.
    pub(super) fn told_id(&self, index: usize) -> ConnectionText {
        self.exchange.registry().connection_ids().text(self.id_of(index))
    }

    /// The id that the client of a poll is told, where its answer has a place for it. One that goes on with no chain begins one.
    pub(super) fn poll_id(&mut self, index: usize) -> Option<ConnectionText> {
        if !self.slab[index].conn.shape.leaves_open() {
            return None;
        }
        let mut id = self.id_of(index);
        if self.identities.kept.get(index).is_none() {
            self.identities.polls += 1;
            id = ConnectionId::of_polls(id.start, self.id, self.identities.polls);
        }
        Some(self.exchange.registry().connection_ids().text(id))
    }

    /// A client that wants to wait says which id it had. One that somebody still has is no longer in `wait` afterwards. `None`: the
    /// connection is parked, until the shard says so on which that id was given.
    pub(super) fn look_at_id(&mut self, index: usize, wait: Wait, head: Vec<u8>) -> Option<(Wait, Vec<u8>)> {
        let Some(text) = wait.connection.as_deref() else { return Some((wait, head)) };
        let id = self.exchange.registry().connection_ids().read(text);
        let id = id.filter(|id| usize::from(id.shard.0) < self.exchange.shards() && self.draining.is_none());
        let without = |wait: Wait| Wait { connection: None, ..wait };
        match id {
            None => Some((without(wait), head)),
            Some(id) if id.is_of_polls() => Some((wait, head)),
            Some(id) if id.shard == self.id => {
                Some((if self.has_connection(id) { without(wait) } else { wait }, head))
            }
            Some(id) => {
                let waiter = Waiter { token: self.token(index), ticket: self.asking.ticket() };
                let Waiter { token, ticket } = waiter;
                let asked = Order::AskConnection { id, shard: self.id, token, ticket };
                if !self.exchange.shard(self.id).order(id.shard, asked) {
                    return Some((without(wait), head));
                }
                self.slab[index].conn.park(wait, head, ticket);
                self.set_timer(index, self.settings.verdict_timeout);
                None
            }
        }
    }

    /// Another shard's client says that it had the id of a connection of ours.
    pub(super) fn answer_connection(
        &self,
        id: ConnectionId,
        shard: exchange::hub::ShardId,
        token: u64,
        ticket: u64,
    ) {
        let is_there = self.has_connection(id);
        // One that finds no room is heard of no more: whoever waits for it does so for a while.
        self.exchange.shard(self.id).order(shard, Order::TellConnection { token, ticket, is_there });
    }

    /// The answer.
    pub(super) fn hear_of_connection(&mut self, token: u64, ticket: u64, is_there: bool) {
        self.identities.told.push_back((Waiter { token, ticket }, is_there));
    }

    /// The next connection that was parked for an id, with whether somebody has that.
    pub(super) fn run_identities(&mut self) {
        // As many as there are now: whoever begins to wait may be parked for something else.
        for _ in 0..self.identities.told.len().min(VERDICTS_PER_TURN) {
            let Some((waiter, is_there)) = self.identities.told.pop_front() else { break };
            let Some((index, mut wait, head)) = self.unpark(waiter) else { continue };
            wait.connection = wait.connection.filter(|_| !is_there);
            self.begin_told(index, wait, head, None);
            self.askers.push(waiter.token, crate::askers::Want::Look);
        }
    }

    /// Whether the connection that was made with this id is still there, with it.
    fn has_connection(&self, id: ConnectionId) -> bool {
        self.find(id.token()).is_some_and(|index| {
            self.slab[index].conn.phase == Phase::Waiting
                && self.identities.kept.get(index).is_none_or(|kept| *kept == id)
        })
    }

    /// The connection goes on with the id that its client had, if that had the same user or none, and nobody else has it.
    pub(super) fn take_id(&mut self, index: usize, wait: &Wait, session: Option<&Session>) {
        let ids = self.exchange.registry().connection_ids();
        let Some(id) = wait.connection.as_deref().and_then(|text| ids.read(text)) else { return };
        if self.is_of_another(id, session.and_then(Session::user)) {
            return;
        }
        let location = Location { shard: self.id, token: self.token(index) };
        if self.exchange.registry().taken_ids().take(id, location) {
            self.identities.kept.put(index, id);
        }
    }

    /// Whether the connection of this id had another user than this one, as far as one of our shards made it.
    pub(super) fn is_of_another(&self, id: ConnectionId, user: Option<&str>) -> bool {
        let mark = self.mark_of(id);
        mark != 0 && mark != self.exchange.registry().connection_ids().mark(user)
    }

    /// The mark of the user of an id, where one of our shards made it; else something that is no user's.
    fn mark_of(&self, id: ConnectionId) -> u64 {
        let seed = self.start.wrapping_sub(self.id.0.into());
        id.start ^ seed.wrapping_add(id.shard.0.into())
    }

    /// The connection keeps the id that it was told, though its user is known only now.
    pub(super) fn keep_id(&mut self, index: usize) {
        let id = self.id_of(index);
        self.identities.kept.put(index, id);
    }

    /// The connection waits no longer: its id may be taken over.
    pub(super) fn leave_id(&mut self, index: usize) {
        if self.identities.kept.len() > 0
            && let Some(id) = self.identities.kept.remove(index)
        {
            self.exchange.registry().taken_ids().leave(id);
        }
    }
}

/// The id of a connection in this place, where it has no user.
#[inline]
pub(super) fn place(
    start: u64,
    shard: exchange::hub::ShardId,
    index: usize,
    generation: u32,
) -> ConnectionId {
    ConnectionId { start, shard, index: u32::try_from(index).expect("a node holds it"), generation }
}
