//! The mailbox's protocol of sleeping and waking, in every interleaving of its threads that matters: no
//! wake-up is lost, nobody is woken who does not sleep, and what `end` promises is in the mail. The stages of a
//! message with a store stand in `store.rs`.
//!
//! Run it by itself, with its own target directory, since it is another build of everything:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p multiplexor-exchange --release --test loom
//! ```
//!
//! A lost wake-up is a deadlock of the model, which loom reports. `LOOM_MAX_PREEMPTIONS` widens the search;
//! `LOOM_LOG=trace LOOM_LOCATION=1` tell about a failure.

#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod store;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Waker};
use std::time::Duration;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use multiplexor_exchange::hub::{Epoch, Kind, Limits, Payload, Publish, ShardId, Start};
use multiplexor_exchange::{
    Clock, Commands, Exchange, Follower, Immediate, Mail, Order, OrderFollower, Wake, WakeBatch,
};

/// The event loop's eventfd: remembers that it was rung until somebody looks.
#[derive(Default)]
struct Bell {
    rung: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Default)]
struct Rung {
    now: bool,
    count: usize,
}

impl Wake for Bell {
    fn wake(&self) {
        let mut rung = self.rung.lock().unwrap();
        (rung.now, rung.count) = (true, rung.count + 1);
        self.changed.notify_one();
    }
}

impl Bell {
    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !rung.now {
            rung = self.changed.wait(rung).unwrap();
        }
        rung.now = false;
    }

    /// Whether it was rung since somebody last looked.
    fn is_rung(&self) -> bool {
        self.rung.lock().unwrap().now
    }

    /// How often it was rung.
    fn count(&self) -> usize {
        self.rung.lock().unwrap().count
    }
}

/// An exchange with one shard that listens to `a`.
fn exchange() -> (Arc<Exchange>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let clock = Clock::manual(Arc::new(AtomicU64::new(0)));
    let wakers: Vec<Arc<dyn Wake>> = vec![bell.clone()];
    let exchange = Exchange::new(Limits::default(), Epoch::new(0), 0, clock, Box::new(Immediate), wakers);
    exchange.registry().subscribe(SHARD, &["a"], Start::Now).unwrap();
    (Arc::new(exchange), bell)
}

fn publish(exchange: &Exchange) {
    exchange.publisher().publish(message(), None).unwrap();
}

fn message() -> Publish {
    Publish { ttl: Some(0), ..kept_message() }
}

/// A message that a store keeps: one with `ttl` 0 is not.
fn kept_message() -> Publish {
    let payload = Payload::new([], Kind::Either);
    let channels = std::iter::once("a".into()).collect();
    Publish { channels, aliases: Default::default(), payload, ttl: None }
}

/// The shard, until it has so much mail: takes what there is, then sleeps, as the event loop does.
fn read(exchange: &Exchange, bell: &Bell, expected: usize) {
    let (mut mail, mut got) = (Vec::new(), 0);
    let mut last = 0;
    loop {
        let end = exchange.end().to_bits();
        exchange.shard(SHARD).take_mail(&mut mail);
        got += mail.len();
        for item in mail.drain(..) {
            if let Mail::Delivery(delivery) = item {
                let position = delivery.message.position.to_bits();
                assert!(position > last, "in order");
                last = position;
            }
        }
        // The channel's change to online has the first place.
        assert!(last >= end || end == 1, "all up to the end is in the mail");
        if got == expected {
            return;
        }
        if exchange.shard(SHARD).may_sleep() {
            bell.sleep();
            exchange.shard(SHARD).awake();
        }
    }
}

#[test]
fn a_message_wakes_who_is_about_to_sleep() {
    loom::model(|| {
        let (exchange, bell) = exchange();
        let publisher = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || publish(&exchange)
        });
        read(&exchange, &bell, 1);
        publisher.join().unwrap();
        assert!(bell.count() <= 1, "at most once for one message");
    });
}

#[test]
fn so_does_every_further_message() {
    bounded(5, || {
        let (exchange, bell) = exchange();
        let publisher = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || {
                publish(&exchange);
                publish(&exchange);
            }
        });
        read(&exchange, &bell, 2);
        publisher.join().unwrap();
        assert!(bell.count() <= 2);
    });
}

#[test]
fn two_publishers_wake_it_and_their_messages_are_in_order() {
    bounded(3, || {
        let (exchange, bell) = exchange();
        let publishers = [(); 2].map(|()| {
            let exchange = Arc::clone(&exchange);
            thread::spawn(move || publish(&exchange))
        });
        read(&exchange, &bell, 2);
        for publisher in publishers {
            publisher.join().unwrap();
        }
        assert!(bell.count() <= 2);
    });
}

