//! Waking the shards once for all that one line publishes in a turn.

use std::sync::Arc;

use crate::Wake;
use crate::limits::WAKE_AFTER;
use crate::sync::{AtomicU32, Ordering};

/// Messages for which shards were not woken yet. Whoever flushes them is told when there is a first one, and stands
/// behind all that are ready to publish; so many messages are flushed at once.
pub struct WakeBatch {
    flusher: Arc<dyn Wake>,
    messages: AtomicU32,
}

impl WakeBatch {
    /// An empty one. The `flusher` is to call [`Publisher::flush`](crate::Publisher::flush) soon after it was woken.
    pub fn new(flusher: Arc<dyn Wake>) -> Self {
        Self { flusher, messages: AtomicU32::new(0) }
    }

    /// One more, which is in its mailboxes already. True: shards are to be woken now.
    pub(crate) fn add(&self) -> bool {
        let before = self.messages.fetch_add(1, Ordering::AcqRel);
        if before == 0 {
            self.flusher.wake();
        }
        before + 1 >= WAKE_AFTER
    }

    /// All that was added is flushed now. Read and written in one: what is added later finds none, and asks anew.
    pub(crate) fn begin_anew(&self) {
        self.messages.swap(0, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for WakeBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WakeBatch({} messages)", self.messages.load(Ordering::Relaxed))
    }
}
