//! A canary: an order that goes round all shards to show that each of them still answers.

use crate::sync::{AtomicUsize, Ordering};

/// Counts the shards it has passed; the last one lets it sing.
pub struct Canary {
    left: AtomicUsize,
    sing: Box<dyn Fn() + Send + Sync>,
}

impl Canary {
    /// A canary for so many shards; `sing` is called once, by the last of them.
    ///
    /// It runs in a shard's thread, whose fd table is its own: it must not use a file descriptor, and
    /// so must not wake an async task either (that writes to a number which there may be a client's
    /// socket). Set an atomic, and look at it from the other side.
    pub fn new(shards: usize, sing: impl Fn() + Send + Sync + 'static) -> Self {
        Self { left: AtomicUsize::new(shards), sing: Box::new(sing) }
    }

    /// A shard has seen it.
    pub fn passed(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            (self.sing)();
        }
    }
}

impl std::fmt::Debug for Canary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Canary({} left)", self.left.load(Ordering::Relaxed))
    }
}
