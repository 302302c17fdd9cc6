//! Presence of users at random: connections come and go, watchers come, fall behind, and come back, a store is slow, the
//! program is started anew. Whoever applies the list and the changes by their places always has exactly the hub's set.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;
mod handover;

use std::collections::{BTreeMap, BTreeSet};

use common::publish;

use multiplexor_hub::{
    Door, Epoch, Fact, Guest, Hub, Leave, Limits, Message, Next, Past, Pattern, Position, PresentPage,
    Released, Rule, Session, ShardId, Start, Stay, presence_name, presence_of,
};
use testkit::seeds::{Chance, seeds};

const SHARD: ShardId = ShardId(0);
const ROOMS: [&str; 3] = ["room.a", "room.b", "plain"];
const USERS: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];
const GRACE: u64 = 10;
/// After so long what was given up is told again.
const AGAIN: u64 = 1_000;
const STEPS: usize = 250;

#[test]
fn who_applies_list_and_changes_by_their_places_has_the_hubs_set() {
    seeds("cargo test -p multiplexor-hub --test people", |seed| {
        let mut scene = Scene::new(seed);
        for _ in 0..STEPS {
            scene.step();
        }
    });
}

/// The hub, everybody who is connected, and everybody who watches.
struct Scene {
    chance: Chance,
    limits: Limits,
    hub: Hub,
    now: u64,
    stores: bool,
    /// What a store has.
    log: Vec<Message>,
    connections: Vec<Connection>,
    watchers: Vec<Watcher>,
    /// Until when each user is on each room, by what the test did; `u64::MAX`: it is connected.
    truth: BTreeMap<(usize, usize), u64>,
}

struct Connection {
    room: usize,
    user: usize,
    channel: multiplexor_hub::ChannelId,
}

