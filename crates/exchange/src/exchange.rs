//! The exchange: the one lock, and all that lines ask of the hub through it. How messages get their
//! places stands in exchange/publishing.rs.

mod asking;
mod looking;
mod publishing;
mod registry;
mod stages;
mod storing;
mod working;

pub use stages::{Commit, Deleted, Immediate, PublishError, Published, Receipt, RemoveError};
pub use storing::{Needed, Place};

use std::collections::VecDeque;
use std::sync::Arc;

use hub::{
    ChannelId, Cursors, Epoch, Hub, Limits, Millis, Past, Position, Released, Right, Rules, Session, ShardId,
    Stage, Trash, WallTime,
};

use crate::answers::Answers;
use crate::connection_ids::ConnectionIds;
use crate::denials::Denials;
use crate::follower::Followers;
use crate::lanes::Lanes;
use crate::limits::TICK_STEPS_MAX;
use crate::mailbox::Mailbox;
use crate::memory::Memory;
use crate::sync::{AtomicBool, AtomicU8, AtomicU64, Mutex, MutexGuard, Ordering};
use crate::{Clock, Delivery, Journal, Order, Pending, Returns, Shares, TakenIds, Wake};
use publishing::published;
use stages::Rung;

/// Where lines meet. Shared by all threads.
pub struct Exchange {
    inner: Mutex<Inner>,
    mailboxes: Box<[Mailbox]>,
    lanes: Lanes,
    /// The released end, stored after all mail up to it was put into the mailboxes.
    end: AtomicU64,
    /// The place of the last change of online and offline.
    changed: AtomicU64,
    /// There is so little room for names that it matters who asks.
    minds_guests: AtomicBool,
    /// The store is not told all changes of presence.
    pub(crate) leaves_out_changes: AtomicBool,
    commit: Box<dyn Commit>,
    clock: Clock,
    cursors: Cursors,
    connection_ids: ConnectionIds,
    taken_ids: TakenIds,
    rules: Arc<Rules>,
    grace: Millis,
    denials: Denials,
    returns: Returns,
    pub(crate) shares: Shares,
    pub(crate) memory: Memory,
    answers: Answers,
    pub(crate) followers: Followers,
    /// Where the program is in its life.
    stage: AtomicU8,
}

struct Inner {
    hub: Hub,
    /// Scratch of `release`, kept for its capacity.
    released: Vec<Released>,
    /// What has its place and is not released, where somebody waits for it; in order.
    pending: VecDeque<Pending>,
    /// The last change of presence when a follower last found no more; the end of all places: none waits.
    followed: Position,
}

impl Inner {
    fn new(hub: Hub) -> Self {
        Self { hub, released: Vec::new(), pending: VecDeque::new(), followed: Position::END }
    }

    /// Whether there is a change of presence that followers wait for; they are told of it once.
    fn take_news(&mut self) -> News {
        let is_new = self.hub.last_change() > self.followed;
        if is_new {
            self.followed = Position::END;
        }
        News(is_new)
    }
}

/// Whether followers are to be told that there is more, which is done without the lock: at once, or by a shard at the end
/// of its turn.
#[must_use]
struct News(bool);

impl Exchange {
    /// An exchange with one mailbox per waker, and nothing remembered.
    pub fn new(
        limits: Limits,
        epoch: Epoch,
        seed: u64,
        clock: Clock,
        commit: Box<dyn Commit>,
        wakers: Vec<Arc<dyn Wake>>,
    ) -> Self {
        let grace = limits.grace;
        Self::of(Hub::new(limits, epoch, seed), grace, clock, commit, wakers)
    }

    /// An exchange that goes on where another one ended, as the store remembers it. The epoch must be the same.
    pub fn again(
        limits: Limits,
        epoch: Epoch,
        seed: u64,
        clock: Clock,
        journal: Arc<Journal>,
        wakers: Vec<Arc<dyn Wake>>,
        past: Past,
        reserved: Position,
    ) -> Self {
        let grace = limits.grace;
        let mut hub = Hub::new(limits, epoch, seed);
        hub.restore(past, clock.now());
        hub.keep_facts(reserved);
        Self::of(hub, grace, clock, Box::new(journal), wakers)
    }

