//! Who is on one channel: its users, each with the connections it has there, in the order of their names.
//!
//! A user is there from its first connection until the last one has been away for the grace. What was said of that to others
//! is a message in the order (people.rs), so a user has three sides: how many connections there are now, what was ordered
//! last, and what clients have been shown. All three are the same but while something waits for a store or for the grace.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::limits::ROSTER_LOOK_MAX;
use crate::{Millis, NEVER, Position};

/// The users of one channel.
#[derive(Default)]
pub(crate) struct Roster {
    users: BTreeMap<Arc<str>, Member>,
    /// Who is to be looked at, and when: those who are away, each once.
    wakes: BTreeSet<(Millis, Arc<str>)>,
    /// Connections of users: all others who wait on the channel are anonymous.
    connections: u64,
    /// Users whom clients have been shown.
    shown: u64,
    /// How often all connections were ended at once.
    round: u16,
    /// All were ended at once, and the users up to this name have been looked at since.
    swept: Option<Arc<str>>,
    /// The record of the channel in which changes are told. It is pinned.
    pub(crate) feed: u32,
}

/// One user of a channel.
struct Member {
    /// What others are told of it besides its name: JSON.
    info: Option<Arc<str>>,
    /// When it joined, and the place of that. They hold while it is shown.
    since: Millis,
    joined_at: Position,
    /// When it is looked at: where it has no connection, it has then been away for the grace. `NEVER`: it is not.
    wake_at: Millis,
    connections: u32,
    /// What was ordered of it and clients have not been shown yet: it is not forgotten before.
    pending: u32,
    /// The round its connections are of.
    round: u16,
    /// What was ordered last: that it is there, or not.
    is_ordered: bool,
    /// What clients have been shown last.
    is_shown: bool,
}

/// A user of a channel, as others may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Its name.
    pub user: Arc<str>,
    /// What others are told of it besides: JSON.
    pub info: Option<Arc<str>>,
    /// When it joined.
    pub since: Millis,
}

/// Some of those who are on a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresentPage {
    /// In the order of their names.
    pub users: Vec<Present>,
    /// How many users are on the channel in all.
    pub count: u64,
    /// Connections that are of no user.
    pub anonymous: u64,
    /// Whether there are more behind these.
    pub more: bool,
}

/// A channel's users, for somebody who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentList {
    /// The channel.
    pub channel: Box<str>,
    /// Who is there.
    pub page: PresentPage,
}

/// What is to be told of a user.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is there.
    Joined(Option<Arc<str>>),
    /// It is no longer there.
    Left,
}

impl Roster {
    /// Nobody. `feed`: the record of the channel in which changes are told.
    pub(crate) fn new(feed: u32) -> Self {
        Self { feed, ..Self::default() }
    }

    /// One more connection of this user.
    pub(crate) fn arrive(&mut self, user: &str, info: Option<&str>) {
        let round = self.round;
        let member = self.member(user, info);
        if member.round != round {
            (member.round, member.connections) = (round, 0);
        }
        member.connections += 1;
        self.connections += 1;
        self.set_wake(user, NEVER);
    }

    /// This user is there until then, without a connection.
    pub(crate) fn pass_by(&mut self, user: &str, info: Option<&str>, away_at: Millis) {
        let round = self.round;
        if self.member(user, info).connections_in(round) == 0 {
            self.set_wake(user, away_at);
        }
    }

    /// One connection fewer of this user; without any it is there until then. Harmless where there is none.
    pub(crate) fn depart(&mut self, user: &str, away_at: Millis) {
        let Some(member) = self.users.get_mut(user) else { return };
        if member.connections_in(self.round) == 0 {
            return;
        }
        member.connections -= 1;
        self.connections -= 1;
        if member.connections == 0 {
            self.set_wake(user, away_at);
        }
    }

    /// All connections of all users have ended.
    pub(crate) fn end(&mut self) {
        self.connections = 0;
        self.round = self.round.wrapping_add(1);
        self.swept = Some("".into());
    }

