//! Connections that came back to a message a short while ago, until it is seen whether they end right after it or live on.

use std::collections::VecDeque;

use exchange::Came;
use rustc_hash::FxHashMap;

use crate::limits::{COMERS_MAX, RETURN_LIVES_MS};

/// Those of a shard.
#[derive(Debug, Default)]
pub(crate) struct Comers {
    /// By the connection's token: when it came, and to what.
    came: FxHashMap<u64, (u64, Came)>,
    /// The same by time; what is no longer there is passed over.
    order: VecDeque<(u64, u64)>,
}

impl Comers {
    /// Whether there is nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.came.is_empty()
    }

    /// Whether one more finds room.
    pub(crate) fn has_room(&self) -> bool {
        self.order.len() < COMERS_MAX
    }

    /// A connection came, of which no other is known, and for which there is room.
    pub(crate) fn put(&mut self, token: u64, now: u64, came: Came) {
        debug_assert!(self.has_room());
        self.came.insert(token, (now, came));
        self.order.push_back((now, token));
    }

    /// Takes out what is known of a connection; the second: it has lived for a while since.
    pub(crate) fn take(&mut self, token: u64, now: u64) -> Option<(Came, bool)> {
        let (at, came) = self.came.remove(&token)?;
        self.tidy();
        Some((came, has_lived(at, now)))
    }

    /// The next connection that has lived for a while since it came.
    pub(crate) fn next_lived(&mut self, now: u64) -> Option<u64> {
        self.tidy();
        self.order.front().filter(|(at, _)| has_lived(*at, now)).map(|(_, token)| *token)
    }

    /// Lets go of those at the front that are no longer there.
    fn tidy(&mut self) {
        while let Some((at, token)) = self.order.front()
            && self.came.get(token).is_none_or(|(known, _)| known != at)
        {
            self.order.pop_front();
        }
        if self.came.is_empty() {
            *self = Self::default();
        }
    }
}

fn has_lived(at: u64, now: u64) -> bool {
    now.saturating_sub(at) >= RETURN_LIVES_MS
}
