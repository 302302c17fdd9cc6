//! How those who follow the order are told that there is more; follower.rs says why it is done so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;

use crate::Wake;
use crate::sync::{AtomicU8, Mutex, MutexGuard, Ordering};

/// What somebody follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// Changes of presence.
    Changes,
    /// All of the order.
    Order,
    /// Events in it: changes of presence, and what is said of users.
    Events,
}

impl View {
    pub(crate) const ALL: [Self; 3] = [Self::Changes, Self::Order, Self::Events];
}

/// For whom there is something new.
#[must_use]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News(u8);

impl News {
    /// With some for those who follow this, too.
    pub(crate) fn and(self, view: View) -> Self {
        Self(self.0 | 1 << view as u8)
    }

    /// Whether there is any.
    pub(crate) fn is_some(self) -> bool {
        self.0 != 0
    }

    fn is_for(self, view: View) -> bool {
        self.0 & (1 << view as u8) != 0
    }
}

/// Those who follow, and how they are told that there is more.
#[derive(Default)]
pub(crate) struct Followers {
    /// `None`: whoever finds something wakes them himself, since no thread has a table of descriptors of its own.
    notifier: Option<Arc<dyn Wake>>,
    /// News that a shard found, and tells at the end of its turn.
    late: AtomicU8,
    state: Mutex<NoticeState>,
}

#[derive(Default)]
struct NoticeState {
    /// Those who wait, by their number.
    parked: BTreeMap<u64, (View, Waker)>,
    last_number: u64,
    notice: WakeNotice,
    /// What was told since somebody was last woken for it.
    told: News,
}

/// Between two wake-ups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum WakeNotice {
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

    /// A number for somebody who follows.
    pub(crate) fn number(&self) -> u64 {
        let mut state = self.lock();
        state.last_number += 1;
        state.last_number
    }

    /// He waits.
    pub(crate) fn park(&self, number: u64, view: View, waker: Waker) {
        let before = self.lock().parked.insert(number, (view, waker));
        drop(before);
    }

    /// He follows no longer.
    pub(crate) fn leave(&self, number: u64) {
        let waker = self.lock().parked.remove(&number);
        drop(waker);
    }

    /// There is more. Without any other lock.
    pub(crate) fn tell(&self, news: News) {
        let mut state = self.lock();
        state.told.0 |= news.0;
        let Some(notifier) = &self.notifier else {
            drop(state);
            return self.wake();
        };
        let is_due = state.notice == WakeNotice::Due;
        state.notice = if is_due { WakeNotice::Given } else { WakeNotice::Behind };
        drop(state);
        if is_due {
            notifier.wake();
        }
    }

    /// The same, to be told at the end of a shard's turn.
    pub(crate) fn tell_later(&self, news: News) {
        self.late.fetch_or(news.0, Ordering::AcqRel);
    }

    /// The end of a shard's turn.
    pub(crate) fn end_turn(&self) {
        if self.late.load(Ordering::Relaxed) != 0 {
            let late = News(self.late.swap(0, Ordering::AcqRel));
            if late.is_some() {
                self.tell(late);
            }
        }
    }

    /// Wakes those who wait for what was told.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        let told = std::mem::take(&mut state.told);
        let parked = std::mem::take(&mut state.parked).into_iter();
        let (woken, waiting): (BTreeMap<_, _>, _) = parked.partition(|(_, (view, _))| told.is_for(*view));
        state.parked = waiting;
        drop(state);
        woken.into_iter().for_each(|(_, (_, waker))| waker.wake());
    }

    /// Wakes all who wait.
    pub(crate) fn wake_all(&self) {
        let parked = std::mem::take(&mut self.lock().parked);
        parked.into_values().for_each(|(_, waker)| waker.wake());
    }

    /// The pause is over. True: there is more by now.
    pub(crate) fn go_on(&self) -> bool {
        let mut state = self.lock();
        let is_behind = state.notice == WakeNotice::Behind;
        state.notice = if is_behind { WakeNotice::Given } else { WakeNotice::Due };
        is_behind
    }

    fn lock(&self) -> MutexGuard<'_, NoticeState> {
        self.state.lock().expect("nothing panics while it holds the followers")
    }
}
