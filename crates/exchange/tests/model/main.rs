//! Readers on several shards against a plain list of what was said: shards take and handle their mail when
//! they like, readers come, page, go live, leave and come back by any cursor on any shard. Nobody loses a
//! message without being told, nobody gets one twice or out of order, and who sleeps is woken.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "in a test")]

#[path = "../common/mod.rs"]
mod common;
mod follows;
mod reader;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Bell, Manual, publish};
use follows::Follows;
use multiplexor_exchange::hub::{ChannelId, Epoch, Leave, Limits, Next, Page, Position, ShardId, Start};
use multiplexor_exchange::{Clock, Exchange, Mail, Order, Receipt, RemoveError, Wake};
use reader::{CHANNELS, Reader, Said, State, names};
use testkit::seeds::{Chance, seeds};

#[test]
fn readers_on_shards_get_what_they_are_owed() {
    seeds("cargo test -p multiplexor-exchange --test model", |seed| {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check_sleepers();
        }
        world.come_to_rest();
    });
}

struct World {
    chance: Chance,
    exchange: Arc<Exchange>,
    /// Somebody who follows all of the order.
    follows: Follows,
    clock: Arc<AtomicU64>,
    store: Manual,
    /// What is ordered is committed at once.
    eager: bool,
    shards: Vec<Shard>,
    readers: Vec<Reader>,
    said: Vec<Said>,
    /// Of deleted records: the end when that was.
    deleted: HashMap<ChannelId, u64>,
}

