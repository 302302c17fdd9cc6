//! What a thread has to itself: its fd table, and its part of the allocator. The one file that needs `unsafe`.
//!
//! RLIMIT_NOFILE is a limit per table, not per process, and the kernel's lock on a table is not shared
//! by threads that have one each. So every shard takes a table of its own: `unshare(CLONE_FILES)`.
//!
//! The allocator hands memory back to the system only when a thread asks for more or says that it is a
//! good time; of what one thread took and another freed it learns then, too. A thread that sleeps does
//! neither, and would keep what a crowd left behind for ever.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread an fd table of its own: a copy of what the process has open now. An error
/// means that the thread goes on with the common table.
///
/// To be called by a shard's thread as the first thing it does.
pub(crate) fn unshare() -> Result<(), Errno> {
    // SAFETY: after this call an fd number means the same in this thread and in the others only if it
    // was open before. The crate keeps that apart by construction: a shard uses fds that were open
    // before any shard started (the wakers, standard error), and fds that it opened itself after this
    // call, which are owned by values that never leave its thread. No other thread is handed an fd of
    // a shard, and a shard is handed none that was opened later.
    unsafe { unshare_unsafe(UnshareFlags::FILES) }
}

/// Gives memory back to the system that was taken by the calling thread and is no longer needed. To be
/// called by each thread once in a while: what was freed since the last call is given back by the next.
pub fn give_back() {
    // SAFETY: the function has no preconditions: it looks through the calling thread's own pages, which
    // it may do at any time in which that thread is not inside of the allocator.
    unsafe { libmimalloc_sys::mi_collect(false) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    /// What a thread with its own table opens is not open in the others.
    #[test]
    fn a_thread_has_its_own_table() {
        let number = std::thread::spawn(|| {
            unshare().expect("allowed on every Linux we test on");
            let files: Vec<File> = (0..64).map(|_| File::open("/dev/null").unwrap()).collect();
            files.iter().map(|file| file.as_raw_fd()).max().unwrap()
        })
        .join()
        .unwrap();
        assert!(!std::path::Path::new(&format!("/proc/self/fd/{number}")).exists());
    }

    #[test]
    fn memory_in_use_stays_when_the_rest_is_given_back() {
        let kept: Vec<Box<u64>> = (0..10_000).map(Box::new).filter(|n| **n % 100 == 0).collect();
        (0..3).for_each(|_| give_back());
        assert!(kept.iter().map(|n| **n).eq((0..10_000).step_by(100)));
    }
}
