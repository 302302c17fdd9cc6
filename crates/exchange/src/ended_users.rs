//! Users whom the application ended: what they were given before counts no longer, until a time.
//!
//! Where nobody was ended, which is nearly always, to ask costs a look at one number.

use std::collections::HashMap;

use hub::{Session, UserEnd, WallTime};

use crate::limits::{ENDED_USERS_MAX, ENDED_USERS_SWEEP_MS};
use crate::sync::{AtomicUsize, Mutex, MutexGuard, Ordering};

/// Who was ended lately. Not more than [`ENDED_USERS_MAX`].
#[derive(Default)]
pub struct EndedUsers {
    table: Mutex<Table>,
    count: AtomicUsize,
}

#[derive(Default)]
struct Table {
    users: HashMap<Box<str>, End>,
    /// When those that are over were last removed.
    swept: WallTime,
}

/// When a user was ended, and until when that counts.
#[derive(Debug, PartialEq, Eq)]
struct End {
    at: WallTime,
    until: WallTime,
    /// Until when it counts at the least, whatever comes of ends that are under way.
    surely: WallTime,
    /// When those began that are under way; as many as there are requests that say so.
    under_way: Vec<WallTime>,
}

/// As many users are refused as can be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ENDED_USERS_MAX} users are refused already, and no more can be remembered")]
pub struct TooManyEnded;

impl EndedUsers {
    /// Whether what a session stands for was said of its user before the application ended that one. What does not say when
    /// it was issued counts as older.
    pub fn refuse(&self, session: &Session, now: WallTime) -> bool {
        if self.count() == 0 {
            return false;
        }
        let Some(user) = session.user() else { return false };
        let found = self.lock().users.get(user).map(|end| (end.at, end.until));
        let Some((at, until)) = found else { return false };
        now < until && session.issued().is_none_or(|issued| issued <= at)
    }

    /// A user is ended now. One who was before stays refused as long as was said then. `settled`: until when is known; else
    /// [`Self::settle`] will say it.
    pub fn put(&self, UserEnd { user, at, until }: &UserEnd, settled: bool) -> Result<(), TooManyEnded> {
        let surely = if settled { *until } else { WallTime::PAST };
        let mut table = self.lock();
        if table.users.len() >= ENDED_USERS_MAX {
            table.sweep(*at);
        }
        let is_full = table.users.len() >= ENDED_USERS_MAX;
        if is_full && !table.users.contains_key(&**user) {
            return Err(TooManyEnded);
        }
        let first = || End { at: *at, until: *until, surely, under_way: Vec::new() };
        let end = table.users.entry(Box::from(&**user)).or_insert_with(first);
        (end.at, end.until, end.surely) = (end.at.max(*at), end.until.max(*until), end.surely.max(surely));
        if !settled {
            end.under_way.push(*at);
        }
        self.count.store(table.users.len(), Ordering::Relaxed);
        Ok(())
    }

    /// That a user was ended counts until then, and not as long as was thought when that was put; or longer, where it is ended
    /// more than once: the longest of all counts, as soon as each is known.
    pub fn settle(&self, UserEnd { user, at, until }: &UserEnd) {
        if let Some(end) = self.lock().users.get_mut(&**user) {
            end.surely = end.surely.max(*until);
            if let Some(place) = end.under_way.iter().position(|began| began == at) {
                end.under_way.swap_remove(place);
            }
            // Where another end is under way it will say so.
            if end.under_way.is_empty() {
                (end.until, end.under_way) = (end.surely, Vec::new());
            }
        }
    }

    /// Until when it counts that a user was ended.
    pub fn until(&self, user: &str) -> Option<WallTime> {
        self.lock().users.get(user).map(|end| end.until)
    }

    /// Whether a store still needs to know this.
    pub fn needs(&self, UserEnd { user, at, until }: &UserEnd, now: WallTime) -> bool {
        let is_last = |end: &End| end.at <= *at || end.until <= *until;
        now < *until && self.lock().users.get(&**user).is_some_and(is_last)
    }

    /// All of them, each as far as it is known.
    pub(crate) fn all(&self) -> Vec<UserEnd> {
        let table = self.lock();
        let ends = table.users.iter();
        ends.map(|(user, end)| UserEnd { user: user.clone(), at: end.at, until: end.until }).collect()
    }

    /// Removes those that are over, once in a while.
    pub(crate) fn tick(&self, now: WallTime) {
        if self.count() == 0 {
            return;
        }
        let mut table = self.lock();
        if now.since(table.swept) >= ENDED_USERS_SWEEP_MS || now < table.swept {
            table.sweep(now);
            self.count.store(table.users.len(), Ordering::Relaxed);
        }
    }

    /// How many are refused.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it holds the users")
    }
}