    fn of(
        hub: Hub,
        grace: Millis,
        clock: Clock,
        commit: Box<dyn Commit>,
        wakers: Vec<Arc<dyn Wake>>,
    ) -> Self {
        Self {
            end: AtomicU64::new(hub.end().to_bits()),
            changed: AtomicU64::new(hub.last_change().to_bits()),
            minds_guests: AtomicBool::new(hub.minds_guests()),
            leaves_out_changes: AtomicBool::new(false),
            cursors: hub.cursors(),
            connection_ids: ConnectionIds::new([0; 16]),
            taken_ids: TakenIds::default(),
            rules: hub.rules(),
            inner: Mutex::new(Inner::new(hub)),
            lanes: Lanes::new(wakers.len(), wakers.len()),
            mailboxes: wakers.into_iter().map(Mailbox::new).collect(),
            commit,
            clock,
            grace,
            denials: Denials::default(),
            returns: Returns::default(),
            shares: Shares::default(),
            memory: Memory::default(),
            answers: Answers::default(),
            followers: Followers::default(),
            stage: AtomicU8::new(Stage::default() as u8),
        }
    }

    /// Where the program is in its life.
    #[inline]
    pub fn stage(&self) -> Stage {
        Stage::from_bits(self.stage.load(Ordering::Relaxed))
    }

    /// From now on the program is there in its life. Both lines say so to whoever asks, and in their answers.
    pub fn set_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// Bytes that a message to all of these channels may have: `general` where no rule says otherwise.
    /// Asks the rules only, without the lock.
    pub fn payload_limit(&self, channels: &[impl AsRef<str>], general: u64) -> u64 {
        let limit = |name: &str| self.rules.payload_limit(name).unwrap_or(general);
        channels.iter().map(|name| limit(name.as_ref())).min().unwrap_or(general)
    }

    /// Whether a client, of this session if it has one, may do `right` on a channel now. Asks the rules only, without
    /// the lock.
    pub fn may(&self, session: Option<&Session>, right: Right, name: &str) -> bool {
        self.rules.may(session, right, name, self.clock.wall())
    }

