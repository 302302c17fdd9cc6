//! What stands between the hub and a store: the queue of facts, and who waits for them to be kept.
//!
//! The queue is filled under the exchange's lock and emptied by the store's thread, which then commits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hub::{Fact, Position};
use smallvec::SmallVec;

use crate::Published;
use crate::limits::{UNCOMMITTED_BYTES_MAX, UNCOMMITTED_FACTS_MAX};
use crate::sync::{AtomicU8, AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering};

/// The queue of facts that a store has not taken or not kept yet.
#[derive(Default)]
pub struct Journal {
    queue: Mutex<Queue>,
    ready: Condvar,
    /// All up to here is committed.
    committed: AtomicU64,
    /// Facts not committed, taken or not, and the bytes of their payloads.
    facts: AtomicUsize,
    bytes: AtomicUsize,
    /// Facts ever put in, and those of them that are no longer waited for.
    put: AtomicU64,
    done: AtomicU64,
    /// What is wrong, as a number; see `Unstored`.
    trouble: AtomicU8,
}

#[derive(Default)]
struct Queue {
    facts: Vec<Fact>,
    bytes: usize,
    /// The last place given when facts were put in.
    last: Position,
    /// The store's thread sleeps.
    waits: bool,
    ended: bool,
}

/// What a store took, to be kept and then committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// The last place given when it was put in.
    pub last: Position,
    /// Nothing comes after it: the program ends.
    pub ended: bool,
    facts: usize,
    bytes: usize,
}

/// How much a store is to keep until a fact is kept that has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// Why a store does not keep a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unstored {
    /// Its disk is full.
    #[error("the disk of the store is full")]
    Full,
    /// Its disk fails.
    #[error("the disk of the store fails")]
    Broken,
}

impl Journal {
    /// Takes all there is into `facts`, which must be empty; waits for it, but not for ever.
    pub fn take(&self, facts: &mut Vec<Fact>, patience: Duration) -> Taken {
        debug_assert!(facts.is_empty());
        let mut queue = self.lock();
        if queue.facts.is_empty() && !queue.ended && !patience.is_zero() {
            queue.waits = true;
            let waited = self.ready.wait_timeout(queue, patience);
            queue = waited.expect("nothing panics while it holds the journal").0;
            queue.waits = false;
        }
        std::mem::swap(&mut queue.facts, facts);
        let bytes = std::mem::take(&mut queue.bytes);
        Taken { last: queue.last, ended: queue.ended, facts: facts.len(), bytes }
    }

    /// Nothing more will be put in: the store keeps what there is, and ends.
    pub fn end(&self) {
        self.lock().ended = true;
        self.ready.notify_one();
    }

