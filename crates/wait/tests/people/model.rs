//! What is known of who was where: every joined and left in the order, and who was surely connected when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exchange::hub::{Cursors, OrderItem, Position, is_of_all_users, presence_of};
use exchange::{EventFollower, Exchange};
use multiplexor_wait::exchange;

use super::ROOMS;

/// The names of users, in order.
pub(crate) type Set = BTreeSet<String>;

const NOBODY: &Set = &Set::new();

pub(crate) struct Model {
    pub(crate) cursors: Cursors,
    follower: EventFollower,
    read: Position,
    grace: u64,
    /// No reader owes so much that it is given up.
    pub(crate) keeps_slow_readers: bool,
    /// The users of each room, from each place on at which they changed.
    sets: [Vec<(Position, Set)>; ROOMS],
    /// From when until when a user was surely connected to a room.
    sure: BTreeMap<(usize, String), Vec<(u64, u64)>>,
    /// When a user was ended.
    ended: BTreeMap<String, Vec<u64>>,
    /// How often a user asked for a room, and how often it joined.
    asked: BTreeMap<(usize, String), (usize, usize)>,
}

impl Model {
    pub(crate) fn new(exchange: &Arc<Exchange>, grace: u64, keeps_slow_readers: bool) -> Self {
        let follower = EventFollower::new(Arc::clone(exchange));
        let (read, cursors) = (follower.from(), exchange.cursors());
        let (sets, sure, ended, asked) = Default::default();
        Self { cursors, follower, read, grace, keeps_slow_readers, sets, sure, ended, asked }
    }

    /// A user asks for a room once more.
    pub(crate) fn asks(&mut self, room: usize, user: &str) {
        self.asked.entry((room, user.to_owned())).or_default().0 += 1;
    }

    /// A user is ended: whatever it had counts no longer.
    pub(crate) fn ends(&mut self, user: &str, now: u64) {
        self.ended.entry(user.to_owned()).or_default().push(now);
    }

    /// Whether a user was ever ended, so that it may have been refused.
    pub(crate) fn ended_ever(&self, user: &str) -> bool {
        self.ended.contains_key(user)
    }

    /// A user is surely connected to a room, and was since it was seen so before.
    pub(crate) fn is_there(&mut self, room: usize, user: &str, since: u64, now: u64) {
        let times = self.sure.entry((room, user.to_owned())).or_default();
        match times.iter_mut().rev().find(|(from, _)| *from == since) {
            Some((_, to)) => *to = (*to).max(now),
            None => times.push((since, now)),
        }
    }

    /// Reads what was released meanwhile.
    pub(crate) fn follow(&mut self) {
        loop {
            let page = self.follower.read(self.read, 100);
            assert!(!page.gap, "who follows from the beginning misses nothing");
            self.read = page.position;
            for item in page.items {
                let OrderItem::Message(message) = item else { continue };
                let Some(movement) = message.movement() else { continue };
                let hidden = &message.targets()[0].name;
                if is_of_all_users(hidden) {
                    continue;
                }
                let room = super::room_of(presence_of(hidden).unwrap());
                self.moves(message.position, message.time, room, movement.joined, movement.user);
            }
            if !page.more {
                return;
            }
        }
    }

    fn moves(&mut self, place: Position, time: u64, room: usize, joined: bool, user: &str) {
        let mut set = self.sets[room].last().map_or_else(Set::new, |(_, set)| set.clone());
        let is_change = if joined { set.insert(user.to_owned()) } else { set.remove(user) };
        assert!(is_change, "{user} of room {room} joined and left in turn: {joined}");
        self.sets[room].push((place, set));
        let key = (room, user.to_owned());
        if joined {
            let (asked, joined) = self.asked.get_mut(&key).expect("who never asked never joins");
            *joined += 1;
            assert!(joined <= asked, "{user} joined room {room} {joined} times, and asked {asked} times");
        } else {
            let ended = self.ended.get(user).and_then(|times| times.iter().rev().find(|at| **at <= time));
            let times = self.sure.get(&key).into_iter().flatten();
            let times = times.filter(|(from, _)| ended.is_none_or(|ended| from > ended));
            let mut within = times.filter(|(from, to)| *from < time && *to + self.grace > time);
            assert_eq!(within.next(), None, "{user} left room {room} at {time}, and was there");
        }
    }

    /// The users of a room at a place.
    pub(crate) fn set_at(&self, room: usize, place: Position) -> &Set {
        let sets = &self.sets[room];
        let count = sets.partition_point(|(at, _)| *at <= place);
        count.checked_sub(1).map_or(NOBODY, |last| &sets[last].1)
    }

    /// The users of a room now.
    pub(crate) fn set(&self, room: usize) -> &Set {
        self.set_at(room, Position::END)
    }
}
