//! Readers who come and go: each gets exactly what its channels said after its cursor, in order, never
//! twice; and where something is gone, it is told.
//!
//! The shards are played here: what is released goes to the readers registered on those shards that the
//! hub names, and to nobody else.

#![allow(clippy::cast_possible_truncation, reason = "small numbers only")]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;
mod handover;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::publish;
use multiplexor_hub::{
    ChannelId, Cursors, Epoch, Hub, Leave, Limits, Message, Next, Position, Read, Released, Resume, ShardId,
    Start,
};
use testkit::seeds::{Chance, seeds};

#[test]
fn readers_get_what_they_are_owed_or_are_told() {
    seeds("cargo test -p multiplexor-hub --test readers", |seed| {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
    });
}

struct World {
    chance: Chance,
    hub: Hub,
    now: u64,
    /// All that was released, in order.
    said: Vec<Message>,
    /// What was taken back from a channel, by channel and place.
    taken: BTreeSet<(usize, u64)>,
    ordered: Position,
    readers: Vec<Reader>,
    /// Nothing is deleted and no record forgotten: a gap is told only where something is gone.
    strict: bool,
    limits: Limits,
}

#[derive(Default)]
struct Reader {
    shard: u16,
    asked: Vec<usize>,
    state: State,
    /// Cursors it was given, oldest first.
    cursors: Vec<String>,
    /// Places it got since it came.
    received: Vec<u64>,
    /// The same with the channels that each was said to go to.
    received_of: BTreeSet<(Arc<str>, u64)>,
    /// Channels it was told of a gap in since it came.
    told: BTreeSet<usize>,
    /// The place it came with, if it was one.
    came_after: Option<u64>,
    /// Per asked channel: it is owed all behind this place.
    owed_after: Vec<u64>,
}