impl Table {
    fn sweep(&mut self, now: WallTime) {
        self.swept = now;
        self.users.retain(|_, end| now < end.until);
        if self.users.is_empty() {
            self.users = HashMap::new();
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use hub::SessionParts;

    use super::*;

    fn at(seconds: u64) -> WallTime {
        WallTime::from_millis(seconds * 1_000 + 500)
    }

    fn end(user: &str, began: u64, until: u64) -> UserEnd {
        UserEnd { user: user.into(), at: at(began), until: at(until) }
    }

    fn put(ended: &EndedUsers, end: &UserEnd) -> Result<(), TooManyEnded> {
        ended.put(end, true)
    }

    fn refuse(ended: &EndedUsers, user: Option<&str>, issued: Option<u64>, now: u64) -> bool {
        let issued = issued.map(WallTime::from_seconds);
        ended.refuse(&Session::of(&SessionParts { user, issued, ..SessionParts::default() }), at(now))
    }

    #[test]
    fn what_was_issued_up_to_the_second_of_the_end_counts_no_longer_for_a_while() {
        let ended = EndedUsers::default();
        assert!(!refuse(&ended, Some("ann"), None, 10));
        put(&ended, &end("ann", 10, 20)).unwrap();
        for (user, issued, now, expected) in [
            (Some("ann"), None, 10, true),
            (Some("ann"), Some(0), 19, true),
            (Some("ann"), Some(10), 11, true),
            (Some("ann"), Some(11), 11, false),
            (Some("ann"), Some(10), 20, false),
            (Some("bob"), None, 11, false),
            (None, None, 11, false),
        ] {
            assert_eq!(refuse(&ended, user, issued, now), expected, "{user:?} {issued:?} {now}");
        }
    }

    #[test]
    fn who_is_ended_again_is_refused_for_the_longer_time() {
        let ended = EndedUsers::default();
        put(&ended, &end("ann", 10, 100)).unwrap();
        put(&ended, &end("ann", 12, 20)).unwrap();
        assert_eq!((ended.until("ann"), refuse(&ended, Some("ann"), Some(12), 99)), (Some(at(100)), true));
        // What was put for as long as may be is settled when it is known, and never before what counted already.
        ended.put(&end("bob", 10, 1_000), false).unwrap();
        ended.settle(&end("bob", 10, 70));
        assert_eq!(ended.until("bob"), Some(at(70)));
        ended.put(&end("bob", 20, 1_000), false).unwrap();
        ended.settle(&end("bob", 10, 90));
        assert_eq!(ended.until("bob"), Some(at(1_000)), "it was ended once more since");
        ended.settle(&end("bob", 20, 80));
        assert_eq!(ended.until("bob"), Some(at(90)), "the longer of both");
        // Both under way, in one millisecond.
        ended.put(&end("cid", 10, 1_000), false).unwrap();
        ended.put(&end("cid", 10, 1_000), false).unwrap();
        ended.settle(&end("cid", 10, 70));
        ended.settle(&end("cid", 10, 60));
        assert_eq!(ended.until("cid"), Some(at(70)));
    }

    #[test]
    fn an_end_for_a_time_beside_one_whose_time_is_not_known_yet_leaves_the_longer_of_both() {
        for (lasts, usual, expected) in [(30, 90, 90), (120, 90, 120)] {
            let ended = EndedUsers::default();
            ended.put(&end("ann", 10, 1_000), false).unwrap();
            put(&ended, &end("ann", 11, lasts)).unwrap();
            assert_eq!(ended.until("ann"), Some(at(1_000)), "the first is under way");
            ended.settle(&end("ann", 10, usual));
            assert_eq!(ended.until("ann"), Some(at(expected)));
            // In the other order, too.
            put(&ended, &end("bob", 10, lasts)).unwrap();
            ended.put(&end("bob", 11, 1_000), false).unwrap();
            ended.settle(&end("bob", 11, usual));
            assert_eq!(ended.until("bob"), Some(at(expected)));
            // Two under way and one for a time, which ends neither.
            ended.put(&end("cid", 10, 1_000), false).unwrap();
            ended.put(&end("cid", 11, 1_000), false).unwrap();
            put(&ended, &end("cid", 12, lasts)).unwrap();
            ended.settle(&end("cid", 11, usual));
            assert_eq!(ended.until("cid"), Some(at(1_000)), "the first is under way");
            ended.settle(&end("cid", 10, 20));
            assert_eq!(ended.until("cid"), Some(at(expected)));
        }
    }

    #[test]
    fn there_is_a_limit_and_room_is_made_of_those_that_are_over() {
        let ended = EndedUsers::default();
        for n in 0..ENDED_USERS_MAX {
            put(&ended, &end(&n.to_string(), 10, if n == 0 { 20 } else { 30 })).unwrap();
        }
        assert_eq!(put(&ended, &end("one more", 11, 30)), Err(TooManyEnded));
        assert_eq!(put(&ended, &end("7", 11, 30)), Ok(()), "who is there already finds room");
        assert_eq!((put(&ended, &end("one more", 21, 30)), ended.count()), (Ok(()), ENDED_USERS_MAX));
        ended.tick(at(31));
        assert_eq!(ended.count(), 0);
        assert!(ended.lock().users.capacity() == 0, "a crowd leaves nothing");
    }

    #[test]
    fn a_store_needs_what_still_counts() {
        let ended = EndedUsers::default();
        put(&ended, &end("ann", 10, 20)).unwrap();
        assert!(ended.needs(&end("ann", 10, 20), at(19)) && !ended.needs(&end("ann", 10, 20), at(20)));
        assert!(!ended.needs(&end("bob", 10, 20), at(19)));
        put(&ended, &end("ann", 12, 30)).unwrap();
        assert!(!ended.needs(&end("ann", 10, 20), at(19)), "a later one says all of it");
        assert!(ended.needs(&end("ann", 12, 30), at(19)));
    }
}
