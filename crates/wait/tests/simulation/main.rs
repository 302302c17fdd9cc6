//! The whole WAIT line, simulated: shards, publishers and clients over a world of mischief, by seed.
//!
//! Every client holds what it is told against what was said: in order, nothing twice, nothing missing
//! but where a gap was told and can be explained. Some take compressed messages and inflate what they get, and some speak a dialect
//! that keeps something of each of its connections.
//! In the end, when all have caught up, nobody is owed anything, and the exchange, the hub and the shards
//! agree on who is there. At any moment a shard is frozen and dropped, and another one goes on with its seats: no client notices.
//!
//! 256 seeds; `MULTIPLEXOR_SEEDS=N` for more, `MULTIPLEXOR_SEED=S` for the one that failed.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod client;
mod model;
mod said;
mod session;
mod telegraph;

use std::sync::Arc;
use std::time::Duration;

use client::Client;
use exchange::hub::{EVERYBODY, Limits, ShardId};
use exchange::{Receipt, RemoveError};
use model::Model;
use multiplexor_wait::{Classic, DialectSet, WaitSettings, exchange};
use said::Places;
use testkit::kernel::{Mischief, certificates};
use testkit::scene::Scene;
use testkit::seeds::{Chance, seeds};
use testkit::telegraph::Telegraph;
use transport::Shape;