#[derive(Default)]
enum State {
    #[default]
    Away,
    Paging(Resume),
    Live(Vec<ChannelId>),
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let strict = seed.is_multiple_of(2);
        let limits = Limits {
            history_messages: chance.of(&[3, 30, 200]),
            history_age: chance.of(&[40, 1_000_000]),
            history_bytes: chance.of(&[300, 1 << 20]),
            history_budget: chance.of(&[600, 1 << 20]),
            resume_window: if strict { 1_000_000 } else { 50 },
            grace: chance.of(&[0, 10]),
            ..Limits::default()
        };
        let readers = (0..chance.of(&[1, 3, 8])).map(|_| Reader::default()).collect();
        let hub = Hub::new(limits.clone(), Epoch::new(seed + 2), seed);
        Self {
            chance,
            hub,
            now: 1,
            said: Vec::new(),
            taken: BTreeSet::new(),
            ordered: Position::START,
            readers,
            strict,
            limits,
        }
    }

    fn step(&mut self) {
        let who = self.chance.below(self.readers.len() as u64) as usize;
        match self.chance.below(22) {
            0..=6 => self.publish(1),
            7 => self.publish(30),
            8 | 9 => self.release(),
            10 | 11 => self.now += self.chance.of(&[1, 5, 15, 15, 100]),
            12 => while self.hub.tick(self.now) {},
            13 if !self.strict => self.delete(),
            14 => self.heartbeat(who),
            15 => self.take_back(),
            16 => handover::hand_over(&mut self.hub, &self.limits),
            _ => match self.readers[who].state {
                State::Away => self.come(who),
                State::Paging(resume) if !self.chance.once_in(8) => self.page(who, Start::More(resume)),
                State::Live(_) if !self.chance.once_in(3) => {}
                _ => self.go(who),
            },
        }
        self.hub.audit();
        drop(self.hub.take_trash());
    }

    fn publish(&mut self, count: usize) {
        for _ in 0..count {
            let mut channels = self.chance.some(CHANNELS.len(), CHANNELS.len());
            channels.truncate(2);
            let names: Vec<&str> = channels.iter().map(|channel| CHANNELS[*channel]).collect();
            let ttl = self.chance.of(&[None, None, None, Some(0), Some(20)]);
            let len = self.chance.below(20) as usize;
            self.ordered = self.hub.order(publish(&names, len, ttl), self.now).unwrap();
        }
        if !self.chance.once_in(3) {
            self.release();
        }
    }

    /// Takes back one of the last messages, if it is there still.
    fn take_back(&mut self) {
        let Some(last) = self.said.len().checked_sub(1) else { return };
        let message = &self.said[last.saturating_sub(self.chance.below(10) as usize)];
        let target = &message.targets()[self.chance.below(message.targets().len() as u64) as usize];
        let place = self.hub.remove(&target.name, message.position, self.now);
        self.ordered = place.map_or(self.ordered, |place| place.unwrap());
        if !self.chance.once_in(3) {
            self.release();
        }
    }

    fn release(&mut self) {
        let back = self.chance.of(&[0, 0, 3]);
        let committed = Position::from_bits(self.ordered.to_bits().saturating_sub(back));
        let mut released = Vec::new();
        self.hub.release(committed, self.now, &mut released);
        for one in released {
            assert!(self.said.last().is_none_or(|last| last.position < one.message.position));
            self.readers.iter_mut().for_each(|reader| reader.hand(&one, self.hub.cursors()));
            if let Some(removal) = one.message.removal() {
                let name = &*one.message.targets()[0].name;
                let channel = CHANNELS.iter().position(|known| *known == name).unwrap();
                self.taken.insert((channel, removal.position.to_bits()));
            }
            self.said.push(one.message);
        }
    }

    /// A reader comes: for the first time, with one of its cursors, or with one that it made up.
    fn come(&mut self, who: usize) {
        let asked = self.chance.some(CHANNELS.len(), CHANNELS.len());
        let cursor = match self.chance.below(8) {
            0 => Some(self.hub.cursors().text(Position::from_bits(self.hub.end().to_bits() + 1))),
            1 => Some(Cursors::new(Epoch::new(1)).text(Position::from_bits(3))),
            2 => None,
            3 => {
                let cursors = &self.readers[who].cursors;
                cursors.get(self.chance.below(cursors.len() as u64 + 1) as usize).cloned()
            }
            _ => self.readers[who].cursors.last().cloned(),
        };
        let start = match cursor.map(|text| self.hub.cursors().read(&text).expect("it is a cursor")) {
            Some(Read::Here(place) | Read::Unlisted(place)) => Start::After(place),
            Some(Read::Elsewhere) => Start::Lost,
            None => match self.chance.below(4) {
                0 => Start::Everything,
                1 => Start::Tail(self.chance.below(70) as u32),
                2 => Start::Time(self.now.saturating_sub(self.chance.below(30))),
                _ => Start::Now,
            },
        };
        let reader = &mut self.readers[who];
        reader.shard = self.chance.below(3) as u16;
        reader.asked = asked;
        reader.received.clear();
        reader.received_of.clear();
        reader.told.clear();
        reader.owed_after.clear();
        reader.came_after = match start {
            Start::After(place) if place <= self.hub.end() => Some(place.to_bits()),
            _ => None,
        };
        self.page(who, start);
    }

    fn page(&mut self, who: usize, start: Start) {
        let reader = &mut self.readers[who];
        let names: Vec<&str> = reader.asked.iter().map(|channel| CHANNELS[*channel]).collect();
        let page = self.hub.subscribe(ShardId(reader.shard), &names, start, self.now).unwrap();
        reader.told.extend(page.gaps.iter().map(|index| reader.asked[*index as usize]));
        for message in &page.messages {
            assert!(message.expires().is_none_or(|expires| expires > self.now));
            reader.receive(message, self.hub.cursors());
        }
        if reader.owed_after.is_empty() {
            reader.owed_after = owed_after(&self.hub, &self.said, reader, start);
        }
        if matches!(start, Start::Lost) || matches!(start, Start::After(_)) && reader.came_after.is_none() {
            assert_eq!(reader.told.len(), reader.asked.len(), "nobody knows what it had");
        } else if !matches!(start, Start::After(_) | Start::More(_)) {
            assert!(reader.told.is_empty(), "it was promised nothing");
        }
        match page.next {
            Next::More(resume) => {
                assert!(!page.messages.is_empty());
                reader.state = State::Paging(resume);
            }
            Next::Live { position, channels } => {
                assert_eq!(position, self.hub.end());
                reader.cursors.push(self.hub.cursors().text(position));
                reader.state = State::Live(channels);
                self.verify(who);
            }
        }
    }

    /// A reader that is live has got what it was owed so far.
    fn verify(&self, who: usize) {
        let reader = &self.readers[who];
        let mut gone: BTreeSet<usize> = BTreeSet::new();
        for message in &self.said {
            let place = message.position.to_bits();
            let hit: Vec<usize> = (0..reader.asked.len())
                .filter(|index| reader.owed_after[*index] < place)
                .filter(|index| message.targets().iter().any(|t| *t.name == *CHANNELS[reader.asked[*index]]))
                .map(|index| reader.asked[index])
                .collect();
            let got = reader.received.binary_search(&place).is_ok();
            let ended = message.expires().is_some_and(|expires| expires <= self.now);
            let is_taken = |channel: &usize| self.taken.contains(&(*channel, place));
            if !got && !ended && reader.is_owed(message) {
                assert!(
                    hit.iter().all(|channel| reader.told.contains(channel) || is_taken(channel)),
                    "{who}: {place} was lost in silence"
                );
            }
            // What came by way of one channel may be gone from another. What was taken back is no gap.
            if message.expires() != Some(message.time) && (!got || hit.len() > 1) {
                gone.extend(hit.into_iter().filter(|channel| !is_taken(channel)));
            }
        }
        if self.strict && reader.came_after.is_some() {
            assert!(reader.told.is_subset(&gone), "{who}: told of a gap where nothing is gone");
        }
    }

    /// A live reader is told how far it is.
    fn heartbeat(&mut self, who: usize) {
        if let State::Live(_) = self.readers[who].state {
            self.readers[who].cursors.push(self.hub.cursors().text(self.hub.end()));
        }
    }

    /// A reader is gone, be it in the middle of its backlog.
    fn go(&mut self, who: usize) {
        let grace = self.chance.of(&[0, 10]);
        let reader = &mut self.readers[who];
        if let State::Live(channels) = std::mem::take(&mut reader.state) {
            for channel in channels {
                self.hub.leave(ShardId(reader.shard), Leave::waiting(channel, 1), grace, self.now);
            }
        }
        if self.chance.once_in(6) {
            let keep = self.chance.below(reader.cursors.len() as u64 + 1) as usize;
            reader.cursors.truncate(keep);
        }
    }

    /// A channel is deleted; its subscriptions end with it.
    fn delete(&mut self) {
        let channel = self.chance.below(CHANNELS.len() as u64) as usize;
        let subscriptions = self.chance.once_in(2);
        let Some((id, shards)) = self.hub.delete(CHANNELS[channel], subscriptions, self.now) else { return };
        if !subscriptions {
            return;
        }
        for reader in &mut self.readers {
            let State::Live(ids) = &mut reader.state else { continue };
            if let Some(index) = reader.asked.iter().position(|asked| *asked == channel) {
                assert_eq!(ids.remove(index), id);
                assert!(shards.contains(&ShardId(reader.shard)));
                reader.asked.remove(index);
                reader.owed_after.remove(index);
            }
        }
    }
}

