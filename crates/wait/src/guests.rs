//! Those who showed credentials, while they wait. All others have no entry here, and cost nothing.

use std::collections::VecDeque;

use exchange::hub::{Session, WallTime};
use rustc_hash::FxHashSet;

use crate::beside::Beside;
use crate::limits::{CLOCK_LOOK_MS, CLOCK_STEP_MS};
use crate::users::{Surveying, UserTable};
use crate::wheel::{Timed, Timer, Wheel};

/// The sessions of a shard's connections, and when each of them ends.
pub(crate) struct Guests {
    guests: Beside<GuestRecord>,
    users: UserTable,
    /// The channels that the application has them listen to.
    joined: Beside<Box<[Box<str>]>>,
    /// Connections for whose users there was no room where they are counted who have any connection.
    uncounted: FxHashSet<usize>,
    /// What is asked about users, in order.
    pub(crate) surveys: VecDeque<Surveying>,
    wheel: Wheel,
    /// By how much the wall clock was ahead of the shard's when the timers were set.
    ahead: i64,
    /// From where on timers are still to be set anew, since that changed.
    following: Option<usize>,
}

/// The shard's clock, which timers go by, and people's, which credentials end by: at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) now: u64,
    pub(crate) wall: WallTime,
}

impl Clocks {
    fn ahead(self) -> i64 {
        self.wall.millis().wrapping_sub(self.now).cast_signed()
    }

    /// The tick in which what ends then is over.
    fn tick(self, end: WallTime) -> u32 {
        Wheel::tick_after(self.now.saturating_add(end.since(self.wall)))
    }
}

struct GuestRecord {
    session: Session,
    timer: Timer,
}

impl Timed for GuestRecord {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

impl Guests {
    /// None yet. `seed` keys the table of users.
    pub(crate) fn new(seed: u64) -> Self {
        let (guests, users, surveys) = (Beside::default(), UserTable::new(seed), VecDeque::new());
        Self {
            guests,
            users,
            joined: Beside::default(),
            uncounted: FxHashSet::default(),
            surveys,
            wheel: Wheel::new(),
            ahead: 0,
            following: None,
        }
    }

    /// Which connections users have.
    pub(crate) fn users(&self) -> &UserTable {
        &self.users
    }

    /// The connections of those who have this user.
    pub(crate) fn of_user<'a>(&'a self, user: &'a str) -> impl Iterator<Item = usize> + 'a {
        let is_his = move |index: &usize| self.session(*index).and_then(Session::user) == Some(user);
        self.users.of(user).filter(is_his)
    }

    /// A walk of this key to the connections of a user begins.
    pub(crate) fn begin_walk(&mut self, key: u32, user: &str) {
        self.users.begin_walk(key, user);
    }

    /// The next connection that a walk comes to; the inner `None`: it is somebody else's. `None`: the walk is over.
    pub(crate) fn next_of_walk(&mut self, key: u32, user: &str) -> Option<Option<usize>> {
        let index = self.users.next_of_walk(key)?;
        let is_his = self.session(index).and_then(Session::user) == Some(user);
        Some(is_his.then_some(index))
    }

    /// Some of those who have users, from this index on; `max` guests are looked at. The second: where to go on.
    pub(crate) fn users_from(&self, from: usize, max: usize) -> (Vec<(usize, &str)>, Option<usize>) {
        let indices: Vec<usize> = self.guests.indices_from(from).take(max).collect();
        let next = indices.last().filter(|_| indices.len() == max).map(|last| last + 1);
        let named = indices.into_iter().filter_map(|index| Some((index, self.guests[index].session.user()?)));
        (named.collect(), next)
    }

    /// The channels that the application has the connection at `index` listen to.
    pub(crate) fn joined(&self, index: usize) -> &[Box<str>] {
        self.joined.get(index).map_or(&[], |names| &**names)
    }

    /// From now on these are such.
    pub(crate) fn set_joined(&mut self, index: usize, names: Vec<Box<str>>) {
        if !names.is_empty() {
            self.joined.put(index, names.into());
        } else if self.joined.len() > 0 {
            self.joined.remove(index);
        }
    }

    /// A connection is not counted among those of its user.
    pub(crate) fn leave_uncounted(&mut self, index: usize) {
        self.uncounted.insert(index);
    }

    /// Whether a connection was counted among those of its user, which has gone or is another one now.
    pub(crate) fn take_counted(&mut self, index: usize) -> bool {
        self.uncounted.is_empty() || !self.uncounted.remove(&index)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.guests.len()
    }

    /// The session of the connection at `index`, if it has one.
    pub(crate) fn session(&self, index: usize) -> Option<&Session> {
        Some(&self.guests.get(index)?.session)
    }

