//! The exchange: the one lock, and the ports through which others ask something of the hub behind it. Each kind of caller
//! has one: those who publish, shards, those who register somebody, the store, the administration. What all of them may
//! know is asked without the lock.

mod admin;
mod follow;
mod handover;
mod lock;
mod placement;
mod publisher;
mod registry;
mod shard_port;
mod stages;
mod store_port;

pub use admin::Admin;
pub use handover::{HandedOver, Resting};
pub use publisher::Publisher;
pub use registry::Registry;
pub use shard_port::ShardPort;
pub use stages::{Commit, Deleted, Immediate, PublishError, Published, Receipt, RemoveError};
pub use store_port::{Needed, Place, StorePort};

use std::collections::VecDeque;
use std::sync::Arc;

use hub::{Cursors, Epoch, Hub, Limits, Millis, Past, Position, Released, Rules, ShardId, Stage, WallTime};

use crate::answers::Answers;
use crate::connection_ids::ConnectionIds;
use crate::denials::Denials;
use crate::ended_users::EndedUsers;
use crate::lanes::Lanes;
use crate::mailbox::Mailbox;
use crate::memory::Memory;
use crate::notice::{Followers, News, View};
use crate::sync::{AtomicBool, AtomicU8, AtomicU64, Mutex, Ordering, RwLock};
use crate::timing::{ShardTiming, Timing};
use crate::{Clock, Journal, Order, Pending, Returns, Shares, TakenIds, Wake};
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
    leaves_out_changes: AtomicBool,
    commit: Box<dyn Commit>,
    clock: Clock,
    cursors: Cursors,
    connection_ids: ConnectionIds,
    taken_ids: TakenIds,
    /// As the hub has them.
    rules: RwLock<Arc<Rules>>,
    /// Whether any of them limits payloads.
    limits_payloads: AtomicBool,
    denials: Denials,
    ended_users: EndedUsers,
    returns: Returns,
    shares: Shares,
    memory: Memory,
    answers: Answers,
    followers: Followers,
    timing: Timing,
    shard_timing: Box<[ShardTiming]>,
    /// Where the program is in its life.
    stage: AtomicU8,
}

struct Inner {
    hub: Hub,
    /// Scratch of `release`, kept for its capacity.
    released: Vec<Released>,
    /// What has its place and is not released, where somebody waits for it; in order.
    pending: VecDeque<Pending>,
    /// When the lock was taken, in microseconds of the exchange's clock.
    now_us: u64,
    /// By view, the last place of it when a follower last found no more; the end of all places: none waits.
    followed: [Position; View::ALL.len()],
}

impl Inner {
    fn new(hub: Hub) -> Self {
        Self {
            hub,
            released: Vec::new(),
            pending: VecDeque::new(),
            now_us: 0,
            followed: [Position::END; View::ALL.len()],
        }
    }

    /// For whom there is something that they wait for; they are told of it once, without the lock: at once, or by a shard at
    /// the end of its turn.
    fn take_news(&mut self) -> News {
        let mut news = News::default();
        for view in View::ALL {
            if self.last_of(view) > self.followed[view as usize] {
                self.followed[view as usize] = Position::END;
                news = news.and(view);
            }
        }
        news
    }

