//! Those who showed credentials, while they wait. All others have no entry here, and cost nothing.

use std::sync::Arc;

use exchange::hub::{Millis, Session};
use rustc_hash::FxHashMap;

use crate::slab::Slab;
use crate::wheel::{Timed, Timer, Wheel};

/// The sessions of a shard's connections, and when each of them ends.
pub(crate) struct Guests {
    table: Slab<Guest>,
    /// Places in the table, by the index of the connection.
    places: FxHashMap<u32, u32>,
    wheel: Wheel,
}

struct Guest {
    /// The connection's index.
    index: usize,
    session: Arc<Session>,
    timer: Timer,
}

impl Timed for Guest {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

impl Guests {
    pub(crate) fn new() -> Self {
        Self { table: Slab::new(), places: FxHashMap::default(), wheel: Wheel::new() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The session of the connection at `index`, if it has one.
    pub(crate) fn session(&self, index: usize) -> Option<&Arc<Session>> {
        let place = self.places.get(&u32::try_from(index).ok()?)?;
        Some(&self.table[*place as usize].session)
    }

    /// From now on the connection at `index` has this session, which ends in `lasts` milliseconds.
    pub(crate) fn put(&mut self, index: usize, session: Arc<Session>, lasts: Option<Millis>, now: u64) {
        self.remove(index);
        let place = self.table.insert(Guest { index, session, timer: Timer::IDLE });
        let of = |number: usize| u32::try_from(number).expect("indices are below 2^22");
        self.places.insert(of(index), of(place));
        if let Some(lasts) = lasts {
            self.wheel.set(&mut self.table, place, Wheel::tick_after(now.saturating_add(lasts)));
        }
    }

    /// The connection at `index` waits no longer.
    pub(crate) fn remove(&mut self, index: usize) {
        if self.places.is_empty() {
            return;
        }
        let Some(place) = u32::try_from(index).ok().and_then(|index| self.places.remove(&index)) else {
            return;
        };
        self.wheel.unlink(&mut self.table, place as usize);
        self.table.remove(place as usize);
        if self.places.is_empty() {
            // When a crowd has left, its table goes, too.
            self.places = FxHashMap::default();
        }
    }

    /// The indices of up to `max` connections whose sessions ended by `now`. They have no timer any more.
    pub(crate) fn expire(&mut self, now: u64, max: usize) -> Vec<usize> {
        let mut due = Vec::new();
        self.wheel.expire(&mut self.table, now, max, &mut due);
        due.into_iter().map(|place| self.table[place].index).collect()
    }

    /// Milliseconds until the next session may end.
    pub(crate) fn next_ms(&self, now: u64) -> Option<u64> {
        self.wheel.next_ms(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str) -> Arc<Session> {
        Arc::new(Session::new(Some(user.into()), None, Vec::new()))
    }

    #[test]
    fn sessions_end_in_their_time_unless_they_were_renewed() {
        let mut guests = Guests::new();
        guests.put(7, session("a"), Some(1_000), 0);
        guests.put(8, session("b"), None, 0);
        guests.put(9, session("c"), Some(1_000), 0);
        guests.put(9, session("c"), Some(5_000), 500);
        assert_eq!(guests.session(7).and_then(|session| session.user.as_deref()), Some("a"));
        assert!(guests.expire(999, 10).is_empty());
        assert_eq!(guests.expire(1_100, 10), [7]);
        guests.remove(7);
        assert_eq!((guests.len(), guests.session(7)), (2, None));
        assert!(guests.expire(5_400, 10).is_empty());
        assert_eq!(guests.expire(5_600, 10), [9]);
        guests.remove(8);
        guests.remove(9);
        assert_eq!((guests.len(), guests.next_ms(5_600)), (0, None));
    }
}
