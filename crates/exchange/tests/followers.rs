//! Those who follow the order: woken when there is more, and not before.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for something else")]

mod common;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use common::publish;
use multiplexor_exchange::hub::limits::RECENT_MESSAGES_MAX;
use multiplexor_exchange::hub::{
    Epoch, Kind, Leave, Limits, OrderItem, Payload, Position, Publish, ShardId, Start,
};
use multiplexor_exchange::{Clock, EventFollower, Exchange, Follower, Immediate, OrderFollower, Wake};

/// Counts how often it was woken, as a task or as a notifier.
#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn read(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One shard, and who follows what it does.
struct Scene {
    exchange: Arc<Exchange>,
    notifier: Arc<Count>,
    task: Arc<Count>,
    follower: Follower,
    channels: usize,
}

impl Scene {
    fn new() -> Self {
        let (clock, notifier) = (Clock::manual(Arc::default()), Arc::<Count>::default());
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::<Count>::default()];
        let exchange = Exchange::new(Limits::default(), Epoch::new(1), 1, clock, Box::new(Immediate), wakers);
        let exchange = Arc::new(exchange.with_follower_notifier(Arc::clone(&notifier) as Arc<dyn Wake>));
        let follower = Follower::new(Arc::clone(&exchange), Start::Now);
        Self { exchange, notifier, task: Arc::default(), follower, channels: 0 }
    }

    /// So many channels come online in one turn of the shard.
    fn turn(&mut self, channels: usize) {
        for _ in 0..channels {
            self.channels += 1;
            let name = format!("c{}", self.channels);
            self.exchange.registry().subscribe(SHARD, &[&name], Start::Now).unwrap();
        }
        self.exchange.shard(SHARD).end_turn();
    }

    fn say(&self, name: &str) {
        self.exchange.publisher().publish(publish(name, [].into()), None).unwrap();
    }

    /// Reads all there is; how much that was, and up to where.
    fn read(&mut self) -> (usize, Position) {
        let page = self.follower.read(100);
        assert!(!page.more && !page.gap);
        (page.changes.len(), page.position)
    }

    fn counts(&self) -> (usize, usize) {
        (self.notifier.read(), self.task.read())
    }
}

/// Polls as the task of the follower.
fn poll<F: Future<Output = ()>>(task: &Arc<Count>, waiting: Pin<&mut F>) -> Poll<()> {
    waiting.poll(&mut Context::from_waker(&Waker::from(Arc::clone(task))))
}

#[test]
fn a_notice_is_written_once_a_turn_and_only_if_somebody_waits() {
    let mut scene = Scene::new();
    let (_, read) = scene.read();
    scene.turn(3);
    assert_eq!(scene.counts(), (0, 0), "nobody waits");
    assert!(poll(&scene.task, pin!(scene.follower.more(read))).is_ready(), "there is more already");
    let (found, read) = scene.read();
    assert_eq!(found, 3);
    let follower = std::mem::replace(
        &mut scene.follower,
        Follower::new(Arc::clone(&scene.exchange), Start::After(read)),
    );
    let mut waiting = pin!(follower.more(read));
    assert!(poll(&scene.task, waiting.as_mut()).is_pending());
    scene.turn(0);
    assert_eq!(scene.counts(), (0, 0), "nothing changed");
    scene.turn(3);
    assert_eq!(scene.counts(), (1, 0), "a shard wakes no task");
    scene.exchange.admin().wake_followers();
    assert_eq!(scene.counts(), (1, 1));
    assert!(poll(&scene.task, waiting.as_mut()).is_ready());
    assert_eq!(scene.read().0, 3);
}

#[test]
fn nothing_is_written_in_the_pause_and_nothing_is_forgotten() {
    let mut scene = Scene::new();
    let (_, read) = scene.read();
    let mut waits = Box::pin(wait(&scene, read));
    assert!(poll(&scene.task, waits.as_mut()).is_pending());
    scene.turn(1);
    scene.exchange.admin().wake_followers();
    assert!(poll(&scene.task, waits.as_mut()).is_ready());
    for round in 1..=10 {
        let (found, read) = scene.read();
        assert_eq!((found, scene.counts()), (1, (1, round)));
        waits = Box::pin(wait(&scene, read));
        assert!(poll(&scene.task, waits.as_mut()).is_pending());
        scene.turn(1);
        assert!(scene.exchange.admin().followers_go_on(), "something came in the pause");
        scene.exchange.admin().wake_followers();
    }
    assert!(!scene.exchange.admin().followers_go_on());
    let (_, read) = scene.read();
    waits = Box::pin(wait(&scene, read));
    assert!(poll(&scene.task, waits.as_mut()).is_pending());
    scene.turn(1);
    assert_eq!(scene.notifier.read(), 2);
}

/// Another one who follows waits.
fn wait(scene: &Scene, read: Position) -> impl Future<Output = ()> + use<> {
    let follower = Follower::new(Arc::clone(&scene.exchange), Start::After(read));
    async move { follower.more(read).await }
}

