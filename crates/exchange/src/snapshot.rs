//! Who listens by outside cursors (Realplexor): a question to all shards, each of which puts its answer in.

use std::sync::OnceLock;

use hub::{ChannelId, Decimal, ShardId};

/// The question, and the answers so far. Whoever asked looks in from time to time: a shard's thread must wake no
/// async task. A shard that finds nobody waiting any more answers nothing.
#[derive(Debug)]
pub struct Snapshot {
    /// A place for each shard, so that it waits for no other.
    answers: Box<[OnceLock<Listeners>]>,
    /// Pairs that one shard may list.
    limit: usize,
}

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
        let answers = (0..shards).map(|_| OnceLock::new()).collect();
        Self { answers, limit: pairs_max / shards.max(1) }
    }

    /// How many pairs a shard lists, to which the last connection may add.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// A shard's answer. It gives one.
    pub fn put(&self, shard: ShardId, listeners: Listeners) {
        if let Some(place) = self.answers.get(usize::from(shard.0)) {
            let given_before = place.set(listeners);
            debug_assert!(given_before.is_ok(), "a shard is asked once");
        }
    }

    /// Whether all shards have answered.
    pub fn is_whole(&self) -> bool {
        self.answers.iter().all(|answer| answer.get().is_some())
    }

    /// What each shard said, in order; `None`: nothing yet.
    pub fn answers(&self) -> impl Iterator<Item = Option<&Listeners>> {
        self.answers.iter().map(OnceLock::get)
    }
}
