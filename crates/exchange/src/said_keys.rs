//! Under which keys clients published lately, so that a repeat publishes nothing.
//!
//! A table of its own: what clients do takes nothing from publishers of the IN line. Each client has few keys, the oldest of
//! which goes for a new one; who has many clients makes others forgotten at the end only.

use std::collections::{HashMap, VecDeque};

use hub::Millis;
use serde::{Deserialize, Serialize};

use crate::limits::{CLIENT_KEYS_EACH_MAX, CLIENT_KEYS_MAX, KEYS_STEP_MAX};
use crate::sync::{Mutex, MutexGuard};
use crate::{KeysLoad, Published, Receipt};

/// A hash that nobody finds a second thing for.
pub type Hash = [u8; 16];

/// The keys.
pub struct SaidKeys {
    table: Mutex<Table>,
    age: Millis,
}

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaidKey {
    /// Nothing: whoever asks is the first, and is to say what becomes of it.
    New,
    /// The first one is under way: the application is asked about it.
    UnderWay,
    /// The first one's place.
    Placed(Receipt),
    /// Another message came under it.
    Other,
}

/// A key whose message has its place.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlacedKey {
    /// When it came.
    pub(crate) since: Millis,
    /// Whose it is, the key itself, and what tells its message from any other.
    pub(crate) hashes: [Hash; 3],
    /// What its client was told.
    pub(crate) published: Published,
}

#[derive(Default)]
struct Table {
    entries: HashMap<Hash, SaidEntry>,
    /// The keys of each client, the oldest in front.
    owners: HashMap<Hash, VecDeque<(Millis, Hash)>>,
    /// All of them, with their clients. One that was forgotten stands here until its time comes up.
    order: VecDeque<(Millis, Hash, Hash)>,
    forgotten_early: u64,
}

struct SaidEntry {
    since: Millis,
    /// Tells its message from any other.
    message: Hash,
    receipt: Option<Receipt>,
}

impl SaidKeys {
    /// None yet; each is remembered so long, 0: not at all.
    pub fn new(age: Millis) -> Self {
        Self { table: Mutex::default(), age }
    }

    /// Somebody comes with a key of his and this message. Where that is new, it is under way from now on.
    pub fn begin(&self, owner: Hash, key: Hash, message: Hash, now: Millis) -> SaidKey {
        if self.age == 0 {
            return SaidKey::New;
        }
        let mut table = self.lock();
        table.expire(self.age, now);
        if let Some(entry) = table.entries.get(&key).filter(|entry| now < entry.since + self.age) {
            match &entry.receipt {
                _ if entry.message != message => return SaidKey::Other,
                None => return SaidKey::UnderWay,
                // What the store gave up is as good as never tried.
                Some(Receipt::Ordered(pending)) if matches!(pending.look(), Some(Err(_))) => {}
                Some(receipt) => return SaidKey::Placed(receipt.clone()),
            }
        }
        table.put(owner, key, SaidEntry { since: now, message, receipt: None });
        SaidKey::New
    }

    /// What became of the message that came first under a key; `None`: nothing, so that it may come again.
    pub fn settle(&self, key: Hash, receipt: Option<Receipt>) {
        let mut table = self.lock();
        if receipt.is_none() {
            table.entries.remove(&key);
        } else if let Some(entry) = table.entries.get_mut(&key) {
            entry.receipt = receipt;
        }
    }

    /// All of which a message has its place, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<PlacedKey> {
        let table = self.lock();
        let placed = |(since, owner, key): &(Millis, Hash, Hash)| {
            let entry = table.entries.get(key).filter(|entry| entry.since == *since)?;
            let published = entry.receipt.as_ref()?.published()?;
            let hashes = [*owner, *key, entry.message];
            Some(PlacedKey { since: *since, hashes, published })
        };
        table.order.iter().filter_map(placed).collect()
    }

    /// Puts back what [`Self::all`] told, where this remembers anything.
    pub(crate) fn put_back(&self, PlacedKey { since, hashes, published }: PlacedKey) {
        if self.age > 0 {
            let ([owner, key, message], receipt) = (hashes, Some(Receipt::Released(published)));
            self.lock().put(owner, key, SaidEntry { since, message, receipt });
        }
    }

    /// How many there are.
    pub fn load(&self) -> KeysLoad {
        let table = self.lock();
        KeysLoad { keys: table.entries.len(), forgotten_early: table.forgotten_early }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while it holds the keys")
    }
}

impl Table {
    fn put(&mut self, owner: Hash, key: Hash, entry: SaidEntry) {
        let since = entry.since;
        self.entries.insert(key, entry);
        self.order.push_back((since, owner, key));
        let own = self.owners.entry(owner).or_default();
        own.push_back((since, key));
        if own.len() > CLIENT_KEYS_EACH_MAX
            && let Some((since, oldest)) = own.pop_front()
        {
            self.forgotten_early += u64::from(self.forget(since, oldest));
        }
        while self.order.len() > CLIENT_KEYS_MAX {
            self.forgotten_early += u64::from(self.pop());
        }
    }

