//! The stages of a message: ordered, committed, released. Nobody sees what is not committed.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use common::{Manual, Trial};
use multiplexor_exchange::hub::limits::RECORD_LEN;
use multiplexor_exchange::hub::{Limits, Position, Refused, Seen, ShardId, Start};
use multiplexor_exchange::{Commit, PublishError, Published, Receipt};

fn manual() -> (Trial, Manual) {
    let commit = Manual::default();
    (Trial::with(2, Limits::default(), Box::new(commit.clone())), commit)
}

fn ordered(receipt: Result<Receipt, PublishError>) -> Position {
    match receipt {
        Ok(Receipt::Ordered(pending)) => pending.position(),
        other => panic!("not ordered and no more: {other:?}"),
    }
}

#[test]
fn without_a_store_a_message_is_out_at_once() {
    let trial = Trial::new(1);
    trial.join(0, "a");
    let Ok(Receipt::Released(Published { position, seen })) = trial.say("a,b", "x") else {
        panic!("released")
    };
    assert_eq!(position, trial.exchange.end());
    let seen: Vec<(&str, Seen)> = seen.iter().map(|(name, seen)| (&**name, *seen)).collect();
    let (here, nobody) = (Seen { waiting: 1, online: true }, Seen { waiting: 0, online: false });
    assert_eq!(seen, [("a", here), ("b", nobody)]);
    assert_eq!((trial.mail(0), trial.kept("a"), trial.kept("b")), (vec!["x".to_owned()], 1, 1));
}

#[test]
fn nobody_sees_what_is_not_committed() {
    let (trial, _) = manual();
    trial.join(0, "a");
    trial.join(1, "b");
    let (end, totals) = (trial.exchange.end(), trial.exchange.admin().totals());
    assert!(trial.exchange.shard(ShardId(0)).may_sleep());
    let places = ["1", "2", "3"].map(|data| ordered(trial.say("a,b", data)));
    assert!(places.is_sorted() && places[0] > end);

    assert_eq!((trial.mail(0), trial.mail(1)), (vec![], vec![]));
    assert_eq!((trial.kept("a"), trial.exchange.end()), (0, end));
    assert_eq!(trial.exchange.admin().totals().history_messages, totals.history_messages);
    assert!(trial.exchange.admin().history("a", Start::Everything, 9).unwrap().messages.is_empty());
    let page = trial.exchange.registry().subscribe(ShardId(1), &["a"], Start::Everything).unwrap();
    assert!(page.messages.is_empty());
    assert_eq!((trial.bells[0].rung(), trial.exchange.admin().load(ShardId(0)).messages), (0, 0));
}

#[test]
fn a_commit_releases_many_at_once_in_order() {
    let (trial, _) = manual();
    trial.join(0, "a");
    trial.join(1, "b");
    let places =
        ["1", "2", "3", "4"].map(|data| ordered(trial.say(if data == "2" { "b" } else { "a,b" }, data)));
    assert!(trial.exchange.shard(ShardId(0)).may_sleep() && trial.exchange.shard(ShardId(1)).may_sleep());
    trial.exchange.store().commit(places[2]);
    assert_eq!((trial.mail(0), trial.mail(1)), (words("1 3"), words("1 2 3")));
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (1, 1), "once for all of them");
    assert_eq!((trial.exchange.end(), trial.kept("a"), trial.kept("b")), (places[2], 2, 3));

    trial.exchange.store().commit(places[1]);
    assert_eq!((trial.mail(0), trial.exchange.end()), (vec![], places[2]), "what is out stays out, once");
    trial.exchange.store().commit(Position::END);
    assert_eq!((trial.mail(0), trial.mail(1), trial.exchange.end()), (words("4"), words("4"), places[3]));
}

/// Whoever repeats a message under its key waits for the same as its publisher.
#[test]
fn all_who_wait_for_a_message_are_woken() {
    let (trial, _) = manual();
    let Ok(Receipt::Ordered(first)) = trial.say("a", "x") else { panic!("ordered") };
    let wakers = [Arc::<Woken>::default(), Arc::default()];
    let polled = wakers.clone().map(|woken| {
        let waker = Waker::from(woken);
        let mut pending = first.clone();
        move || Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)).is_ready()
    });
    let ready = polled.map(|mut poll| (poll(), poll()));
    assert_eq!((ready, first.is_done()), ([(false, false); 2], false));
    trial.exchange.store().commit(first.position());
    assert_eq!(wakers.map(|woken| woken.0.load(Ordering::Relaxed)), [1, 1]);
    assert!(first.is_done());
}

/// How often a task was woken.
#[derive(Default)]
struct Woken(AtomicU64);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A store that is always one message behind: each publish releases the one before it.
struct OneBehind(AtomicU64);

impl Commit for OneBehind {
    fn ordered(&self, position: Position) -> Position {
        Position::from_bits(self.0.swap(position.to_bits(), Ordering::SeqCst))
    }
}

#[test]
fn a_publish_may_release_what_others_ordered() {
    let trial = Trial::with(1, Limits::default(), Box::new(OneBehind(AtomicU64::new(0))));
    trial.join(0, "a");
    let first = ordered(trial.say("a", "1"));
    assert_eq!(trial.mail(0), words(""));
    let second = ordered(trial.say("a", "2"));
    assert_eq!((trial.mail(0), trial.exchange.end()), (words("1"), first));
    ordered(trial.say("other", "3"));
    assert_eq!((trial.mail(0), trial.exchange.end()), (words("2"), second));
}

#[test]
fn who_comes_between_order_and_commit_gets_it_live() {
    let (trial, _) = manual();
    let place = ordered(trial.say("a", "1"));
    let page = trial.exchange.registry().subscribe(ShardId(1), &["a"], Start::Everything).unwrap();
    assert!(page.messages.is_empty());
    trial.exchange.store().commit(place);
    assert_eq!(trial.mail(1), words("1"));
}

#[test]
fn a_commit_that_was_late_answers_later_publishers() {
    let (trial, commit) = manual();
    trial.join(0, "a");
    ordered(trial.say("a", "1"));
    commit.0.store(Position::END.to_bits(), Ordering::SeqCst);
    assert!(matches!(trial.say("a", "2"), Ok(Receipt::Released(_))));
    assert_eq!(trial.mail(0), words("1 2"));
}

#[test]
fn what_the_hub_refuses_has_no_place() {
    let limits = Limits { channels_budget: (RECORD_LEN + 1) * 8 / 7 + 1, ..Limits::default() };
    let trial = Trial::with(1, limits, Box::new(multiplexor_exchange::Immediate));
    trial.join(0, "a");
    let end = trial.exchange.end();
    assert_eq!(trial.say("b", "x"), Err(PublishError::Refused(Refused::Records)));
    assert_eq!((trial.exchange.end(), trial.exchange.admin().totals().published), (end, 0));
    assert!(trial.say("a", "y").is_ok());
}

#[test]
fn the_exchange_may_be_shared() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&Arc::clone(&Trial::new(1).exchange));
}

fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}
