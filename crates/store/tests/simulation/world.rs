//! All that is known outside of a server with a store: who said what and was answered, who heard what; and the
//! lives of that server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use exchange::hub::{
    Epoch, IdempotencyKey, Kind, Leave, Limits, Next, Pattern, Payload, Publish, Rule, ShardId, Start, Take,
    Target,
};
use exchange::{Clock, Deleted, Exchange, Journal, Pending, Place, PublishError, Receipt, Wake};
use multiplexor_store as store;
use store::{Keeper, Log, Options, Stats, Sync};
use testkit::disk::SimDisk;
use testkit::seeds::Chance;

const CHANNELS: [&str; 5] = ["a", "b", "c", "q", "v"];
const SHARD: ShardId = ShardId(0);
const KEYS_AGE: u64 = 100_000;

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// A message, as its publisher knows it.
#[derive(Clone)]
struct Said {
    channels: Vec<&'static str>,
    key: Option<String>,
    /// The cursor that its publisher gave it in each channel.
    alias: Option<Box<str>>,
    time: u64,
}

/// Somebody who reads a channel, now and then, over all lives.
struct Reader {
    channel: &'static str,
    epoch: u64,
    place: u64,
    /// What it got, by the number of the message.
    got: BTreeSet<u64>,
}

/// All that is known outside of the server.
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) disk: SimDisk,
    limits: Limits,
    time: Arc<AtomicU64>,
    epoch: Option<u64>,
    /// The highest place that anybody was told, in this epoch.
    told: u64,
    said: BTreeMap<u64, Said>,
    /// Place to number of what was answered.
    answered: BTreeMap<u64, u64>,
    /// Up to which place a channel was deleted, and that was answered.
    deleted: BTreeMap<&'static str, u64>,
    /// Channel and place of what somebody tried to take back.
    removing: BTreeSet<(&'static str, u64)>,
    /// Where that was answered: the place of the removal.
    removed: BTreeMap<(&'static str, u64), u64>,
    readers: Vec<Reader>,
    /// Changes that a quick watcher saw: place, channel, online.
    changes: Vec<(u64, String, bool)>,
    /// Where a slow watcher is.
    watcher: u64,
    /// The last message taken of q that the store has surely kept.
    taken: u64,
    /// The disk is so slow that the store comes to it once while this many things happen; 1: at once.
    pub(crate) slowness: u64,
    /// Nothing is ever trimmed, and nothing lost: so nobody is told of a gap.
    pub(crate) whole: bool,
    /// Some come to names that nobody ever published to. What the store was not told of them is a gap for watchers.
    strangers: bool,
}

/// One life of the server.
pub(crate) struct Life {
    pub(crate) exchange: Exchange,
    pub(crate) keeper: Keeper<SimDisk>,
    pending: Vec<(u64, Pending)>,
    deletions: Vec<(&'static str, Pending)>,
    removals: Vec<((&'static str, u64), Pending)>,
    joined: Vec<exchange::hub::ChannelId>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let roomy = chance.once_in(2);
        Self::with(seed, chance, roomy)
    }

    /// A world in which nothing is ever trimmed.
    pub(crate) fn roomy(seed: u64) -> Self {
        Self::with(seed, Chance::new(seed), true)
    }

    fn with(seed: u64, chance: Chance, roomy: bool) -> Self {
        let volatile = Rule { durable: Some(false), ..Rule::new(Pattern::new("v").unwrap()) };
        let limits = Limits {
            history_messages: if roomy { 10_000 } else { 4 },
            history_age: if roomy { 1 << 40 } else { 3_000 },
            history_budget: if roomy { 1 << 30 } else { 600 },
            resume_window: 2_000,
            grace: 50,
            changes: if roomy { 10_000 } else { 20 },
            rules: vec![volatile],
            ..Limits::default()
        };
        let strangers = seed.is_multiple_of(2);
        let reader = |n: usize| Reader { channel: CHANNELS[n % 4], epoch: 0, place: 0, got: BTreeSet::new() };
        Self {
            chance,
            disk: SimDisk::new(seed),
            limits,
            time: Arc::new(AtomicU64::new(1_000)),
            epoch: None,
            told: 0,
            said: BTreeMap::new(),
            answered: BTreeMap::new(),
            deleted: BTreeMap::new(),
            removing: BTreeSet::new(),
            removed: BTreeMap::new(),
            readers: (0..6).map(reader).collect(),
            changes: Vec::new(),
            watcher: 0,
            taken: 0,
            slowness: 1,
            whole: roomy,
            strangers,
        }
    }

    /// The server starts. `honest`: nothing that was answered may be missing.
    pub(crate) fn start(&mut self, sync: Sync, boot: u64, honest: bool) -> Life {
        let len_max = if self.whole { 1 << 20 } else { 6 << 10 };
        let options = Options { len_max, sync, volatile: 0 };
        let random = self.chance.number();
        let (log, found) = Log::open(self.disk.clone(), options, &boot.to_string(), random).unwrap();
        if honest {
            assert!(!found.lost, "{:?}", found.notes);
            assert!(self.epoch.is_none_or(|epoch| epoch == log.epoch()));
            for (number, said) in &self.said {
                // What is not durable has no durable key.
                let Some(key) = said.key.as_ref().filter(|_| said.channels != ["v"]) else { continue };
                let answered =
                    self.answered.iter().find(|(_, said)| *said == number).map(|(place, _)| *place);
                let is_young = said.time + KEYS_AGE > self.time.load(Ordering::Relaxed);
                let known = found.keys.iter().find(|known| *known.key.text == **key);
                if let Some(place) = answered.filter(|_| is_young) {
                    assert_eq!(known.map(|known| known.position.to_bits()), Some(place), "key {key}");
                }
            }
        } else {
            self.whole = false;
        }
        if self.epoch != Some(log.epoch()) {
            (self.told, self.watcher, self.taken) = (0, 0, 0);
            self.answered.clear();
            self.changes.clear();
            self.deleted.clear();
            self.removing.clear();
            self.removed.clear();
        }
        if found.lost || !honest {
            // Everybody is told; from here on it counts anew.
            self.answered.clear();
            self.deleted.clear();
            self.removed.clear();
            self.taken = 0;
            if !found.lost {
                // Of what a disk lied about nobody can be told.
                self.changes.clear();
            }
        }
        self.epoch = Some(log.epoch());
        let past = found.past;
        assert!(past.last.to_bits() >= self.told, "{} was told, and {:?} is the last", self.told, past.last);
        let journal: Arc<Journal> = Arc::default();
        let clock = Clock::manual(Arc::clone(&self.time));
        let (epoch, reserved) = (Epoch::new(log.epoch()), log.reserved());
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::new(Nobody)];
        let again = Exchange::again(
            self.limits.clone(),
            epoch,
            7,
            clock,
            Arc::clone(&journal),
            wakers,
            past,
            reserved,
        );
        let keeper = Keeper::new(log, journal, KEYS_AGE, Arc::new(Stats::default()));
        Life {
            exchange: again,
            keeper,
            pending: Vec::new(),
            deletions: Vec::new(),
            removals: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// Lives for some steps, or until the disk is gone.
    pub(crate) fn live(&mut self, life: &mut Life, steps: u64) {
        for _ in 0..steps {
            match self.chance.below(12) {
                0..=4 => self.say(life),
                5 => {
                    self.time.fetch_add(self.chance.below(100), Ordering::Relaxed);
                    life.exchange.admin().tick();
                }
                6 => self.come_or_go(life),
                7 if self.chance.once_in(8) => self.delete(life),
                7 => self.take_back(life),
                8 => self.take(life),
                9 => self.read(life),
                _ if !self.chance.once_in(self.slowness) => {}
                _ => {
                    life.keeper.turn(&life.exchange, Duration::ZERO);
                    self.look(life);
                }
            }
            if self.disk.is_gone() {
                return;
            }
        }
    }

    fn say(&mut self, life: &mut Life) {
        let number = self.said.len() as u64 + 1;
        let channels: Vec<&'static str> =
            self.chance.some(CHANNELS.len(), 2).into_iter().map(|n| CHANNELS[n]).collect();
        let key = self.chance.once_in(4).then(|| format!("k{number}"));
        let time = self.time.load(Ordering::Relaxed);
        let alias: Option<Box<str>> = self.chance.once_in(3).then(|| format!("{number}.5").into());
        let aliases =
            alias.iter().cycle().take(channels.len() * usize::from(alias.is_some())).cloned().collect();
        let said = Said { channels: channels.clone(), key: key.clone(), alias, time };
        self.said.insert(number, said);
        let bytes = format!("{number}:{}", "x".repeat(self.chance.index(60))).into_bytes();
        let payload = Payload::new(bytes, Kind::Either);
        let channels = channels.into_iter().map(Box::from).collect();
        let publish = Publish { channels, aliases, payload, ttl: None };
        let key = key.map(|text| IdempotencyKey { owner: None, text: text.into(), hash: None });
        match life.exchange.publisher().publish(publish, key.as_ref()) {
            Ok(Receipt::Released(published)) => self.answer(number, published.position.to_bits()),
            Ok(Receipt::Ordered(pending)) => life.pending.push((number, pending)),
            // The store fails, or is slower than who publishes.
            Err(PublishError::Unstored(_) | PublishError::Full(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn answer(&mut self, number: u64, place: u64) {
        assert!(self.answered.insert(place, number).is_none(), "place {place} twice");
        self.told = self.told.max(place);
    }

    fn come_or_go(&mut self, life: &mut Life) {
        if life.joined.len() < 3 {
            let name = match self.chance.below(3) {
                0 if self.strangers => format!("x{}", self.chance.below(50)),
                _ => CHANNELS[self.chance.index(4)].to_owned(),
            };
            if !self.comes_to(life, &name) {
                return;
            }
            if let Next::Live { channels, .. } =
                life.exchange.registry().subscribe(SHARD, &[&*name], Start::Now).unwrap().next
            {
                life.joined.extend(channels);
            }
        } else {
            let channel = life.joined.swap_remove(self.chance.index(life.joined.len()));
            life.exchange.registry().leave(SHARD, &[Leave::waiting(channel, 1)], None);
        }
    }

    /// Whether anybody comes to a channel: to one that nobody ever published to strangers do.
    fn comes_to(&self, life: &Life, name: &str) -> bool {
        let needed = life.exchange.store().needed(&[Place { name, position: None }]);
        self.strangers || needed.states[0].is_some()
    }

    fn delete(&mut self, life: &mut Life) {
        let name = CHANNELS[self.chance.index(3)];
        if let Deleted::Ordered(pending) = life.exchange.publisher().begin_deletion(name, false).1 {
            life.deletions.push((name, pending));
            self.whole = false;
        }
    }

    /// Takes back a message that was answered.
    fn take_back(&mut self, life: &mut Life) {
        if self.answered.is_empty() {
            return;
        }
        let index = self.chance.index(self.answered.len());
        let Some((at, number)) = self.answered.iter().nth(index) else { return };
        let channels = &self.said[number].channels;
        let what = (channels[self.chance.index(channels.len())], *at);
        let receipt = life.exchange.publisher().remove(what.0, place(what.1));
        match receipt {
            Ok(Receipt::Released(published)) => drop(self.removed.insert(what, published.position.to_bits())),
            Ok(Receipt::Ordered(pending)) => life.removals.push((what, pending)),
            Err(_) => return,
        }
        self.removing.insert(what);
    }

    fn take(&mut self, life: &mut Life) {
        if !self.comes_to(life, "q") {
            return;
        }
        if let Take::Message(message) = life.exchange.registry().take_one(SHARD, "q", 1_000_000).unwrap() {
            let place = message.position.to_bits();
            assert!(place > self.taken, "{place} was taken already: {}", self.taken);
            if life.keeper.turn(&life.exchange, Duration::ZERO)
                && life.exchange.publisher().store_trouble().is_none()
                && !self.disk.is_gone()
            {
                self.taken = place;
            }
        }
    }

    /// What was answered meanwhile.
    pub(crate) fn look(&mut self, life: &mut Life) {
        if self.disk.is_gone() {
            // Nobody sees what a program does that is gone.
            return;
        }
        let pending = std::mem::take(&mut life.pending);
        for (number, pending) in pending {
            match pending.look() {
                None => life.pending.push((number, pending)),
                Some(Ok(published)) => self.answer(number, published.position.to_bits()),
                Some(Err(_)) => {}
            }
        }
        for (name, pending) in std::mem::take(&mut life.deletions) {
            match pending.look() {
                None => life.deletions.push((name, pending)),
                Some(Ok(_)) => drop(self.deleted.insert(name, pending.position().to_bits())),
                Some(Err(_)) => {}
            }
        }
        for (what, pending) in std::mem::take(&mut life.removals) {
            match pending.look() {
                None => life.removals.push((what, pending)),
                Some(Ok(published)) => drop(self.removed.insert(what, published.position.to_bits())),
                Some(Err(_)) => {}
            }
        }
        let page = life.exchange.admin().changes(Start::After(place(self.changes_end())), 1_000);
        let fresh = page.changes.iter();
        self.changes.extend(fresh.map(|c| (c.position.to_bits(), c.name.to_string(), c.what.is_online())));
        self.told = self.told.max(life.exchange.end().to_bits());
    }

    fn changes_end(&self) -> u64 {
        self.changes.last().map_or(0, |change| change.0)
    }

    /// A reader comes back, and so may the slow watcher.
    pub(crate) fn read(&mut self, life: &Life) {
        let epoch = self.epoch.unwrap();
        let index = self.chance.index(self.readers.len());
        let reader = &mut self.readers[index];
        let start = if reader.epoch == epoch { Start::After(place(reader.place)) } else { Start::Everything };
        if reader.epoch != epoch {
            (reader.epoch, reader.place) = (epoch, 0);
            reader.got.clear();
        }
        let page = life.exchange.admin().history(reader.channel, start, 10_000);
        let (messages, gap, end) = match page {
            Some(page) => {
                let Next::Live { position, .. } = page.next else { panic!("all fits a page") };
                (page.messages, !page.gaps.is_empty(), position.to_bits())
            }
            None => (Vec::new(), false, life.exchange.end().to_bits()),
        };
        assert!(end >= reader.place);
        assert!(!(gap && self.whole), "{} is told of a gap after {}", reader.channel, reader.place);
        let mut before = reader.place;
        let mut got = BTreeSet::new();
        let mut taken_back = BTreeSet::new();
        for message in &messages {
            if let Some(removal) = message.removal() {
                let what = (reader.channel, removal.position.to_bits());
                assert!(self.removing.contains(&what), "nobody took {what:?} back");
                taken_back.insert(what);
                continue;
            }
            let text = String::from_utf8(message.payload().bytes.to_vec()).unwrap();
            let number: u64 = text.split(':').next().unwrap().parse().unwrap();
            assert!(message.position.to_bits() > before, "out of order");
            before = message.position.to_bits();
            assert!(self.said[&number].channels.contains(&reader.channel));
            let target = message.targets().iter().find(|target| *target.name == *reader.channel).unwrap();
            assert_eq!(target.alias, self.said[&number].alias);
            assert!(reader.got.insert(number), "{number} came twice");
            assert!(
                self.deleted.get(reader.channel).is_none_or(|up_to| before > *up_to),
                "{number} came back after its deletion"
            );
            // Not here, nor is it said to be of a channel that it was taken back from.
            let taken = |target: &Target| self.removed.keys().any(|what| *what == (&*target.name, before));
            assert!(!message.targets().iter().any(taken), "{number} came though it was taken back");
            got.insert(number);
        }
        let untold = self.removed.iter().filter(|(what, at)| {
            let had_it = what.0 == reader.channel && what.1 <= reader.place;
            had_it && **at > reader.place && **at <= end && !taken_back.contains(*what)
        });
        let untold: Vec<_> = untold.collect();
        assert!(
            gap || start == Start::Everything || untold.is_empty(),
            "{untold:?} was taken back, and who had it is not told"
        );
        let owed = self.answered.range(reader.place..=end).filter(|(place, _)| **place > reader.place);
        let missing = owed.filter(|(_, number)| {
            self.said[number].channels.contains(&reader.channel) && !got.contains(*number)
        });
        let missing = missing.filter(|(at, _)| !self.removing.contains(&(reader.channel, **at)));
        let missing: Vec<_> = missing.collect();
        assert!(
            gap || start == Start::Everything || missing.is_empty(),
            "{missing:?} is missing, and nobody is told"
        );
        reader.place = end;
        self.told = self.told.max(end);
        if self.chance.once_in(2) {
            let page = life.exchange.admin().changes(Start::After(place(self.watcher)), 1_000);
            let may_lack = !self.whole || self.strangers || self.watcher == 0;
            assert!(may_lack || !page.gap, "a watcher is told of a gap");
            let owed: Vec<_> = self.changes.iter().filter(|change| change.0 > self.watcher).collect();
            let got: BTreeSet<u64> = page.changes.iter().map(|change| change.position.to_bits()).collect();
            assert!(
                page.gap || owed.iter().all(|change| got.contains(&change.0)),
                "a change is missing: {owed:?}"
            );
            self.watcher = page.position.to_bits();
        }
    }
}

fn place(bits: u64) -> exchange::hub::Position {
    exchange::hub::Position::from_bits(bits)
}
