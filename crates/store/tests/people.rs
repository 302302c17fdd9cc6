//! Users over many lives of a server with a store, by seed: the program is killed at any step of its disk, power fails, the disk
//! errs, and everybody comes back or does not.
//!
//! Who applies what was told by cursor has exactly the server's users whenever it has read all there is, over all lives. Joined
//! and left come in turn, nobody leaves within the grace of a connection, and in the end each has left.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use exchange::hub::{
    ChannelId, Door, Epoch, Guest, Kind, Leave, Limits, Next, Page, Pattern, Payload, Position, Publish,
    Rule, Session, ShardId, Start, Stay, presence_name, presence_of,
};
use exchange::{Clock, Exchange, Journal, Wake};
use multiplexor_store as store;
use store::{Keeper, Log, Options, Stats, Sync};
use testkit::disk::{Faults, SimDisk};
use testkit::seeds::{Chance, seeds};

const SHARD: ShardId = ShardId(0);
const ROOMS: [&str; 2] = ["room.a", "room.b"];
const USERS: [&str; 4] = ["ann", "bob", "cid", "dan"];
const GRACE: u64 = 500;

#[test]
fn who_was_here_is_known_over_all_lives() {
    seeds("cargo test -p multiplexor-store --test people", |seed| {
        let mut world = World::new(seed);
        for life in 0..6 {
            let mut server = world.start(life);
            let crash_after = world.chance.once_in(2).then(|| world.chance.below(150));
            let error_once_in = if world.chance.once_in(4) { 5 + world.chance.below(60) } else { 0 };
            world.disk.set(Faults { crash_after, error_once_in, ..Faults::default() });
            let steps = world.chance.below(200);
            world.live(&mut server, steps);
            world.end(server);
        }
        let mut server = world.start(6);
        world.time.fetch_add(GRACE + 1, Ordering::Relaxed);
        for _ in 0..4 {
            world.rest(&mut server);
        }
        assert!(ROOMS.iter().all(|room| present(&server, room).is_empty()), "all have left");
        assert!(
            world.told.values().all(BTreeSet::is_empty),
            "and each of them was told so: {:?}",
            world.told
        );
    });
}

type Users = BTreeSet<String>;

struct World {
    chance: Chance,
    disk: SimDisk,
    limits: Limits,
    time: Arc<AtomicU64>,
    /// How far one has read who is told everything, and who is in each room by what it was told.
    place: Position,
    told: BTreeMap<usize, Users>,
    watchers: Vec<Watcher>,
    /// The disk fails. If the program ends so, some of what the store gave up may be there after all: everybody comes for a list.
    fails: bool,
    /// From when until when a user had a connection to a room.
    there: BTreeMap<(usize, usize), Vec<(u64, u64)>>,
}

/// Somebody who comes now and then for what it missed.
struct Watcher {
    room: usize,
    start: Start,
    users: Option<Users>,
}

