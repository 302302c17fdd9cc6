//! Messages for users and for everybody, who are found by tables and not as members of a channel: what some connections of
//! this shard have not got yet, and how far each walk has come.
//!
//! Whoever comes meanwhile has all up to then, so a walk passes it over by its place.

use std::collections::VecDeque;
use std::rc::Rc;

use exchange::hub::{Addressed, Position};
use rustc_hash::FxHashMap;

use crate::debts::Owed;
use crate::slab::Slab;

/// The walks under way.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    walks: Slab<Walk>,
    of_users: FxHashMap<Box<str>, u32>,
    of_all: Option<u32>,
}

/// One walk: to the connections of a user, or to all.
#[derive(Debug)]
pub(crate) struct Walk {
    /// `None`: to all.
    pub(crate) user: Option<Box<str>>,
    /// What some have not got yet, in order. Never empty.
    pending: VecDeque<Rc<Owed>>,
    /// The newest that was pending when the walk began: all it leaves behind have it. `None`: it has not begun.
    pub(crate) until: Option<Position>,
    /// Of a walk to all: the index to look at next.
    pub(crate) at: usize,
}

impl Walks {
    /// Whether nobody is owed anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.walks.len() == 0
    }

    /// Those whom a message is for are owed it. Returns the key of a walk that is now to be made, if there was none.
    pub(crate) fn owe(&mut self, whom: Addressed<'_>, owed: Rc<Owed>) -> Option<u32> {
        let known = match whom {
            Addressed::User(user) => self.of_users.get(user).copied(),
            Addressed::Everybody => self.of_all,
        };
        if let Some(key) = known {
            self.walks[key as usize].pending.push_back(owed);
            return None;
        }
        let user = match whom {
            Addressed::User(user) => Some(Box::from(user)),
            Addressed::Everybody => None,
        };
        let walk = Walk { user: user.clone(), pending: VecDeque::from([owed]), until: None, at: 0 };
        let key = u32::try_from(self.walks.insert(walk)).expect("there are fewer walks than connections");
        match user {
            Some(user) => drop(self.of_users.insert(user, key)),
            None => self.of_all = Some(key),
        }
        Some(key)
    }

    /// The walk of this key.
    pub(crate) fn get_mut(&mut self, key: u32) -> &mut Walk {
        &mut self.walks[key as usize]
    }

    /// What somebody of this user, if of any, may not have got yet: that for all, and that for the user; each in order.
    pub(crate) fn pending(&self, user: Option<&str>) -> impl Iterator<Item = &Rc<Owed>> {
        let of_user = user.and_then(|user| self.of_users.get(user)).copied();
        let keys = self.of_all.into_iter().chain(of_user);
        keys.flat_map(|key| &self.walks[key as usize].pending)
    }

    /// A walk is over: drops what all have by now, into `done`. True: another walk is needed, for what came meanwhile.
    pub(crate) fn walked(&mut self, key: u32, done: &mut Vec<Rc<Owed>>) -> bool {
        let walk = &mut self.walks[key as usize];
        let until = walk.until.take().unwrap_or_default();
        while walk.pending.front().is_some_and(|owed| owed.position() <= until) {
            done.extend(walk.pending.pop_front());
        }
        if !walk.pending.is_empty() {
            walk.at = 0;
            return true;
        }
        if let Some(walk) = self.walks.remove(key as usize) {
            match walk.user {
                Some(user) => drop(self.of_users.remove(&user)),
                None => self.of_all = None,
            }
        }
        if self.walks.len() == 0 {
            // A burst leaves nothing.
            *self = Self::default();
        }
        false
    }
}

impl Walk {
    /// The newest that is owed.
    pub(crate) fn newest(&self) -> Position {
        self.pending.back().map(|owed| owed.position()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use exchange::Delivery;
    use exchange::hub::{ChannelId, Kind, Message, Payload, Target};
    use smallvec::smallvec;

    use super::*;

    fn owed(place: u64) -> Rc<Owed> {
        let targets = smallvec![Target { name: "$all".into(), alias: None }];
        let payload = Payload::new(*b"x", Kind::Either);
        let message = Message::new(Position::from_bits(place), 0, None, targets, payload);
        Rc::new(Owed { delivery: Arc::new(Delivery::new(message, smallvec![ChannelId::NONE], 0)) })
    }

    fn pending(walks: &Walks, user: Option<&str>) -> Vec<u64> {
        walks.pending(user).map(|owed| owed.position().to_bits()).collect()
    }

    #[test]
    fn somebody_is_owed_what_is_for_all_and_for_its_user() {
        let mut walks = Walks::default();
        let ann = walks.owe(Addressed::User("ann"), owed(1)).unwrap();
        let all = walks.owe(Addressed::Everybody, owed(2)).unwrap();
        assert_eq!(walks.owe(Addressed::User("ann"), owed(3)), None, "there is a walk already");
        assert_eq!(
            (pending(&walks, Some("ann")), pending(&walks, Some("bob")), pending(&walks, None)),
            (vec![2, 1, 3], vec![2], vec![2])
        );
        walks.get_mut(ann).until = Some(Position::from_bits(1));
        let mut done = Vec::new();
        assert!(walks.walked(ann, &mut done) && done.len() == 1, "the third came meanwhile");
        assert_eq!((pending(&walks, Some("ann")), walks.get_mut(ann).newest().to_bits()), (vec![2, 3], 3));
        for key in [ann, all] {
            walks.get_mut(key).until = Some(Position::from_bits(3));
            assert!(!walks.walked(key, &mut done));
        }
        assert!(walks.is_empty() && done.len() == 3 && pending(&walks, Some("ann")).is_empty());
    }
}