/// Somebody who was told who is there.
#[derive(Default)]
struct Watcher {
    rooms: Vec<usize>,
    users: BTreeMap<usize, BTreeSet<String>>,
    place: Position,
    /// The channels it is registered on; none: it is away.
    live: Option<Vec<multiplexor_hub::ChannelId>>,
    names: Vec<String>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let rule =
            |pattern: &str| Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new(pattern).unwrap()) };
        let limits = Limits {
            presence_grace: chance.of(&[GRACE, GRACE, 0]),
            presence_history: chance.of(&[2, 8, 1_000]),
            presence_list: 100,
            history_messages: 3,
            grace: chance.of(&[0, 20]),
            resume_window: chance.of(&[30, 100_000]),
            history_age: 30,
            rules: vec![rule("room.*")],
            ..Limits::default()
        };
        let stores = chance.once_in(2);
        let mut hub = Hub::new(limits.clone(), Epoch::new(seed), seed);
        if stores {
            hub.keep_facts(Position::END);
        }
        let (log, connections, watchers, truth) = Default::default();
        Self { chance, limits, hub, now: 1, stores, log, connections, watchers, truth }
    }

    fn step(&mut self) {
        match self.chance.below(21) {
            0..=4 => self.connect(),
            5..=8 => self.disconnect(),
            9 => self.pass_by(),
            10..=11 => self.watch(),
            12 => self.lose_watcher(),
            13..=14 => self.resume(),
            15..=17 => {
                self.now += self.chance.below(7);
                while self.hub.tick(self.now) {}
            }
            18 if self.chance.once_in(4) => self.delete(),
            19 if self.stores && self.chance.once_in(4) => self.restart(),
            19 if self.stores && self.chance.once_in(3) => self.fail(),
            20 => self.hand_over(),
            _ => self.publish(),
        }
        let some = Position::from_bits(self.hub.last().to_bits().saturating_sub(self.chance.below(4)));
        self.release(if self.stores { some } else { Position::END });
        self.hub.audit();
        if self.chance.once_in(3) {
            self.release(Position::END);
            self.compare();
        }
    }

    fn guest<'a>(&self, session: Option<&'a Session>, stay: Stay) -> Guest<'a> {
        Guest { stay, session, ..Guest::from(SHARD) }
    }

    fn connect(&mut self) {
        let (room, user) = (self.chance.index(ROOMS.len()), self.chance.index(USERS.len()));
        let session = Session::new(Some(USERS[user]), None, &[]);
        let guest = self.guest(Some(&session), Stay::Always);
        let page = self.hub.subscribe(guest, &[ROOMS[room]], Start::Now, self.now).unwrap();
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        self.connections.push(Connection { room, user, channel: channels[0] });
        if room < 2 {
            self.truth.insert((room, user), u64::MAX);
        }
    }

    fn disconnect(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        let at = self.chance.index(self.connections.len());
        let Connection { room, user, channel } = self.connections.swap_remove(at);
        let leave = Leave { who: Some(USERS[user]), ..Leave::waiting(channel, 1) };
        self.hub.leave(SHARD, leave, self.limits.grace, self.now);
        let is_last = !self.connections.iter().any(|other| (other.room, other.user) == (room, user));
        if room < 2 && is_last {
            self.truth.insert((room, user), self.now + self.limits.presence_grace);
        }
    }

    fn pass_by(&mut self) {
        let (room, user) = (self.chance.index(2), self.chance.index(USERS.len()));
        let session = Session::new(Some(USERS[user]), None, &[]);
        let guest = self.guest(Some(&session), Stay::Never);
        // A record that is there for nobody takes no users: somebody waits, was there within the grace, is still shown to be, or
        // has published.
        let is_waited_on = self.hub.channel(ROOMS[room]).is_some_and(|channel| channel.waiting > 0);
        let is_peopled = self.truth.iter().any(|((of, _), until)| *of == room && *until > self.now);
        let is_shown = self.hub.present(ROOMS[room], None, 1).0.count > 0;
        let exists = is_waited_on || is_peopled || is_shown || self.hub.state(ROOMS[room]).is_some();
        self.hub.subscribe(guest, &[ROOMS[room]], Start::Now, self.now).unwrap();
        if exists {
            let until = self.truth.entry((room, user)).or_default();
            if *until != u64::MAX {
                *until = self.now + self.limits.presence_grace;
            }
        }
    }

    fn publish(&mut self) {
        self.hub.order(publish(&[ROOMS[self.chance.index(3)]], 1, None), self.now).unwrap();
    }

    /// All who wait on a room are sent away at once.
    fn delete(&mut self) {
        let room = self.chance.index(2);
        if self.hub.delete(ROOMS[room], true, self.now).is_some() {
            self.connections.retain(|connection| connection.room != room);
            for ((of, _), until) in &mut self.truth {
                if *of == room && *until == u64::MAX {
                    *until = self.now;
                }
            }
            for watcher in &mut self.watchers {
                if watcher.rooms.contains(&room) && watcher.live.is_some() {
                    watcher.go(&mut self.hub, self.limits.grace, self.now);
                }
            }
            while self.hub.tick(self.now) {}
        }
    }

    fn watch(&mut self) {
        let rooms = self.chance.some(2, 2);
        if rooms.is_empty() || self.watchers.len() > 6 {
            return;
        }
        let names: Vec<String> = rooms.iter().map(|room| ROOMS[*room].to_owned()).collect();
        let names =
            names.iter().cloned().chain(names.iter().map(|name| presence_name(name).into())).collect();
        let mut watcher = Watcher { rooms, names, ..Watcher::default() };
        let start = self.chance.of(&[Start::Now, Start::Everything, Start::Tail(2)]);
        watcher.read(&mut self.hub, start, self.now);
        self.watchers.push(watcher);
    }

    fn lose_watcher(&mut self) {
        if self.watchers.is_empty() {
            return;
        }
        let at = self.chance.index(self.watchers.len());
        self.watchers[at].go(&mut self.hub, self.limits.grace, self.now);
        if self.chance.once_in(4) {
            self.watchers.swap_remove(at);
        }
    }

    fn resume(&mut self) {
        for watcher in self.watchers.iter_mut().filter(|watcher| watcher.live.is_none()) {
            // Who was sent away before it had its list comes back for it.
            let start = if self.chance.once_in(5) {
                Start::Unlisted(watcher.place)
            } else {
                Start::After(watcher.place)
            };
            watcher.read(&mut self.hub, start, self.now);
        }
    }

    fn release(&mut self, committed: Position) {
        for fact in self.hub.facts().drain(..) {
            if let Fact::Message { message, .. } = fact {
                self.log.push(message);
            }
        }
        let mut out: Vec<Released> = Vec::new();
        self.hub.release(committed, self.now, &mut out);
        for Released { message, channels, .. } in out {
            for watcher in &mut self.watchers {
                if watcher.live.as_ref().is_some_and(|live| live.iter().any(|id| channels.contains(id))) {
                    watcher.hear(&message);
                }
            }
        }
    }

    /// The store fails while some waits for it, and takes everything again.
    fn fail(&mut self) {
        let given_up = self.hub.suspend();
        self.log.retain(|message| !given_up.contains(&message.position));
        self.release(Position::START);
        self.hub.resume();
        self.now += AGAIN;
        while self.hub.tick(self.now) {}
    }

    /// Another program goes on in the place of this one.
    fn hand_over(&mut self) {
        self.release(Position::END);
        handover::hand_over(&mut self.hub, &self.limits);
        if self.stores {
            self.hub.keep_facts(Position::END);
        }
    }

    /// The program ends, and another one goes on with what the store has.
    fn restart(&mut self) {
        self.release(Position::END);
        let past = Past { last: self.hub.last(), messages: self.log.clone(), ..Past::default() };
        let seed = self.chance.number();
        self.hub = Hub::new(self.limits.clone(), Epoch::new(seed), seed);
        self.hub.restore(past, self.now);
        self.hub.keep_facts(Position::END);
        self.connections.clear();
        for until in self.truth.values_mut().filter(|until| **until > self.now) {
            *until = self.now + self.limits.presence_grace.max(1);
        }
        for watcher in &mut self.watchers {
            watcher.live = None;
        }
    }

    fn compare(&mut self) {
        while self.hub.tick(self.now) {
            self.release(Position::END);
        }
        self.release(Position::END);
        for (room, name) in ROOMS[..2].iter().enumerate() {
            let (page, _) = self.hub.present(name, None, 100);
            let there: Vec<String> = page.users.iter().map(|present| present.user.to_string()).collect();
            let expected: Vec<String> = (0..USERS.len())
                .filter(|user| self.truth.get(&(room, *user)).is_some_and(|until| *until > self.now))
                .map(|user| USERS[user].to_owned())
                .collect();
            assert_eq!((there.clone(), page.count), (expected, there.len() as u64), "{name}");
            for watcher in
                self.watchers.iter().filter(|watcher| watcher.live.is_some() && watcher.rooms.contains(&room))
            {
                assert!(watcher.users[&room].iter().eq(&there), "{:?} {there:?}", watcher.users);
            }
        }
        let (page, _) = self.hub.present("plain", None, 9);
        assert_eq!((page.count, page.users.len()), (0, 0), "nobody is told of where no rule says so");
    }
}

