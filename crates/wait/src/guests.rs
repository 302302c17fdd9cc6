//! Those who showed credentials, while they wait. All others have no entry here, and cost nothing.

use exchange::hub::{Millis, Session};

use crate::beside::Beside;
use crate::wheel::{Timed, Timer, Wheel};

/// The sessions of a shard's connections, and when each of them ends.
pub(crate) struct Guests {
    guests: Beside<Guest>,
    wheel: Wheel,
}

struct Guest {
    session: Session,
    timer: Timer,
}

impl Timed for Guest {
    fn timer(&mut self) -> &mut Timer {
        &mut self.timer
    }
}

impl Guests {
    pub(crate) fn new() -> Self {
        Self { guests: Beside::default(), wheel: Wheel::new() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.guests.len()
    }

    /// The session of the connection at `index`, if it has one.
    pub(crate) fn session(&self, index: usize) -> Option<&Session> {
        Some(&self.guests.get(index)?.session)
    }

    /// From now on the connection at `index` has this session, which ends in `lasts` milliseconds.
    pub(crate) fn put(&mut self, index: usize, session: Session, lasts: Option<Millis>, now: u64) {
        self.remove(index);
        self.guests.put(index, Guest { session, timer: Timer::IDLE });
        if let Some(lasts) = lasts {
            self.wheel.set(&mut self.guests, index, Wheel::tick_after(now.saturating_add(lasts)));
        }
    }

    /// The connection at `index` waits no longer; returns the session it had.
    pub(crate) fn remove(&mut self, index: usize) -> Option<Session> {
        self.guests.get(index)?;
        self.wheel.unlink(&mut self.guests, index);
        self.guests.remove(index).map(|guest| guest.session)
    }

    /// The indices of up to `max` connections whose sessions ended by `now`. They have no timer any more.
    pub(crate) fn expire(&mut self, now: u64, max: usize) -> Vec<usize> {
        let mut due = Vec::new();
        self.wheel.expire(&mut self.guests, now, max, &mut due);
        due
    }

    /// Milliseconds until the next session may end.
    pub(crate) fn next_ms(&self, now: u64) -> Option<u64> {
        self.wheel.next_ms(now)
    }
}

const _: () =
    assert!(size_of::<Option<Guest>>() <= 24, "who shows credentials pays this for each connection");

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str) -> Session {
        Session::new(Some(user), None, &[])
    }

    #[test]
    fn sessions_end_in_their_time_unless_they_were_renewed() {
        let mut guests = Guests::new();
        guests.put(7, session("a"), Some(1_000), 0);
        guests.put(8, session("b"), None, 0);
        guests.put(9, session("c"), Some(1_000), 0);
        guests.put(9, session("c"), Some(5_000), 500);
        assert_eq!(guests.session(7).and_then(Session::user), Some("a"));
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
