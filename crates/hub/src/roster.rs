//! Who is on one channel: its users, each with the connections it has there, in the order of their names.
//!
//! A user is there from its first connection until the last one has been away for the grace. What was said of that to others
//! is a message in the order (people.rs), so a user has three sides: how many connections there are now, what was ordered
//! last, and what clients have been shown. All three are the same but while something waits for a store or for the grace.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits::ROSTER_LOOK_MAX;
use crate::user_name::UserName;
use crate::{Millis, NEVER, Position};

/// The users of one channel.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Roster {
    users: BTreeMap<UserName, Member>,
    /// Who is to be looked at, and when: those who are away, each once.
    wakes: Wakes,
    /// Connections of users: all others who wait on the channel are anonymous.
    connections: u64,
    /// Users whom clients have been shown.
    shown: u64,
    /// How often all connections were ended at once.
    round: u16,
    /// All were ended at once, and the users up to this name have been looked at since.
    swept: Option<UserName>,
    /// The record of the channel in which changes are told. It is pinned.
    pub(crate) feed: u32,
}

type Wakes = BTreeSet<(Millis, UserName)>;

/// One user of a channel.
#[derive(Clone, Serialize, Deserialize)]
struct Member {
    /// What others are told of it besides its name: JSON.
    #[serde(with = "crate::shared_text")]
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
    pub user: UserName,
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
    /// Whether there are more behind these, or may be: in one step only so many are looked at.
    pub more: bool,
    /// The name behind which to go on for these.
    pub next: Option<UserName>,
}

/// How a user stands to what was told of it.
enum Standing {
    /// All is told.
    Told,
    /// Something is to be told.
    Due(Due),
    /// It is neither there nor shown: nothing need be known of it any more.
    Forgotten,
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
        let member = member(&mut self.users, round, user, info);
        if member.round != round {
            (member.round, member.connections) = (round, 0);
        }
        member.connections += 1;
        member.set_wake(&mut self.wakes, user, NEVER);
        self.connections += 1;
    }

    /// This user is there until then, without a connection.
    pub(crate) fn pass_by(&mut self, user: &str, info: Option<&str>, away_at: Millis) {
        let member = member(&mut self.users, self.round, user, info);
        if member.connections_in(self.round) == 0 {
            member.set_wake(&mut self.wakes, user, away_at);
        }
    }

    /// One connection fewer of this user; without any it is there until then. Harmless where there is none.
    pub(crate) fn depart(&mut self, user: &str, away_at: Millis) {
        let Some(member) = self.users.get_mut(user.as_bytes()) else { return };
        if member.connections_in(self.round) == 0 {
            return;
        }
        member.connections -= 1;
        self.connections -= 1;
        if member.connections == 0 {
            member.set_wake(&mut self.wakes, user, away_at);
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
        let member = member(&mut self.users, self.round, user, info);
        (member.since, member.joined_at, member.is_ordered) = (since, place, true);
        if !std::mem::replace(&mut member.is_shown, true) {
            self.shown += 1;
        }
    }

    /// A user had left when the program ended.
    pub(crate) fn restore_left(&mut self, user: &str) {
        if self.users.remove(user.as_bytes()).is_some_and(|before| before.is_shown) {
            self.shown -= 1;
        }
    }

    /// All who were restored have until then to come back.
    pub(crate) fn restored(&mut self, away_at: Millis) {
        for (user, member) in &mut self.users {
            member.wake_at = away_at;
            self.wakes.insert((away_at, user.clone()));
        }
    }

    /// Looks at a user then, and not before.
    pub(crate) fn set_wake(&mut self, user: &str, at: Millis) {
        if let Some(member) = self.users.get_mut(user.as_bytes()) {
            member.set_wake(&mut self.wakes, user, at);
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
    pub(crate) fn next_woken(&mut self, now: Millis) -> Option<UserName> {
        let round = self.round;
        if let Some(from) = self.swept.take() {
            let behind = (Bound::Excluded(from.as_bytes()), Bound::Unbounded);
            if let Some((user, member)) = self.users.range_mut::<[u8], _>(behind).next() {
                if member.connections_in(round) == 0 && member.wake_at == NEVER {
                    member.set_wake(&mut self.wakes, user, now);
                }
                self.swept = Some(user.clone());
                return Some(user.clone());
            }
        }
        let (_, user) = self.wakes.first().filter(|(at, _)| *at <= now)?;
        let user = user.clone();
        self.set_wake(&user, NEVER);
        Some(user)
    }

    /// What is to be told of a user now, if anything: it is given its place by the caller. `again_at`: nothing can be told now, and the
    /// user is looked at then. Who is neither there nor shown is forgotten.
    pub(crate) fn settle(&mut self, user: &str, again_at: Option<Millis>, now: Millis) -> Option<Due> {
        let member = self.users.get_mut(user.as_bytes())?;
        match (member.standing(self.round, now), again_at) {
            (Standing::Told, _) => None,
            (Standing::Due(_), Some(again_at)) => {
                member.set_wake(&mut self.wakes, user, again_at);
                None
            }
            (Standing::Due(due), None) => {
                (member.is_ordered, member.pending) = (due != Due::Left, member.pending + 1);
                Some(due)
            }
            (Standing::Forgotten, _) => {
                self.forget(user);
                None
            }
        }
    }

    /// What was ordered of a user is not shown: it is looked at anew then.
    pub(crate) fn give_up(&mut self, user: &str, again_at: Millis) {
        let Some(member) = self.users.get_mut(user.as_bytes()) else { return };
        member.pending = member.pending.saturating_sub(1);
        member.is_ordered = member.is_shown;
        member.set_wake(&mut self.wakes, user, again_at);
    }

    /// Clients are shown that a user is there, or no longer.
    pub(crate) fn show(&mut self, user: &str, joined: bool, time: Millis, place: Position) {
        let Some(member) = self.users.get_mut(user.as_bytes()) else { return };
        member.pending = member.pending.saturating_sub(1);
        if joined != member.is_shown {
            self.shown = if joined { self.shown + 1 } else { self.shown - 1 };
        }
        member.is_shown = joined;
        if joined {
            (member.since, member.joined_at) = (time, place);
        }
        if let Standing::Forgotten = member.standing(self.round, time) {
            self.forget(user);
        }
    }

    /// From which place on a user is shown, if it is.
    pub(crate) fn shown_since(&self, user: &str) -> Option<Position> {
        self.users.get(user.as_bytes()).filter(|member| member.is_shown).map(|member| member.joined_at)
    }

    /// Those who are shown, behind this name, so many at the most. `waiting`: all connections on the channel. No more are looked at
    /// than [`ROSTER_LOOK_MAX`].
    pub(crate) fn page(&self, after: Option<&str>, limit: usize, waiting: u32) -> PresentPage {
        let start = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.as_bytes()));
        let (users, more, next) = shown(self.users.range::<[u8], _>((start, Bound::Unbounded)), limit);
        let anonymous = u64::from(waiting).saturating_sub(self.connections);
        PresentPage { users, count: self.shown, anonymous, more, next }
    }

    /// Those who are shown whose names begin so, behind this name, so many at the most; and the name behind which to go on, if there
    /// may be more. No more are looked at than [`ROSTER_LOOK_MAX`].
    pub(crate) fn named(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Present>, Option<UserName>) {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.as_bytes()),
            _ => Bound::Included(prefix.as_bytes()),
        };
        let named = self.users.range::<[u8], _>((start, Bound::Unbounded));
        let named = named.take_while(|(user, _)| user.as_bytes().starts_with(prefix.as_bytes()));
        let (users, _, next) = shown(named, limit);
        (users, next)
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
        let woken: BTreeSet<_> = woken.map(|(user, member)| (member.wake_at, user.clone())).collect();
        assert_eq!(woken, self.wakes);
        for (user, member) in &self.users {
            let is_looked_at = self.swept.is_some() || member.wake_at != NEVER;
            assert!(
                member.connections_in(self.round) > 0 || is_looked_at || !member.is_ordered,
                "{user:?} would stay"
            );
        }
    }

    fn forget(&mut self, user: &str) {
        self.set_wake(user, NEVER);
        self.users.remove(user.as_bytes());
    }
}

