//! The hub once more, in the plainest code there is: lists that are searched from the beginning. What
//! the real one does must be what this one does.
//!
//! It knows when the hub looks at a channel (when it is read, taken from, published to, and in every
//! tick) since until then what is expired still counts, but is never shown.

mod keep;
mod read;

use std::collections::{BTreeMap, BTreeSet};

use multiplexor_hub::limits::{DELETED_HOLD, RECORD_LEN};
use multiplexor_hub::{Limits, Totals};
pub(crate) use read::{From, Read};

pub(crate) struct Naive {
    pub(crate) limits: Limits,
    names: &'static [&'static str],
    pub(crate) now: u64,
    pub(crate) last: u64,
    pub(crate) end: u64,
    /// All messages ever ordered.
    pub(crate) said: Vec<Said>,
    /// Places that are ordered and not released; false: a change.
    pub(crate) ordered: Vec<(u64, bool)>,
    pub(crate) records: BTreeMap<usize, Record>,
    /// All changes ever: place, channel, online, time, and the call that made it.
    pub(crate) changes: Vec<(u64, usize, bool, u64, u64)>,
    pub(crate) calls: u64,
    pub(crate) evicted: u64,
    pub(crate) trims: u64,
    pub(crate) floor: (u64, u64),
}

#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) place: u64,
    pub(crate) time: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) channels: Vec<usize>,
    pub(crate) len: usize,
    /// The place of the message that it takes back. It is no message then.
    pub(crate) takes: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) id: Option<u32>,
    pub(crate) held: Vec<u64>,
    pub(crate) waiting: BTreeMap<u16, u32>,
    pub(crate) takers: BTreeMap<u16, u32>,
    pub(crate) online: bool,
    /// Somebody published to it, or deleted it.
    public: bool,
    /// Places of messages ordered for it and not released.
    pins: BTreeSet<u64>,
    offline_at: u64,
    last: u64,
    watermark: u64,
    trimmed_at: u64,
    needed_until: u64,
    held_until: u64,
    taken: u64,
}

/// What a publisher learns of each channel, and which shards get the message.
pub(crate) type Told = (Vec<(u32, bool)>, BTreeSet<u16>);

