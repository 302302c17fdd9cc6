//! Which connections a user has: lists through a table beside the connections' records.
//!
//! A connection that has a user pays for a place in the lists and, where it is his only one here, for the head of his list.
//! Names stand in sessions alone. Two users of whom a hash is the same stand in one list: who asks for one looks at names.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Weak;

use exchange::UserSurvey;
use exchange::hub::WallTime;
use rustc_hash::FxHashMap;

use crate::beside::Beside;

/// The connections of a shard that have users.
pub(crate) struct UserTable {
    /// The first connection of each list, by a hash of the name.
    heads: FxHashMap<u32, u32>,
    peers: Beside<Peer>,
    /// Walks under way through a list: the key of each, and the connection that is next.
    walks: Vec<(u32, u32)>,
    /// Keys the hash: names may be what people chose.
    seed: u64,
}

/// A question about users that is not answered yet.
pub(crate) struct Surveying {
    pub(crate) survey: Weak<UserSurvey>,
    /// Those before this index were looked at.
    pub(crate) from: usize,
    /// The first users of the page so far: how many connections, and since when.
    pub(crate) first: BTreeMap<Box<str>, (u32, WallTime)>,
    /// How many connections were ended, or changed, so far, and when the last of their sessions would have ended.
    pub(crate) ended: (usize, WallTime),
}

/// A connection in its list.
#[derive(Debug, Clone, Copy)]
struct Peer {
    next: u32,
    prev: u32,
    /// When it began to wait, in seconds since the Unix epoch.
    since_s: u32,
}

/// There is none.
const NIL: u32 = u32::MAX;

impl UserTable {
    pub(crate) fn new(seed: u64) -> Self {
        Self { heads: FxHashMap::default(), peers: Beside::default(), walks: Vec::new(), seed }
    }

    /// About how many users there are: those of one hash count once.
    pub(crate) fn count(&self) -> usize {
        self.heads.len()
    }

    /// The connection at `index`, which has none yet, has this user from now on.
    pub(crate) fn enter(&mut self, index: usize, user: &str, now: WallTime) {
        let own = u32::try_from(index).expect("a node holds it");
        let since_s = u32::try_from(now.millis() / 1_000).unwrap_or(u32::MAX);
        let next = match self.heads.entry(self.hash(user)) {
            Entry::Vacant(nobody) => {
                nobody.insert(own);
                NIL
            }
            Entry::Occupied(mut first) => first.insert(own),
        };
        if next != NIL {
            self.peers[next as usize].prev = own;
        }
        self.peers.put(index, Peer { next, prev: NIL, since_s });
    }

    /// The connection at `index` has this user no longer.
    pub(crate) fn leave(&mut self, index: usize, user: &str) {
        let Some(Peer { next, prev, .. }) = self.peers.remove(index) else { return };
        for (_, at) in self.walks.iter_mut().filter(|(_, at)| *at as usize == index) {
            *at = next;
        }
        if next != NIL {
            self.peers[next as usize].prev = prev;
        }
        if prev != NIL {
            self.peers[prev as usize].next = next;
            return;
        }
        let hash = self.hash(user);
        if next == NIL {
            self.heads.remove(&hash);
            // A crowd that left leaves no large table.
            if self.heads.len() < self.heads.capacity() / SHRINK_AT {
                self.heads.shrink_to(2 * self.heads.len());
            }
        } else {
            self.heads.insert(hash, next);
        }
    }

    /// The connections of this user, the last one first; and, rarely, of somebody else.
    pub(crate) fn of(&self, user: &str) -> impl Iterator<Item = usize> {
        let first = self.heads.get(&self.hash(user)).copied().filter(|first| *first != NIL);
        std::iter::successors(first, |index| {
            Some(self.peers[*index as usize].next).filter(|next| *next != NIL)
        })
        .map(|index| index as usize)
    }

    /// A walk of this key through the list of a user begins. Who enters it from now on is not met.
    pub(crate) fn begin_walk(&mut self, key: u32, user: &str) {
        let first = self.heads.get(&self.hash(user)).copied().unwrap_or(NIL);
        // One that nobody waits for any more is none.
        self.walks.retain(|(of, _)| *of != key);
        self.walks.push((key, first));
    }

