//! The registry: who waits on which channels, and who may. A shard registers in the same step in which it finds nothing
//! more to read.

use std::sync::Arc;

use hub::{
    After, Before, ChannelId, Guest, Leave, Millis, OlderPage, Outside, Page, Refused, Right, Rules, Session,
    ShardId, Start, Take,
};

use super::Exchange;
use crate::connection_ids::ConnectionIds;
use crate::sync::Ordering;
use crate::{Returns, TakenIds};

/// What shards ask and say for those who wait.
#[derive(Clone, Copy)]
pub struct Registry<'a> {
    pub(super) exchange: &'a Exchange,
}

impl<'a> Registry<'a> {
    /// Reads the next page of a backlog; registers the shard of a guest who stays on all names when nothing more is
    /// there. The lock is free between steps in which what has outlived its time is removed.
    pub fn subscribe<'g>(
        &self,
        guest: impl Into<Guest<'g>>,
        names: &[&str],
        start: Start,
    ) -> Result<Page, Refused> {
        let guest = guest.into();
        loop {
            if let Some(page) = self.exchange.in_turn(|hub, now| hub.try_subscribe(guest, names, start, now))
            {
                return page;
            }
        }
    }

    /// Reads a page of what was said before, as [`Admin::older`](super::Admin::older) does it, in a shard's turn.
    pub fn older(&self, name: &str, before: Before, limit: usize) -> OlderPage {
        loop {
            if let Some(page) = self.exchange.in_turn(|hub, now| hub.try_older(name, before, limit, now)) {
                return page;
            }
        }
    }

    /// Registers the shard on all of these channels, and reads what is due in them by outside cursors, the lock being free
    /// between steps. The `memory` is how old a cursor may be from which on a channel without one is read.
    pub fn subscribe_outside<'g>(
        &self,
        guest: impl Into<Guest<'g>>,
        names: &[&str],
        after: &[After],
        memory: Millis,
    ) -> Result<Outside, Refused> {
        let guest = guest.into();
        let mut reading =
            self.exchange.in_turn(|hub, now| hub.begin_outside(guest, names, after, memory, now))?;
        while self.exchange.in_turn(|hub, now| hub.read_outside(&mut reading, now)) {}
        Ok(reading.finish())
    }

    /// Takes registrations of a shard back. `grace`: how long these channels stay online; `None`: as long as is
    /// usual.
    pub fn leave(&self, shard: ShardId, leaving: &[Leave<'_>], grace: Option<Millis>) {
        for step in leaving.chunks(LEAVE_STEP_MAX) {
            self.exchange.in_turn(|hub, now| {
                let grace = grace.unwrap_or_else(|| hub.grace());
                for leave in step {
                    hub.leave(shard, *leave, grace, now);
                }
            });
        }
    }

    /// Takes registrations of users back, of each one of a channel; each user then has the grace to come back.
    pub fn depart(&self, shard: ShardId, users: &[(ChannelId, Session)]) {
        let (ended, now) = (&self.exchange.ended_users, self.exchange.wall());
        let leaving = users.iter().map(|(channel, session)| Leave {
            who: session.user(),
            // Whom the application ended is not waited for.
            at_once: ended.refuse(session, now),
            ..Leave::waiting(*channel, 1)
        });
        self.leave(shard, &leaving.collect::<Vec<_>>(), None);
    }

    /// A connection with this user waits from now on, where users are followed. False: it is not counted, and so it is not said of
    /// it that it departs.
    #[must_use = "who is not counted is not counted off"]
    pub fn user_arrives(&self, session: &Session) -> bool {
        self.exchange.in_turn(|hub, now| hub.user_arrives(session, now))
    }

    /// Connections with these users wait no longer.
    pub fn users_depart(&self, sessions: &[Session]) {
        let (ended, wall) = (&self.exchange.ended_users, self.exchange.wall());
        // Whom the application ended is not waited for.
        let leaving = sessions.iter().filter_map(|one| Some((one.user()?, ended.refuse(one, wall))));
        for step in leaving.collect::<Vec<_>>().chunks(LEAVE_STEP_MAX) {
            self.exchange.in_turn(|hub, now| {
                step.iter().for_each(|(user, at_once)| hub.user_departs(user, *at_once, now));
            });
        }
    }

    /// Connections that are registered on these channels, each once, have this user from now on, and had none before. Refused:
    /// there is no room to know them, and they are nobody's as before.
    pub fn greet(&self, channels: &[ChannelId], session: &Session) -> Result<(), Refused> {
        for (n, step) in channels.chunks(LEAVE_STEP_MAX).enumerate() {
            if let Err(refused) = self.exchange.in_turn(|hub, now| hub.greet(step, session, now)) {
                for step in channels.chunks(LEAVE_STEP_MAX).take(n) {
                    self.exchange.in_turn(|hub, now| hub.ungreet(step, session, now));
                }
                return Err(refused);
            }
        }
        Ok(())
    }

    /// Takes the next message of a channel's queue, or a place among those who wait for it (2009). When
    /// they are served, the channel stays online for the grace.
    pub fn take_one<'g>(
        &self,
        guest: impl Into<Guest<'g>>,
        name: &str,
        grace: Millis,
    ) -> Result<Take, Refused> {
        self.exchange.in_turn(|hub, now| hub.take(guest, name, grace, now))
    }

    /// Whether guests are to say who they are, since there is little room for new names. Without the lock.
    pub fn minds_guests(&self) -> bool {
        self.exchange.minds_guests.load(Ordering::Relaxed)
    }

    /// The records of channels, where there are any.
    pub fn find(&self, names: &[Box<str>]) -> Vec<Option<ChannelId>> {
        self.exchange.with(|hub, _| hub.find_each(names))
    }

    /// The names of records, those that are still there.
    pub fn names(&self, channels: &[ChannelId]) -> Vec<Arc<str>> {
        self.exchange.with(|hub, _| channels.iter().filter_map(|channel| hub.name(*channel)).collect())
    }

    /// Whether a client, of this session if it has one, may do `right` on a channel now. Asks the rules only, without
    /// the lock.
    pub fn may(&self, session: Option<&Session>, right: Right, name: &str) -> bool {
        self.exchange.rules().may(session, right, name, self.exchange.clock.wall())
    }

    /// The first of these channels that a client may not listen to.
    pub fn first_closed<'n>(&self, session: Option<&Session>, names: &'n [Box<str>]) -> Option<&'n str> {
        match names {
            [name] => (!self.may(session, Right::Listen, name)).then_some(name),
            _ => self.exchange.rules().first_closed(session, names, self.exchange.clock.wall()),
        }
    }

    /// The indices of those of these channels, all of which a client may listen to, whose history it may not read.
    pub fn closed_histories(&self, session: Option<&Session>, names: &[impl AsRef<str>]) -> Vec<u16> {
        self.exchange.rules().closed_histories(session, names, self.exchange.clock.wall())
    }

    /// What is set for channels by their names.
    pub fn rules(&self) -> Arc<Rules> {
        self.exchange.rules()
    }

    /// Makes and reads ids of connections.
    pub fn connection_ids(&self) -> &'a ConnectionIds {
        &self.exchange.connection_ids
    }

    /// Ids that connections took over.
    pub fn taken_ids(&self) -> &'a TakenIds {
        &self.exchange.taken_ids
    }

    /// Who came back to the same message.
    pub fn returns(&self) -> &'a Returns {
        &self.exchange.returns
    }
}

/// Channels left in one hold of the lock.
const LEAVE_STEP_MAX: usize = 64;
