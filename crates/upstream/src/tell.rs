//! Telling shards, whose mailboxes may have no room for a moment.

use std::any::Any;
use std::sync::Arc;

use access::Verdict;
use exchange::hub::ShardId;
use exchange::{Exchange, Order};
use tokio::time::sleep;
use tracing::error;

use crate::limits::{TELL_RETRY, TELL_TRIES};

/// Tells a shard a verdict, at once or as soon as there is room.
pub(crate) fn tell(exchange: &Arc<Exchange>, shard: u16, verdict: &Arc<Verdict>) {
    let order = Order::Verdict(Arc::clone(verdict) as Arc<dyn Any + Send + Sync>);
    if exchange.order(ShardId(shard), order.clone()) {
        return;
    }
    let exchange = Arc::clone(exchange);
    tokio::spawn(async move {
        for _ in 0..TELL_TRIES {
            sleep(TELL_RETRY).await;
            if exchange.order(ShardId(shard), order.clone()) {
                return;
            }
        }
        error!(shard, "a shard takes no orders; who waits to be let in there is refused in time");
    });
}