    /// What is wrong with the store, if anything is.
    pub fn trouble(&self) -> Option<Unstored> {
        match self.trouble.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Unstored::Full),
            _ => Some(Unstored::Broken),
        }
    }

    /// Facts that are not committed.
    pub fn behind(&self) -> usize {
        self.facts.load(Ordering::Relaxed)
    }

    /// Puts facts in; true: the store's thread is to be woken.
    pub(crate) fn put(&self, facts: &mut Vec<Fact>, last: Position) -> bool {
        let bytes = facts.iter().map(fact_bytes).sum();
        self.facts.fetch_add(facts.len(), Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.put.fetch_add(facts.len() as u64, Ordering::Relaxed);
        let mut queue = self.lock();
        queue.facts.append(facts);
        queue.bytes += bytes;
        queue.last = last;
        queue.waits
    }

    /// Wakes the store's thread. Without the lock.
    pub(crate) fn ring(&self) {
        self.ready.notify_one();
    }

    /// Whether further messages have to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.behind() >= UNCOMMITTED_FACTS_MAX || self.bytes.load(Ordering::Relaxed) >= UNCOMMITTED_BYTES_MAX
    }

    /// What was taken is kept.
    pub(crate) fn committed(&self, taken: Taken) {
        self.committed.fetch_max(taken.last.to_bits(), Ordering::Relaxed);
        self.facts.fetch_sub(taken.facts, Ordering::Relaxed);
        self.bytes.fetch_sub(taken.bytes, Ordering::Relaxed);
        self.done.fetch_add(taken.facts as u64, Ordering::Release);
    }

    /// What was put in up to now, for whoever waits for a fact that has no place. To be asked behind the exchange's lock.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.put.load(Ordering::Relaxed))
    }

    /// Whether all up to the ticket is kept; or why it is not.
    pub fn look(&self, ticket: Ticket) -> Option<Result<(), Unstored>> {
        if let Some(why) = self.trouble() {
            return Some(Err(why));
        }
        (self.done.load(Ordering::Acquire) >= ticket.0).then_some(Ok(()))
    }

    /// All up to here is committed.
    pub(crate) fn place(&self) -> Position {
        Position::from_bits(self.committed.load(Ordering::Relaxed))
    }

    /// Nothing of what was not committed will be; returns what was not taken. Under the exchange's lock.
    pub(crate) fn fail(&self, why: Unstored) -> Vec<Fact> {
        self.trouble.store(if why == Unstored::Full { 1 } else { 2 }, Ordering::Relaxed);
        let mut queue = self.lock();
        queue.bytes = 0;
        self.done.store(self.put.load(Ordering::Relaxed), Ordering::Relaxed);
        self.facts.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        std::mem::take(&mut queue.facts)
    }

    /// The store takes facts again.
    pub(crate) fn recover(&self) {
        self.trouble.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds the journal")
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({} behind)", self.behind())
    }
}

fn fact_bytes(fact: &Fact) -> usize {
    match fact {
        Fact::Message { message, .. } => message.bytes().len(),
        Fact::Change { .. } | Fact::State(_) | Fact::UserEnd(_) => 0,
    }
}

/// What is to become of something that has its place: done when the store has kept it, or given it up.
#[derive(Clone)]
pub struct Pending(Arc<JournalSlot>);

struct JournalSlot {
    position: Position,
    /// When it had its place, in microseconds.
    placed_us: u64,
    outcome: Mutex<Outcome>,
}

enum Outcome {
    /// Who waits for it: its publisher, and whoever repeats it meanwhile under the same key.
    Open(Waiting),
    Done(Result<Published, Unstored>),
}

type Waiting = SmallVec<[Waker; 1]>;

impl Pending {
    /// What got its place at this time, in microseconds.
    pub(crate) fn new(position: Position, placed_us: u64) -> Self {
        Self(Arc::new(JournalSlot {
            position,
            placed_us,
            outcome: Mutex::new(Outcome::Open(Waiting::new())),
        }))
    }

    /// Its place.
    pub fn position(&self) -> Position {
        self.0.position
    }

    /// When it had its place, in microseconds.
    pub(crate) fn placed_us(&self) -> u64 {
        self.0.placed_us
    }

    /// What became of it, if that is known.
    pub fn look(&self) -> Option<Result<Published, Unstored>> {
        match &*self.lock() {
            Outcome::Open(_) => None,
            Outcome::Done(result) => Some(result.clone()),
        }
    }

    /// Whether that is known.
    pub fn is_done(&self) -> bool {
        matches!(&*self.lock(), Outcome::Done(_))
    }

    /// It is known now; returns who is to be woken.
    pub(crate) fn done(&self, result: Result<Published, Unstored>) -> Waiting {
        match std::mem::replace(&mut *self.lock(), Outcome::Done(result)) {
            Outcome::Open(waiting) => waiting,
            Outcome::Done(_) => Waiting::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outcome> {
        self.0.outcome.lock().expect("nothing panics while it holds an outcome")
    }
}

impl Future for Pending {
    type Output = Result<Published, Unstored>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self.lock() {
            Outcome::Done(result) => Poll::Ready(result.clone()),
            Outcome::Open(waiting) => {
                if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    waiting.push(context.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Pending {}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({:?})", self.position())
    }
}
