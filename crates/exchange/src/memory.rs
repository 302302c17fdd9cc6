//! How short the program's memory is: told by whoever measures it, and heeded where something large or new begins.

use crate::sync::{AtomicU64, Ordering};

/// How short memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shortage {
    /// There is enough.
    None,
    /// Large requests are refused.
    Large,
    /// New clients are refused, too.
    New,
}

/// What is left of the memory that the program may have.
#[derive(Debug, Default)]
pub struct Memory {
    shortage: AtomicU64,
    left_bytes: AtomicU64,
}

impl Memory {
    /// Tells what is left, of so many bytes in all.
    pub fn tell(&self, left_bytes: u64, all_bytes: u64) -> Shortage {
        let is_below = |percent| left_bytes.saturating_mul(100) < all_bytes.saturating_mul(percent);
        let shortage = match () {
            () if is_below(crate::limits::LEFT_FOR_NEW_PERCENT) => Shortage::New,
            () if is_below(crate::limits::LEFT_FOR_LARGE_PERCENT) => Shortage::Large,
            () => Shortage::None,
        };
        self.left_bytes.store(left_bytes, Ordering::Relaxed);
        self.shortage.store(shortage as u64, Ordering::Relaxed);
        shortage
    }

    /// How short it is now.
    pub fn shortage(&self) -> Shortage {
        match self.shortage.load(Ordering::Relaxed) {
            0 => Shortage::None,
            1 => Shortage::Large,
            _ => Shortage::New,
        }
    }

    /// Bytes that are left; 0 until somebody has told.
    pub fn left_bytes(&self) -> u64 {
        self.left_bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_says_what_is_refused() {
        let memory = Memory::default();
        assert_eq!(memory.shortage(), Shortage::None);
        for (left, expected) in [
            (1_000, Shortage::None),
            (100, Shortage::None),
            (99, Shortage::Large),
            (50, Shortage::Large),
            (49, Shortage::New),
            (0, Shortage::New),
            (100, Shortage::None),
        ] {
            assert_eq!(
                (memory.tell(left, 1_000), memory.shortage(), memory.left_bytes()),
                (expected, expected, left)
            );
        }
    }
}