#[test]
fn who_waits_no_longer_is_not_woken() {
    let mut scene = Scene::new();
    let (_, read) = scene.read();
    let mut waits = Box::pin(wait(&scene, read));
    assert!(poll(&scene.task, waits.as_mut()).is_pending());
    drop(waits);
    scene.turn(1);
    scene.exchange.admin().wake_followers();
    assert_eq!(scene.task.read(), 0);
}

#[test]
fn what_is_told_at_once_by_others_than_shards() {
    let mut scene = Scene::new();
    scene.turn(1);
    let (_, read) = scene.read();
    let mut waits = Box::pin(wait(&scene, read));
    assert!(poll(&scene.task, waits.as_mut()).is_pending());
    let channel = scene.exchange.registry().find(&["c1".into()])[0].unwrap();
    scene.exchange.registry().leave(SHARD, &[Leave::waiting(channel, 1)], Some(0));
    scene.exchange.admin().tick();
    assert_eq!(scene.counts(), (1, 0));
}

#[test]
fn who_follows_all_is_woken_for_a_message_and_nobody_else_is() {
    let mut scene = Scene::new();
    let (_, read) = scene.read();
    let mut watches = Box::pin(wait(&scene, read));
    assert!(poll(&scene.task, watches.as_mut()).is_pending());
    let mut all = OrderFollower::new(Arc::clone(&scene.exchange), Start::Now);
    let task = Arc::<Count>::default();
    scene.say("a");
    assert_eq!(scene.notifier.read(), 0, "nobody waits for it");
    let page = all.read(100);
    assert_eq!((page.items.len(), page.gap, page.more), (1, false, false));
    let mut waits = Box::pin(all.more(page.position));
    assert!(poll(&task, waits.as_mut()).is_pending());
    scene.say("a");
    scene.say("a");
    assert_eq!(scene.notifier.read(), 1, "once for both");
    scene.exchange.admin().wake_followers();
    assert_eq!((task.read(), scene.task.read()), (1, 0), "there is no change, so no watcher looks");
    assert!(poll(&task, waits.as_mut()).is_ready());
    drop(waits);
    let page = all.read(100);
    assert!(matches!(page.items[..], [OrderItem::Message(_), OrderItem::Message(_)]));
    let waits = Box::pin(all.more(page.position));
    assert!(poll(&task, pin!(waits)).is_pending());
    scene.exchange.admin().wake_all_followers();
    assert_eq!((task.read(), scene.task.read()), (2, 1), "there may be another reason to look");
}

#[test]
fn a_change_wakes_who_follows_all_too() {
    let mut scene = Scene::new();
    let mut all = OrderFollower::new(Arc::clone(&scene.exchange), Start::Now);
    let page = all.read(100);
    let task = Arc::<Count>::default();
    let mut waits = Box::pin(all.more(page.position));
    assert!(poll(&task, waits.as_mut()).is_pending());
    scene.turn(1);
    scene.exchange.admin().wake_followers();
    assert!(poll(&task, waits.as_mut()).is_ready());
    drop(waits);
    assert!(matches!(all.read(100).items[..], [OrderItem::Change(_)]));
}

const SHARD: ShardId = ShardId(0);

#[test]
fn whoever_follows_events_falls_behind_no_publisher() {
    let mut scene = Scene::new();
    let mut follower = EventFollower::new(Arc::clone(&scene.exchange));
    scene.turn(1);
    for _ in 0..2 * RECENT_MESSAGES_MAX {
        scene.say("nobody waits for it");
    }
    scene.turn(1);
    let page = follower.read(follower.from(), 10);
    let changes = page.items.iter().filter(|item| matches!(item, OrderItem::Change(_))).count();
    assert_eq!((page.items.len(), changes, page.gap, page.changes_gap), (2, 2, false, false));
    assert_eq!(page.position, scene.exchange.end());
}

#[test]
fn whoever_follows_events_is_woken_by_those_alone() {
    let mut scene = Scene::new();
    let mut follower = EventFollower::new(Arc::clone(&scene.exchange));
    let page = follower.read(follower.from(), 10);
    let task = Arc::<Count>::default();
    let mut waits = Box::pin(follower.more(page.position));
    assert!(poll(&task, waits.as_mut()).is_pending());
    scene.say("a");
    assert_eq!((scene.notifier.read(), scene.exchange.end() > page.position), (0, true), "it is no event");
    scene.turn(1);
    scene.exchange.admin().wake_followers();
    assert_eq!((scene.notifier.read(), task.read()), (1, 1));
    assert!(poll(&task, waits.as_mut()).is_ready());
    drop(waits);
    let page = follower.read(page.position, 10);
    assert!(matches!(page.items[..], [OrderItem::Change(_)]));
    let mut waits = Box::pin(follower.more(page.position));
    assert!(poll(&task, waits.as_mut()).is_pending());
    let said =
        Publish { payload: Payload::of_client(b"hello", Some("ann"), Kind::Text), ..publish("a", [].into()) };
    scene.exchange.publisher().publish(said, None).unwrap();
    scene.exchange.admin().wake_followers();
    assert_eq!(task.read(), 2, "what a client said is one");
}
