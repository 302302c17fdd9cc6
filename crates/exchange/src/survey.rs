//! A question to all shards, each of which puts its answer in.

use std::sync::OnceLock;

use hub::ShardId;

/// The question, and the answers so far. Whoever asked looks in from time to time: a shard's thread must wake no
/// async task. A shard that finds nobody waiting any more answers nothing.
#[derive(Debug)]
pub struct Survey<Q, A> {
    question: Q,
    /// A place for each shard, so that it waits for no other.
    answers: Box<[OnceLock<A>]>,
}

impl<Q, A> Survey<Q, A> {
    /// A question to so many shards.
    pub fn ask(shards: usize, question: Q) -> Self {
        Self { question, answers: (0..shards).map(|_| OnceLock::new()).collect() }
    }

    /// What is asked.
    pub fn question(&self) -> &Q {
        &self.question
    }

    /// A shard's answer. It gives one.
    pub fn put(&self, shard: ShardId, answer: A) {
        if let Some(place) = self.answers.get(usize::from(shard.0)) {
            let is_first = place.set(answer).is_ok();
            debug_assert!(is_first, "a shard is asked once");
        }
    }

    /// Whether all shards have answered.
    pub fn is_whole(&self) -> bool {
        self.answers.iter().all(|answer| answer.get().is_some())
    }

    /// What each shard said, in order; `None`: nothing yet.
    pub fn answers(&self) -> impl Iterator<Item = Option<&A>> {
        self.answers.iter().map(OnceLock::get)
    }
}
