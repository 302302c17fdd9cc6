//! People, simulated: users with several devices each come to rooms, reload, change their transport, poll, fall behind and
//! come back, over a WAIT line in a world of mischief, with a slow store or none, by seed.
//!
//! Who asks who is there has exactly the users of each room at every cursor that it is told. Joined and left come in turn for
//! each user, nobody joins more often than it asked to, and nobody leaves within the grace of a connection that surely was, unless
//! it is ended: then it leaves at once. Shards are frozen and thawed into others, of which nobody hears. In the end those are there who are connected, and then each has left once.
//!
//! 256 seeds; `MULTIPLEXOR_SEEDS=N` for more, `MULTIPLEXOR_SEED=S` for the one that failed.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod client;
mod model;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use exchange::hub::{Door, Kind, Limits, Pattern, Payload, Publish, Rule, UserEnd};
use exchange::{Journal, Order, UserQuestion, UserSurvey};
use model::{Model, Set};
use multiplexor_wait::access::{TokenSecret, Tokens, make_token};
use multiplexor_wait::{Shows, WaitSettings, exchange};
use testkit::kernel::Mischief;
use testkit::scene::Scene;
use testkit::seeds::{Chance, seeds};

#[test]
fn who_asks_who_is_there_always_knows_it_exactly() {
    seeds("cargo test -p multiplexor-wait --test people", |seed| {
        let mut simulation = Simulation::new(seed);
        for _ in 0..STEPS {
            simulation.step();
        }
        simulation.end();
    });
}