struct Shard {
    id: ShardId,
    bell: Arc<Bell>,
    /// Taken from the mailbox and not handled.
    mail: VecDeque<Mail>,
    /// Its readers are owed nothing up to here, but for what is in `mail`.
    seen: u64,
    /// The place of the last message taken, and of the last handled.
    taken: u64,
    handled: u64,
    asleep: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let limits = Limits {
            history_messages: chance.of(&[0, 1, 4, 200]),
            history_bytes: chance.of(&[300, 1 << 20]),
            history_budget: chance.of(&[600, 1 << 20]),
            history_age: chance.of(&[20, 1_000_000]),
            grace: 10,
            ..Limits::default()
        };
        let bells: Vec<Arc<Bell>> = (0..SHARDS).map(|_| Arc::default()).collect();
        let wakers = bells.iter().map(|bell| Arc::clone(bell) as Arc<dyn Wake>).collect();
        let (clock, store) = (Arc::new(AtomicU64::new(1_000)), Manual::default());
        let manual = Clock::manual(Arc::clone(&clock));
        let shard = |(id, bell)| Shard {
            id: ShardId(id),
            bell,
            mail: VecDeque::new(),
            seen: 0,
            taken: 0,
            handled: 0,
            asleep: false,
        };
        Self {
            exchange: Arc::new(Exchange::new(
                limits,
                Epoch::new(seed),
                seed,
                manual,
                Box::new(store.clone()),
                wakers,
            )),
            follows: Follows::default(),
            shards: (0..).zip(bells).map(shard).collect(),
            eager: chance.once_in(2),
            clock,
            store,
            readers: Vec::new(),
            said: Vec::new(),
            deleted: HashMap::new(),
            chance,
        }
    }

    fn step(&mut self) {
        match self.chance.below(27) {
            0..=7 => self.say(),
            8 | 9 => self.commit(),
            10..=12 => self.come(),
            13 | 14 => self.next_page(),
            15..=17 => self.take(),
            18 | 19 => self.handle(),
            20 => self.leave(),
            21 => self.come_back(),
            22 => self.sleep(),
            23 => self.take_back(),
            24 | 25 => self.follows.go_on(&self.exchange, &mut self.chance),
            _ if self.chance.once_in(6) => self.delete(),
            _ => {
                self.clock.fetch_add(self.chance.below(4), Ordering::Relaxed);
                self.exchange.admin().tick();
            }
        }
    }

    fn say(&mut self) {
        for _ in 0..self.chance.of(&[1, 1, 1, 3, 40]) {
            let channels = self.chance.some(CHANNELS.len(), 3);
            let ttl = self.chance.of(&[None, None, None, Some(0), Some(3)]);
            let mut publish = publish(&names(&channels).join(","), vec![b'x'; self.chance.index(60)].into());
            publish.ttl = ttl;
            if self.eager {
                self.store.0.store(Position::END.to_bits(), Ordering::Relaxed);
            }
            let receipt = match self.speaker() {
                Some(shard) => {
                    let receipt = self.exchange.shard(shard).publish(publish);
                    self.exchange.shard(shard).end_turn();
                    receipt
                }
                None => self.exchange.publisher().publish(publish, None),
            };
            let place = match receipt.unwrap() {
                Receipt::Released(published) => published.position.to_bits(),
                Receipt::Ordered(pending) => pending.position().to_bits(),
            };
            assert!(self.said.last().is_none_or(|last| last.place < place));
            let dies = ttl.map(|ttl| self.now() + ttl);
            self.said.push(Said { place, channels, dies, takes: None });
        }
    }

    /// The shard of a client that says something, which is awake then; none: a publisher does.
    fn speaker(&mut self) -> Option<ShardId> {
        let index = self.chance.index(2 * SHARDS);
        self.shards.get(index).filter(|shard| !shard.asleep).map(|shard| shard.id)
    }

    /// Takes back one of the last messages, if it is there still.
    fn take_back(&mut self) {
        let Some(last) = self.said.len().checked_sub(1) else { return };
        let Said { place: taken, channels, .. } = &self.said[last.saturating_sub(self.chance.index(10))];
        let channel = self.chance.of(channels);
        let place = match self.exchange.publisher().remove(CHANNELS[channel], Position::from_bits(*taken)) {
            Ok(Receipt::Released(published)) => published.position.to_bits(),
            Ok(Receipt::Ordered(pending)) => pending.position().to_bits(),
            Err(error) => return assert!(matches!(error, RemoveError::Missing), "{error:?}"),
        };
        let takes = Some(*taken);
        self.said.push(Said { place, channels: vec![channel], dies: None, takes });
    }

    fn commit(&mut self) {
        let end = self.end();
        let open: Vec<u64> = self.said.iter().map(|said| said.place).filter(|place| *place > end).collect();
        if !open.is_empty() {
            let place = self.chance.of(&open);
            self.exchange.store().commit(Position::from_bits(place));
            assert!(self.end() >= place);
        }
    }

    fn come(&mut self) {
        let asked = self.chance.some(CHANNELS.len(), 3);
        let place = self.chance.below(self.end() + 1);
        let start = self.chance.of(&[
            Start::Now,
            Start::Everything,
            Start::Lost,
            Start::Tail(3),
            Start::Time(self.now() - 2),
            Start::After(Position::from_bits(place)),
            Start::After(Position::from_bits(self.end() + 5)),
        ]);
        self.begin(asked, start);
    }

    fn begin(&mut self, asked: Vec<usize>, start: Start) {
        let cursor = match start {
            Start::After(position) if position.to_bits() <= self.end() => Some(position.to_bits()),
            _ => None,
        };
        let shard = self.chance.index(SHARDS);
        let told = vec![0; asked.len()];
        let state = State::Live { from: 0, ids: Vec::new() };
        let mut reader =
            Reader { shard, asked, cursor, told, received: Vec::new(), received_of: BTreeSet::new(), state };
        let page = self.page(&mut reader, start);
        match (start, cursor) {
            (Start::Lost, _) | (Start::After(_), None) => assert_eq!(page.gaps.len(), reader.asked.len()),
            (Start::After(_), Some(_)) => {}
            _ => assert!(page.gaps.is_empty(), "who asks for no place has lost nothing"),
        }
        self.readers.push(reader);
    }

    /// Reads a page; after the last one the reader is live.
    fn page(&mut self, reader: &mut Reader, start: Start) -> Page {
        let asked = names(&reader.asked);
        let page = self.exchange.registry().subscribe(self.shards[reader.shard].id, &asked, start).unwrap();
        for gap in &page.gaps {
            let channel = usize::from(*gap);
            let kept = self.exchange.admin().channel(asked[channel]).and_then(|info| info.kept);
            let gone = kept.map_or_else(|| self.end(), |(first, _)| first.to_bits() - 1);
            if let Some(cursor) = reader.cursor {
                let behind = reader.received.last().copied().unwrap_or(0).max(cursor);
                let lost = |said: &Said| said.place > behind && said.place <= gone;
                let mut of_channel =
                    self.said.iter().filter(|said| said.channels.contains(&reader.asked[channel]));
                assert!(of_channel.any(lost), "a gap is told only where something is gone");
            }
            reader.told[channel] = reader.told[channel].max(gone);
        }
        page.messages.iter().for_each(|message| reader.receive(message));
        reader.state = match &page.next {
            Next::More(resume) => State::Paging(*resume),
            Next::Live { position, channels } => {
                State::Live { from: position.to_bits(), ids: channels.clone() }
            }
        };
        page
    }

    fn next_page(&mut self) {
        let paging: Vec<usize> = (0..self.readers.len())
            .filter(|index| matches!(self.readers[*index].state, State::Paging(_)))
            .collect();
        if !paging.is_empty() {
            let index = self.chance.of(&paging);
            self.page_of(index);
        }
    }

    fn page_of(&mut self, index: usize) {
        let mut reader = self.readers.swap_remove(index);
        if let State::Paging(resume) = reader.state {
            self.page(&mut reader, Start::More(resume));
        }
        self.readers.push(reader);
    }

    fn take(&mut self) {
        let index = self.chance.index(SHARDS);
        self.take_of(index);
    }

    /// As a shard does it: the end first, then the mail.
    fn take_of(&mut self, index: usize) {
        let shard = &mut self.shards[index];
        if shard.asleep {
            self.exchange.shard(shard.id).awake();
            shard.asleep = false;
        }
        shard.seen = self.exchange.end().to_bits();
        let mut mail = Vec::new();
        self.exchange.shard(shard.id).take_mail(&mut mail);
        for item in &mail {
            if let Mail::Delivery(delivery) = item {
                let place = delivery.message.position.to_bits();
                assert!(place > shard.taken, "a mailbox is in order");
                shard.taken = place;
            }
        }
        shard.mail.extend(mail);
        shard.rest();
    }

    fn handle(&mut self) {
        let index = self.chance.index(SHARDS);
        for _ in 0..self.chance.of(&[1, 3, 100]) {
            self.handle_one(index);
        }
    }

    fn handle_one(&mut self, index: usize) {
        match self.shards[index].mail.pop_front() {
            None => return,
            Some(Mail::Delivery(delivery)) => {
                let message = &delivery.message;
                for reader in self.readers.iter_mut().filter(|reader| reader.shard == index) {
                    reader.hear(&delivery);
                }
                self.shards[index].handled = message.position.to_bits();
                self.exchange.shard(self.shards[index].id).settle(1, message.bytes().len());
            }
            Some(Mail::Order(Order::Deleted { channel, .. })) => self.end_subscriptions(index, channel),
            Some(Mail::Order(order)) => panic!("nobody ordered {order:?}"),
        }
        self.shards[index].rest();
    }

    /// A deleted channel's readers have all that was said before, and go.
    fn end_subscriptions(&mut self, shard: usize, channel: ChannelId) {
        for index in (0..self.readers.len()).rev() {
            let reader = &self.readers[index];
            let is_member = matches!(&reader.state, State::Live { ids, .. } if ids.contains(&channel));
            if reader.shard == shard && is_member {
                reader.check_owed(&self.said, self.deleted[&channel], self.now());
                self.go(index);
            }
        }
    }

    fn leave(&mut self) {
        if !self.readers.is_empty() {
            let index = self.chance.index(self.readers.len());
            self.go(index);
        }
    }

    /// A reader goes. Returns what it asked for, and the cursor up to which it has everything.
    fn go(&mut self, index: usize) -> (Vec<usize>, Option<u64>) {
        let reader = self.readers.swap_remove(index);
        let cursor = match &reader.state {
            State::Live { from, ids } => {
                let registrations: Vec<_> = ids.iter().map(|id| Leave::waiting(*id, 1)).collect();
                self.exchange.registry().leave(
                    self.shards[reader.shard].id,
                    &registrations,
                    self.chance.of(&[None, Some(0)]),
                );
                Some(self.shards[reader.shard].handled.max(*from))
            }
            State::Paging(resume) => reader.cursor.map(|_| resume.after().to_bits()),
        };
        if let Some(cursor) = cursor.filter(|_| reader.is_whole(&self.deleted)) {
            reader.check_owed(&self.said, cursor, self.now());
        }
        (reader.asked, cursor)
    }

    /// A reader comes back: on any shard, with some channels more or less.
    fn come_back(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let index = self.chance.index(self.readers.len());
        let (mut asked, Some(cursor)) = self.go(index) else { return };
        if self.chance.once_in(3) {
            asked = self.chance.some(CHANNELS.len(), 4);
        }
        self.begin(asked, Start::After(Position::from_bits(cursor)));
    }

    fn sleep(&mut self) {
        let index = self.chance.index(SHARDS);
        let shard = &mut self.shards[index];
        if !shard.asleep && shard.mail.is_empty() {
            shard.asleep = self.exchange.shard(shard.id).may_sleep();
        }
    }

    /// What is ordered is released first: a record with a message under way keeps its id, and who
    /// subscribes at once could not be told from those whose subscriptions ended.
    fn delete(&mut self) {
        self.exchange.store().commit(Position::END);
        let name = self.chance.of(&CHANNELS);
        let id = self.exchange.registry().find(&[name.into()])[0];
        let info = self.exchange.admin().channel(name);
        let waiting = info.as_ref().map_or(0, |info| info.waiting);
        let (end, subscriptions) = (self.end(), self.chance.once_in(2));
        let was_anything =
            info.is_some_and(|info| info.messages > 0 || subscriptions && (info.online || info.waiting > 0));
        assert_eq!(self.exchange.publisher().delete(name, subscriptions), was_anything);
        if let Some(id) = id.filter(|_| subscriptions && waiting > 0) {
            self.deleted.insert(id, end);
        }
    }

    /// Who sleeps has no mail; who got some was woken, once.
    fn check_sleepers(&mut self) {
        for shard in &mut self.shards {
            let rung = shard.bell.rung();
            assert!(rung == 0 || (rung == 1 && shard.asleep), "woken once, and only who sleeps");
            shard.asleep &= rung == 0;
            let load = self.exchange.admin().load(shard.id).messages;
            assert!(!shard.asleep || load == 0, "nobody sleeps over his mail");
        }
    }

    /// All is committed, read and handled: everybody has everything; when all have left, nobody is counted.
    fn come_to_rest(&mut self) {
        self.exchange.store().commit(Position::END);
        while let Some(index) =
            self.readers.iter().position(|reader| matches!(reader.state, State::Paging(_)))
        {
            self.page_of(index);
        }
        for index in 0..SHARDS {
            self.take_of(index);
            while !self.shards[index].mail.is_empty() {
                self.handle_one(index);
            }
            let load = self.exchange.admin().load(self.shards[index].id);
            assert_eq!((load.messages, load.bytes), (0, 0));
        }
        assert!(self.said.last().is_none_or(|last| last.place <= self.end()));
        self.follows.check(&self.exchange, &self.said);
        self.readers.iter().for_each(|reader| reader.check_owed(&self.said, self.end(), self.now()));
        while !self.readers.is_empty() {
            self.go(0);
        }
        assert_eq!(self.exchange.admin().totals().subscriptions, 0);
        self.clock.fetch_add(10, Ordering::Relaxed);
        self.exchange.admin().tick();
        assert_eq!(self.exchange.admin().totals().online, 0);
        let published = self.said.iter().filter(|said| said.takes.is_none()).count();
        assert_eq!(self.exchange.admin().totals().published, published as u64);
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn end(&self) -> u64 {
        self.exchange.end().to_bits()
    }
}

impl Shard {
    /// When all mail is handled, nothing is owed up to the end that was read before it was taken.
    fn rest(&mut self) {
        if self.mail.is_empty() {
            self.handled = self.handled.max(self.seen);
        }
    }
}

const SHARDS: usize = 3;
const STEPS: usize = 300;
