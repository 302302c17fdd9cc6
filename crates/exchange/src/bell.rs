//! A shard that waits for the store: it is told once for all that was kept meanwhile, and looks itself what that is.
//!
//! Whoever wakes tasks writes to descriptors of its own thread's table; this one puts an order into a mailbox instead, so a
//! shard may wait for what tasks wait for.

use std::sync::Arc;
use std::task::Wake;

use hub::ShardId;

use crate::sync::{AtomicBool, Ordering};
use crate::{Exchange, Order};

/// What makes a shard look.
pub struct Bell {
    exchange: Arc<Exchange>,
    shard: ShardId,
    /// The shard was told, and has not looked yet.
    rung: AtomicBool,
}

impl Bell {
    /// The bell of a shard.
    pub fn new(exchange: Arc<Exchange>, shard: ShardId) -> Self {
        Self { exchange, shard, rung: AtomicBool::new(false) }
    }

    /// The shard looks now: what becomes known from here on is told anew.
    pub fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        // Whose mailbox takes no more has a turn soon in any case.
        self.exchange.post(self.shard, Order::Look);
        self.exchange.wake_shard(self.shard);
    }
}

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bell({:?})", self.shard)
    }
}
