//! The hub against its naive double: random calls, and after each of them everything anybody can see
//! must be the same.

#![allow(clippy::cast_possible_truncation, reason = "small numbers only")]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;
mod handover;
mod naive;

use std::collections::BTreeSet;

use common::publish;
use multiplexor_hub::limits::PAGE_MESSAGES_MAX;
use multiplexor_hub::{
    Before, Changes, ChannelId, Door, Epoch, Guest, Hub, Leave, Limits, Message, Next, Page, Pattern,
    Position, Refused, Released, Resume, Rule, ShardId, Start, Stay, Take, Totals,
};
use naive::{From, Naive, Read};
use testkit::seeds::{Chance, seeds};

#[test]
fn the_hub_does_what_its_naive_double_does() {
    seeds("cargo test -p multiplexor-hub --test model", |seed| {
        let mut both = Both::new(seed);
        for _ in 0..STEPS {
            both.step();
            both.compare();
        }
    });
}

/// The hub and its double, driven alike.
struct Both {
    chance: Chance,
    hub: Hub,
    naive: Naive,
    lens: &'static [usize],
    /// Readers between two pages.
    readers: Vec<Reader>,
}

struct Reader {
    channels: Vec<usize>,
    resume: Resume,
    from: From,
    given: u64,
}

impl Both {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let small = seed % 4 != 3;
        let limits = Limits {
            follow_users: false,
            history_messages: if small { chance.of(&[0, 1, 3, 8, 20]) } else { 100 },
            history_age: chance.of(&[15, 60, 100_000]),
            history_renew: false,
            history_bytes: if small { chance.of(&[100, 100_000]) } else { 1 << 20 },
            history_budget: if small { chance.of(&[120, 200, 100_000]) } else { 3 << 20 },
            resume_window: chance.of(&[0, 30, 100]),
            grace: chance.of(&[0, 5, 20]),
            channels_budget: 1 << 20,
            changes: 1_000_000,
            presence_grace: 0,
            presence_history: 0,
            presence_list: 0,
            rules: (0..chance.below(4)).map(|_| rule(&mut chance)).collect(),
            listen: Door::Open,
        };
        Self {
            hub: Hub::new(limits.clone(), Epoch::new(seed), seed),
            naive: Naive::new(limits, &CHANNELS),
            lens: if small { &[0, 1, 10, 30, 60] } else { &[1, 100, 5_000, 70_000, 150_000, 300_000] },
            readers: Vec::new(),
            chance,
        }
    }

    fn step(&mut self) {
        self.naive.calls += 1;
        match self.chance.below(35) {
            0..=8 => self.publish(1),
            9 => self.publish(40),
            10..=12 => self.release(),
            13..=15 => self.naive.now += self.chance.of(&[1, 3, 10, 50, 70_000]) * self.chance.below(2),
            16 | 17 => self.tick(),
            18..=20 => self.subscribe(),
            21 | 22 => self.next_page(),
            23 | 24 => self.leave(),
            25 => self.delete(),
            26 | 27 => self.take(),
            28 if self.chance.once_in(2) => self.older(),
            28 => self.history(),
            29 | 30 => self.take_back(),
            31 | 32 => self.admit(),
            33 => handover::hand_over(&mut self.hub, &self.naive.limits),
            _ => self.changes(),
        }
    }

    fn publish(&mut self, count: usize) {
        let atonce = !self.chance.once_in(4);
        for _ in 0..count {
            let mut channels = self.chance.some(CHANNELS.len(), CHANNELS.len());
            if self.chance.once_in(5) {
                channels.push(channels[0]);
            }
            let ttl = self.chance.of(&[None, None, None, Some(0), Some(4), Some(30)]);
            let len = self.chance.of(self.lens);
            let ordered = self.hub.order(publish(&names(&channels), len, ttl), self.naive.now);
            let naive = self.naive.order(&channels, len, ttl);
            assert_eq!(ordered.map(Position::to_bits), naive.map_err(Refused::Payload));
        }
        if atonce {
            self.release_to(self.naive.last);
        }
    }

    /// A message comes with a place and a time that somebody else gave it; mostly with a hole before it, and now and then
    /// once more.
    fn admit(&mut self) {
        let channels = self.chance.some(CHANNELS.len(), CHANNELS.len());
        let ttl = self.chance.of(&[None, None, Some(0), Some(30)]);
        let len = self.chance.of(self.lens);
        let place = self.naive.last + self.chance.of(&[0, 1, 2, 256, 1 << 20]);
        let is_behind = place <= self.naive.last;
        let mut released = Vec::new();
        let message = publish(&names(&channels), len, ttl);
        let admitted = self.hub.admit(Position::from_bits(place), self.naive.now, message, &mut released);
        if is_behind {
            assert_eq!((admitted, released.len()), (Ok(false), 0), "nothing is done");
            return;
        }
        match self.naive.order_at(place, &channels, len, ttl) {
            Ok(_) => assert_eq!(admitted, Ok(true)),
            Err(limit) => {
                assert_eq!(admitted, Err(Refused::Payload(limit)));
                self.naive.leave_empty(place);
            }
        }
        self.released(place, &released);
    }

    /// Takes a message back, mostly one that is there.
    fn take_back(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let any = 1 + self.chance.below(self.naive.last + 1);
        let place = match self.naive.held(channel) {
            held if !held.is_empty() && !self.chance.once_in(4) => self.chance.of(held),
            _ => any,
        };
        let taken = self.hub.remove(CHANNELS[channel], Position::from_bits(place), self.naive.now);
        let naive = self.naive.take_back(channel, place);
        assert_eq!(taken.map(|place| place.unwrap().to_bits()), naive, "{place} of {channel}");
        if !self.chance.once_in(4) {
            self.release_to(self.naive.last);
        }
    }

    fn release(&mut self) {
        let committed = self.naive.end + self.chance.below(self.naive.last - self.naive.end + 2);
        self.release_to(committed);
    }

    fn release_to(&mut self, committed: u64) {
        let mut released = Vec::new();
        self.hub.release(Position::from_bits(committed), self.naive.now, &mut released);
        self.released(committed, &released);
    }

    /// What was released by this commit is what was due.
    fn released(&mut self, committed: u64, released: &[Released]) {
        let due = self.naive.releasable(committed);
        assert_eq!(due, released.iter().map(|one| one.message.position.to_bits()).collect::<Vec<_>>());
        for one in released {
            let said = self.naive.said(one.message.position.to_bits()).clone();
            let removal = one.message.removal().map(|removal| removal.position.to_bits());
            assert_eq!(removal, said.takes);
            assert_eq!((one.message.time, one.message.expires()), (said.time, said.expires));
            assert_eq!(
                one.message.targets().iter().map(|target| &*target.name).collect::<Vec<_>>(),
                names(&said.channels)
            );
            for (id, channel) in one.channels.iter().zip(said.channels) {
                let record = self.naive.records.get_mut(&channel);
                assert_eq!(record.is_some(), *id != ChannelId::NONE);
                if let Some(record) = record {
                    assert_eq!(*record.id.get_or_insert(id.0), id.0);
                }
            }
        }
        let told = self.naive.release(committed);
        for (one, (seen, shards)) in released.iter().zip(told) {
            assert_eq!(one.seen.iter().map(|seen| (seen.waiting, seen.online)).collect::<Vec<_>>(), seen);
            assert_eq!(set(&one.shards), shards);
        }
    }

    fn tick(&mut self) {
        while self.hub.tick(self.naive.now) {}
        self.naive.tick();
    }

    /// A start, as the hub takes it and as its double does.
    fn start(&mut self) -> (Start, From) {
        match self.chance.below(8) {
            0 => (Start::Now, From::Now),
            1 => (Start::Everything, From::Everything),
            2 => (Start::Lost, From::Lost),
            3 => {
                let time = self.naive.now.saturating_sub(self.chance.below(100));
                (Start::Time(time), From::Time(time))
            }
            4 => {
                let count = self.chance.of(&[0, 1, 2, 5, 70]);
                (Start::Tail(count), From::Tail(count))
            }
            _ => {
                let back = self.chance.of(&[5, 20, 300]);
                // Some way back in places or in messages, between which there are holes.
                let said = &self.naive.said;
                let place = if said.is_empty() || self.chance.once_in(2) {
                    (self.naive.end + 2).saturating_sub(self.chance.below(back))
                } else {
                    let at = said.len() - 1 - self.chance.below(back.min(said.len() as u64)) as usize;
                    (said[at].place + self.chance.below(3)).saturating_sub(1)
                };
                (Start::After(Position::from_bits(place)), From::After(place))
            }
        }
    }

    fn subscribe(&mut self) {
        let channels = self.chance.some(CHANNELS.len(), CHANNELS.len());
        let (start, from) = self.start();
        self.page(channels, start, from, 0);
    }

    fn next_page(&mut self) {
        if !self.readers.is_empty() {
            let index = self.chance.below(self.readers.len() as u64) as usize;
            let Reader { channels, resume, from, given } = self.readers.swap_remove(index);
            self.page(channels, Start::More(resume), from, given);
        }
    }

    /// Reads a page. `given`: no message up to there may come again.
    fn page(&mut self, channels: Vec<usize>, start: Start, from: From, given: u64) {
        let shard = self.chance.below(3) as u16;
        let stay = self.chance.of(&[Stay::Always, Stay::Always, Stay::IfNothing, Stay::Never]);
        let guest = Guest { stay, ..ShardId(shard).into() };
        let page = self.hub.subscribe(guest, &names(&channels), start, self.naive.now).unwrap();
        let read = self.naive.read(&channels, from, PAGE_MESSAGES_MAX);
        let more = same_page(&page, &read);
        for message in &page.messages {
            let went_to: Vec<&str> = message.targets().iter().map(|target| &*target.name).collect();
            assert_eq!(went_to, names(&self.naive.said(message.position.to_bits()).channels));
        }
        assert!(read.places.first().is_none_or(|first| *first > given));
        if let (Some(resume), Some(from)) = (more, read.more) {
            let given = read.places.last().copied().unwrap_or(given);
            self.readers.push(Reader { channels, resume, from, given });
            return;
        }
        let stays = match stay {
            Stay::Always => true,
            Stay::IfNothing => read.places.is_empty() && read.gaps.is_empty(),
            Stay::Never => false,
        };
        if stays {
            self.naive.join(shard, &channels);
        } else {
            self.naive.pass_by(&channels);
        }
        let Next::Live { position, channels: ids } = page.next else { panic!("the last page is live") };
        assert_eq!(position.to_bits(), self.naive.end);
        if !stays {
            return assert!(ids.is_empty(), "who does not stay is registered nowhere");
        }
        assert_eq!(ids.len(), channels.len());
        for (channel, id) in channels.iter().zip(ids) {
            assert_eq!(*self.naive.records.get_mut(channel).unwrap().id.get_or_insert(id.0), id.0);
        }
    }

    fn history(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let (start, from) = self.start();
        let (mut start, mut from) = (start, from);
        let limit = self.chance.of(&[0, 1, 3, 200]);
        for _ in 0..5 {
            let page = self.hub.history(CHANNELS[channel], start, limit, self.naive.now);
            let known = self.naive.records.contains_key(&channel);
            let read = self.naive.read(&[channel], from, limit);
            let Some(page) = page else {
                assert!(!known && read.gaps.is_empty() && read.places.is_empty());
                return;
            };
            assert!(known || !read.gaps.is_empty());
            let (Some(resume), Some(more)) = (same_page(&page, &read), read.more) else { return };
            (start, from) = (Start::More(resume), more);
        }
    }

    /// Goes back page by page.
    fn older(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let limit = self.chance.of(&[1, 2, 5, 100]);
        let back = self.chance.of(&[1, 5, 20]);
        let mut before = (self.naive.end + 1).saturating_sub(self.chance.below(back));
        let mut start = if before > self.naive.end { Before::End } else { Before::Place(place(before)) };
        for _ in 0..5 {
            let page = loop {
                let page = self.hub.try_older(CHANNELS[channel], start, limit, self.naive.now);
                if let Some(page) = page {
                    break page;
                }
            };
            let told = (places(&page.messages), page.first.to_bits(), page.more, page.gap);
            assert_eq!(told, self.naive.older(channel, before, limit));
            if !page.more {
                return;
            }
            (before, start) = (page.first.to_bits(), Before::Place(page.first));
        }
    }

    fn leave(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let shard = self.chance.below(3) as u16;
        let (count, grace) = (1 + self.chance.below(3) as u32, self.chance.of(&[0, 7, 20]));
        let Some(id) = self.naive.records.get(&channel).and_then(|record| record.id) else { return };
        if self.chance.once_in(3) {
            let end = self.hub.end();
            self.hub.leave(ShardId(shard), Leave::taker(ChannelId(id), end), grace, self.naive.now);
            self.naive.leave_take(shard, channel, grace);
        } else {
            self.hub.leave(ShardId(shard), Leave::waiting(ChannelId(id), count), grace, self.naive.now);
            self.naive.leave(shard, channel, count, grace);
        }
    }

    fn take(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let shard = self.chance.below(3) as u16;
        let grace = self.naive.limits.grace;
        let taken = self.hub.take(ShardId(shard), CHANNELS[channel], grace, self.naive.now).unwrap();
        match (taken, self.naive.take(shard, channel)) {
            (Take::Message(message), Some(place)) => assert_eq!(message.position.to_bits(), place),
            (Take::Waiting { channel: id, position }, None) => {
                assert_eq!(position.to_bits(), self.naive.end);
                assert_eq!(*self.naive.records.get_mut(&channel).unwrap().id.get_or_insert(id.0), id.0);
            }
            (taken, naive) => panic!("{taken:?}, but its double says {naive:?}"),
        }
    }

    fn delete(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let subscriptions = self.chance.once_in(2);
        let deleted = self.hub.delete(CHANNELS[channel], subscriptions, self.naive.now);
        let shards = self.naive.delete(channel, subscriptions);
        assert_eq!(deleted.map(|(_, shards)| set(&shards)), shards);
    }

    /// Any page of the feed is what its place in the whole feed says.
    fn changes(&mut self) {
        let whole = self.hub.changes(Start::Everything, usize::MAX).changes;
        let after = self.chance.below(self.naive.end + 2);
        let limit = 1 + self.chance.below(5) as usize;
        let ahead = after > self.naive.end;
        let mut owed = whole;
        owed.retain(|change| ahead || change.position.to_bits() > after);
        let more = owed.len() > limit;
        owed.truncate(limit);
        let position = if more { owed[limit - 1].position } else { self.hub.end() };
        let read = self.hub.changes(Start::After(Position::from_bits(after)), limit);
        assert_eq!(read, Changes { changes: owed, gap: ahead, position, more });
    }

    fn compare(&mut self) {
        self.hub.audit();
        drop(self.hub.take_trash());
        assert_eq!(self.hub.end().to_bits(), self.naive.end);
        let totals = Totals { looked_up: 0, read: 0, ..self.hub.totals() };
        assert_eq!(totals, self.naive.totals());
        for (channel, name) in CHANNELS.iter().enumerate() {
            let info = self.hub.channel(name);
            let record = self.naive.records.get(&channel);
            assert_eq!(info.is_some(), record.is_some(), "{name}");
            let (Some(info), Some(record)) = (info, record) else { continue };
            assert_eq!((info.waiting, info.online), (record.count(), record.online), "{name}");
            let messages = || self.naive.messages(channel);
            assert_eq!(info.bytes, messages().map(|place| self.naive.said(*place).len as u64).sum::<u64>());
            assert_eq!(info.messages as usize, messages().count());
            let kept = info.kept.map(|(first, newest)| (first.to_bits(), newest.to_bits()));
            let held = record.held.first().copied().zip(record.held.last().copied());
            assert_eq!(kept, held.filter(|_| messages().next().is_some()));
            let shards: BTreeSet<u16> = record.waiting.keys().chain(record.takers.keys()).copied().collect();
            assert_eq!(set(&self.hub.interested(&[Box::from(*name)])), shards);
        }
        self.compare_changes();
    }

    /// The feed is the same, but that changes of one call may come in any order.
    fn compare_changes(&mut self) {
        let feed = self.hub.changes(Start::Everything, usize::MAX);
        let mut naive: Vec<_> =
            self.naive.changes.iter().filter(|change| change.0 <= self.naive.end).collect();
        assert_eq!(feed.changes.len(), naive.len());
        let mut hub = Vec::new();
        for (change, naive) in feed.changes.iter().zip(&naive) {
            assert_eq!((change.position.to_bits(), change.time), (naive.0, naive.3));
            hub.push((naive.4, &*change.name, change.what.is_online()));
        }
        hub.sort();
        naive.sort_by_key(|change| (change.4, CHANNELS[change.1], change.2));
        assert!(hub.iter().zip(&naive).all(|(a, b)| *a == (b.4, CHANNELS[b.1], b.2)), "{hub:?} {naive:?}");
    }
}