#[test]
fn everybody_gets_everything_in_order_and_once() {
    seeds("cargo test -p multiplexor-wait --test simulation", |seed| {
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
    telegraph: Arc<Telegraph>,
    model: Model,
    clients: Vec<Client>,
    /// Whether channels are deleted.
    deletes: bool,
    /// Whether messages are taken back.
    takes_back: bool,
    /// Steps between two jumps in time.
    jumps: u64,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let keeps = if chance.once_in(3) { chance.of(&[1, 3, 10, 100]) } else { 100_000 };
        let limits = Limits { history_messages: keeps, ..Limits::default() };
        let slow_reader = chance.of(&[600, 3_000, 1 << 20]);
        let stream_age = Duration::from_secs(if chance.once_in(3) { chance.of(&[2, 20, 200]) } else { 0 });
        let (telegraph, dialects) = Telegraph::given();
        let settings = WaitSettings { slow_reader, stream_age, dialects, ..WaitSettings::default() };
        let shards = 1 + chance.index(3);
        let understood = DialectSet::of(&[Classic::Dklab, Classic::Guest]);
        let mut scene = Scene::speaking(understood, seed, shards, limits, settings);
        let tls = seed % 16 == 2;
        if tls {
            scene.set_certificates(certificates());
        }
        let (deletes, jumps) = (chance.once_in(4), chance.of(&[20, 60, 200]));
        let places = Places(scene.exchange.cursors());
        // A crowd, so that jobs are parked in the middle of it.
        let count = if seed % 16 == 15 { 140 + chance.index(80) } else { 3 + chance.index(8) };
        let client = |_| {
            let compresses = chance.once_in(3);
            let mut client = Client::new(chance.of(&SHAPES), compresses, places, CHANNELS, tls);
            let blind = client.shape == Shape::StreamRaw && deletes; // it is not told of a deletion
            client.choose(&mut chance, if blind { 1 } else { CHANNELS });
            client
        };
        let clients = (0..count).map(client).collect();
        scene.world.set_mischief(mischief(&mut chance));
        let keeps = usize::try_from(keeps).unwrap();
        // Where nothing is pushed out, all that is taken back is told.
        let takes_back = keeps > 100;
        let model = Model::new(CHANNELS + 1, keeps);
        Self { chance, scene, telegraph, model, clients, deletes, takes_back, jumps }
    }

    fn step(&mut self) {
        match self.chance.below(100) {
            0..40 => {
                let shard = self.chance.index(self.scene.shards.len());
                self.scene.turn(shard);
            }
            40..60 => self.publish(),
            60..97 => {
                // Where there are many, many act.
                for _ in 0..1 + self.clients.len() / 10 {
                    let number = self.chance.index(self.clients.len());
                    self.act(number);
                }
            }
            97 if self.takes_back && self.chance.once_in(2) => self.take_back(),
            97 => self.scene.exchange.admin().tick(),
            98 if self.chance.once_in(2) => self.replace_shard(),
            98 if self.deletes && self.chance.once_in(2) => {
                let channel = self.chance.index(CHANNELS);
                if self.scene.exchange.publisher().delete(&format!("c{channel}"), true) {
                    self.model.delete(channel);
                }
            }
            _ => self.scene.world.pass(1 + self.chance.below(300)),
        }
        if self.chance.once_in(self.jumps) {
            self.scene.world.pass(self.chance.below(30_000));
        }
    }

    /// Another shard goes on in the place of one. What is said and done meanwhile finds nobody, and is not lost.
    fn replace_shard(&mut self) {
        let number = self.chance.index(self.scene.shards.len());
        let seats = self.scene.freeze(number);
        let load = self.scene.exchange.admin().load(ShardId(u16::try_from(number).unwrap()));
        assert_eq!((load.messages, load.bytes), (0, 0), "what shard {number} owes at rest");
        for _ in 0..self.chance.below(6) {
            match self.chance.below(4) {
                0 => self.publish(),
                1 => self.scene.world.pass(1 + self.chance.below(300)),
                _ => {
                    let client = self.chance.index(self.clients.len());
                    self.act(client);
                }
            }
        }
        self.scene.thaw(number, seats);
        if self.chance.once_in(4) {
            // Nothing is lost and nothing changed where nothing happens meanwhile.
            let seats = self.scene.freeze(number);
            let bytes: Vec<Vec<u8>> = seats.iter().map(|seat| seat.bytes.clone()).collect();
            self.scene.thaw(number, seats);
            let seats = self.scene.freeze(number);
            assert!(seats.iter().map(|seat| &seat.bytes).eq(&bytes), "a seat thaws to what was frozen");
            self.scene.thaw(number, seats);
        }
    }

    /// Says the next number somewhere; sometimes much at once.
    fn publish(&mut self) {
        let times = if self.chance.once_in(40) { 150 } else { 1 + self.chance.below(4) };
        for _ in 0..times {
            let is_for_all = self.chance.once_in(8);
            let targets = if is_for_all { vec![CHANNELS] } else { self.chance.some(CHANNELS, 3) };
            let names: Vec<String> = targets.iter().map(|channel| format!("c{channel}")).collect();
            let names = if is_for_all { vec![EVERYBODY.to_owned()] } else { names };
            // Blanks before a number are nothing in JSON, and make it long enough to be compressed.
            let len = if self.chance.once_in(4) { 300 } else { 0 };
            let position = self.scene.publish(&names.join(","), &format!("{:len$}", self.model.next()));
            self.model.say(position, &targets);
        }
    }

    /// Takes one of the last messages back, if it is there still.
    fn take_back(&mut self) {
        let (channel, back) = (self.chance.index(CHANNELS), self.chance.index(6));
        let Some(number) = self.model.last_of(channel, back) else { return };
        match self.scene.exchange.publisher().remove(&format!("c{channel}"), self.model.position(number)) {
            Ok(Receipt::Released(said)) => self.model.take_back(channel, number, said.position),
            Ok(Receipt::Ordered(_)) => panic!("there is no store"),
            Err(error) => assert_eq!(error, RemoveError::Missing, "its channel was deleted"),
        }
    }

    fn act(&mut self, number: usize) {
        let Self { chance, scene, model, clients, .. } = self;
        let client = &mut clients[number];
        let Some(line) = &client.line else {
            if client.shape != Shape::StreamRaw && chance.once_in(3) {
                client.choose(chance, CHANNELS);
            }
            let listener = chance.index(scene.shards.len());
            client.connect(&scene.world, chance, listener, model);
            return;
        };
        match chance.below(60) {
            0 => client.leave(),
            1 => client.reset(),
            2 => line.peer.half_close(),
            3 => client.stopped = !client.stopped,
            4 => line.peer.set_window(chance.of(&[0, 1, 10, 200, 2_000])),
            5 => line.peer.set_window(usize::MAX),
            6..10 => client.command(chance, model),
            10..25 => {
                let most = chance.of(&[1, 20, 1_000]);
                client.send(most);
            }
            25..30 => drop(client.send(usize::MAX)),
            _ if client.stopped => {}
            _ => {
                let most = chance.of(&[1, 7, 100, 10_000]);
                client.read(chance, most, model);
            }
        }
    }

    /// Everybody reads, everything settles, and then all must agree.
    fn end(&mut self) {
        let short = self.chance.of(&[0, 3]);
        self.scene.world.set_mischief(Mischief { short, ..Mischief::default() });
        self.clients.iter_mut().for_each(|client| client.stopped = false);
        self.catch_up();
        for _ in 0..7 {
            self.scene.pass(4_000);
            self.catch_up();
        }
        let mut live = 0;
        for client in &mut self.clients {
            let line = client.line.as_mut().expect("all have caught up");
            line.session.end(&self.model);
            // Nobody is registered for what is for everybody.
            live += line.session.live.len() as u64 - 1;
        }
        let scene = &mut self.scene;
        for number in 0..scene.shards.len() {
            let load = scene.exchange.admin().load(ShardId(u16::try_from(number).unwrap()));
            assert_eq!((load.messages, load.bytes), (0, 0), "what shard {number} owes");
        }
        assert_eq!(scene.exchange.admin().totals().subscriptions, live, "subscriptions");
        // Of all that have gone the dialect was told, of each once.
        let up = self.clients.iter().filter(|client| client.shape == Shape::Guest).count();
        assert_eq!(self.telegraph.up(), up, "connections of which the dialect keeps something");
        let connections: usize = scene.shards.iter().map(|shard| shard.connections()).sum();
        assert_eq!(
            (connections, scene.world.held()),
            (self.clients.len(), self.clients.len()),
            "connections"
        );
    }

    /// Until nobody has anything to say or to read, and everybody waits.
    fn catch_up(&mut self) {
        let Self { chance, scene, model, clients, .. } = self;
        for _ in 0..ROUNDS_MAX {
            let mut quiet = true;
            for client in clients.iter_mut() {
                if client.line.is_none() {
                    let listener = chance.index(scene.shards.len());
                    client.connect(&scene.world, chance, listener, model);
                    quiet = false;
                }
                client.line.iter().for_each(|line| line.peer.set_window(usize::MAX));
                quiet &= !client.send(usize::MAX);
                quiet &= !client.read(chance, usize::MAX, model);
                let asked = |line: &client::Line| line.has_asked() && !line.peer.is_handshaking();
                quiet &= client.line.as_ref().is_some_and(asked);
            }
            scene.settle();
            if scene.world.waiting() > 0 {
                scene.pass(600);
            } else if quiet {
                return;
            }
        }
        panic!("the clients do not come to rest");
    }
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

/// In what ways clients wait.
const SHAPES: [Shape; 9] = [
    Shape::PollObject,
    Shape::PollRaw,
    Shape::SseObject,
    Shape::SseBare,
    Shape::StreamObject,
    Shape::StreamRaw,
    Shape::WsObject,
    Shape::WsRaw,
    Shape::Guest,
];
/// Beside them, the one after the last is that of everybody, which all listen to.
const CHANNELS: usize = 6;
/// Steps of one seed.
const STEPS: usize = 400;
/// Rounds after which clients that do not come to rest never will.
const ROUNDS_MAX: usize = 5_000;