impl Reader {
    /// What a shard does with a released message.
    fn hand(&mut self, released: &Released, cursors: Cursors) {
        let State::Live(ids) = &self.state else { return };
        let targets = released.message.targets();
        let matches =
            |index: usize| targets.iter().position(|target| *target.name == *CHANNELS[self.asked[index]]);
        let matched: Vec<ChannelId> = (0..ids.len())
            .filter_map(|index| Some((matches(index)?, ids[index])))
            .map(|(target, id)| {
                assert_eq!(released.channels[target], id, "a message names the record it is registered on");
                id
            })
            .collect();
        if !matched.is_empty() {
            assert!(released.shards.contains(&ShardId(self.shard)), "its shard is handed the message");
            self.receive(&released.message, cursors);
        }
    }

    /// Whether it is to be told this, if it is of its channels: that something was taken back, if it may have it.
    fn is_owed(&self, message: &Message) -> bool {
        message.removal().is_none_or(|removal| {
            let place = removal.position.to_bits();
            self.came_after.is_some_and(|after| place <= after)
                || self.received_of.contains(&(Arc::clone(&message.targets()[0].name), place))
        })
    }

    fn receive(&mut self, message: &Message, cursors: Cursors) {
        let place = message.position.to_bits();
        assert!(
            self.received.last().or(self.came_after.as_ref()).is_none_or(|last| *last < place),
            "in order"
        );
        let asked =
            |target: &multiplexor_hub::Target| self.asked.iter().any(|c| *target.name == *CHANNELS[*c]);
        assert!(message.targets().iter().any(asked), "only what it asked for");
        self.received.push(place);
        self.received_of.extend(message.targets().iter().map(|target| (Arc::clone(&target.name), place)));
        self.cursors.push(cursors.text(message.position));
    }
}

/// The place behind which a reader is owed all of a channel, right after its first page.
fn owed_after(hub: &Hub, said: &[Message], reader: &Reader, start: Start) -> Vec<u64> {
    let end = hub.end().to_bits();
    let owed = |channel: &usize| {
        let kept = hub.channel(CHANNELS[*channel]).and_then(|info| info.kept);
        let trimmed = kept.map_or(end, |(first, _)| first.to_bits() - 1);
        match start {
            Start::After(_) if reader.came_after.is_some() => reader.came_after.unwrap(),
            Start::Now | Start::Tail(_) => end,
            Start::Time(time) => {
                let before = said.iter().rev().find(|message| message.time < time);
                trimmed.max(before.map_or(0, |message| message.position.to_bits()))
            }
            _ => trimmed,
        }
    };
    reader.asked.iter().map(owed).collect()
}

const CHANNELS: [&str; 5] = ["a", "b", "c", "d", "e"];
const STEPS: usize = 600;