impl Watcher {
    /// Reads page by page what it is owed, then who is there, and waits.
    fn read(&mut self, hub: &mut Hub, start: Start, now: u64) {
        let own = self.names.clone();
        let names: Vec<&str> = own.iter().map(String::as_str).collect();
        let mut start = start;
        loop {
            let page = hub.subscribe(SHARD, &names, start, now).unwrap();
            let gaps: Vec<&str> = page.gaps.iter().map(|n| names[usize::from(*n)]).collect();
            let is_lost = gaps.iter().any(|name| presence_of(name).is_some());
            if is_lost {
                assert!(
                    names.iter().filter(|name| presence_of(name).is_some()).all(|name| gaps.contains(name))
                );
                self.users.clear();
            }
            for message in &page.messages {
                self.hear(message);
            }
            for list in page.present {
                let room = ROOMS.iter().position(|name| **name == *list.channel).unwrap();
                let PresentPage { users, count, more, .. } = list.page;
                assert!(!more && count == users.len() as u64);
                self.users.insert(room, users.iter().map(|present| present.user.to_string()).collect());
            }
            match page.next {
                Next::More(resume) => start = Start::More(resume),
                Next::Live { position, channels } => {
                    (self.place, self.live) = (position, Some(channels));
                    return;
                }
            }
        }
    }

    /// Applies a change, if it is one.
    fn hear(&mut self, message: &Message) {
        assert!(message.position > self.place, "in order, and once");
        self.place = message.position;
        let Some(movement) = message.movement() else { return };
        let name = presence_of(&message.targets()[0].name).unwrap();
        let room = ROOMS.iter().position(|other| *other == name).unwrap();
        let users = self.users.entry(room).or_default();
        let is_new =
            if movement.joined { users.insert(movement.user.into()) } else { users.remove(movement.user) };
        assert!(is_new, "{} was told before: {movement:?}", movement.user);
    }

    fn go(&mut self, hub: &mut Hub, grace: u64, now: u64) {
        for channel in self.live.take().into_iter().flatten() {
            hub.leave(SHARD, Leave::waiting(channel, 1), grace, now);
        }
    }
}

/// Whatever room there is, a user is on all channels or on none, and who crowds them out takes nobody off a roster.
#[test]
fn where_there_is_little_room_a_user_is_there_or_is_refused() {
    let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
    let (mut refused, mut there) = (0, 0);
    for channels_budget in (200..4_000).step_by(40) {
        let limits = Limits { channels_budget, rules: vec![rule.clone()], grace: 0, ..Limits::default() };
        let mut hub = Hub::new(limits, Epoch::new(1), 1);
        let session = Session::new(Some("ann"), None, &[]);
        let guest = Guest { session: Some(&session), ..Guest::from(SHARD) };
        let page = hub.subscribe(guest, &["room.a", "room.b"], Start::Now, 0);
        hub.audit();
        let Ok(page) = page else {
            refused += 1;
            assert_eq!(hub.totals().subscriptions, 0);
            continue;
        };
        there += 1;
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        hub.release(Position::END, 0, &mut Vec::new());
        for channel in channels {
            hub.leave(SHARD, Leave { who: Some("ann"), ..Leave::waiting(channel, 1) }, 0, 1);
        }
        for number in 0..50 {
            // Some find no room, which is not what is asked here.
            let _ = hub.subscribe(SHARD, &[&format!("crowd.{number}")], Start::Now, 2);
            hub.audit();
        }
        assert_eq!(hub.present("room.a", None, 9).0.count, 1, "it is within its grace");
        while hub.tick(20_000) {}
        hub.release(Position::END, 20_000, &mut Vec::new());
        hub.audit();
        assert_eq!(hub.present("room.a", None, 9).0.count, 0);
    }
    assert!(refused > 5 && there > 5, "{refused} {there}");
}

