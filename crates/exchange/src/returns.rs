//! Clients that come back to the same message again and again: what they get, they cannot take. A library that refuses a
//! long message drops its connection, and comes back with the cursor that it had before it.
//!
//! Who somebody is can be known by his user or address, and by what he listens to. Two who are alike are told apart where
//! they are there at the same time, and where one of them goes past the message. The table lies in parts by user or
//! address, each with a lock of its own, so nobody has more than his part of it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use hub::{Millis, Position};

use crate::limits::{RETURN_KEPT_MS, RETURN_PARTS, RETURNS_PER_PART};
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// Those who came back, as far as they are remembered.
pub struct Returns {
    parts: Box<[Mutex<HashMap<u64, Return>>]>,
    hasher: RandomState,
    count: AtomicU64,
    /// How many parts were swept.
    swept: AtomicU64,
}

/// Somebody's connection that came back to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    part: usize,
    who: u64,
    message: Position,
    /// How often he came to it with the same cursor, this time included.
    pub times: u8,
    /// How often it was written whole to him before.
    pub whole: u8,
}

/// What is remembered of somebody.
#[derive(Debug)]
struct Return {
    cursor: Position,
    /// The first message behind it.
    message: Position,
    times: u8,
    whole: u8,
    /// Connections that came to it and are there.
    open: u16,
    at: Millis,
}

impl Default for Returns {
    fn default() -> Self {
        let parts = (0..RETURN_PARTS).map(|_| Mutex::default()).collect();
        Self { parts, hasher: RandomState::new(), count: AtomicU64::new(0), swept: AtomicU64::new(0) }
    }
}

impl Returns {
    /// Whether nobody is remembered: then somebody who is owed nothing need not be looked for. Without a lock.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Somebody came with a cursor to listen to these channels, behind which `first` is the first message that he is owed.
    /// `None`: there is none, or others like him are there, so nobody knows who of them came before. What it returns is to
    /// be told of by [`Self::end`] or [`Self::took`].
    pub fn come(
        &self,
        who: &(impl Hash + ?Sized),
        names: &[impl AsRef<str>],
        cursor: Position,
        first: Option<Position>,
        now: Millis,
    ) -> Option<Came> {
        let part = usize::try_from(self.hasher.hash_one(who) % RETURN_PARTS as u64).unwrap_or_default();
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        let key = self.hasher.hash_one((self.hasher.hash_one(who), names));
        let mut table = self.part(part);
        let before = table.len();
        let came = come(&mut table, key, cursor, first, now);
        self.recount(before, table.len());
        let (message, times, whole) = came?;
        Some(Came { part, who: key, message, times, whole })
    }

    /// The connection is over soon after it came; `whole`: the message was written whole to it.
    pub fn end(&self, came: Came, whole: bool) {
        let mut table = self.part(came.part);
        let known = table.get_mut(&came.who).filter(|known| known.message == came.message);
        if let Some(known) = known {
            known.open = known.open.saturating_sub(1);
            known.whole = known.whole.saturating_add(u8::from(whole));
        }
    }

    /// It took the message: it goes on behind it, or is there still.
    pub fn took(&self, came: Came) {
        let mut table = self.part(came.part);
        let before = table.len();
        if table.get(&came.who).is_some_and(|known| known.message == came.message) {
            table.remove(&came.who);
        }
        self.recount(before, table.len());
    }

    /// Forgets those of one part, another one each time, who came long ago.
    pub fn sweep(&self, now: Millis) {
        if self.is_empty() {
            return;
        }
        let next = self.swept.fetch_add(1, Ordering::Relaxed) % RETURN_PARTS as u64;
        let mut table = self.part(usize::try_from(next).unwrap_or_default());
        let before = table.len();
        table.retain(|_, known| now.saturating_sub(known.at) < RETURN_KEPT_MS);
        self.recount(before, table.len());
    }

    fn recount(&self, before: usize, after: usize) {
        if after > before {
            self.count.fetch_add((after - before) as u64, Ordering::Relaxed);
        } else if after < before {
            self.count.fetch_sub((before - after) as u64, Ordering::Relaxed);
        }
    }

    fn part(&self, part: usize) -> MutexGuard<'_, HashMap<u64, Return>> {
        self.parts[part].lock().expect("nothing panics while it holds a part")
    }
}

