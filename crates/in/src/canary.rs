//! A look whether all shards answer: a canary goes round them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use exchange::{Canary, Exchange, Order};
use tokio::time::{Instant, sleep};

use crate::limits::{CANARY_LOOK, CANARY_MAX};

/// The canary under way, of which there is at most one: whoever asks meanwhile waits for it too, so
/// that probes of a shard that is stuck do not fill its mailbox.
///
/// A canary sings on a shard's thread, whose table of file descriptors is its own. Waking a task from
/// there would write to the runtime's descriptor by its number, which in that table may be a client's
/// socket. So the song only sets numbers, and whoever waits looks at them.
#[derive(Default)]
pub(crate) struct Canaries {
    under_way: AtomicBool,
    sung: AtomicU64,
}

impl Canaries {
    /// Whether a canary came round in time.
    pub(crate) async fn round(self: &Arc<Self>, exchange: &Exchange) -> bool {
        let before = self.sung.load(Ordering::Acquire);
        if !self.under_way.swap(true, Ordering::AcqRel) && !self.send(exchange) {
            self.under_way.store(false, Ordering::Release);
            return false;
        }
        let deadline = Instant::now() + CANARY_MAX;
        while self.sung.load(Ordering::Acquire) == before {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(CANARY_LOOK).await;
        }
        true
    }

    /// Sends a canary; false when a mailbox had no room for it, so that it can never come round.
    fn send(self: &Arc<Self>, exchange: &Exchange) -> bool {
        let home = Arc::clone(self);
        let sing = move || {
            home.under_way.store(false, Ordering::Release);
            home.sung.fetch_add(1, Ordering::Release);
        };
        exchange.admin().order_all(&Order::Canary(Arc::new(Canary::new(exchange.shards(), sing))))
    }
}
