//! The lock of the exchange: taken for one step, left with what follows from it, and only then is anybody woken.

use std::sync::Arc;

use hub::{Hub, Millis, Position, ShardId, Trash};

use super::stages::Rung;
use super::{Exchange, Inner};
use crate::Journal;
use crate::mailbox::Mailbox;
use crate::notice::News;
use crate::sync::{MutexGuard, Ordering};

impl Exchange {
    /// Leaves the lock; then frees.
    pub(super) fn unlock(&self, mut inner: MutexGuard<'_, Inner>) -> News {
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
    pub(super) fn ring_all(&self, rung: Rung, news: News) {
        self.tell_followers(news);
        for shard in rung.shards {
            self.mailbox(shard).ring();
        }
        self.answers.wake(rung.publishers);
    }

    pub(super) fn journal(&self) -> Option<&Arc<Journal>> {
        self.commit.journal()
    }

    pub(super) fn with<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> T {
        let (result, news, rung) = self.locked(run);
        self.ring_all(rung, news);
        result
    }

    /// The same in a shard's turn, at whose end followers are told.
    pub(super) fn in_turn<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> T {
        let (result, news, rung) = self.locked(run);
        self.ring_in_turn(&rung, news);
        result
    }

    /// Wakes those of the shards that sleep; without the lock, in a shard's turn.
    pub(super) fn ring_in_turn(&self, rung: &Rung, news: News) {
        if news.is_some() {
            self.followers.tell_later(news);
        }
        debug_assert!(rung.publishers.is_empty(), "a shard wakes no task");
        rung.shards.iter().for_each(|shard| self.mailbox(*shard).ring());
    }

    pub(super) fn locked<T>(&self, run: impl FnOnce(&mut Hub, Millis) -> T) -> (T, News, Rung) {
        self.hold(|inner, now, rung| {
            if inner.hub.says_of_users() {
                // What is said of users is not refused where there is no room for it, but said later.
                let holds = self.publisher().store_is_behind() || self.mailboxes.iter().any(Mailbox::full);
                inner.hub.hold_movements(holds);
            }
            let result = run(&mut inner.hub, now);
            if inner.hub.take_movements() {
                // What a store has to keep first is released when it has.
                let committed = if self.journal().is_some() { Position::START } else { inner.hub.last() };
                self.release(inner, committed, now, rung, |_| ());
            }
            result
        })
    }

    /// Does something under the lock. Who is to be woken for it is the caller's to wake.
    #[inline]
    pub(super) fn hold<T>(&self, run: impl FnOnce(&mut Inner, Millis, &mut Rung) -> T) -> (T, News, Rung) {
        let ((now, now_us), mut rung) = (self.clock.both(), Rung::default());
        let mut inner = self.lock_since(now_us);
        let result = run(&mut inner, now, &mut rung);
        (result, self.unlock(inner), rung)
    }

    pub(super) fn tell_followers(&self, news: News) {
        if news.is_some() {
            self.followers.tell(news);
        }
    }

    pub(super) fn mailbox(&self, shard: ShardId) -> &Mailbox {
        &self.mailboxes[usize::from(shard.0)]
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.lock_since(self.clock.now_us())
    }

    /// Takes the lock; it is this time now. The clock is read again only where somebody else had the lock.
    #[inline]
    pub(super) fn lock_since(&self, now_us: u64) -> MutexGuard<'_, Inner> {
        if let Ok(mut inner) = self.inner.try_lock() {
            inner.now_us = now_us;
            self.timing.lock_wait.record(0);
            return inner;
        }
        let mut inner = self.inner.lock().expect("nothing panics while it holds the exchange");
        inner.now_us = self.clock.now_us();
        self.timing.lock_wait.record(inner.now_us.saturating_sub(now_us));
        inner
    }
}
