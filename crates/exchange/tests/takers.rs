//! Facts about the lines of 2009 in the exchange: who is online is published to, who takes is served once.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for something else")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hub::{Epoch, Kind, Leave, Limits, Origin, Payload, Publish, ShardId, Start, Take};
use multiplexor_exchange::{Clock, Exchange, Immediate, Mail, Receipt, Wake};

const SHARD: ShardId = ShardId(0);
const GRACE: u64 = 20_000;

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

fn exchange(time: &Arc<AtomicU64>) -> Exchange {
    let clock = Clock::manual(Arc::clone(time));
    Exchange::new(Limits::default(), Epoch::new(1), 1, clock, Box::new(Immediate), vec![Arc::new(Nobody)])
}

/// The names it went to, separated by commas; nothing when nobody is online.
fn say(exchange: &Exchange, channels: &str) -> String {
    let payload = Payload { origin: Origin::WholeInput, ..Payload::new(*b"x", Kind::Either) };
    let channels = channels.split(',').map(Box::from).collect();
    let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
    match exchange.publisher().publish_online(publish).unwrap() {
        None => String::new(),
        Some(Receipt::Released(told)) => {
            told.seen.iter().map(|(name, _)| &**name).collect::<Vec<_>>().join(",")
        }
        Some(other) => panic!("it is not released: {other:?}"),
    }
}

/// A taker waits; how it leaves.
fn wait(exchange: &Exchange, name: &str) -> Leave<'static> {
    match exchange.registry().take_one(SHARD, name, GRACE).unwrap() {
        Take::Waiting { channel, position } => Leave::taker(channel, position),
        Take::Message(message) => panic!("there is one: {message:?}"),
    }
}

fn deliveries(exchange: &Exchange) -> usize {
    let mut mail = Vec::new();
    exchange.shard(SHARD).take_mail(&mut mail);
    mail.iter().filter(|mail| matches!(mail, Mail::Delivery(_))).count()
}

#[test]
fn only_channels_that_are_online_are_published_to() {
    let exchange = exchange(&Arc::default());
    let end = exchange.end();
    assert_eq!(say(&exchange, "a,b"), "");
    assert_eq!((exchange.end(), exchange.admin().totals().published), (end, 0), "nothing was ordered");
    wait(&exchange, "b");
    exchange.registry().subscribe(SHARD, &["c"], Start::Now).unwrap();
    assert_eq!(say(&exchange, "a,b,c"), "b,c");
    assert_eq!((deliveries(&exchange), exchange.admin().channel("a").is_none()), (1, true));
}

#[test]
fn a_taker_that_leaves_stays_online_for_its_grace() {
    let time = Arc::new(AtomicU64::new(1_000));
    let exchange = exchange(&time);
    let takers = [wait(&exchange, "a"), wait(&exchange, "a")];
    exchange.registry().leave(SHARD, &takers, Some(GRACE));
    assert_eq!(exchange.admin().totals().subscriptions, 0);
    assert_eq!(say(&exchange, "a"), "a");
    time.fetch_add(GRACE, Ordering::Relaxed);
    exchange.admin().tick();
    assert_eq!((say(&exchange, "a").as_str(), deliveries(&exchange)), ("", 0));
}

#[test]
fn one_that_was_served_is_not_taken_back() {
    let exchange = exchange(&Arc::default());
    let first = wait(&exchange, "a");
    say(&exchange, "a");
    wait(&exchange, "a");
    exchange.registry().leave(SHARD, &[first], Some(GRACE));
    assert_eq!((exchange.admin().totals().subscriptions, deliveries(&exchange)), (1, 1));
    say(&exchange, "a");
    assert_eq!((exchange.admin().totals().subscriptions, deliveries(&exchange)), (0, 1));
}