/// Whoever flushes is asked whenever something is left to him: while a flush is under way, too.
#[test]
fn what_came_in_a_batch_wakes_it_when_that_is_flushed() {
    bounded(2, || {
        let (exchange, bell) = exchange();
        let flusher = Arc::new(Bell::default());
        let batch = Arc::new(WakeBatch::new(flusher.clone()));
        let publisher = thread::spawn({
            let (exchange, batch) = (Arc::clone(&exchange), Arc::clone(&batch));
            move || {
                (0..2).for_each(|_| drop(exchange.publisher().in_batch(&batch).publish(message(), None)));
            }
        });
        let flushes = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || {
                flusher.sleep();
                exchange.publisher().in_batch(&batch).flush();
                publisher.join().unwrap();
                if flusher.is_rung() {
                    exchange.publisher().in_batch(&batch).flush();
                }
                assert!(flusher.count() <= 2);
            }
        });
        read(&exchange, &bell, 2);
        flushes.join().unwrap();
        assert!(bell.count() <= 2);
    });
}

#[test]
fn an_order_wakes_it_beside_a_message() {
    bounded(3, || {
        let (exchange, bell) = exchange();
        let publisher = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || publish(&exchange)
        });
        let manager = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || assert!(exchange.admin().order_all(&Order::Drain(Duration::ZERO)))
        });
        read(&exchange, &bell, 2);
        publisher.join().unwrap();
        manager.join().unwrap();
    });
}

/// What is told in the mail is there when the mail is read.
#[test]
fn commands_wake_it_and_none_is_left() {
    bounded(3, || {
        let (exchange, bell) = exchange();
        let commands = Arc::new(Commands::new(Arc::clone(&exchange)));
        let givers = [1, 2].map(|command| {
            let commands = Arc::clone(&commands);
            thread::spawn(move || assert!(commands.put(SHARD, command)))
        });
        let (mut mail, mut got) = (Vec::new(), 0);
        while got < 2 {
            exchange.shard(SHARD).take_mail(&mut mail);
            for _ in mail.drain(..) {
                got += commands.take(SHARD).len();
            }
            if got < 2 && exchange.shard(SHARD).may_sleep() {
                bell.sleep();
                exchange.shard(SHARD).awake();
            }
        }
        for giver in givers {
            giver.join().unwrap();
        }
    });
}

#[test]
fn a_deletion_wakes_it() {
    loom::model(|| {
        let (exchange, bell) = exchange();
        let manager = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || assert!(exchange.publisher().delete("a", true))
        });
        let (mut mail, mut orders) = (Vec::new(), 0);
        while orders == 0 {
            exchange.shard(SHARD).take_mail(&mut mail);
            orders += mail.drain(..).count();
            if orders == 0 && exchange.shard(SHARD).may_sleep() {
                bell.sleep();
                exchange.shard(SHARD).awake();
            }
        }
        manager.join().unwrap();
    });
}

/// Whoever follows, reads all there is and waits is told of a change that comes about meanwhile; a notice that is given in
/// the pause is found behind it.
#[test]
fn a_follower_misses_no_change() {
    bounded(3, || {
        let bell = Arc::new(Bell::default());
        let clock = Clock::manual(Arc::new(AtomicU64::new(0)));
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::new(Bell::default())];
        let exchange = Exchange::new(Limits::default(), Epoch::new(0), 0, clock, Box::new(Immediate), wakers);
        let exchange = Arc::new(exchange.with_follower_notifier(bell.clone()));
        let shard = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || {
                for name in ["a", "b"] {
                    exchange.registry().subscribe(SHARD, &[name], Start::Now).unwrap();
                    exchange.shard(SHARD).end_turn();
                }
            }
        });
        let mut follower = Follower::new(Arc::clone(&exchange), Start::Everything);
        let mut found = 0;
        while found < 2 {
            let page = follower.read(9);
            found += page.changes.len();
            if found < 2 {
                wait(&exchange, &bell, follower.more(page.position));
            }
        }
        shard.join().unwrap();
        assert!(bell.count() <= 2);
    });
}

/// So is whoever follows all of the order of a message.
#[test]
fn a_follower_of_all_misses_no_message() {
    bounded(3, || {
        let (exchange, _) = exchange();
        let bell = Arc::new(Bell::default());
        let exchange = Arc::into_inner(exchange).unwrap().with_follower_notifier(bell.clone());
        let exchange = Arc::new(exchange);
        let mut follower = OrderFollower::new(Arc::clone(&exchange), Start::Now);
        let publisher = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || (0..2).for_each(|_| publish(&exchange))
        });
        let mut found = 0;
        while found < 2 {
            let page = follower.read(9);
            found += page.items.len();
            if found < 2 {
                wait(&exchange, &bell, follower.more(page.position));
            }
        }
        publisher.join().unwrap();
        assert!(bell.count() <= 2);
    });
}

/// Waits for more: the task behind the notifier, and the follower in one.
fn wait(exchange: &Exchange, bell: &Bell, more: impl Future<Output = ()>) {
    if std::pin::pin!(more).poll(&mut context()).is_pending() {
        if !exchange.admin().followers_go_on() {
            bell.sleep();
        }
        exchange.admin().wake_followers();
    }
}

/// Of a task that need not be woken: it looks itself.
fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Interleavings with at most so many switches that nobody had to make: all of them are too many.
fn bounded(switches: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(switches));
    model.check(test);
}

const SHARD: ShardId = ShardId(0);