struct Simulation {
    chance: Chance,
    scene: Scene,
    /// What a store is to keep.
    journal: Option<Arc<Journal>>,
    model: Model,
    clients: Vec<Client>,
    grace: u64,
    /// Whether the application ends users.
    kicks: bool,
    /// Of whom it is asked still.
    surveys: Vec<Arc<UserSurvey>>,
    /// Steps between two jumps in time.
    jumps: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let grace = chance.of(&[100, 3_000, 10_000]);
        let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("room.*").unwrap()) };
        let limits = Limits {
            presence_grace: grace,
            presence_history: chance.of(&[3, 20, 1_000]),
            presence_list: 1_000,
            resume_window: chance.of(&[5_000, 600_000]),
            history_messages: chance.of(&[2, 100]),
            rules: vec![rule],
            ..Limits::default()
        };
        let secret = TokenSecret::new(&"x".repeat(32)).unwrap();
        let slow_reader = chance.of(&[600, 5_000, 1 << 20]);
        let settings = WaitSettings {
            slow_reader,
            tokens: Tokens { secrets: vec![secret.clone()], ..Tokens::default() },
            shows: Shows { tokens: true, ..Shows::NOTHING },
            ..WaitSettings::default()
        };
        let shards = 1 + chance.index(3);
        let (scene, journal) = if chance.once_in(2) {
            let (scene, journal) = Scene::storing_many(seed, shards, limits, settings);
            (scene, Some(journal))
        } else {
            (Scene::new(seed, shards, limits, settings), None)
        };
        // A crowd, so that a list has several pages and jobs are parked in the middle.
        let (count, users) =
            if seed % 64 == 63 { (100 + chance.index(20), 100) } else { (3 + chance.index(9), 4) };
        let client = |_| {
            let user = format!("u{:03}", chance.below(users));
            let token = make_token(&secret, &format!("{{\"sub\":\"{user}\",\"exp\":4000000000}}"));
            let user = (!chance.once_in(6)).then_some((user, token));
            Client::new(user, &mut chance)
        };
        let clients = (0..count).map(client).collect();
        scene.world.set_mischief(mischief(&mut chance));
        let model = Model::new(&scene.exchange, grace, slow_reader == 1 << 20);
        let (jumps, kicks, surveys) = (chance.of(&[20, 60, 200]), chance.once_in(3), Vec::new());
        Self { kicks, surveys, chance, scene, journal, model, clients, grace, jumps }
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..40 => {
                let shard = self.chance.index(self.scene.shards.len());
                self.scene.turn(shard);
            }
            40..48 => {
                let room = name_of(self.chance.index(ROOMS));
                self.publish(&room);
            }
            48..54 => self.keep(),
            54..62 => self.scene.exchange.admin().tick(),
            62..94 => {
                // Where there are many, many act.
                for _ in 0..1 + self.clients.len() / 10 {
                    let number = self.chance.index(self.clients.len());
                    self.act(number);
                }
            }
            94..96 => self.calm(),
            96 if self.kicks => self.kick(),
            97 => self.replace_shard(),
            _ => self.scene.world.pass(1 + self.chance.below(300)),
        }
        if self.chance.once_in(self.jumps) {
            self.scene.world.pass(self.chance.below(15_000));
        }
        self.look();
    }

    /// Another shard goes on in the place of one: nobody joins or leaves by that.
    fn replace_shard(&mut self) {
        let number = self.chance.index(self.scene.shards.len());
        let seats = self.scene.freeze(number);
        for _ in 0..self.chance.below(6) {
            match self.chance.below(6) {
                0 => self.publish(&name_of(0)),
                1 => self.keep(),
                2 => self.scene.exchange.admin().tick(),
                3 => self.scene.world.pass(1 + self.chance.below(300)),
                _ => {
                    let client = self.chance.index(self.clients.len());
                    self.act(client);
                }
            }
            self.look();
        }
        self.scene.thaw(number, seats);
    }

    /// What came about in a step.
    fn look(&mut self) {
        let now = self.scene.exchange.now();
        self.clients.iter_mut().for_each(|client| client.look(now, &mut self.model));
        self.model.follow();
    }

    fn publish(&mut self, room: &str) {
        let payload = Payload::new(&b"1"[..], Kind::Either);
        let (channels, aliases) = ([room.into()].into_iter().collect(), [].into_iter().collect());
        let publish = Publish { channels, aliases, payload, ttl: None };
        // Where a mailbox or the store has no room it is refused, which is not what is asked here.
        let _ = self.scene.exchange.publisher().publish(publish, None);
    }

    /// The store keeps all that it was told.
    fn keep(&mut self) {
        if let Some(journal) = &self.journal {
            let taken = journal.take(&mut Vec::new(), Duration::ZERO);
            self.scene.exchange.store().kept(taken);
        }
    }

    /// A user is ended, and what it has shown is refused for a while.
    fn kick(&mut self) {
        let number = self.chance.index(self.clients.len());
        let Some((user, _)) = self.clients[number].user.clone() else { return };
        let (at, now) = (self.scene.exchange.wall(), self.scene.exchange.now());
        let connected = self.clients.iter().filter(|client| client.is_of(&user)).flat_map(Client::surely_in);
        let connected: BTreeSet<usize> = connected.collect();
        let end = UserEnd { user: user.as_str().into(), at, until: at.after(KICK) };
        self.scene.exchange.ended_users().put(&end, true).unwrap();
        let question = UserQuestion::EndUser { user: end.user, reason: "enough".into() };
        let survey = Arc::new(UserSurvey::ask(self.scene.exchange.shards(), question));
        self.scene.exchange.admin().order_all(&Order::Users(Arc::downgrade(&survey)));
        self.surveys.push(survey);
        self.model.ends(&user, now);
        self.clients.iter_mut().filter(|client| client.is_of(&user)).for_each(Client::unsure);
        if self.chance.once_in(2) {
            self.calm();
            self.scene.exchange.admin().tick();
            self.calm();
            // Who is away within the grace leaves when that is over.
            for room in connected {
                assert!(!self.model.set(room).contains(&user), "{user} has left room {room} at once");
            }
        }
    }

    fn act(&mut self, number: usize) {
        let Self { chance, scene, model, clients, .. } = self;
        let (client, now) = (&mut clients[number], scene.exchange.now());
        let Some(line) = &client.line else {
            return client.connect(&scene.world, chance, scene.shards.len(), model);
        };
        match chance.below(40) {
            how @ 0..3 => client.end(how, now, model),
            3 | 4 => {
                // A page is loaded again, or goes on by another transport.
                client.end(2, now, model);
                client.connect(&scene.world, chance, scene.shards.len(), model);
                client.send(usize::MAX);
            }
            5 => client.stopped = !client.stopped,
            6 => client.narrow(chance.of(&[0, 1, 10, 200, 2_000]), now, model),
            7 => line.peer.set_window(usize::MAX),
            8..12 => client.command(chance, now, model),
            12..18 => drop(client.send(chance.of(&[1, 20, 1_000]))),
            18..22 => drop(client.send(usize::MAX)),
            _ if client.stopped => {}
            _ => {
                let most = chance.of(&[1, 7, 100, 10_000]);
                client.read(chance, most, model);
            }
        }
    }

    /// No time passes, and everybody has read and said what there is.
    fn calm(&mut self) {
        self.look();
        for _ in 0..ROUNDS_MAX {
            let Self { chance, model, clients, .. } = self;
            let mut quiet = true;
            for client in clients.iter_mut().filter(|client| client.line.is_some()) {
                client.line.iter().for_each(|line| line.peer.set_window(usize::MAX));
                quiet &= !client.send(usize::MAX);
                quiet &= !client.read(chance, usize::MAX, model);
            }
            self.scene.settle();
            self.keep();
            self.scene.settle();
            self.look();
            let Self { scene, model, clients, .. } = self;
            if quiet {
                // Who is not accepted yet is registered nowhere.
                if scene.world.waiting() == 0 {
                    let now = scene.exchange.now();
                    clients.iter_mut().for_each(|client| client.settled(now, model));
                }
                return;
            }
        }
        panic!("the clients do not come to rest");
    }

    /// Everybody comes and all agree who is there; everybody goes, and all have left.
    fn end(&mut self) {
        self.scene.world.set_mischief(Mischief::default());
        self.clients.iter_mut().for_each(|client| (client.stopped, client.steady) = (false, true));
        self.everybody_comes();
        self.pass_the_grace();
        self.everybody_comes();
        self.compare();
        let now = self.scene.exchange.now();
        self.clients.iter_mut().for_each(|client| client.end(2, now, &mut self.model));
        self.scene.settle();
        self.pass_the_grace();
        for room in 0..ROOMS {
            assert_eq!(self.model.set(room), &Set::new(), "all have left room {room}");
        }
        assert_eq!(self.scene.exchange.admin().totals().subscriptions, 0);
    }

    fn everybody_comes(&mut self) {
        for _ in 0..100 {
            let Self { chance, scene, model, clients, .. } = self;
            for client in clients.iter_mut().filter(|client| client.line.is_none()) {
                client.connect(&scene.world, chance, scene.shards.len(), model);
            }
            self.calm();
            let rests = |client: &Client| client.line.as_ref().is_some_and(client::Line::rests);
            if self.clients.iter().all(rests) && self.scene.world.waiting() == 0 {
                return;
            }
            self.scene.pass(100);
        }
        panic!("not everybody comes to rest");
    }

    /// So much time passes that whoever is gone has left.
    fn pass_the_grace(&mut self) {
        self.scene.world.pass(self.grace + 1);
        for _ in 0..4 {
            self.scene.exchange.admin().tick();
            self.calm();
        }
    }

    /// Those are there who are connected, and everybody who asked knows it.
    fn compare(&mut self) {
        for room in 0..ROOMS {
            let inside = self.clients.iter().filter(|client| {
                client.line.as_ref().is_some_and(|line| line.rests() && line.rooms.contains(&room))
            });
            let inside: Vec<&Client> = inside.collect();
            let users: Set =
                inside.iter().filter_map(|client| Some(client.user.as_ref()?.0.clone())).collect();
            let there = self.model.set(room);
            assert_eq!(there, &users, "who is in room {room}");
            let (page, _) = self.scene.exchange.admin().present(&name_of(room), None, 1_000);
            let listed: Set = page.users.iter().map(|present| present.user.to_string()).collect();
            assert_eq!((listed, page.count), (users, there.len() as u64));
            let anonymous = inside.iter().filter(|client| client.user.is_none()).count();
            assert_eq!(page.anonymous, anonymous as u64, "who shows no name in room {room}");
            for client in inside.iter().filter(|client| client.line.as_ref().unwrap().watches) {
                assert_eq!(client.sets.get(&room), Some(there), "of room {room}");
            }
        }
    }
}

fn name_of(room: usize) -> String {
    format!("room.{room}")
}

fn room_of(name: &str) -> usize {
    name.strip_prefix("room.").expect("a room").parse().unwrap()
}

fn mischief(chance: &mut Chance) -> Mischief {
    let mut often = |choices: &[u64]| chance.of(choices);
    Mischief {
        short: often(&[0, 2, 8]),
        interrupted: often(&[0, 8, 50]),
        again: often(&[0, 8, 50]),
        partial: often(&[0, 2, 4]),
        no_room: often(&[0, 0, 30]),
        no_descriptor: often(&[0, 0, 30]),
    }
}

const ROOMS: usize = 3;
/// How long what a user has shown is refused.
const KICK: u64 = 3_000;
/// Steps of one seed.
const STEPS: usize = 500;
/// Rounds after which clients that do not come to rest never will.
const ROUNDS_MAX: usize = 5_000;
