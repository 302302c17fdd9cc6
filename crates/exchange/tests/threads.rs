//! Real threads: publishers and shards at once. Each mailbox is in order, nothing is lost, what `end`
//! promises is in the mail, and nobody sleeps for good.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use common::publish;
use multiplexor_exchange::hub::{Epoch, Limits, Next, Position, ShardId, Start};
use multiplexor_exchange::{Clock, Commit, Exchange, Immediate, Mail, PublishError, Receipt, Wake};

/// What a shard sleeps on.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

impl Bell {
    fn sleep(&self) {
        let rung = self.rung.lock().unwrap();
        let patience = Duration::from_secs(30);
        let (mut rung, waited) = self.changed.wait_timeout_while(rung, patience, |rung| !*rung).unwrap();
        assert!(!waited.timed_out(), "a wake-up was lost");
        *rung = false;
    }
}

struct World {
    exchange: Exchange,
    bells: Vec<Arc<Bell>>,
    /// Nothing more will be published.
    done: AtomicBool,
}

impl World {
    fn new(shards: usize, commit: Box<dyn Commit>) -> Arc<Self> {
        let bells: Vec<Arc<Bell>> = (0..shards).map(|_| Arc::default()).collect();
        let wakers = bells.iter().map(|bell| Arc::clone(bell) as Arc<dyn Wake>).collect();
        let clock = Clock::manual(Arc::new(AtomicU64::new(0)));
        let limits = Limits { history_messages: 20, ..Limits::default() };
        let exchange = Exchange::new(limits, Epoch::new(0), 0, clock, commit, wakers);
        Arc::new(Self { exchange, bells, done: AtomicBool::new(false) })
    }

    /// Publishes; again while it is full. Returns the place.
    fn say(&self, names: &str, data: &[u8]) -> u64 {
        let mut publish = publish(names, data.into());
        loop {
            match self.exchange.publisher().publish(publish, None) {
                Ok(Receipt::Released(published)) => return published.position.to_bits(),
                Ok(Receipt::Ordered(pending)) => return pending.position().to_bits(),
                Err(PublishError::Full(back)) => {
                    publish = *back;
                    thread::yield_now();
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Ends the shards: one last message for each.
    fn end(&self) {
        self.done.store(true, Ordering::SeqCst);
        self.say("end", b"");
    }

    /// A shard: reads until all is over. Returns the places it got with their data.
    fn shard(&self, id: u16, names: &[&str]) -> Vec<(u64, Vec<u8>)> {
        let shard = ShardId(id);
        let mut names = names.to_vec();
        names.push("end");
        let page = self.exchange.registry().subscribe(shard, &names, Start::Now).unwrap();
        let Next::Live { position, .. } = page.next else { panic!("nothing is read") };
        let (mut got, mut mail, mut last) = (Vec::new(), Vec::new(), position);
        loop {
            let over = self.done.load(Ordering::SeqCst);
            let end = self.exchange.end();
            self.exchange.shard(shard).take_mail(&mut mail);
            for item in mail.drain(..) {
                let Mail::Delivery(delivery) = item else { continue };
                let message = &delivery.message;
                assert!(message.position > last, "strictly in order");
                assert!(message.targets().iter().any(|target| names.contains(&&*target.name)));
                last = message.position;
                got.push((last.to_bits(), message.payload().data().to_vec()));
                self.exchange.shard(shard).settle(1, message.bytes().len());
            }
            // Nothing but messages has a place once messages are published.
            assert!(names[0] != "all" || got.is_empty() || last >= end, "all up to the end is in the mail");
            if over && got.last().is_some_and(|(_, data)| data.is_empty()) {
                return got;
            }
            if self.exchange.shard(shard).may_sleep() {
                self.bells[usize::from(id)].sleep();
                self.exchange.shard(shard).awake();
            }
        }
    }
}

/// Waits until so many connections are registered.
fn until_registered(world: &World, count: u64) {
    while world.exchange.admin().totals().subscriptions < count {
        thread::yield_now();
    }
}

const PUBLISHERS: u64 = 6;
const EACH: u64 = 3_000;

/// What publisher `n` says, to which channels: of four, by its number and the message's.
fn names(publisher: u64, n: u64) -> &'static str {
    ["all,a", "all,b", "all,a,c", "all", "all,c,b,a"][usize::try_from((publisher * 7 + n) % 5).unwrap()]
}

fn check(world: &Arc<World>, committer: Option<thread::JoinHandle<()>>) {
    let channels: [&[&str]; 4] = [&["all"], &["a", "c"], &["b"], &["c"]];
    let shards: Vec<_> = (0u16..)
        .zip(channels)
        .map(|(id, names)| {
            let world = Arc::clone(world);
            thread::spawn(move || world.shard(id, names))
        })
        .collect();
    until_registered(world, 9);
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let world = Arc::clone(world);
            thread::spawn(move || {
                let data = |n| format!("{publisher}/{n}").into_bytes();
                (0..EACH)
                    .map(|n| (world.say(names(publisher, n), &data(n)), data(n), names(publisher, n)))
                    .collect()
            })
        })
        .collect();
    let mut said: Vec<(u64, Vec<u8>, &str)> = Vec::new();
    for publisher in publishers {
        let own: Vec<_> = publisher.join().unwrap();
        assert!(own.is_sorted_by(|a, b| a.0 < b.0), "a publisher's messages are in its order");
        said.extend(own);
    }
    world.end();
    said.sort();
    assert!(said.is_sorted_by(|a, b| a.0 < b.0), "no place is given twice");
    for (shard, names) in shards.into_iter().zip(channels) {
        let mut got = shard.join().unwrap();
        assert_eq!(got.pop().unwrap().1, b"");
        let owed = said.iter().filter(|(_, _, to)| to.split(',').any(|name| names.contains(&name)));
        assert!(owed.map(|(place, data, _)| (*place, data.clone())).eq(got), "nothing is lost");
    }
    assert_eq!(world.exchange.admin().totals().published, PUBLISHERS * EACH + 1);
    if let Some(committer) = committer {
        committer.join().unwrap();
    }
    for shard in 0..4 {
        let load = world.exchange.admin().load(ShardId(shard));
        assert_eq!((load.messages, load.bytes), (0, 0), "the accounts are even");
    }
}

#[test]
fn nothing_is_lost_between_threads() {
    check(&World::new(4, Box::new(Immediate)), None);
}

/// Tells how far it has written only when it is asked by its own thread.
#[derive(Clone, Default)]
struct Slow {
    ordered: Arc<AtomicU64>,
    committed: Arc<AtomicU64>,
}

impl Commit for Slow {
    fn ordered(&self, position: Position) -> Position {
        self.ordered.fetch_max(position.to_bits(), Ordering::SeqCst);
        Position::from_bits(self.committed.load(Ordering::SeqCst))
    }
}

#[test]
fn nor_where_a_store_commits_later() {
    let store = Slow::default();
    let world = World::new(4, Box::new(store.clone()));
    let committer = {
        let world = Arc::clone(&world);
        thread::spawn(move || {
            loop {
                let done = world.done.load(Ordering::SeqCst);
                let ordered = store.ordered.load(Ordering::SeqCst);
                store.committed.store(ordered, Ordering::SeqCst);
                world.exchange.store().commit(Position::from_bits(ordered));
                if done && world.exchange.admin().totals().published == PUBLISHERS * EACH + 1 {
                    world.exchange.store().commit(Position::END);
                    return;
                }
                thread::yield_now();
            }
        })
    };
    check(&world, Some(committer));
}
