//! Names that anybody may make up, against a naive double: what is there for whom, who is refused when there is
//! little room, and who goes first.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "in a test")]

mod common;
mod handover;

use std::collections::BTreeMap;

use common::publish;
use multiplexor_hub::limits::{PUBLISHERS_PART, RECORD_LEN};
use multiplexor_hub::{
    Asker, ChannelId, Epoch, Guest, Hub, Kind, Leave, Limits, Next, Payload, Position, Publish, Refused,
    ShardId, Start, Stay,
};
use testkit::seeds::{Chance, seeds};

#[test]
fn what_somebody_waits_on_stays_and_the_rest_goes_in_its_order() {
    seeds("cargo test -p multiplexor-hub --test names", |seed| {
        let mut both = Both::new(seed);
        for _ in 0..STEPS {
            both.step();
            both.compare();
        }
    });
}

/// A stranger who takes all he gets, again and again, with new names; then somebody else comes.
fn besiege(mut attack: impl FnMut(&mut Hub, Guest<'_>, &str, u64)) -> Hub {
    let mut hub = hub(BUDGET);
    let home = hub.subscribe(guest(9, Stay::Always), &["home"], Start::Now, 0).unwrap();
    assert!(matches!(home.next, Next::Live { .. }));
    for n in 0..10_000 {
        attack(&mut hub, guest(1, Stay::Always), &format!("x{n}"), n);
        if n % 100 == 0 {
            hub.audit();
        }
        drop(hub.take_trash());
        assert!(hub.totals().channels_bytes <= BUDGET);
    }
    assert_eq!(hub.channel("home").unwrap().waiting, 1, "who waits is never thrown away");
    let newcomer = hub.subscribe(guest(2, Stay::Always), &["new"], Start::Now, 10_000).unwrap();
    assert!(matches!(newcomer.next, Next::Live { .. }));
    hub.order(publish(&["fresh"], 1, None), 10_000).unwrap();
    hub.release(Position::END, 10_000, &mut Vec::new());
    hub
}

#[test]
fn a_poll_that_does_not_wait_leaves_nothing() {
    let hub = besiege(|hub, guest, name, now| {
        for stay in [Stay::Never, Stay::IfNothing] {
            // One that would wait does not where there is something else for it.
            let names = if stay == Stay::Never { &[name][..] } else { &["news", name][..] };
            hub.order(publish(&["news"], 1, None), now).unwrap();
            hub.release(Position::END, now, &mut Vec::new());
            hub.subscribe(Guest { stay, ..guest }, names, Start::Everything, now).unwrap();
        }
    });
    assert_eq!(hub.totals().channels, 4, "home, news, new and fresh");
    let changes = hub.changes(Start::Everything, usize::MAX).changes;
    assert!(changes.iter().all(|change| !change.name.starts_with('x')), "nobody watches them come and go");
}

#[test]
fn who_comes_and_goes_makes_room_for_others() {
    let hub = besiege(|hub, guest, name, now| {
        let page = hub.subscribe(guest, &[name], Start::Now, now).unwrap();
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        hub.leave(guest.shard, Leave::waiting(channels[0], 1), GRACE, now);
    });
    assert!(hub.totals().hurried > 9_000);
    let changes = hub.changes(Start::Everything, usize::MAX).changes;
    let gone = changes.iter().filter(|change| !change.what.is_online()).count();
    let online = u64::try_from(changes.len() - 2 * gone).unwrap();
    assert_eq!(online, hub.totals().online, "whoever went early is told to be offline");
}

#[test]
fn who_stays_on_ever_new_names_leaves_as_much_as_he_has_to_others() {
    let mut refused = 0;
    let hub = besiege(|hub, guest, name, now| {
        let result = hub.subscribe(guest, &[name], Start::Now, now);
        refused += u64::from(result.is_err_and(|why| why == Refused::Share));
    });
    let room = BUDGET - BUDGET / PUBLISHERS_PART;
    assert!(hub.totals().channels_bytes < room * 3 / 4 + 2_000, "half of what was left");
    assert_eq!((refused, hub.totals().crowded), (refused, refused));
    assert!(refused > 9_000);
}

/// Strangers who may publish make up names, too: new ones, and those that they came to and left.
#[test]
fn what_clients_say_takes_no_room_that_publishers_have() {
    let (mut hub, mut refused) = (hub(BUDGET), 0);
    for n in 0..1_000 {
        let (new, left) = (format!("n{n}"), format!("p{n}"));
        if let Ok(page) = hub.subscribe(guest(1, Stay::Always), &[&left], Start::Now, n) {
            let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
            hub.leave(ShardId(0), Leave::waiting(channels[0], 1), GRACE, n);
        }
        for (name, user) in [(new, None), (left, Some("ann"))] {
            let payload = Payload::of_client(b"x", user, Kind::Text);
            let said = hub.order(Publish { payload, ..publish(&[&name], 1, None) }, n);
            refused += u64::from(said.is_err_and(|why| why == Refused::Records));
            hub.release(Position::END, n, &mut Vec::new());
        }
    }
    hub.audit();
    assert!(refused > 1_000 && hub.totals().crowded >= refused, "{refused}");
    for n in 0..BUDGET / PUBLISHERS_PART / (RECORD_LEN + 6) {
        assert!(hub.order(publish(&[&format!("fresh{n}")], 1, None), 1_000).is_ok(), "{n}");
    }
    let known = Publish { payload: Payload::of_client(b"x", None, Kind::Text), ..publish(&["n0"], 1, None) };
    assert!(hub.order(known, 1_000).is_ok(), "what is in use takes no more room");
}

/// The hub and its double.
struct Both {
    chance: Chance,
    hub: Hub,
    budget: u64,
    now: u64,
    records: BTreeMap<usize, Record>,
    hurried: u64,
}

/// What its double knows of a channel.
#[derive(Default)]
struct Record {
    id: u32,
    /// Who waits; whoever came first holds it, in his name if there was little room.
    waiting: Vec<u64>,
    /// Whose share it counts for, while somebody waits.
    share: Option<u64>,
    public: bool,
    offline_at: u64,
}

impl Both {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let budget = (RECORD_LEN + 2) * chance.of(&[8, 16, 20, 40]);
        Self { chance, hub: hub(budget), budget, now: 0, records: BTreeMap::new(), hurried: 0 }
    }

    fn step(&mut self) {
        match self.chance.below(13) {
            0..=4 => self.subscribe(),
            5..=8 => self.leave(),
            9 if self.chance.once_in(3) => self.publish(),
            10 => {
                self.now += self.chance.below(GRACE);
                while self.hub.tick(self.now) {}
                self.records.retain(|_, record| {
                    record.public || !record.waiting.is_empty() || record.offline_at > self.now
                });
            }
            11 => handover::hand_over(&mut self.hub, &limits(self.budget)),
            _ => self.now += 1,
        }
    }

    fn kept(&self) -> u64 {
        self.records.values().filter(|record| !record.is_passing()).count() as u64 * LEN
    }

    /// All but what publishers alone may use.
    fn room(&self) -> u64 {
        self.budget - self.budget / PUBLISHERS_PART
    }

    /// Whoever goes first goes, until so many bytes are free.
    fn make_room(&mut self, len: u64, max: u64) {
        while self.records.len() as u64 * LEN + len > max {
            let passing = self.records.iter().filter(|(_, record)| record.is_passing());
            let (&first, _) = passing.min_by_key(|(_, record)| (record.offline_at, record.id)).unwrap();
            self.records.remove(&first);
            self.hurried += 1;
        }
    }

    fn subscribe(&mut self) {
        let names = self.chance.some(NAMES, 4);
        let who = 1 + self.chance.below(3);
        let stay = self.chance.of(&[Stay::Always, Stay::Always, Stay::Never]);
        let texts: Vec<String> = names.iter().map(|name| text(*name)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let result = self.hub.subscribe(guest(who, stay), &texts, Start::Now, self.now);
        if stay == Stay::Never {
            result.unwrap();
            for name in names {
                if let Some(record) = self.records.get_mut(&name).filter(|record| record.waiting.is_empty()) {
                    record.offline_at = self.now + GRACE;
                }
            }
            return;
        }
        let is_new = |name: &usize| self.records.get(name).is_none_or(Record::is_passing);
        let len = names.iter().filter(|name| is_new(name)).count() as u64 * LEN;
        let left = self.room().saturating_sub(self.kept());
        let share = (self.kept() > self.room() / 2).then_some(who);
        let has = self.records.values().filter(|record| record.share.is_some() && record.share == share);
        let has = has.count() as u64 * LEN;
        let refused = match len {
            0 => None,
            len if len > left => Some(Refused::Records),
            len if share.is_some() && has + len > left => Some(Refused::Share),
            _ => None,
        };
        assert_eq!(result.as_ref().err().copied(), refused);
        let Ok(page) = result else { return };
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        // What he asked for goes for none of it.
        for name in &names {
            if let Some(record) = self.records.get_mut(name).filter(|record| record.is_passing()) {
                record.waiting.push(who);
                record.share = share;
            } else if let Some(record) = self.records.get_mut(name) {
                record.waiting.push(who);
            }
        }
        for (name, id) in names.iter().zip(channels) {
            if !self.records.contains_key(name) {
                self.make_room(LEN, self.room());
                let record = Record { id: id.0, waiting: vec![who], share, ..Record::default() };
                self.records.insert(*name, record);
            }
            self.records.get_mut(name).unwrap().id = id.0;
        }
    }

    fn leave(&mut self) {
        let waited = self.records.iter_mut().filter(|(_, record)| !record.waiting.is_empty());
        let mut waited: Vec<_> = waited.map(|(_, record)| record).collect();
        if waited.is_empty() {
            return;
        }
        let index = self.chance.index(waited.len());
        let record = &mut waited[index];
        record.waiting.pop();
        if record.waiting.is_empty() {
            (record.share, record.offline_at) = (None, self.now + GRACE);
        }
        self.hub.leave(ShardId(0), Leave::waiting(ChannelId(record.id), 1), GRACE, self.now);
    }

    fn publish(&mut self) {
        let name = self.chance.index(NAMES);
        let message = publish(&[&text(name)], 1, None);
        let ordered = if self.chance.once_in(2) {
            self.hub.order(message, self.now)
        } else {
            // A place that somebody else gave; what goes to make room has those behind it.
            let place = Position::from_bits(self.hub.last().to_bits() + self.chance.of(&[1, 2, 256]));
            let admitted = self.hub.admit(place, self.now, message, &mut Vec::new());
            assert!(self.hub.end() >= place);
            admitted.inspect(|is_new| assert!(is_new)).map(|_| place)
        };
        let is_known = self.records.contains_key(&name);
        if !is_known && self.kept() + LEN > self.budget {
            return assert_eq!(ordered, Err(Refused::Records));
        }
        ordered.unwrap();
        self.hub.release(Position::END, self.now, &mut Vec::new());
        if !is_known {
            self.make_room(LEN, self.budget);
        }
        let id = self.hub.find(&text(name)).unwrap().0;
        let record = self.records.entry(name).or_default();
        (record.public, record.share, record.id) = (true, None, id);
    }

    fn compare(&mut self) {
        self.hub.audit();
        drop(self.hub.take_trash());
        for name in 0..NAMES {
            let waiting = self.hub.channel(&text(name)).map(|info| info.waiting as usize);
            assert_eq!(waiting, self.records.get(&name).map(|record| record.waiting.len()), "{name}");
        }
        let totals = self.hub.totals();
        assert_eq!(totals.hurried, self.hurried);
        assert_eq!(totals.channels_bytes - totals.channels_passing_bytes, self.kept());
        assert_eq!(self.hub.minds_guests(), self.kept() > self.room() / 2);
    }
}

impl Record {
    /// Nobody waits on it, and nobody ever published to it.
    fn is_passing(&self) -> bool {
        self.waiting.is_empty() && !self.public
    }
}

fn hub(channels_budget: u64) -> Hub {
    Hub::new(limits(channels_budget), Epoch::new(1), 7)
}

fn limits(channels_budget: u64) -> Limits {
    Limits { channels_budget, grace: GRACE, history_age: 1 << 50, ..Limits::default() }
}

fn guest(who: u64, stay: Stay) -> Guest<'static> {
    Guest { asker: Some(Asker::Address(who)), stay, ..Guest::from(ShardId(0)) }
}

/// Two bytes each, so all records take the same.
fn text(name: usize) -> String {
    format!("{name:02}")
}

const LEN: u64 = RECORD_LEN + 2;
const NAMES: usize = 50;
const GRACE: u64 = 60_000_000;
const BUDGET: u64 = 16 << 10;
const STEPS: usize = 300;