    /// The first of these channels that a client may not listen to.
    pub fn first_closed<'n>(&self, session: Option<&Session>, names: &'n [Box<str>]) -> Option<&'n str> {
        match names {
            [name] => (!self.may(session, Right::Listen, name)).then_some(name),
            _ => self.rules.first_closed(session, names, self.clock.wall()),
        }
    }

    /// The indices of those of these channels, all of which a client may listen to, whose history it may not read.
    pub fn closed_histories(&self, session: Option<&Session>, names: &[impl AsRef<str>]) -> Vec<u16> {
        self.rules.closed_histories(session, names, self.clock.wall())
    }

    /// The names of records, those that are still there.
    pub fn names(&self, channels: &[ChannelId]) -> Vec<Arc<str>> {
        self.with(|hub, _| channels.iter().filter_map(|channel| hub.name(*channel)).collect())
    }

    /// Whether every mailbox takes more orders. To be asked before something is deleted: an order that
    /// finds no room is lost.
    pub fn takes_orders(&self) -> bool {
        self.mailboxes.iter().all(Mailbox::takes_orders)
    }

    /// Forgets a channel's history, and ends its subscriptions if asked. False: there was nothing to forget or end. A store
    /// is told, and not waited for.
    pub fn delete(&self, name: &str, subscriptions: bool) -> bool {
        self.begin_deletion(name, subscriptions).0
    }

    /// The same, for those who wait for the store.
    pub fn begin_deletion(&self, name: &str, subscriptions: bool) -> (bool, Deleted) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let Inner { hub, pending, .. } = &mut *inner;
        let was_anything = hub.has_to_delete(name, subscriptions);
        let found = {
            let found = hub.delete(name, subscriptions, now);
            // Under the lock, so that the order stands in the mailboxes before any later message.
            if let Some((channel, shards)) = &found {
                let (name, at) = (Arc::from(name), hub.end());
                for shard in shards {
                    let order = Order::Deleted { channel: *channel, name: Arc::clone(&name), at };
                    self.mailbox(*shard).order(order);
                }
            }
            found
        };
        let waits = found.is_some() && self.journal().is_some() && hub.end() < hub.last();
        let waits = waits.then(|| Pending::new(hub.last()));
        pending.extend(waits.clone());
        let news = self.unlock(inner);
        self.tell_followers(news);
        for shard in found.iter().flat_map(|(_, shards)| shards) {
            self.mailbox(*shard).ring();
        }
        (was_anything, waits.map_or(Deleted::Done, Deleted::Ordered))
    }

    /// Does what is due in the hub. To be called a few times a second.
    pub fn tick(&self) {
        self.returns.sweep(self.now());
        for _ in 0..TICK_STEPS_MAX {
            if !self.with(|hub, now| hub.tick(now)) {
                return;
            }
        }
    }

    /// The time by which the hub lives.
    #[inline]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// The time by which credentials end: that of the machine, even where the hub's is ahead of it.
    #[inline]
    pub fn wall(&self) -> WallTime {
        self.clock.wall()
    }

    /// Who was refused lately, on both lines.
    pub fn denials(&self) -> &Denials {
        &self.denials
    }

    /// Writes and reads cursors of this order.
    pub fn cursors(&self) -> Cursors {
        self.cursors
    }

    /// The released end. Whoever reads it, then takes a mailbox, has all that was released up to it.
    pub fn end(&self) -> Position {
        Position::from_bits(self.end.load(Ordering::Acquire))
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        self.mailboxes.len()
    }

    /// Stage three, under the lock: into history and mailboxes, in order.
    fn release(
        &self,
        inner: &mut Inner,
        committed: Position,
        now: Millis,
        rung: &mut Rung,
        mut each: impl FnMut(&Released),
    ) {
        let Inner { hub, released, pending, .. } = inner;
        hub.release(committed, now, released);
        for item in released.drain(..) {
            each(&item);
            rung.answer(pending, item.message.position, |is_it| is_it.then(|| published(&item)));
            if item.shards.is_empty() {
                continue;
            }
            let delivery = Arc::new(Delivery::new(item.message, item.channels));
            for shard in item.shards {
                self.mailbox(shard).put(Arc::clone(&delivery));
                if !rung.shards.contains(&shard) {
                    rung.shards.push(shard);
                }
            }
        }
        rung.answer(pending, hub.end(), |_| None);
    }

    /// Leaves the lock; then frees.
    fn unlock(&self, mut inner: MutexGuard<'_, Inner>) -> News {
        self.end.store(inner.hub.end().to_bits(), Ordering::Release);
        self.changed.store(inner.hub.last_change().to_bits(), Ordering::Release);
        self.minds_guests.store(inner.hub.minds_guests(), Ordering::Relaxed);
        // Before the store is told anything further.
        self.leaves_out_changes.store(inner.hub.leaves_out_changes(), Ordering::Relaxed);
        let news = inner.take_news();
        let trash: Trash = inner.hub.take_trash();
        let (last, journal) = (inner.hub.last(), self.journal());
        let journal = journal.filter(|journal| {
            let facts = inner.hub.facts();
            !facts.is_empty() && journal.put(facts, last)
        });
        drop(inner);
        if let Some(journal) = journal {
            journal.ring();
        }
        drop(trash);
        news
    }

    /// Wakes those of the shards that sleep, publishers and followers; without the lock.
    fn ring_all(&self, rung: Rung, news: News) {
        self.tell_followers(news);
        for shard in rung.shards {
            self.mailbox(shard).ring();
        }
        self.answers.wake(rung.publishers);
    }

    fn journal(&self) -> Option<&Arc<Journal>> {
        self.commit.journal()
    }

    fn with<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> T {
        let (result, news) = self.locked(run);
        self.tell_followers(news);
        result
    }

    /// The same in a shard's turn, at whose end followers are told.
    fn in_turn<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> T {
        let (result, news) = self.locked(run);
        if news.0 {
            self.followers.tell_later();
        }
        result
    }

    fn locked<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> (T, News) {
        let now = self.clock.now();
        let mut inner = self.lock();
        let result = run(&mut inner.hub, now);
        (result, self.unlock(inner))
    }

    fn tell_followers(&self, news: News) {
        if news.0 {
            self.followers.tell();
        }
    }

    fn mailbox(&self, shard: ShardId) -> &Mailbox {
        &self.mailboxes[usize::from(shard.0)]
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds the exchange")
    }
}
