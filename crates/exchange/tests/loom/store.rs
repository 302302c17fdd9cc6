//! The stages of a message with a store, in every interleaving of publishers, the store's thread and a reader:
//! nothing is shown or answered that the store has not kept, and everybody who waits is told, once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::thread::{self, JoinHandle};
use multiplexor_exchange::hub::{Epoch, Fact, Limits, Past, Position, Start};
use multiplexor_exchange::{
    Clock, Exchange, Journal, Mail, Pending, PublishError, Published, Receipt, Unstored, Wake,
};

use super::{Bell, SHARD, bounded, kept_message, read};

/// An exchange with a store and one shard that listens to `a`; the store has kept that.
fn exchange() -> (Arc<Exchange>, Arc<Journal>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    let clock = Clock::manual(Arc::new(AtomicU64::new(0)));
    let wakers: Vec<Arc<dyn Wake>> = vec![bell.clone()];
    let (journal, reserved) = (Arc::new(Journal::default()), Position::from_bits(1 << 20));
    let (limits, kept_by) = (Limits::default(), Arc::clone(&journal));
    let exchange =
        Exchange::again(limits, Epoch::new(0), 0, clock, kept_by, wakers, Past::default(), reserved);
    exchange.registry().subscribe(SHARD, &["a"], Start::Now).unwrap();
    let mut facts = Vec::new();
    let taken = journal.take(&mut facts, Duration::ZERO);
    facts.clear();
    exchange.store().kept(taken);
    (Arc::new(exchange), journal, bell)
}

/// The store's thread: keeps until it has so many messages, or until the journal ends.
fn keep(exchange: &Exchange, journal: &Journal, messages: usize) {
    let (mut facts, mut kept) = (Vec::new(), 0);
    while kept < messages {
        let taken = journal.take(&mut facts, PATIENCE);
        kept += facts.iter().filter(|fact| matches!(fact, Fact::Message { .. })).count();
        assert!(exchange.end() < taken.last || facts.is_empty(), "nothing is released that is not kept");
        facts.clear();
        exchange.store().kept(taken);
        if taken.ended {
            return;
        }
    }
}

fn keeper(exchange: &Arc<Exchange>, journal: &Arc<Journal>, messages: usize) -> JoinHandle<()> {
    let (exchange, journal) = (Arc::clone(exchange), Arc::clone(journal));
    thread::spawn(move || keep(&exchange, &journal, messages))
}

/// A publisher's task: sleeps until it is woken, which must happen once.
fn wait(pending: Pending) -> Result<Published, Unstored> {
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(Arc::new(Ringer(Arc::clone(&bell))));
    let mut pending = pin!(pending);
    let told = loop {
        match pending.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(told) => break told,
            Poll::Pending => bell.sleep(),
        }
    };
    assert!(bell.count() <= 1, "woken once");
    told
}

struct Ringer(Arc<Bell>);

impl std::task::Wake for Ringer {
    fn wake(self: Arc<Self>) {
        Wake::wake(&*self.0);
    }
}

/// Publishes and waits for what becomes of it.
fn say(exchange: &Exchange) -> Result<Position, Unstored> {
    match exchange.publisher().publish(kept_message(), None) {
        Ok(Receipt::Ordered(pending)) => {
            let place = pending.position();
            let published = wait(pending)?;
            assert_eq!(published.position, place);
            let page = exchange.admin().history("a", Start::Everything, 9).unwrap();
            assert!(page.messages.iter().any(|message| message.position == place), "answered and not shown");
            Ok(place)
        }
        Ok(Receipt::Released(_)) => panic!("the store cannot have kept it"),
        Err(PublishError::Unstored(why)) => Err(why),
        Err(error) => panic!("{error}"),
    }
}

fn publisher(exchange: &Arc<Exchange>) -> JoinHandle<Result<Position, Unstored>> {
    let exchange = Arc::clone(exchange);
    thread::spawn(move || say(&exchange))
}

#[test]
fn a_message_is_kept_then_released_and_its_publisher_woken() {
    bounded(3, || {
        let (exchange, journal, bell) = exchange();
        let (publisher, keeper) = (publisher(&exchange), keeper(&exchange, &journal, 1));
        read(&exchange, &bell, 1);
        assert!(publisher.join().unwrap().is_ok());
        keeper.join().unwrap();
        assert_eq!((journal.behind(), exchange.end()), (0, exchange.store().last_given()));
    });
}

#[test]
fn two_publishers_are_answered_once_each_whether_kept_together_or_not() {
    bounded(1, || {
        let (exchange, journal, bell) = exchange();
        let publishers = [publisher(&exchange), publisher(&exchange)];
        let keeper = keeper(&exchange, &journal, 2);
        read(&exchange, &bell, 2);
        let [one, other] = publishers.map(|publisher| publisher.join().unwrap().unwrap());
        assert_ne!(one, other);
        keeper.join().unwrap();
        assert_eq!(journal.behind(), 0);
    });
}

#[test]
fn a_publish_beside_a_failing_store_is_refused_and_nobody_sees_it() {
    bounded(3, || {
        let (exchange, journal, _) = exchange();
        let end = exchange.end();
        let publisher = publisher(&exchange);
        exchange.store().fails(Unstored::Full);
        // What was taken meanwhile belongs to nobody; the store drops it and recovers.
        let told = exchange.publisher().store_trouble();
        assert_eq!(told, Some(Unstored::Full));
        assert_eq!(publisher.join().unwrap(), Err(Unstored::Full));
        assert!(mail(&exchange).is_empty() && exchange.end() >= end);
        assert_eq!(journal.behind(), 0);
        again(&exchange, &journal);
    });
}

#[test]
fn a_store_that_fails_with_what_it_took_gives_up_only_that() {
    bounded(2, || {
        let (exchange, journal, _) = exchange();
        let publishers = [publisher(&exchange), publisher(&exchange)];
        let mut facts = Vec::new();
        journal.take(&mut facts, PATIENCE);
        facts.clear();
        exchange.store().fails(Unstored::Broken);
        for publisher in publishers {
            assert_eq!(publisher.join().unwrap(), Err(Unstored::Broken));
        }
        assert!(mail(&exchange).is_empty());
        again(&exchange, &journal);
    });
}

#[test]
fn the_end_of_the_journal_wakes_the_store_which_keeps_what_there_is() {
    bounded(3, || {
        let (exchange, journal, _) = exchange();
        let keeper = keeper(&exchange, &journal, usize::MAX);
        let place = say(&exchange).unwrap();
        journal.end();
        keeper.join().unwrap();
        assert_eq!((mail(&exchange), exchange.end()), (vec![place], place));
    });
}

/// The store works again: what is published from now on is kept.
fn again(exchange: &Arc<Exchange>, journal: &Arc<Journal>) {
    // Changes that came while it failed wait for nobody.
    exchange.store().recovers();
    let publisher = publisher(exchange);
    keep(exchange, journal, 1);
    let place = publisher.join().unwrap().unwrap();
    assert_eq!(mail(exchange), [place]);
}

/// Places of the messages in the shard's mailbox.
fn mail(exchange: &Exchange) -> Vec<Position> {
    let mut mail = Vec::new();
    exchange.shard(SHARD).take_mail(&mut mail);
    let places = mail.drain(..).filter_map(|item| match item {
        Mail::Delivery(delivery) => Some(delivery.message.position),
        Mail::Order(_) => None,
    });
    places.collect()
}

/// Loom has no time: whoever waits, waits for a wake-up.
const PATIENCE: Duration = Duration::from_secs(1);
