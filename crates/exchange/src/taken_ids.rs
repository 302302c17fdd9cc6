//! Ids that connections took over from earlier ones, so that no two have the same.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hub::{ConnectionId, ShardId};
use serde::{Deserialize, Serialize};

use crate::sync::{Mutex, MutexGuard};

/// Who has which id that is not its own. No more than there are connections.
#[derive(Default)]
pub struct TakenIds(Mutex<HashMap<ConnectionId, Location>>);

/// Where a connection is: its shard, and what it is called there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The shard.
    pub shard: ShardId,
    /// Its generation, and its place behind that.
    pub token: u64,
}

impl TakenIds {
    /// A connection takes an id over. False: another one has it.
    pub fn take(&self, id: ConnectionId, location: Location) -> bool {
        match self.lock().entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(nobody) => {
                nobody.insert(location);
                true
            }
        }
    }

    /// Nobody has the id any more.
    pub fn leave(&self, id: ConnectionId) {
        let mut taken = self.lock();
        taken.remove(&id);
        if taken.is_empty() {
            *taken = HashMap::new();
        }
    }

    /// Where the connection of this id is: where it was taken over, or else where it was made, if it is anywhere. `None`: it is of a
    /// chain of polls, none of which waits.
    pub fn location(&self, id: ConnectionId) -> Option<Location> {
        let own = || (!id.is_of_polls()).then_some(Location { shard: id.shard, token: id.token() });
        self.lock().get(&id).copied().or_else(own)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<(ConnectionId, Location)> {
        self.lock().iter().map(|(id, location)| (*id, *location)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Location>> {
        self.0.lock().expect("nothing panics while it holds the ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_connection() {
        let taken = TakenIds::default();
        let location = |shard, token| Location { shard: ShardId(shard), token };
        let polls = ConnectionId::of_polls(1, ShardId(0), 9);
        let own = ConnectionId { start: 1, shard: ShardId(2), index: 5, generation: 7 };
        assert_eq!((taken.location(polls), taken.location(own)), (None, Some(location(2, 7 << 32 | 5))));
        for id in [polls, own] {
            assert!(taken.take(id, location(3, 4)));
            assert!(!taken.take(id, location(4, 4)));
            assert_eq!(taken.location(id), Some(location(3, 4)));
        }
        taken.leave(polls);
        taken.leave(polls);
        assert_eq!(taken.location(polls), None);
        assert!(taken.take(polls, location(4, 4)));
    }
}
