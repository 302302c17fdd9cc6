//! Following the order: whoever reads its changes of presence from a cursor on is woken when there are more.
//!
//! A change may come about in a shard's thread, which must wake no task. So followers are told through a notifier, a
//! descriptor that was there before all shards: by a shard at the end of its turn, by others at once, and only if
//! somebody waits. Behind it stands one task, which wakes all who wait ([`Admin::wake_followers`](crate::Admin::wake_followers)) and then leaves
//! them alone for [`FOLLOW_PAUSE`](crate::limits::FOLLOW_PAUSE). In that time nothing is written: what comes is noted,
//! and found by [`Admin::followers_go_on`](crate::Admin::followers_go_on).

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use hub::{Changes, Position, Start};

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use crate::{Exchange, Wake};

/// Follows the changes of presence from a place on: for `/watch`, and for whoever tells others of them. It reads page by
/// page; whoever has read all there is waits for more, and misses nothing that comes about in between.
pub struct Follower {
    exchange: Arc<Exchange>,
    number: u64,
    /// Where the next page begins.
    start: Start,
}

impl Follower {
    /// Follows from here on. As many as there are connections and settings that ask for one.
    pub fn new(exchange: Arc<Exchange>, start: Start) -> Self {
        let number = exchange.followers.number();
        Self { exchange, number, start }
    }

    /// The next page, of so many changes at the most.
    pub fn read(&mut self, limit: usize) -> Changes {
        let page = self.exchange.admin().changes(self.start, limit);
        self.start = Start::After(page.position);
        page
    }

    /// Waits until there is something behind this place, up to which all was read, or until everybody who waits is
    /// woken for another reason: so look, and wait again.
    pub async fn more(&self, read: Position) {
        let mut was_parked = false;
        poll_fn(|context| {
            let is_woken = std::mem::replace(&mut was_parked, true);
            if is_woken { Poll::Ready(()) } else { self.park(read, context) }
        })
        .await;
    }

    fn park(&self, read: Position, context: &Context<'_>) -> Poll<()> {
        if self.exchange.admin().last_change() > read {
            return Poll::Ready(());
        }
        self.exchange.followers.park(self.number, context.waker().clone());
        if self.exchange.await_change(read) { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let waker = self.exchange.followers.lock().parked.remove(&self.number);
        drop(waker);
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Follower(from {:?})", self.start)
    }
}

/// Those who follow, and how they are told that there is more.
#[derive(Default)]
pub(crate) struct Followers {
    /// `None`: whoever finds something wakes them himself, since no thread has a table of descriptors of its own.
    notifier: Option<Arc<dyn Wake>>,
    /// A shard found something, and tells it at the end of its turn.
    is_late: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those who wait, by their number.
    parked: BTreeMap<u64, Waker>,
    last_number: u64,
    notice: Notice,
}

/// Between two wake-ups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Notice {
    /// The next change is written to the notifier.
    #[default]
    Due,
    /// It was, and the task behind it has not gone through its pause.
    Given,
    /// The same, and there is more by now.
    Behind,
}

impl Followers {
    pub(crate) fn with_notifier(notifier: Arc<dyn Wake>) -> Self {
        Self { notifier: Some(notifier), ..Self::default() }
    }

    fn number(&self) -> u64 {
        let mut state = self.lock();
        state.last_number += 1;
        state.last_number
    }

    fn park(&self, number: u64, waker: Waker) {
        let before = self.lock().parked.insert(number, waker);
        drop(before);
    }

    /// There is more. Without any other lock.
    pub(crate) fn tell(&self) {
        let Some(notifier) = &self.notifier else { return self.wake() };
        let mut state = self.lock();
        let is_due = state.notice == Notice::Due;
        state.notice = if is_due { Notice::Given } else { Notice::Behind };
        drop(state);
        if is_due {
            notifier.wake();
        }
    }

    /// The same, to be told at the end of a shard's turn.
    pub(crate) fn tell_later(&self) {
        self.is_late.store(true, Ordering::Release);
    }

    /// The end of a shard's turn.
    pub(crate) fn end_turn(&self) {
        if self.is_late.load(Ordering::Relaxed) && self.is_late.swap(false, Ordering::AcqRel) {
            self.tell();
        }
    }

    /// Wakes all who wait.
    pub(crate) fn wake(&self) {
        let parked = std::mem::take(&mut self.lock().parked);
        parked.into_values().for_each(Waker::wake);
    }

    /// The pause is over. True: there is more by now.
    pub(crate) fn go_on(&self) -> bool {
        let mut state = self.lock();
        let is_behind = state.notice == Notice::Behind;
        state.notice = if is_behind { Notice::Given } else { Notice::Due };
        is_behind
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the followers")
    }
}
