//! Messages for users and for everybody: who is owed them, and the walks that bring them.

use std::rc::Rc;

use exchange::hub::{Addressed, EVERYBODY, Position, Session, Start, addressed, user_channel};
use transport::{Ending, Phase, Purpose};

use super::Shard;
use super::post::Sending;
use crate::debts::Owed;
use crate::kernel::Kernel;
use crate::limits::{LOOKED_AT_PER_SLICE, VISITS_PER_SLICE};

/// In the key of a job: it is a walk, and no channel.
pub(super) const WALK: u32 = 1 << 31;

/// Adds what a client that reads a past reads besides the channels it asks for: what was said to its user and to everybody since it
/// went, or else while it reads.
pub(super) fn add_addressed(names: &mut Vec<Box<str>>, start: Start, session: Option<&Session>) {
    if start == Start::Now {
        return;
    }
    names.extend(session.and_then(Session::user).map(user_channel));
    names.push(EVERYBODY.into());
}

impl<K: Kernel> Shard<K> {
    /// Whom a message is for that reaches its readers by tables, is owed it.
    pub(super) fn owe_addressed(&mut self, owed: &Rc<Owed>) {
        for target in owed.delivery.message.targets() {
            let Some(whom) = addressed(&target.name) else { continue };
            if let Addressed::User(user) = whom
                && self.guests.of_user(user).next().is_none()
            {
                continue;
            }
            self.jobs.extend(self.members.walks.owe(whom, Rc::clone(owed)).map(|key| key | WALK));
        }
    }

    /// What the connection at `index` is owed of such messages after what it has, and up to a place, not in order; each with its
    /// target. Who still reads its backlog finds them there.
    pub(super) fn addressed_due(
        &self,
        index: usize,
        until: Position,
    ) -> impl Iterator<Item = (&Rc<Owed>, usize)> {
        let last = self.slab[index].conn.last;
        let pending = (!self.members.walks.is_empty() && self.may_be_reached(index))
            .then(|| self.members.walks.pending(self.guests.session(index).and_then(Session::user)));
        let due = pending.into_iter().flatten();
        let due = due.filter(move |owed| owed.position() > last && owed.position() <= until);
        let target = |owed: &Rc<Owed>| {
            owed.delivery.message.targets().iter().position(|target| addressed(&target.name).is_some())
        };
        due.filter_map(move |owed| Some((owed, target(owed)?)))
    }

    /// Whether such messages reach a connection now.
    fn may_be_reached(&self, index: usize) -> bool {
        let conn = &self.slab[index].conn;
        let is_ours = matches!(conn.shape.ending(), Ending::Stream | Ending::OnePoll);
        let backlog = conn.extra.as_ref().and_then(|extra| extra.backlog.as_ref());
        let opens = backlog.is_some_and(|backlog| matches!(backlog.purpose, Purpose::Opening));
        conn.phase == Phase::Waiting && is_ours && !opens
    }

    /// A slice of one walk. True: it is done.
    pub(super) fn run_walk(&mut self, key: u32, budget: &mut usize) -> bool {
        let mut looked = 0;
        for _ in 0..VISITS_PER_SLICE {
            if *budget == 0 {
                return false;
            }
            let Some(index) = self.next_of_walk(key, &mut looked) else {
                if looked >= LOOKED_AT_PER_SLICE {
                    // To look costs something, too.
                    *budget -= 1;
                    return false;
                }
                let mut done = Vec::new();
                let again = self.members.walks.walked(key, &mut done);
                self.settle(done);
                if again {
                    continue;
                }
                return true;
            };
            *budget -= 1;
            if self.await_post(index) {
                self.visit_until(index, Position::END, Sending::ByPost);
            }
        }
        false
    }

    /// The next connection that a walk comes to and that is owed something. `None`: there is none, or enough were looked at.
    fn next_of_walk(&mut self, key: u32, looked: &mut usize) -> Option<usize> {
        let walk = self.members.walks.get_mut(key);
        let begins = walk.until.is_none();
        let newest = walk.until.unwrap_or_else(|| walk.newest());
        walk.until = Some(newest);
        let user = walk.user.clone();
        if let Some(user) = user.as_deref().filter(|_| begins) {
            self.guests.begin_walk(key, user);
        }
        while *looked < LOOKED_AT_PER_SLICE {
            let index = match &user {
                Some(user) => self.guests.next_of_walk(key, user)?,
                None => {
                    let walk = self.members.walks.get_mut(key);
                    if walk.at >= self.slab.end() {
                        return None;
                    }
                    walk.at += 1;
                    Some(walk.at - 1)
                }
            };
            *looked += 1;
            let is_owed = |index: &usize| self.slab.get(*index).is_some_and(|slot| slot.conn.last < newest);
            if let Some(index) = index.filter(is_owed).filter(|index| self.may_be_reached(*index)) {
                return Some(index);
            }
        }
        None
    }
}