/// Checks a page; returns where the next begins.
fn same_page(page: &Page, read: &Read) -> Option<Resume> {
    assert_eq!(places(&page.messages), read.places);
    assert_eq!(page.gaps, read.gaps);
    let more = match page.next {
        Next::More(resume) => Some(resume),
        Next::Live { .. } => None,
    };
    assert_eq!(more.is_some(), read.more.is_some());
    more
}

/// The places of messages, as numbers.
fn places(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.position.to_bits()).collect()
}

fn place(place: u64) -> Position {
    Position::from_bits(place)
}

fn names(channels: &[usize]) -> Vec<&'static str> {
    channels.iter().map(|channel| CHANNELS[*channel]).collect()
}

fn set(shards: &[ShardId]) -> BTreeSet<u16> {
    let set: BTreeSet<u16> = shards.iter().map(|shard| shard.0).collect();
    assert_eq!(set.len(), shards.len(), "each shard once");
    set
}

/// A rule for some of the channels, with any of its limits.
fn rule(chance: &mut Chance) -> Rule {
    let pattern = chance.of(&["*", "a", "a*", "a.*", "b.*", "b.d", "c"]);
    Rule {
        pattern: Pattern::new(pattern).unwrap(),
        history_messages: chance.of(&[None, Some(0), Some(2), Some(50)]),
        history_age: chance.of(&[None, Some(10), Some(80)]),
        history_bytes: chance.of(&[None, Some(70), Some(1 << 20)]),
        payload_limit: chance.of(&[None, None, None, Some(30)]),
        ttl: chance.of(&[None, None, Some(0), Some(6), Some(40)]),
        listen: None,
        history: None,
        presence: None,
        publish: None,
        publish_hook: None,
        durable: None,
        skip_poison: None,
    }
}

const CHANNELS: [&str; 4] = ["a", "a.b", "b.c", "b.d"];
const STEPS: usize = 400;