/// What is kept for publishers is theirs, however many users come.
#[test]
fn users_take_no_room_that_publishers_have() {
    let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
    let limits = Limits { channels_budget: 100_000, rules: vec![rule], ..Limits::default() };
    let mut hub = Hub::new(limits, Epoch::new(1), 1);
    let session = Session::new(Some("ann"), None, &[]);
    let guest = Guest { session: Some(&session), ..Guest::from(SHARD) };
    let come = |hub: &mut Hub, n: u32| hub.subscribe(guest, &[&format!("room.{n}")], Start::Now, 0).is_ok();
    let came = (0..1_000).filter(|n| come(&mut hub, *n)).count();
    assert!(came > 50, "{came}");
    let crowded = hub.totals().crowded;
    assert!(
        hub.order(publish(&["new.one", "new.two"], 1, None), 0).is_ok(),
        "there is room for what is published"
    );
    assert_eq!(hub.totals().crowded, crowded);
    hub.audit();
}

/// Who turns out to be a user is one on all its channels, or, where there is no room to know that, on none.
#[test]
fn who_is_greeted_is_known_on_all_channels_or_on_none() {
    let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
    let (mut refused, mut greeted) = (0, 0);
    for channels_budget in (600..4_000).step_by(20) {
        let limits = Limits {
            channels_budget,
            rules: vec![rule.clone()],
            grace: 0,
            presence_grace: 0,
            ..Limits::default()
        };
        let mut hub = Hub::new(limits, Epoch::new(1), 1);
        let Ok(page) = hub.subscribe(SHARD, &["room.a", "room.b"], Start::Now, 0) else { continue };
        let Next::Live { channels, .. } = page.next else { panic!("nothing is read") };
        let session = Session::new(Some("ann"), None, &[]);
        let there = if hub.greet(&channels, &session, 0).is_ok() { 1 } else { 0 };
        hub.release(Position::END, 0, &mut Vec::new());
        hub.audit();
        for room in ["room.a", "room.b"] {
            let (page, _) = hub.present(room, None, 9);
            assert_eq!((page.count, page.anonymous), (there, 1 - there));
        }
        (refused, greeted) = (refused + 1 - there, greeted + there);
        hub.ungreet(&channels, &session, 1);
        hub.release(Position::END, 1, &mut Vec::new());
        assert_eq!(hub.present("room.a", None, 9).0.anonymous, 1);
        hub.audit();
    }
    assert!(refused > 0 && greeted > 0, "{refused} {greeted}");
}

/// Room for the hidden channel of one is not made of the channel that is being looked at, nor is one that has gone looked at.
#[test]
fn who_polls_in_a_full_table_forgets_no_channel_that_it_asks_for() {
    let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
    for channels_budget in (600..4_000).step_by(20) {
        let rules = vec![rule.clone()];
        let limits = Limits {
            channels_budget,
            rules,
            grace: 0,
            history_messages: 1,
            history_age: 5,
            ..Limits::default()
        };
        let mut hub = Hub::new(limits, Epoch::new(1), 1);
        let rooms = ["room.a", "room.b", "room.c", "room.d"];
        for room in rooms.iter().chain(&rooms) {
            // Without room it is refused, which is not what is asked here.
            let _ = hub.order(publish(&[room], 1, None), 0);
            hub.release(Position::END, 0, &mut Vec::new());
        }
        while hub.tick(10) {}
        let session = Session::new(Some("ann"), None, &[]);
        let guest = Guest { session: Some(&session), stay: Stay::Never, ..Guest::from(SHARD) };
        for _ in 0..3 {
            hub.subscribe(guest, &rooms, Start::Everything, 10).unwrap();
            hub.release(Position::END, 10, &mut Vec::new());
            hub.audit();
        }
        while hub.tick(4_000_000) {}
        hub.release(Position::END, 4_000_000, &mut Vec::new());
        hub.audit();
    }
}