    /// From now on the connection at `index` has this session, until that ends.
    pub(crate) fn put(&mut self, index: usize, session: Session, clocks: Clocks) {
        let before = self.take_out(index);
        let user = session.user();
        let is_same = before.as_ref().is_some_and(|before| before.user() == user);
        if !is_same {
            self.leave_user(index, before.as_ref());
            if let Some(user) = user {
                self.users.enter(index, user, clocks.wall);
            }
        }
        if self.guests.len() == 0 {
            self.ahead = clocks.ahead();
        }
        let ends = session.expires();
        self.guests.put(index, GuestRecord { session, timer: Timer::IDLE });
        if let Some(end) = ends {
            self.wheel.set(&mut self.guests, index, clocks.tick(end));
        }
    }

    /// Sets timers anew where somebody has set the wall clock, or the machine slept, since they were set: up to `max` of them,
    /// and the others when it is called again.
    pub(crate) fn follow(&mut self, clocks: Clocks, max: usize) {
        if self.ahead.abs_diff(clocks.ahead()) >= CLOCK_STEP_MS {
            self.ahead = clocks.ahead();
            self.following = Some(0);
        }
        let Some(from) = self.following else { return };
        let indices: Vec<usize> = self.guests.indices_from(from).take(max).collect();
        self.following = indices.last().filter(|_| indices.len() == max).map(|last| last + 1);
        for index in indices {
            if let Some(end) = self.guests[index].session.expires() {
                self.wheel.unlink(&mut self.guests, index);
                self.wheel.set(&mut self.guests, index, clocks.tick(end));
            }
        }
    }

    /// Whether some timers are still to be set anew.
    pub(crate) fn is_following(&self) -> bool {
        self.following.is_some()
    }

    /// The connection at `index` waits no longer; returns the session it had.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Session> {
        let session = self.take_out(index);
        self.leave_user(index, session.as_ref());
        self.set_joined(index, Vec::new());
        session
    }

    fn leave_user(&mut self, index: usize, session: Option<&Session>) {
        if let Some(user) = session.and_then(Session::user) {
            self.users.leave(index, user);
        }
    }

    fn take_out(&mut self, index: usize) -> Option<Session> {
        self.guests.get(index)?;
        self.wheel.unlink(&mut self.guests, index);
        let guest = self.guests.remove(index);
        if self.guests.len() == 0 {
            self.following = None;
        }
        guest.map(|guest| guest.session)
    }

    /// Whether the connection at `index` is counted among those of its user.
    pub(crate) fn is_counted(&self, index: usize) -> bool {
        !self.uncounted.contains(&index)
    }

    /// The connection at `index` goes over to another shard; nobody is told that it is gone.
    pub(crate) fn hand_over(&mut self, index: usize) {
        self.remove(index);
        self.uncounted.remove(&index);
    }

    /// The connection at `index` came over with this session, as whose it waits since then.
    pub(crate) fn take_over(&mut self, index: usize, session: Session, since: WallTime, clocks: Clocks) {
        let user = session.user().map(Box::<str>::from);
        self.put(index, session, clocks);
        if let Some(user) = user {
            self.users.leave(index, &user);
            self.users.enter(index, &user, since);
        }
    }

    /// The indices of up to `max` connections whose sessions ended by now. They have no timer any more. Whose timer
    /// was not set anew yet since the clock was put back goes on.
    pub(crate) fn expire(&mut self, clocks: Clocks, max: usize) -> Vec<usize> {
        let mut due = Vec::new();
        self.wheel.expire(&mut self.guests, clocks.now, max, &mut due);
        due.retain(|index| match self.guests[*index].session.expires() {
            Some(end) if end > clocks.wall => {
                self.wheel.set(&mut self.guests, *index, clocks.tick(end));
                false
            }
            _ => true,
        });
        due
    }

    /// Milliseconds until the next session may end, or the wall clock is looked at again.
    pub(crate) fn next_ms(&self, now: u64) -> Option<u64> {
        self.wheel.next_ms(now).map(|next| next.min(CLOCK_LOOK_MS))
    }
}

const _: () =
    assert!(size_of::<Option<GuestRecord>>() <= 24, "who shows credentials pays this for each connection");

#[cfg(test)]
mod tests {
    use super::*;

    /// A day, since clocks on walls say more than clocks of shards.
    const DAY: u64 = 86_400_000;

    /// A session that ends so many milliseconds after the shard began.
    fn session(user: &str, ends: Option<u64>) -> Session {
        Session::new(Some(user), ends.map(|ends| WallTime::from_millis(DAY + ends)), &[])
    }

    /// The shard's clock, and the wall's, which was set by so much.
    fn at(now: u64, set_by: i64) -> Clocks {
        Clocks { now, wall: WallTime::from_millis((DAY + now).saturating_add_signed(set_by)) }
    }

    #[test]
    fn sessions_end_by_the_wall_clock_however_it_is_set() {
        let mut guests = Guests::new(7);
        for (index, ends) in [(1, Some(60_000)), (2, Some(100_000)), (3, None)] {
            guests.put(index, session("a", ends), at(0, 0));
        }
        // The machine slept for a minute: who should have ended meanwhile does so at once.
        guests.follow(at(1_000, 60_000), 10);
        assert_eq!(guests.expire(at(1_100, 60_000), 10), [1]);
        guests.remove(1);
        // The clock was wrong and is put back: the other has that much more.
        guests.follow(at(2_000, -60_000), 10);
        assert!(guests.expire(at(159_900, -60_000), 10).is_empty());
        assert_eq!(guests.expire(at(160_100, -60_000), 10), [2]);
        assert!(guests.expire(at(DAY, -60_000), 10).is_empty());
    }

