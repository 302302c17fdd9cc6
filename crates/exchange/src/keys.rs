//! What was done lately under a key, so that a repeat gets what the first got.
//!
//! The table is bounded: in time, and in what is kept at once, the oldest being forgotten first. Every
//! call looks at few entries, and what it lets go of is freed after the lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use hub::Millis;
use smallvec::SmallVec;

use crate::limits::KEYS_STEP_MAX;
use crate::sync::{Mutex, MutexGuard};

/// A table of keys. What is kept for one is made anew for the first who comes with it, and shared with
/// those who come after.
pub struct Keys<T> {
    table: Mutex<Table<T>>,
    age: Millis,
    /// How much may be kept at once, in the weights of entries.
    weight_max: usize,
}

/// How a table of keys is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeysLoad {
    /// Keys remembered now.
    pub keys: usize,
    /// Keys forgotten before their time, because there were too many, since the start.
    pub forgotten_early: u64,
}

struct Table<T> {
    entries: HashMap<Arc<str>, StoredKey<T>>,
    /// Keys by the time they came, the oldest in front. One that came again after its time stands here
    /// twice until its first time comes up.
    order: VecDeque<(Millis, Arc<str>)>,
    weight: usize,
    forgotten_early: u64,
}

struct StoredKey<T> {
    since: Millis,
    weight: usize,
    value: T,
}

impl<T: Clone> Keys<T> {
    /// A table that remembers for `age`, and at most `weight_max` in all. With 0 for either it
    /// remembers nothing.
    pub fn new(age: Millis, weight_max: usize) -> Self {
        let table = Table { entries: HashMap::new(), order: VecDeque::new(), weight: 0, forgotten_early: 0 };
        Self { table: Mutex::new(table), age, weight_max }
    }

    /// What is kept for `key`; new, of this weight, when nothing is.
    pub fn entry(&self, key: &str, weight: usize, now: Millis) -> T
    where
        T: Default,
    {
        if self.age == 0 || self.weight_max == 0 {
            return T::default();
        }
        let mut trash = SmallVec::<[StoredKey<T>; 2]>::new();
        let (key, value) = (Arc::<str>::from(key), T::default());
        let mut table = self.lock();
        table.expire(self.age, now, &mut trash);
        if let Some(known) = table.entries.get(&key).filter(|entry| !is_over(entry.since, self.age, now)) {
            let known = known.value.clone();
            drop(table);
            return known;
        }
        table.put(key, weight, now, value.clone(), self.weight_max, &mut trash);
        drop(table);
        value
    }

    /// What is kept for `key`, if anything is.
    pub fn find(&self, key: &str, now: Millis) -> Option<T> {
        let table = self.lock();
        table
            .entries
            .get(key)
            .filter(|entry| !is_over(entry.since, self.age, now))
            .map(|entry| entry.value.clone())
    }

    /// Puts in what is to be kept for a key that came at this time. Keys come in the order of their times.
    pub fn keep(&self, key: &str, weight: usize, since: Millis, value: T) {
        if self.age > 0 && self.weight_max > 0 {
            let mut trash = SmallVec::new();
            self.lock().put(key.into(), weight, since, value, self.weight_max, &mut trash);
        }
    }

    /// All that is kept, in the order in which the keys came: each with its weight, when it came, and what is kept for it.
    pub fn all(&self) -> Vec<(Arc<str>, usize, Millis, T)> {
        let table = self.lock();
        let known = |(since, key): &(Millis, Arc<str>)| {
            let entry = table.entries.get(key).filter(|entry| entry.since == *since)?;
            Some((Arc::clone(key), entry.weight, entry.since, entry.value.clone()))
        };
        table.order.iter().filter_map(known).collect()
    }

    /// Forgets what has outlived its time, a step of it. To be called now and then.
    pub fn tick(&self, now: Millis) {
        let mut trash = SmallVec::new();
        self.lock().expire(self.age, now, &mut trash);
    }

    /// How much is remembered.
    pub fn load(&self) -> KeysLoad {
        let table = self.lock();
        KeysLoad { keys: table.entries.len(), forgotten_early: table.forgotten_early }
    }

    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().expect("nothing panics while it holds the keys")
    }
}

