//! Who listens by outside cursors (Realplexor): a question to all shards.

use hub::{ChannelId, Decimal};

use crate::Survey;

/// The question how many pairs one shard may list, and the answers so far.
pub type Snapshot = Survey<usize, Listeners>;

/// What one shard has.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Connections by their number in the shard, each with where it listens, and from which cursor on.
    pub listed: Vec<(u32, Vec<(ChannelId, Decimal)>)>,
    /// How many there are besides.
    pub more: usize,
}

impl Snapshot {
    /// A question to so many shards, whose answers list at most so many pairs together; one connection's may
    /// exceed it.
    pub fn new(shards: usize, pairs_max: usize) -> Self {
        Self::ask(shards, pairs_max / shards.max(1))
    }

    /// How many pairs a shard lists, to which the last connection may add.
    pub fn limit(&self) -> usize {
        *self.question()
    }
}