    #[test]
    fn a_clock_that_is_drawn_slowly_into_place_moves_no_timer_twice() {
        let mut guests = Guests::new(7);
        guests.put(1, session("a", Some(50_000)), at(0, 0));
        let less = i64::try_from(CLOCK_STEP_MS).unwrap() - 1;
        guests.follow(at(1_000, less), 10);
        assert_eq!((guests.ahead, guests.next_ms(1_000)), (at(0, 0).ahead(), Some(CLOCK_LOOK_MS)));
        guests.follow(at(2_000, less + 1), 10);
        assert!(guests.expire(at(48_900, 1_000), 10).is_empty());
        assert_eq!(guests.expire(at(49_100, 1_000), 10), [1]);
    }

    #[test]
    fn after_the_clock_was_set_so_many_timers_a_turn_are_set_anew_and_nobody_ends_too_early() {
        let mut guests = Guests::new(7);
        (0..100).for_each(|index| guests.put(index * 3, session("a", Some(60_000)), at(0, 0)));
        // Put back by an hour: no timer is right before it was its turn.
        let back = -3_600_000;
        for turn in 1..=10 {
            guests.follow(at(60_100, back), 10);
            assert!(guests.is_following(), "turn {turn}");
            assert!(guests.expire(at(60_100, back), 7).is_empty(), "turn {turn}");
        }
        guests.follow(at(60_100, back), 10);
        assert!(!guests.is_following());
        assert!(guests.expire(at(3_659_900, back), 1_000).is_empty());
        assert_eq!(guests.expire(at(3_660_100, back), 1_000).len(), 100);
        // Set once more before all were set anew: it begins again; and where all have left, it is over.
        let mut guests = Guests::new(7);
        (0..20).for_each(|index| guests.put(index, session("a", Some(60_000)), at(0, 0)));
        guests.follow(at(1_000, back), 15);
        guests.follow(at(1_000, 0), 15);
        assert!(guests.is_following());
        guests.follow(at(1_000, 0), 15);
        assert!(!guests.is_following());
        assert_eq!(guests.expire(at(60_100, 0), 100).len(), 20);
        guests.follow(at(60_100, back), 1);
        assert!((0..20).all(|index| guests.remove(index).is_some()) && !guests.is_following());
    }

    #[test]
    fn sessions_end_in_their_time_unless_they_were_renewed() {
        let mut guests = Guests::new(7);
        guests.put(7, session("a", Some(1_000)), at(0, 0));
        guests.put(8, session("b", None), at(0, 0));
        guests.put(9, session("c", Some(1_000)), at(0, 0));
        guests.put(9, session("c", Some(5_500)), at(500, 0));
        assert_eq!(guests.session(7).and_then(Session::user), Some("a"));
        assert!(guests.expire(at(999, 0), 10).is_empty());
        assert_eq!(guests.expire(at(1_100, 0), 10), [7]);
        guests.remove(7);
        assert_eq!((guests.len(), guests.session(7)), (2, None));
        assert!(guests.expire(at(5_400, 0), 10).is_empty());
        assert_eq!(guests.expire(at(5_600, 0), 10), [9]);
        guests.remove(8);
        guests.remove(9);
        assert_eq!((guests.len(), guests.next_ms(5_600)), (0, None));
    }

    #[test]
    fn users_have_the_connections_of_their_sessions() {
        let mut guests = Guests::new(7);
        let nobody = || Session::new(None, None, &[]);
        guests.put(1, session("ann", None), at(0, 0));
        guests.put(2, session("ann", None), at(5_000, 0));
        guests.put(3, session("bob", None), at(0, 0));
        guests.put(4, nobody(), at(0, 0));
        let of = |guests: &Guests, user: &str| guests.of_user(user).collect::<Vec<usize>>();
        assert_eq!(
            (of(&guests, "ann"), of(&guests, "bob"), of(&guests, "eve")),
            (vec![2, 1], vec![3], vec![])
        );
        // Who goes on by another token of his is there since he came.
        guests.put(1, session("ann", Some(9)), at(7_000, 0));
        assert_eq!(guests.users().since(1), at(0, 0).wall);
        guests.put(4, session("ann", None), at(0, 0));
        assert_eq!(of(&guests, "ann"), [4, 2, 1]);
        guests.put(4, nobody(), at(0, 0));
        guests.remove(2);
        assert_eq!((of(&guests, "ann"), guests.users().count()), (vec![1], 2));
        assert_eq!(guests.users_from(0, 2), (vec![(1, "ann"), (3, "bob")], Some(4)));
        assert_eq!(guests.users_from(4, 2), (vec![], None));
    }
}