    /// The next connection of a walk, of this user or, rarely, of somebody else. `None`: the walk is over.
    pub(crate) fn next_of_walk(&mut self, key: u32) -> Option<usize> {
        let number = self.walks.iter().position(|(of, _)| *of == key)?;
        let at = self.walks[number].1;
        if at == NIL {
            self.walks.swap_remove(number);
            return None;
        }
        self.walks[number].1 = self.peers[at as usize].next;
        Some(at as usize)
    }

    /// Since when the connection at `index` waits as its user.
    pub(crate) fn since(&self, index: usize) -> WallTime {
        self.peers.get(index).map_or(WallTime::PAST, |peer| WallTime::from_seconds(peer.since_s.into()))
    }

    #[allow(clippy::cast_possible_truncation, reason = "any of its bits will do")]
    fn hash(&self, user: &str) -> u32 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write(user.as_bytes());
        hasher.finish() as u32
    }
}

/// A table that has become so many times too large is made anew.
const SHRINK_AT: usize = 8;

/// Beside that, a head takes 9 bytes, of which 7 of 16 may be used: 21. It is 48 at the most, as is promised.
const _: () = assert!(size_of::<Option<Peer>>() <= 16);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> WallTime {
        WallTime::from_seconds(seconds)
    }

    #[test]
    fn a_user_has_the_connections_that_entered_and_did_not_leave() {
        let mut users = UserTable::new(7);
        for (index, user) in [(1, "ann"), (2, "bob"), (300, "ann"), (4, "ann"), (5, "")] {
            users.enter(index, user, at(index as u64));
        }
        let of = |users: &UserTable, user: &str| users.of(user).collect::<Vec<usize>>();
        assert_eq!((of(&users, "ann"), of(&users, "bob"), users.count()), (vec![4, 300, 1], vec![2], 3));
        assert_eq!((users.since(300), of(&users, "eve")), (at(300), vec![]));
        users.leave(300, "ann");
        assert_eq!(of(&users, "ann"), [4, 1]);
        users.leave(4, "ann");
        assert_eq!(of(&users, "ann"), [1]);
        users.leave(1, "ann");
        users.leave(1, "ann");
        assert_eq!((of(&users, "ann"), users.count(), users.peers.len()), (vec![], 2, 2));
    }

    #[test]
    fn a_walk_meets_all_who_stay_and_nobody_who_comes() {
        let mut users = UserTable::new(7);
        (1..=6).for_each(|index| users.enter(index, "ann", at(1)));
        users.begin_walk(9, "ann");
        users.begin_walk(8, "nobody");
        let mut met = vec![users.next_of_walk(9).unwrap()];
        // The next one leaves, one comes, and one that was met comes anew.
        users.leave(5, "ann");
        users.enter(7, "ann", at(1));
        users.leave(6, "ann");
        users.enter(6, "ann", at(1));
        users.leave(1, "ann");
        met.extend(std::iter::from_fn(|| users.next_of_walk(9)));
        assert_eq!((met, users.next_of_walk(8)), (vec![6, 4, 3, 2], None));
        assert!(users.walks.is_empty());
    }

    #[test]
    fn a_crowd_that_left_leaves_nothing() {
        let mut users = UserTable::new(7);
        let name = |n: usize| format!("user {n}");
        (0..10_000).for_each(|n| users.enter(n, &name(n), at(1)));
        let full = users.heads.capacity();
        (0..10_000).for_each(|n| users.leave(n, &name(n)));
        assert_eq!((users.count(), users.peers.len()), (0, 0));
        assert!(users.heads.capacity() < full / 100, "{}", users.heads.capacity());
    }

    #[test]
    fn names_that_are_chosen_find_no_list_of_others() {
        let (one, other) = (UserTable::new(1), UserTable::new(2));
        assert!((0..100).any(|n| one.hash(&n.to_string()) != other.hash(&n.to_string())));
    }
}
