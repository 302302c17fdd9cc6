//! Waking the shards: once for all that was published in one turn of this line.

use std::sync::atomic::{AtomicU32, Ordering};

use exchange::Exchange;
use tokio::sync::Notify;

use crate::limits::RING_AFTER;

/// Rings when all who were ready to publish have done so, or after so many messages.
#[derive(Default)]
pub(crate) struct ShardNotifier {
    ready: Notify,
    /// Messages since it rang.
    quiet: AtomicU32,
}

impl ShardNotifier {
    /// A message was published quietly. Its shards are woken soon: the task that does it stands behind all
    /// that were ready by now.
    pub(crate) fn ring_soon(&self, exchange: &Exchange) {
        if self.quiet.fetch_add(1, Ordering::Relaxed) >= RING_AFTER {
            self.ring(exchange);
        } else {
            self.ready.notify_one();
        }
    }

    /// Rings when it is time, for ever.
    pub(crate) async fn serve(&self, exchange: &Exchange) -> ! {
        loop {
            self.ready.notified().await;
            self.ring(exchange);
        }
    }

    fn ring(&self, exchange: &Exchange) {
        self.quiet.store(0, Ordering::Relaxed);
        exchange.ring();
    }
}