impl<T> Table<T> {
    /// Puts in a key that is not there, or that has outlived its time.
    fn put(
        &mut self,
        key: Arc<str>,
        weight: usize,
        now: Millis,
        value: T,
        weight_max: usize,
        trash: &mut SmallVec<[StoredKey<T>; 2]>,
    ) {
        self.order.push_back((now, Arc::clone(&key)));
        self.weight += weight;
        if let Some(over) = self.entries.insert(key, StoredKey { since: now, weight, value }) {
            self.weight -= over.weight;
            trash.push(over);
        }
        while self.weight > weight_max && self.forget_oldest(trash) {}
    }

    /// Removes what has outlived its time: more in one step than can come in, but no more.
    fn expire(&mut self, age: Millis, now: Millis, trash: &mut SmallVec<[StoredKey<T>; 2]>) {
        for _ in 0..KEYS_STEP_MAX {
            match self.order.front() {
                Some((since, _)) if is_over(*since, age, now) => self.pop(trash),
                _ => return,
            };
        }
    }

    /// False when there is none.
    fn forget_oldest(&mut self, trash: &mut SmallVec<[StoredKey<T>; 2]>) -> bool {
        if self.order.is_empty() {
            return false;
        }
        if self.pop(trash) {
            self.forgotten_early += 1;
        }
        true
    }

    /// Takes the front of the order; whether its key was still remembered from that time.
    fn pop(&mut self, trash: &mut SmallVec<[StoredKey<T>; 2]>) -> bool {
        let Some((since, key)) = self.order.pop_front() else { return false };
        if self.entries.get(&key).is_none_or(|entry| entry.since != since) {
            return false;
        }
        let entry = self.entries.remove(&key).expect("it was just seen");
        self.weight -= entry.weight;
        trash.push(entry);
        true
    }
}

fn is_over(since: Millis, age: Millis, now: Millis) -> bool {
    since.saturating_add(age) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value that is itself only.
    type Value = Arc<()>;

    fn is_same(a: &Value, b: &Value) -> bool {
        Arc::ptr_eq(a, b)
    }

    #[test]
    fn a_repeat_gets_what_the_first_got() {
        let keys = Keys::<Value>::new(10, 100);
        let first = keys.entry("a", 1, 0);
        assert!(is_same(&keys.entry("a", 1, 9), &first));
        assert!(!is_same(&keys.entry("b", 1, 9), &first));
        assert!(!is_same(&keys.entry("a", 1, 10), &first));
    }

    #[test]
    fn the_oldest_are_forgotten_early() {
        let keys = Keys::<Value>::new(1_000, 3);
        let first: Vec<Value> = ["a", "b", "c", "d"].iter().map(|key| keys.entry(key, 1, 0)).collect();
        assert_eq!(keys.load(), KeysLoad { keys: 3, forgotten_early: 1 });
        assert!(is_same(&keys.entry("b", 1, 1), &first[1]));
        keys.entry("wide", 3, 1);
        assert_eq!(keys.load(), KeysLoad { keys: 1, forgotten_early: 4 });
    }

    #[test]
    fn time_empties_the_table() {
        let keys = Keys::<Value>::new(10, 1_000);
        for n in 0..500 {
            keys.entry(&n.to_string(), 1, 0);
        }
        let late = keys.entry("7", 1, 10);
        while keys.load().keys > 1 {
            keys.tick(19);
        }
        assert!(is_same(&keys.entry("7", 1, 19), &late), "its own time is not over");
        assert_eq!(keys.load().forgotten_early, 0);
        keys.tick(20);
        assert_eq!((keys.load().keys, keys.lock().weight), (0, 0));
    }

    #[test]
    fn what_is_kept_is_found_until_its_time_is_over() {
        let keys = Keys::<Value>::new(10, 2);
        let value = Value::default();
        keys.keep("a", 1, 0, Arc::clone(&value));
        assert!(keys.find("a", 9).is_some_and(|found| is_same(&found, &value)));
        assert!(keys.find("a", 10).is_none() && keys.find("b", 0).is_none());
        keys.keep("b", 2, 1, Arc::clone(&value));
        assert!(keys.find("a", 1).is_none(), "the oldest goes");
    }

    #[test]
    fn nothing_is_remembered_where_nothing_may_be() {
        for (age, weight_max) in [(0, 10), (10, 0)] {
            let keys = Keys::<Value>::new(age, weight_max);
            assert!(!is_same(&keys.entry("a", 1, 0), &keys.entry("a", 1, 0)));
            assert_eq!(keys.load(), KeysLoad::default());
        }
    }
}