/// To which message somebody came, how often, and how often it was written whole to him.
fn come(
    table: &mut HashMap<u64, Return>,
    key: u64,
    cursor: Position,
    first: Option<Position>,
    now: Millis,
) -> Option<(Position, u8, u8)> {
    if let Some(known) = table.get_mut(&key)
        && (cursor, first) == (known.cursor, Some(known.message))
    {
        known.at = now;
        // The end of the connection before may be noticed later than that the next one comes.
        if known.open >= 2 {
            return None;
        }
        known.open += 1;
        known.times = known.times.saturating_add(1);
        return Some((known.message, known.times, known.whole));
    }
    // He is somewhere else now.
    table.remove(&key);
    let message = first?;
    if table.len() >= RETURNS_PER_PART {
        table.retain(|_, known| now.saturating_sub(known.at) < RETURN_KEPT_MS);
    }
    if table.len() >= RETURNS_PER_PART {
        let least = table.iter().min_by_key(|(_, known)| (known.times, known.at)).map(|(key, _)| *key);
        least.and_then(|least| table.remove(&least));
    }
    table.insert(key, Return { cursor, message, times: 1, whole: 0, open: 1, at: now });
    Some((message, 1, 0))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    fn place(number: u64) -> Position {
        Position::from_bits(number)
    }

    fn come(returns: &Returns, who: &str, cursor: u64, first: Option<u64>) -> Option<Came> {
        returns.come(who, &["a", "b"], place(cursor), first.map(place), 0)
    }

    #[test]
    fn who_comes_back_with_the_same_cursor_is_counted() {
        let returns = Returns::default();
        for times in 1..=6 {
            let came = come(&returns, "x", 5, Some(7)).unwrap();
            assert_eq!((came.times, came.whole), (times, (times - 1) / 2));
            returns.end(came, times % 2 == 0);
        }
        assert_eq!(come(&returns, "y", 5, Some(7)).unwrap().times, 1, "another one");
        let other = returns.come("x", &["a"], place(5), Some(place(7)), 0).unwrap();
        assert_eq!(other.times, 1, "he listens to something else");
    }

    #[test]
    fn who_goes_on_is_forgotten() {
        for first in [None, Some(9)] {
            let returns = Returns::default();
            (0..2).for_each(|_| returns.end(come(&returns, "x", 5, Some(7)).unwrap(), true));
            let came = come(&returns, "x", 7, first);
            assert_eq!(
                (came.map(|came| came.times), returns.is_empty()),
                (first.map(|_| 1), first.is_none())
            );
            assert_eq!(come(&returns, "x", 5, Some(7)).unwrap().times, 1);
        }
        let returns = Returns::default();
        let came = come(&returns, "x", 5, Some(7)).unwrap();
        returns.took(came);
        returns.end(came, true);
        assert!(returns.is_empty());
    }

    #[test]
    fn those_who_are_there_at_the_same_time_are_not_one() {
        let returns = Returns::default();
        let times: Vec<_> = (0..50).map(|_| come(&returns, "x", 5, Some(7)).map(|came| came.times)).collect();
        assert!(times.into_iter().all(|times| times < Some(3)));
    }

    #[test]
    fn a_flood_of_one_address_leaves_the_others_theirs() {
        let returns = Returns::default();
        let names: Vec<String> = (0..100_000).map(|n| n.to_string()).collect();
        let other = (0..100).map(|n| n.to_string());
        let other = other.map(|who| (returns.come(&*who, &["a"], place(5), Some(place(7)), 0).unwrap(), who));
        let others: Vec<_> = other.collect();
        for name in &names {
            returns.come("flood", &[name], place(5), Some(place(7)), 1);
        }
        assert!(returns.count.load(Ordering::Relaxed) <= (RETURNS_PER_PART + 100) as u64);
        let mut kept = 0;
        for (came, who) in others {
            returns.end(came, true);
            kept += u32::from(returns.come(&*who, &["a"], place(5), Some(place(7)), 2).unwrap().times == 2);
        }
        assert!(kept >= 90, "{kept} of 100 are remembered");
    }

    #[test]
    fn who_came_long_ago_is_forgotten() {
        let returns = Returns::default();
        come(&returns, "x", 5, Some(7)).unwrap();
        (0..RETURN_PARTS).for_each(|_| returns.sweep(RETURN_KEPT_MS - 1));
        assert!(!returns.is_empty());
        (0..RETURN_PARTS).for_each(|_| returns.sweep(RETURN_KEPT_MS));
        assert!(returns.is_empty());
    }

    #[test]
    fn who_is_stuck_outlives_newcomers() {
        let returns = Returns::default();
        (0..2).for_each(|_| returns.end(come(&returns, "x", 5, Some(7)).unwrap(), true));
        for n in 0..10 * RETURNS_PER_PART {
            returns.come("x", &[n.to_string()], place(5), Some(place(7)), 9);
        }
        assert_eq!(come(&returns, "x", 5, Some(7)).unwrap().times, 3);
    }
}