struct Life {
    exchange: Exchange,
    keeper: Keeper<SimDisk>,
    connections: Vec<(usize, usize, ChannelId, u64)>,
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
        let limits = Limits {
            presence_grace: GRACE,
            presence_history: 10_000,
            presence_list: 100,
            resume_window: chance.of(&[2_000, 1 << 40]),
            history_messages: chance.of(&[2, 50]),
            history_age: 3_000,
            grace: 50,
            rules: vec![rule],
            ..Limits::default()
        };
        let watcher = |n: usize| Watcher { room: n % 2, start: Start::Now, users: None };
        Self {
            chance,
            disk: SimDisk::new(seed),
            limits,
            time: Arc::new(AtomicU64::new(1_000)),
            place: Position::START,
            told: BTreeMap::new(),
            watchers: (0..4).map(watcher).collect(),
            fails: false,
            there: BTreeMap::new(),
        }
    }

    fn now(&self) -> u64 {
        self.time.load(Ordering::Relaxed)
    }

    fn start(&mut self, boot: u64) -> Life {
        let options = Options { len_max: 8 << 10, sync: Sync::Always, volatile: 0 };
        let (log, found) =
            Log::open(self.disk.clone(), options, &boot.to_string(), self.chance.number()).unwrap();
        assert!(!found.lost, "{:?}", found.notes);
        let journal: Arc<Journal> = Arc::default();
        let (epoch, reserved) = (Epoch::new(log.epoch()), log.reserved());
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::new(Nobody)];
        let clock = Clock::manual(Arc::clone(&self.time));
        let (limits, store) = (self.limits.clone(), Arc::clone(&journal));
        let exchange = Exchange::again(limits, epoch, 7, clock, store, wakers, found.past, reserved);
        let keeper = Keeper::new(log, journal, 1_000, Arc::new(Stats::default()));
        let life = Life { exchange, keeper, connections: Vec::new() };
        if std::mem::take(&mut self.fails) {
            self.place = life.exchange.end();
            self.told = ROOMS.iter().map(|name| present(&life, name)).enumerate().collect();
            self.watchers.iter_mut().for_each(|watcher| watcher.start = Start::Unlisted(self.place));
        }
        self.follow(&life);
        life
    }

    /// Lives for some steps, or until the disk is gone.
    fn live(&mut self, life: &mut Life, steps: u64) {
        for _ in 0..steps {
            match self.chance.below(12) {
                0..=3 => self.come(life),
                4 | 5 => self.go(life),
                6 => self.pass(life),
                7 => self.publish(life),
                8 => self.watch(life),
                _ => {
                    life.keeper.turn(&life.exchange, Duration::ZERO);
                }
            }
            life.exchange.shard(SHARD).take_mail(&mut Vec::new());
            if self.disk.is_gone() {
                // Nobody sees what a program does that is gone.
                return;
            }
            self.fails = life.exchange.publisher().store_trouble().is_some();
            self.follow(life);
        }
    }

    /// It ends in good order, or at once, and then power fails or does not.
    fn end(&mut self, mut life: Life) {
        if !self.disk.is_gone() && self.chance.once_in(2) {
            self.disk.set(Faults::default());
            life.keeper.end_now(&life.exchange);
            self.fails = life.exchange.publisher().store_trouble().is_some();
            self.follow(&life);
        }
        let now = self.now();
        for (room, user, _, since) in life.connections {
            self.there.entry((room, user)).or_default().push((since, now));
        }
        self.disk.set(Faults::default());
        if self.chance.once_in(2) {
            self.disk.lose_power();
        }
        // It is away for a while, less than the grace of those who come back.
        self.time.fetch_add(self.chance.below(100), Ordering::Relaxed);
    }

    fn come(&mut self, life: &mut Life) {
        let (room, user) = (self.chance.index(ROOMS.len()), self.chance.index(USERS.len()));
        let session = Session::new(Some(USERS[user]), None, &[]);
        let stay = if self.chance.once_in(4) { Stay::Never } else { Stay::Always };
        let guest = Guest { stay, session: Some(&session), ..Guest::from(SHARD) };
        let page = life.exchange.registry().subscribe(guest, &[ROOMS[room]], Start::Now).unwrap();
        if let (Next::Live { channels, .. }, Stay::Always) = (page.next, stay) {
            life.connections.push((room, user, channels[0], self.now()));
        }
    }

    fn go(&mut self, life: &mut Life) {
        if life.connections.is_empty() {
            return;
        }
        let at = self.chance.index(life.connections.len());
        let (room, user, channel, since) = life.connections.swap_remove(at);
        let leave = Leave { who: Some(USERS[user]), ..Leave::waiting(channel, 1) };
        life.exchange.registry().leave(SHARD, &[leave], None);
        let now = self.now();
        self.there.entry((room, user)).or_default().push((since, now));
    }

    fn pass(&mut self, life: &Life) {
        self.time.fetch_add(self.chance.of(&[1, 50, GRACE / 2, 2 * GRACE]), Ordering::Relaxed);
        life.exchange.admin().tick();
    }

    /// So that the log has old parts, which are tidied up.
    fn publish(&mut self, life: &Life) {
        let payload = Payload::new(vec![b'x'; self.chance.index(400)], Kind::Either);
        let channels = [ROOMS[self.chance.index(ROOMS.len())].into()].into_iter().collect();
        let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
        // A store that fails refuses it, which is not what is asked here.
        let _ = life.exchange.publisher().publish(publish, None);
    }

    /// All that can be kept and told is.
    fn rest(&mut self, life: &mut Life) {
        self.time.fetch_add(10_000, Ordering::Relaxed);
        for _ in 0..3 {
            life.exchange.admin().tick();
            life.keeper.turn(&life.exchange, Duration::ZERO);
        }
        self.follow(life);
        self.watch(life);
    }

    /// Reads what was released, and holds it against what was done.
    fn follow(&mut self, life: &Life) {
        let mut moved = Vec::new();
        for (room, name) in ROOMS.iter().enumerate() {
            let hidden = presence_name(name);
            let page = life.exchange.admin().history(&hidden, Start::After(self.place), 10_000);
            let Some(Page { messages, gaps, .. }) = page else { continue };
            if !gaps.is_empty() {
                // What is too old is forgotten; who comes for it is told so, and has the list.
                assert!(self.limits.resume_window < 1 << 40, "a gap in {name}");
                self.told.insert(room, present(life, name));
            } else {
                moved.extend(messages.into_iter().map(|message| (room, message)));
            }
        }
        self.place = life.exchange.end();
        for (room, message) in moved {
            let movement = message.movement().unwrap();
            let users = self.told.entry(room).or_default();
            let user = movement.user.to_owned();
            let is_new = if movement.joined { users.insert(user) } else { users.remove(&user) };
            assert!(is_new, "{movement:?} is told of room {room} though it was so");
            if !movement.joined {
                let user = USERS.iter().position(|user| *user == movement.user).unwrap();
                let past = self.there.get(&(room, user)).into_iter().flatten().copied();
                let now = life.connections.iter().filter(|other| (other.0, other.1) == (room, user));
                let mut times = past.chain(now.map(|other| (other.3, u64::MAX)));
                let within =
                    times.find(|(from, to)| *from < message.time && to.saturating_add(GRACE) > message.time);
                assert_eq!(within, None, "{movement:?} of room {room} at {}", message.time);
            }
        }
        for (room, name) in ROOMS.iter().enumerate() {
            assert_eq!(self.told.entry(room).or_default(), &present(life, name), "{name}");
        }
    }

    /// Somebody comes for what it missed, or for a list.
    fn watch(&mut self, life: &Life) {
        let at = self.chance.index(self.watchers.len());
        let watcher = &mut self.watchers[at];
        let name = ROOMS[watcher.room];
        let (hidden, mut start) = (presence_name(name), watcher.start);
        loop {
            let guest = Guest { stay: Stay::Never, ..Guest::from(SHARD) };
            let page = life.exchange.registry().subscribe(guest, &[name, &hidden], start).unwrap();
            for message in page.messages {
                let (Some(users), Some(movement)) = (&mut watcher.users, message.movement()) else {
                    continue;
                };
                assert!(presence_of(&message.targets()[0].name).is_some());
                if movement.joined {
                    users.insert(movement.user.to_owned());
                } else {
                    users.remove(movement.user);
                }
            }
            for list in page.present {
                let users = list.page.users.iter().map(|present| present.user.to_string());
                watcher.users = Some(users.collect());
            }
            match page.next {
                Next::More(resume) => start = Start::More(resume),
                Next::Live { position, .. } => {
                    watcher.start = Start::After(position);
                    break;
                }
            }
        }
        assert_eq!(watcher.users.as_ref(), Some(&present(life, name)), "{name}");
    }
}

/// Who is in a room.
fn present(life: &Life, name: &str) -> Users {
    let (page, _) = life.exchange.admin().present(name, None, 100);
    page.users.iter().map(|present| present.user.to_string()).collect()
}
