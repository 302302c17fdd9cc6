//! A shard's mailbox: what it is to deliver and to do, in order, and how it is woken.
//!
//! What is full is what the shard *owes*: a message counts from the moment it is put in until the
//! shard has given it to all its connections ([`Mailbox::settle`]), so one limit holds for the mailbox
//! and for the shard's jobs together.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hub::{ChannelId, ConnectionId, Position, ShardId};

use crate::limits::{MAILBOX_BYTES_MAX, MAILBOX_MESSAGES_MAX, ORDERS_MAX, ORDERS_SPARE};
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, fence};
use crate::{Canary, Delivery, Snapshot, UserSurvey};

/// Wakes a shard that sleeps in its event loop.
pub trait Wake: Send + Sync {
    /// Makes the shard look into its mailbox soon. Called without any lock held.
    fn wake(&self);
}

/// One thing in a mailbox.
#[derive(Debug)]
pub enum Mail {
    /// A message for the shard's members of its channels.
    Delivery(Arc<Delivery>),
    /// Something to do.
    Order(Order),
}

/// What a shard can be told to do.
#[derive(Debug, Clone)]
pub enum Order {
    /// The channel was deleted: its subscriptions end.
    Deleted {
        /// Its record; whoever subscribes to the name from now on gets another.
        channel: ChannelId,
        /// Its name.
        name: Arc<str>,
        /// The end when it was deleted: what was said up to here is still given.
        at: Position,
    },
    /// Say that you live.
    Canary(Arc<Canary>),
    /// Say who listens by outside cursors, if somebody still waits for it.
    Snapshot(Weak<Snapshot>),
    /// Say who is there, if somebody still waits for it.
    Users(Weak<UserSurvey>),
    /// There are [`Commands`](crate::Commands).
    Look,
    /// Say whether the connection of this id is still there.
    AskConnection {
        /// The id, of a connection of this shard.
        id: ConnectionId,
        /// Who asks.
        shard: ShardId,
        /// The connection there that waits for the answer.
        token: u64,
        /// Which of its requests.
        ticket: u64,
    },
    /// The answer.
    TellConnection {
        /// As it was asked.
        token: u64,
        /// As it was asked.
        ticket: u64,
        /// Whether it is.
        is_there: bool,
    },
    /// Accept nobody for now, and tell when no handshake and no question is under way any more: another program is to go on.
    Finish(Arc<Canary>),
    /// Come to rest, and hand all connections over or take them up again.
    Rest,
    /// Stop accepting, answer polls, close all others spread over this time, then end.
    Drain(Duration),
}

/// How much a shard owes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailboxLoad {
    /// Messages not yet given to all.
    pub messages: usize,
    /// Their bytes of payload.
    pub bytes: usize,
}

pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    messages: AtomicUsize,
    bytes: AtomicUsize,
    /// The shard is about to sleep, or sleeps: whoever puts something in must wake it.
    sleeping: AtomicBool,
    /// Something was put in, and whoever did so rings later.
    unrung: AtomicBool,
    wake: Arc<dyn Wake>,
}

#[derive(Default)]
struct Queue {
    mail: Vec<Mail>,
    orders: usize,
}

impl Mailbox {
    pub(crate) fn new(wake: Arc<dyn Wake>) -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            sleeping: AtomicBool::new(false),
            unrung: AtomicBool::new(false),
            wake,
        }
    }

    /// Whether a further message has to wait.
    pub(crate) fn full(&self) -> bool {
        let load = self.load();
        load.messages >= MAILBOX_MESSAGES_MAX || load.bytes >= MAILBOX_BYTES_MAX
    }

    pub(crate) fn load(&self) -> MailboxLoad {
        MailboxLoad {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// Puts a message in. Whether it is full was asked before, under the lock that orders messages.
    pub(crate) fn put(&self, delivery: Arc<Delivery>) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(delivery.message.bytes().len(), Ordering::Relaxed);
        self.lock().mail.push(Mail::Delivery(delivery));
    }

    /// Puts an order in; false when even the reserve is used up.
    pub(crate) fn order(&self, order: Order) -> bool {
        let mut queue = self.lock();
        if queue.orders >= ORDERS_MAX {
            return false;
        }
        queue.orders += 1;
        queue.mail.push(Mail::Order(order));
        true
    }

    /// Whether there is room for more orders than those that nobody may refuse.
    pub(crate) fn takes_orders(&self) -> bool {
        self.lock().orders < ORDERS_MAX - ORDERS_SPARE
    }

    /// Wakes the shard if it sleeps. After `put` and `order`, without the lock.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        let relaxed = Ordering::Relaxed;
        // No swap: who finds the shard awake writes nothing, or it could hide that it went to sleep again.
        if self.sleeping.load(relaxed)
            && self.sleeping.compare_exchange(true, false, relaxed, relaxed).is_ok()
        {
            self.wake.wake();
        }
    }

    /// Wakes the shard, whether it sleeps or is about to: for something that is not in its mailbox.
    pub(crate) fn call(&self) {
        self.wake.wake();
    }

    /// Leaves it to [`Self::ring_now`] to ring. After `put`.
    pub(crate) fn ring_later(&self) {
        self.unrung.store(true, Ordering::Release);
    }

    /// Rings if that was left for later.
    pub(crate) fn ring_now(&self) {
        if self.unrung.load(Ordering::Relaxed) && self.unrung.swap(false, Ordering::AcqRel) {
            self.ring();
        }
    }

    /// Takes all there is into `mail`, which must be empty.
    pub(crate) fn take(&self, mail: &mut Vec<Mail>) {
        debug_assert!(mail.is_empty());
        let mut queue = self.lock();
        queue.orders = 0;
        std::mem::swap(&mut queue.mail, mail);
    }

    /// Whether nothing is in it, and the shard owes nothing of what was.
    pub(crate) fn is_settled(&self) -> bool {
        self.lock().mail.is_empty() && self.load() == MailboxLoad { messages: 0, bytes: 0 }
    }

    /// The shard has given so many messages, of so many bytes, to all its connections.
    pub(crate) fn settle(&self, messages: usize, bytes: usize) {
        self.messages.fetch_sub(messages, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The shard wants to sleep. True: it may, and will be woken; false: there is mail.
    pub(crate) fn may_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = self.lock().mail.is_empty();
        if !empty {
            self.awake();
        }
        empty
    }

    /// The shard no longer sleeps.
    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds a mailbox")
    }
}