    /// A user was on the channel when the program ended.
    pub(crate) fn restore(&mut self, user: &str, info: Option<&str>, since: Millis, place: Position) {
        let member = self.member(user, info);
        (member.since, member.joined_at, member.is_ordered) = (since, place, true);
        if !std::mem::replace(&mut member.is_shown, true) {
            self.shown += 1;
        }
    }

    /// A user had left when the program ended.
    pub(crate) fn restore_left(&mut self, user: &str) {
        if self.users.remove(user).is_some_and(|before| before.is_shown) {
            self.shown -= 1;
        }
    }

    /// All who were restored have until then to come back.
    pub(crate) fn restored(&mut self, away_at: Millis) {
        for (user, member) in &mut self.users {
            member.wake_at = away_at;
            self.wakes.insert((away_at, Arc::clone(user)));
        }
    }

    /// Looks at a user then, and not before.
    pub(crate) fn set_wake(&mut self, user: &str, at: Millis) {
        let Some((name, _)) = self.users.get_key_value(user) else { return };
        let name = Arc::clone(name);
        let Some(member) = self.users.get_mut(user) else { return };
        let before = std::mem::replace(&mut member.wake_at, at);
        if before == at {
            return;
        }
        if before != NEVER {
            self.wakes.remove(&(before, Arc::clone(&name)));
        }
        if at != NEVER {
            self.wakes.insert((at, name));
        }
    }

    /// When somebody is to be looked at.
    pub(crate) fn due(&self) -> Millis {
        if self.swept.is_some() {
            return 0;
        }
        self.wakes.first().map_or(NEVER, |(at, _)| *at)
    }

    /// The next user to be looked at by now. Each call is one step; `None`: nobody is left.
    pub(crate) fn next_woken(&mut self, now: Millis) -> Option<Arc<str>> {
        let round = self.round;
        if let Some(from) = self.swept.take() {
            let behind = (Bound::Excluded(&*from), Bound::Unbounded);
            if let Some((user, member)) = self.users.range_mut::<str, _>(behind).next() {
                let user = Arc::clone(user);
                if member.connections_in(round) == 0 && member.wake_at == NEVER {
                    self.set_wake(&user, now);
                }
                self.swept = Some(Arc::clone(&user));
                return Some(user);
            }
        }
        let (_, user) = self.wakes.first().filter(|(at, _)| *at <= now)?;
        let user = Arc::clone(user);
        self.set_wake(&user, NEVER);
        Some(user)
    }

    /// What is to be told of a user now, if anything. Who is neither there nor shown is forgotten.
    pub(crate) fn due_of(&mut self, user: &str, now: Millis) -> Option<Due> {
        let member = self.users.get(user)?;
        let is_away = member.wake_at == NEVER || member.wake_at <= now;
        let is_there = member.connections_in(self.round) > 0 || !is_away;
        match (is_there, member.is_ordered) {
            (true, false) => Some(Due::Joined(member.info.clone())),
            (false, true) => Some(Due::Left),
            (false, false) if !member.is_shown && member.pending == 0 => {
                self.set_wake(user, NEVER);
                self.users.remove(user);
                None
            }
            _ => None,
        }
    }

    /// What is to be told of a user has its place.
    pub(crate) fn ordered(&mut self, user: &str, joined: bool) {
        if let Some(member) = self.users.get_mut(user) {
            (member.is_ordered, member.pending) = (joined, member.pending + 1);
        }
    }

    /// What was ordered of a user is not shown: it is looked at anew then.
    pub(crate) fn give_up(&mut self, user: &str, again_at: Millis) {
        let Some(member) = self.users.get_mut(user) else { return };
        member.pending = member.pending.saturating_sub(1);
        member.is_ordered = member.is_shown;
        self.set_wake(user, again_at);
    }