impl Naive {
    pub(crate) fn new(limits: Limits, names: &'static [&'static str]) -> Self {
        Self {
            limits,
            names,
            now: 0,
            last: 0,
            end: 0,
            said: Vec::new(),
            ordered: Vec::new(),
            records: BTreeMap::new(),
            changes: Vec::new(),
            calls: 0,
            evicted: 0,
            trims: 0,
            floor: (0, 0),
        }
    }

    /// The place, or the number of bytes that are allowed.
    pub(crate) fn order(&mut self, channels: &[usize], len: usize, ttl: Option<u64>) -> Result<u64, u64> {
        self.order_at(self.last + 1, channels, len, ttl)
    }

    /// The same, at this place.
    pub(crate) fn order_at(
        &mut self,
        place: u64,
        channels: &[usize],
        len: usize,
        ttl: Option<u64>,
    ) -> Result<u64, u64> {
        let limits = channels.iter().filter_map(|channel| self.keep(*channel).payload);
        if let Some(limit) = limits.min().filter(|limit| len as u64 > *limit) {
            return Err(limit);
        }
        let mut once = Vec::new();
        for &channel in channels {
            if !once.contains(&channel) {
                once.push(channel);
                if ttl.or_else(|| self.keep(channel).ttl) != Some(0) {
                    self.create(channel);
                }
                if let Some(record) = self.records.get_mut(&channel) {
                    record.public = true;
                    record.pins.insert(place);
                }
            }
        }
        self.last = place;
        let expires = ttl.map(|ttl| self.now + ttl);
        self.said.push(Said { place: self.last, time: self.now, expires, channels: once, len, takes: None });
        self.ordered.push((self.last, true));
        Ok(self.last)
    }

    /// Nothing is at this place, and it is given.
    pub(crate) fn leave_empty(&mut self, place: u64) {
        self.last = place;
        self.ordered.push((place, false));
    }

    /// The place of the word that the message is taken back; `None`: there is no such message.
    pub(crate) fn take_back(&mut self, channel: usize, place: u64) -> Option<u64> {
        self.records.get(&channel)?;
        self.expire(channel);
        let held = self.messages(channel).find(|held| **held == place).is_some();
        let said = self.said.iter().find(|said| held && said.place == place)?.clone();
        let keep = self.keep(channel);
        let end = keep.end(&said);
        let expires = end.filter(|end| keep.ttl.is_some_and(|ttl| *end > self.now + ttl));
        self.last += 1;
        self.records.get_mut(&channel).unwrap().pins.insert(self.last);
        let (channels, len, takes) = (vec![channel], 8, Some(place));
        self.said.push(Said { place: self.last, time: self.now, expires, channels, len, takes });
        self.ordered.push((self.last, true));
        Some(self.last)
    }

    /// What of the ordered is released by this commit, messages only.
    pub(crate) fn releasable(&self, committed: u64) -> Vec<u64> {
        let due = self.ordered.iter().take_while(|(place, message)| !message || *place <= committed);
        due.filter(|(_, message)| *message).map(|(place, _)| *place).collect()
    }

    /// Releases; returns for each message what its publisher learns and which shards get it.
    pub(crate) fn release(&mut self, committed: u64) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(&(place, message)) = self.ordered.first() {
            if message && place > committed {
                break;
            }
            self.ordered.remove(0);
            self.end = place;
            if message {
                told.push(self.deliver(place));
            }
        }
        told
    }

    fn deliver(&mut self, place: u64) -> Told {
        let said = self.said(place).clone();
        let (mut seen, mut shards) = (Vec::new(), BTreeSet::new());
        for &channel in &said.channels {
            let grace_end = self.now + self.limits.grace;
            let Some(record) = self.records.get_mut(&channel) else {
                seen.push((0, false));
                continue;
            };
            record.pins.remove(&place);
            record.public = true;
            seen.push((record.count(), record.online));
            shards.extend(record.waiting.keys());
            if let Some(taken) = said.takes {
                record.held.retain(|held| *held != taken);
                // Where it stays it never went to this one.
                let said = self.said.iter_mut().find(|said| said.place == taken).unwrap();
                said.channels.retain(|known| *known != channel);
            } else {
                shards.extend(record.takers.keys());
                record.last = place;
            }
            if said.takes.is_none() && !record.takers.is_empty() {
                record.taken = place;
                record.takers.clear();
                if record.count() == 0 {
                    record.offline_at = grace_end;
                }
            }
            let keep = self.keep(channel);
            let is_deleted = place <= self.records[&channel].watermark;
            if !is_deleted && keep.end(&said).is_none_or(|end| end > self.now) {
                self.expire(channel);
                self.records.get_mut(&channel).unwrap().held.push(place);
                while self.held(channel).len() > keep.messages || self.bytes(channel) > keep.bytes {
                    self.remove(channel, 0);
                }
            }
        }
        self.keep_budget();
        (seen, shards)
    }

    /// The oldest of all go first; of the same message, the one in the record with the lower id.
    fn keep_budget(&mut self) {
        while self.totals().history_bytes > self.limits.history_budget {
            let oldest = self.records.iter().filter(|(_, record)| !record.held.is_empty());
            let (&channel, _) = oldest.min_by_key(|(_, record)| (record.held[0], record.id)).unwrap();
            self.remove(channel, 0);
        }
    }

    fn expire(&mut self, channel: usize) {
        let keep = self.keep(channel);
        let mut index = 0;
        while index < self.held(channel).len() {
            let said = self.said(self.held(channel)[index]);
            if self.now >= said.time + keep.age || keep.end(said).is_some_and(|end| end <= self.now) {
                self.remove(channel, index);
            } else {
                index += 1;
            }
        }
    }

    /// Removes one message from one channel: a loss, unless its ttl ended before its age.
    fn remove(&mut self, channel: usize, index: usize) {
        let place = self.records.get_mut(&channel).unwrap().held.remove(index);
        let said = self.said(place).clone();
        let keep = self.keep(channel);
        let aged = said.time + keep.age;
        if keep.end(&said).is_some_and(|end| end <= self.now && end <= aged) {
            return;
        }
        self.evicted += 1;
        self.trim(channel, place, said.time);
    }

    fn trim(&mut self, channel: usize, place: u64, time: u64) {
        self.trims += 1;
        let remember = self.limits.resume_window.max(self.keep(channel).age);
        let record = self.records.get_mut(&channel).unwrap();
        assert!(record.watermark < place);
        record.watermark = place;
        record.trimmed_at = self.trims;
        record.needed_until = time + remember;
    }

    fn create(&mut self, channel: usize) {
        let (watermark, trimmed_at) = self.floor;
        self.records.entry(channel).or_insert_with(|| Record { watermark, trimmed_at, ..Record::default() });
    }

    pub(crate) fn join(&mut self, shard: u16, channels: &[usize]) {
        for &channel in channels {
            self.create(channel);
            self.go_online(channel);
            *self.records.get_mut(&channel).unwrap().waiting.entry(shard).or_default() += 1;
        }
    }

    /// Somebody reads these channels, and does not wait.
    pub(crate) fn pass_by(&mut self, channels: &[usize]) {
        let grace_end = self.now + self.limits.grace;
        for &channel in channels {
            let Some(record) = self.records.get(&channel) else { continue };
            if !record.online && !record.public {
                continue;
            }
            self.go_online_at(channel);
            let record = self.records.get_mut(&channel).unwrap();
            if record.count() == 0 {
                record.offline_at = record.offline_at.max(grace_end);
            }
        }
    }

    pub(crate) fn leave(&mut self, shard: u16, channel: usize, count: u32, grace: u64) {
        let now = self.now;
        let Some(record) = self.records.get_mut(&channel) else { return };
        record.less(false, shard, count, now + grace);
    }

    pub(crate) fn leave_take(&mut self, shard: u16, channel: usize, grace: u64) {
        let now = self.now;
        let Some(record) = self.records.get_mut(&channel) else { return };
        record.less(true, shard, 1, now + grace);
    }

    /// The message taken, or `None` when the taker waits.
    pub(crate) fn take(&mut self, shard: u16, channel: usize) -> Option<u64> {
        self.create(channel);
        self.expire(channel);
        self.go_online(channel);
        let grace_end = self.now + self.limits.grace;
        let record = self.records.get_mut(&channel).unwrap();
        let taken = record.taken;
        let next = self.messages(channel).copied().find(|place| *place > taken);
        let record = self.records.get_mut(&channel).unwrap();
        match next {
            Some(place) => {
                record.taken = place;
                if record.count() == 0 {
                    record.offline_at = record.offline_at.max(grace_end);
                }
            }
            None => *record.takers.entry(shard).or_default() += 1,
        }
        next
    }

    fn go_online_at(&mut self, channel: usize) {
        if !self.records[&channel].online {
            self.records.get_mut(&channel).unwrap().offline_at = self.now;
        }
        self.go_online(channel);
    }

    fn go_online(&mut self, channel: usize) {
        let end = self.end;
        let record = self.records.get_mut(&channel).unwrap();
        if !record.online {
            record.online = true;
            record.taken = end;
            self.change(channel, true);
        }
    }

    fn go_offline(&mut self, channel: usize) {
        self.records.get_mut(&channel).unwrap().online = false;
        self.change(channel, false);
    }

    fn change(&mut self, channel: usize, online: bool) {
        self.last += 1;
        self.changes.push((self.last, channel, online, self.now, self.calls));
        if self.ordered.is_empty() {
            self.end = self.last;
        } else {
            self.ordered.push((self.last, false));
        }
    }

    /// The shards that held subscriptions; `None` when there is no such record.
    pub(crate) fn delete(&mut self, channel: usize, subscriptions: bool) -> Option<BTreeSet<u16>> {
        let now = self.now;
        let record = self.records.get_mut(&channel)?;
        let newest = record.held.last().copied().unwrap_or(0);
        record.held.clear();
        let last = if record.pins.is_empty() { record.last.max(newest) } else { self.last };
        let watermark = record.watermark;
        let mut shards = BTreeSet::new();
        if subscriptions {
            shards.extend(record.waiting.keys().chain(record.takers.keys()));
            record.waiting.clear();
            record.takers.clear();
            record.held_until = now + DELETED_HOLD;
            record.public = true;
            if !shards.is_empty() {
                record.id = None;
            }
            if record.online {
                self.go_offline(channel);
            }
        }
        if last > watermark {
            self.trim(channel, last, now);
        }
        Some(shards)
    }

    pub(crate) fn tick(&mut self) {
        self.keep_budget();
        let channels: Vec<usize> = self.records.keys().copied().collect();
        for channel in channels {
            self.expire(channel);
            let record = &self.records[&channel];
            if record.online && record.count() == 0 && record.offline_at <= self.now {
                self.go_offline(channel);
            }
            let record = &self.records[&channel];
            let idle =
                record.count() == 0 && !record.online && record.held.is_empty() && record.pins.is_empty();
            if idle && record.needed_until.max(record.held_until) <= self.now {
                self.floor.0 = self.floor.0.max(record.watermark);
                self.floor.1 = self.floor.1.max(record.trimmed_at);
                self.records.remove(&channel);
            }
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        let bytes = self.records.keys().map(|channel| self.bytes(*channel)).sum();
        let len = |channel: &usize| RECORD_LEN + self.names[*channel].len() as u64;
        let passing = self.records.iter().filter(|(_, record)| !record.public && record.count() == 0);
        Totals {
            channels: self.records.len() as u64,
            channels_bytes: self.records.keys().map(len).sum(),
            channels_passing_bytes: passing.map(|(channel, _)| len(channel)).sum(),
            hurried: 0,
            crowded: 0,
            online: self.records.values().filter(|record| record.online).count() as u64,
            subscriptions: self.records.values().map(|record| u64::from(record.count())).sum(),
            histories: self.records.values().filter(|record| !record.held.is_empty()).count() as u64,
            history_messages: self.records.values().map(|record| record.held.len() as u64).sum(),
            history_bytes: bytes,
            evicted: self.evicted,
            published: self.said.iter().filter(|said| said.takes.is_none()).count() as u64,
            // How much was looked at is the real one's own affair.
            looked_up: 0,
            read: 0,
        }
    }

    pub(crate) fn held(&self, channel: usize) -> &[u64] {
        self.records.get(&channel).map_or(&[], |record| &record.held)
    }

    /// What is held of a channel, but for words that something was taken back.
    pub(crate) fn messages(&self, channel: usize) -> impl Iterator<Item = &u64> {
        self.held(channel).iter().filter(|place| self.said(**place).takes.is_none())
    }

    pub(crate) fn bytes(&self, channel: usize) -> u64 {
        self.held(channel).iter().map(|place| self.said(*place).len as u64).sum()
    }

    pub(crate) fn said(&self, place: u64) -> &Said {
        &self.said[self.said.binary_search_by_key(&place, |said| said.place).unwrap()]
    }
}

impl Record {
    pub(crate) fn count(&self) -> u32 {
        self.waiting.values().chain(self.takers.values()).sum()
    }

    /// Fewer of a shard, as many as there are; the last one gone starts the grace.
    fn less(&mut self, takers: bool, shard: u16, count: u32, grace_end: u64) {
        let there = if takers { &mut self.takers } else { &mut self.waiting };
        let Some(have) = there.get_mut(&shard) else { return };
        let gone = count.min(*have);
        *have -= gone;
        if *have == 0 {
            there.remove(&shard);
        }
        if gone > 0 && self.count() == 0 {
            self.offline_at = grace_end;
        }
    }
}
