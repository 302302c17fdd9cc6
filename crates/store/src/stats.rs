//! What the store counts, for whoever asks while it runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::disk::Disk;
use crate::log::Log;

/// Numbers of a store at work.
#[derive(Debug, Default)]
pub struct Stats {
    bytes: AtomicU64,
    segments: AtomicU64,
    commits: AtomicU64,
    failures: AtomicU64,
    failing: AtomicBool,
}

impl Stats {
    /// Name and value of each.
    pub fn read(&self) -> [(&'static str, u64); 5] {
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        [
            ("bytes", number(&self.bytes)),
            ("segments", number(&self.segments)),
            ("commits", number(&self.commits)),
            ("failures", number(&self.failures)),
            ("failing", u64::from(self.failing.load(Ordering::Relaxed))),
        ]
    }

    pub(crate) fn look<D: Disk>(&self, log: &Log<D>, failing: bool) {
        self.bytes.store(log.len(), Ordering::Relaxed);
        self.segments.store(log.count() as u64, Ordering::Relaxed);
        self.failing.store(failing, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}