    /// Clients are shown that a user is there, or no longer.
    pub(crate) fn show(&mut self, user: &str, joined: bool, time: Millis, place: Position) {
        let Some(member) = self.users.get_mut(user) else { return };
        member.pending = member.pending.saturating_sub(1);
        if joined != member.is_shown {
            self.shown = if joined { self.shown + 1 } else { self.shown - 1 };
        }
        member.is_shown = joined;
        if joined {
            (member.since, member.joined_at) = (time, place);
        }
        // Whoever is gone and no longer shown is forgotten.
        let _ = self.due_of(user, time);
    }

    /// From which place on a user is shown, if it is.
    pub(crate) fn shown_since(&self, user: &str) -> Option<Position> {
        self.users.get(user).filter(|member| member.is_shown).map(|member| member.joined_at)
    }

    /// Those who are shown, behind this name, so many at the most. `waiting`: all connections on the channel.
    pub(crate) fn page(&self, after: Option<&str>, limit: usize, waiting: u32) -> PresentPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut users = Vec::with_capacity(limit.min(self.users.len()));
        let mut more = false;
        for (user, member) in self.users.range::<str, _>((start, Bound::Unbounded)) {
            if !member.is_shown {
                continue;
            }
            if users.len() == limit {
                more = true;
                break;
            }
            let (user, info) = (Arc::clone(user), member.info.clone());
            users.push(Present { user, info, since: member.since });
        }
        let anonymous = u64::from(waiting).saturating_sub(self.connections);
        PresentPage { users, count: self.shown, anonymous, more }
    }

    /// Those who are shown whose names begin so, behind this name, so many at the most; and the name behind which to go on, if there
    /// may be more. No more are looked at than [`ROSTER_LOOK_MAX`].
    pub(crate) fn named(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Present>, Option<Arc<str>>) {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let named = self.users.range::<str, _>((start, Bound::Unbounded));
        let named = named.take_while(|(user, _)| user.starts_with(prefix));
        let (mut users, mut last) = (Vec::new(), None);
        for (looked, (user, member)) in named.enumerate() {
            if looked == ROSTER_LOOK_MAX || (member.is_shown && users.len() == limit) {
                return (users, last);
            }
            if member.is_shown {
                users.push(Present {
                    user: Arc::clone(user),
                    info: member.info.clone(),
                    since: member.since,
                });
            }
            last = Some(Arc::clone(user));
        }
        (users, None)
    }

    /// Whether nobody is there, nor shown, nor to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Checks all that must hold within it.
    pub(crate) fn audit(&self) {
        let of = |member: &Member| u64::from(member.connections_in(self.round));
        assert_eq!(self.connections, self.users.values().map(of).sum::<u64>());
        assert_eq!(self.shown, self.users.values().map(|member| u64::from(member.is_shown)).sum::<u64>());
        let woken = self.users.iter().filter(|(_, member)| member.wake_at != NEVER);
        let woken: BTreeSet<_> = woken.map(|(user, member)| (member.wake_at, Arc::clone(user))).collect();
        assert_eq!(woken, self.wakes);
        for (user, member) in &self.users {
            let is_looked_at = self.swept.is_some() || member.wake_at != NEVER;
            assert!(
                member.connections_in(self.round) > 0 || is_looked_at || !member.is_ordered,
                "{user} would stay"
            );
        }
    }

    fn member(&mut self, user: &str, info: Option<&str>) -> &mut Member {
        if !self.users.contains_key(user) {
            self.users.insert(user.into(), Member::new(info.map(Arc::from), self.round));
        }
        self.users.get_mut(user).expect("it was just put there")
    }
}

impl Member {
    fn new(info: Option<Arc<str>>, round: u16) -> Self {
        let (since, joined_at, wake_at) = (0, Position::START, NEVER);
        Self {
            info,
            since,
            joined_at,
            wake_at,
            connections: 0,
            pending: 0,
            round,
            is_ordered: false,
            is_shown: false,
        }
    }

    /// Its connections, of those that did not end all at once.
    fn connections_in(&self, round: u16) -> u32 {
        if self.round == round { self.connections } else { 0 }
    }
}

/// A user who is present is one of these, beside its name.
const _: () = assert!(size_of::<(Arc<str>, Member)>() <= 72);