    /// The last place of what somebody follows.
    fn last_of(&self, view: View) -> Position {
        match view {
            View::Changes => self.hub.last_change(),
            View::Order => self.hub.end(),
            View::Events => self.hub.last_event(),
        }
    }
}

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
        Self::of(Hub::new(limits, epoch, seed), clock, commit, wakers)
    }

    /// An exchange that goes on where another one ended, as the store remembers it. The epoch must be the same.
    pub fn again(
        limits: Limits,
        epoch: Epoch,
        seed: u64,
        clock: Clock,
        journal: Arc<Journal>,
        wakers: Vec<Arc<dyn Wake>>,
        mut past: Past,
        reserved: Position,
    ) -> Self {
        let (mut hub, ends) = (Hub::new(limits, epoch, seed), std::mem::take(&mut past.user_ends));
        hub.restore(past, clock.now());
        hub.keep_facts(reserved);
        let exchange = Self::of(hub, clock, Box::new(journal), wakers);
        let now = exchange.wall();
        for end in ends.iter().filter(|end| now < end.until) {
            // There were no more of them before.
            let _ = exchange.ended_users.put(end, true);
        }
        exchange
    }

    fn of(hub: Hub, clock: Clock, commit: Box<dyn Commit>, wakers: Vec<Arc<dyn Wake>>) -> Self {
        Self {
            end: AtomicU64::new(hub.end().to_bits()),
            changed: AtomicU64::new(hub.last_change().to_bits()),
            minds_guests: AtomicBool::new(hub.minds_guests()),
            leaves_out_changes: AtomicBool::new(false),
            cursors: hub.cursors(),
            connection_ids: ConnectionIds::new([0; 16]),
            taken_ids: TakenIds::default(),
            limits_payloads: AtomicBool::new(hub.rules().limits_payloads()),
            rules: RwLock::new(hub.rules()),
            inner: Mutex::new(Inner::new(hub)),
            lanes: Lanes::new(wakers.len(), wakers.len()),
            shard_timing: wakers.iter().map(|_| ShardTiming::default()).collect(),
            mailboxes: wakers.into_iter().map(Mailbox::new).collect(),
            timing: Timing::default(),
            commit,
            clock,
            denials: Denials::default(),
            ended_users: EndedUsers::default(),
            returns: Returns::default(),
            shares: Shares::default(),
            memory: Memory::default(),
            answers: Answers::default(),
            followers: Followers::default(),
            stage: AtomicU8::new(Stage::default() as u8),
        }
    }

    /// The same, whose followers are told through this notifier. It must be there before all shards.
    #[must_use]
    pub fn with_follower_notifier(self, notifier: Arc<dyn Wake>) -> Self {
        Self { followers: Followers::with_notifier(notifier), ..self }
    }

    /// The same, whose ids of connections are made with this key, which nobody else may know.
    #[must_use]
    pub fn with_connection_key(self, key: [u8; 16]) -> Self {
        Self { connection_ids: ConnectionIds::new(key), ..self }
    }

    /// The same, where no more than so many shards carry out long jobs at a time: as many as there are processors.
    pub fn with_lanes(mut self, count: usize) -> Self {
        self.lanes = Lanes::new(count, self.mailboxes.len());
        self
    }

    /// The same, where not everybody may have everything of the WAIT line.
    #[must_use]
    pub fn with_shares(mut self, shares: Shares) -> Self {
        self.shares = shares;
        self
    }

    /// The port of those who publish. It wakes shards at once.
    #[inline]
    pub fn publisher(&self) -> Publisher<'_> {
        Publisher { exchange: self, batch: None }
    }

    /// The port of a shard.
    #[inline]
    pub fn shard(&self, shard: ShardId) -> ShardPort<'_> {
        ShardPort { exchange: self, shard }
    }

    /// The port of those who register somebody on channels.
    #[inline]
    pub fn registry(&self) -> Registry<'_> {
        Registry { exchange: self }
    }

    /// The port of the store.
    #[inline]
    pub fn store(&self) -> StorePort<'_> {
        StorePort { exchange: self }
    }

    /// The port of the administration.
    #[inline]
    pub fn admin(&self) -> Admin<'_> {
        Admin { exchange: self }
    }

    /// Who has how much of the WAIT line.
    pub fn shares(&self) -> &Shares {
        &self.shares
    }

    /// How short the program's memory is.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Where the program is in its life.
    #[inline]
    pub fn stage(&self) -> Stage {
        Stage::from_bits(self.stage.load(Ordering::Relaxed))
    }

    /// The time by which the hub lives.
    #[inline]
    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Microseconds of the clock of the order, from any beginning: how long something took.
    pub fn now_us(&self) -> u64 {
        self.clock.now_us()
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

    /// Whom the application ended.
    pub fn ended_users(&self) -> &EndedUsers {
        &self.ended_users
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

    /// The place of the last change of presence; whoever waits for one looks here, and takes no lock.
    pub fn last_change(&self) -> Position {
        Position::from_bits(self.changed.load(Ordering::Acquire))
    }

    /// Puts an order into the mailbox of a shard, without waking it. False: it has no room left even in its reserve.
    pub(crate) fn post(&self, shard: ShardId, order: Order) -> bool {
        self.mailbox(shard).order(order)
    }

    /// Wakes a shard that sleeps though it has mail.
    pub(crate) fn wake_shard(&self, shard: ShardId) {
        self.mailbox(shard).ring();
    }

    /// The rules that hold now. They are asked once a request, and never on the way of a message to who waits for it.
    fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().expect("nothing panics while it holds the rules"))
    }
}