    /// Removes what has outlived its time: more in one step than can come in, but no more.
    fn expire(&mut self, age: Millis, now: Millis) {
        for _ in 0..KEYS_STEP_MAX {
            match self.order.front() {
                Some((since, ..)) if since + age <= now => self.pop(),
                _ => return,
            };
        }
    }

    /// Takes the oldest one; whether it was still remembered.
    fn pop(&mut self) -> bool {
        let Some((since, owner, key)) = self.order.pop_front() else { return false };
        if let Some(own) = self.owners.get_mut(&owner) {
            if own.front() == Some(&(since, key)) {
                own.pop_front();
            }
            if own.is_empty() {
                self.owners.remove(&owner);
            }
        }
        self.forget(since, key)
    }

    /// Forgets a key as it came at this time; whether it was remembered.
    fn forget(&mut self, since: Millis, key: Hash) -> bool {
        let is_it = self.entries.get(&key).is_some_and(|entry| entry.since == since);
        if is_it {
            self.entries.remove(&key);
        }
        is_it
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::{Pending, Published, Unstored};
    use hub::Position;

    fn hash(n: usize) -> Hash {
        (n as u128).to_le_bytes()
    }

    fn receipt(place: u64) -> Receipt {
        let position = Position::from_bits(place);
        Receipt::Released(Published { position, seen: Default::default() })
    }

    #[test]
    fn a_repeat_gets_what_the_first_got_and_another_message_nothing() {
        let keys = SaidKeys::new(10);
        let begin = |key, message, now| keys.begin(hash(1), hash(key), hash(message), now);
        assert_eq!(begin(7, 1, 0), SaidKey::New);
        assert_eq!((begin(7, 1, 1), begin(7, 2, 1)), (SaidKey::UnderWay, SaidKey::Other));
        keys.settle(hash(7), Some(receipt(5)));
        assert_eq!((begin(7, 1, 9), begin(7, 2, 9)), (SaidKey::Placed(receipt(5)), SaidKey::Other));
        assert_eq!(begin(7, 2, 10), SaidKey::New, "its time is over");
        keys.settle(hash(7), None);
        assert_eq!(begin(7, 3, 10), SaidKey::New, "it came to nothing");
        let pending = Pending::new(Position::from_bits(6), 0);
        keys.settle(hash(7), Some(Receipt::Ordered(pending.clone())));
        assert!(matches!(begin(7, 3, 11), SaidKey::Placed(Receipt::Ordered(_))));
        pending.done(Err(Unstored::Full));
        assert_eq!(begin(7, 3, 11), SaidKey::New, "the store gave it up");
    }

    #[test]
    fn each_client_has_so_many_and_all_have_so_many() {
        let keys = SaidKeys::new(1_000);
        for n in 0..=CLIENT_KEYS_EACH_MAX {
            assert_eq!(keys.begin(hash(1), hash(n), hash(0), n as u64), SaidKey::New);
        }
        assert_eq!(keys.load(), KeysLoad { keys: CLIENT_KEYS_EACH_MAX, forgotten_early: 1 });
        assert_eq!(keys.begin(hash(1), hash(0), hash(0), 99), SaidKey::New, "the oldest went");
        assert_eq!(keys.begin(hash(1), hash(5), hash(0), 99), SaidKey::UnderWay);
        for n in 1_000..1_000 + CLIENT_KEYS_MAX {
            keys.begin(hash(n), hash(n), hash(0), 100);
        }
        assert_eq!(keys.load().keys, CLIENT_KEYS_MAX);
        let table = keys.lock();
        assert!(table.order.len() <= CLIENT_KEYS_MAX && table.owners.len() <= CLIENT_KEYS_MAX);
    }

    #[test]
    fn time_empties_the_table() {
        let keys = SaidKeys::new(10);
        (0..100).for_each(|n| drop(keys.begin(hash(n % 7), hash(n), hash(0), 0)));
        (0..10).for_each(|n| drop(keys.begin(hash(50), hash(200 + n), hash(0), 10)));
        (0..2).for_each(|n| drop(keys.begin(hash(50), hash(300 + n), hash(0), 20)));
        let table = keys.lock();
        assert_eq!((table.entries.len(), table.order.len(), table.owners.len()), (2, 2, 1));
        drop(table);
        assert_eq!(SaidKeys::new(0).begin(hash(1), hash(1), hash(1), 0), SaidKey::New);
        assert_eq!(SaidKeys::new(0).load().keys, 0, "nothing is remembered where nothing may be");
    }
}
