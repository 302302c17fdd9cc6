//! Commands for shards, of a type that only those know who give them and who carry them out.
//!
//! The mailbox tells a shard where to look ([`Order::Look`]), so commands wake it and stand in line with its other mail;
//! what they say stands in a queue beside, with its type.

use std::sync::Arc;

use hub::ShardId;

use crate::limits::COMMANDS_MAX;
use crate::sync::{Mutex, MutexGuard};
use crate::{Exchange, Order};

/// A queue of commands for each shard.
///
/// ```compile_fail,E0308
/// # use multiplexor_exchange::{Commands, Exchange, hub::ShardId};
/// fn give(commands: &Commands<String>) {
///     commands.put(ShardId(0), 7); // no shard would know what that is
/// }
/// ```
pub struct Commands<T> {
    exchange: Arc<Exchange>,
    queues: Box<[Mutex<Vec<T>>]>,
}

impl<T> Commands<T> {
    /// None yet, for the shards of this exchange.
    pub fn new(exchange: Arc<Exchange>) -> Self {
        let queues = (0..exchange.shards()).map(|_| Mutex::new(Vec::new())).collect();
        Self { exchange, queues }
    }

    /// Tells a shard to do this. False: it has no room for more; nothing was told.
    pub fn put(&self, shard: ShardId, command: T) -> bool {
        let mut queue = self.queue(shard);
        // Where something stands already, the shard is told to look and has not done so.
        let is_told = !queue.is_empty() || self.exchange.post(shard, Order::Look);
        if !is_told || queue.len() >= COMMANDS_MAX {
            return false;
        }
        queue.push(command);
        drop(queue);
        self.exchange.wake_shard(shard);
        true
    }

    /// Tells all shards. False: one of them has no room for more.
    pub fn put_all(&self, command: &T) -> bool
    where
        T: Clone,
    {
        // One that has none keeps the command from no other.
        let shards = (0..).map(ShardId).take(self.queues.len());
        shards.filter(|shard| !self.put(*shard, command.clone())).count() == 0
    }

    /// Takes all there are for a shard, in order.
    pub fn take(&self, shard: ShardId) -> Vec<T> {
        std::mem::take(&mut *self.queue(shard))
    }

    fn queue(&self, shard: ShardId) -> MutexGuard<'_, Vec<T>> {
        self.queues[usize::from(shard.0)].lock().expect("nothing panics while it holds the queue")
    }
}

impl<T> std::fmt::Debug for Commands<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Commands(for {} shards)", self.queues.len())
    }
}