/// A user, who is made if there is none of this name.
fn member<'a>(
    users: &'a mut BTreeMap<UserName, Member>,
    round: u16,
    user: &str,
    info: Option<&str>,
) -> &'a mut Member {
    users.entry(user.into()).or_insert_with(|| Member::new(info.map(Arc::from), round))
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

    /// It is looked at then, and not before.
    fn set_wake(&mut self, wakes: &mut Wakes, user: &str, at: Millis) {
        let before = std::mem::replace(&mut self.wake_at, at);
        if before == at {
            return;
        }
        if before != NEVER {
            wakes.remove(&(before, user.into()));
        }
        if at != NEVER {
            wakes.insert((at, user.into()));
        }
    }

    /// How it stands now.
    fn standing(&self, round: u16, now: Millis) -> Standing {
        let is_away = self.wake_at == NEVER || self.wake_at <= now;
        let is_there = self.connections_in(round) > 0 || !is_away;
        match (is_there, self.is_ordered) {
            (true, false) => Standing::Due(Due::Joined(self.info.clone())),
            (false, true) => Standing::Due(Due::Left),
            (false, false) if !self.is_shown && self.pending == 0 => Standing::Forgotten,
            _ => Standing::Told,
        }
    }

    /// As others may know it.
    fn as_present(&self, user: &UserName) -> Present {
        Present { user: user.clone(), info: self.info.clone(), since: self.since }
    }

    /// Its connections, of those that did not end all at once.
    fn connections_in(&self, round: u16) -> u32 {
        if self.round == round { self.connections } else { 0 }
    }
}

/// Those of these who are shown, so many at the most; whether there may be more; and the last one that was looked at, if so.
fn shown<'a>(
    members: impl Iterator<Item = (&'a UserName, &'a Member)>,
    limit: usize,
) -> (Vec<Present>, bool, Option<UserName>) {
    let (mut users, mut last) = (Vec::new(), None);
    for (looked, (user, member)) in members.enumerate() {
        if looked == ROSTER_LOOK_MAX || (member.is_shown && users.len() == limit) {
            return (users, true, last);
        }
        if member.is_shown {
            users.push(member.as_present(user));
        }
        last = Some(user.clone());
    }
    (users, false, None)
}

/// A user who is present is one of these, beside its name.
const _: () = assert!(size_of::<(UserName, Member)>() <= 80);
