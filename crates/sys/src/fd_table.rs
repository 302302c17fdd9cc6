//! A thread's own table of open files.
//!
//! RLIMIT_NOFILE is a limit per table, not per process, and the kernel's lock on a table is not shared
//! by threads that have one each. So every shard takes a table of its own: `unshare(CLONE_FILES)`.
#![allow(unsafe_code)]

use rustix::io::Errno;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread an fd table of its own: a copy of what the process has open now. An error
/// means that the thread goes on with the common table.
///
/// To be called by a thread as the first thing it does. From then on a number means the same in it and in the other
/// threads only if it was open before, so no descriptor that is opened later may be handed from it to them, or back.
pub fn unshare() -> Result<(), Errno> {
    // SAFETY: the call touches no memory. What could go wrong is that a descriptor is used in a table in which its number
    // means something else. The one caller, `wait`, keeps that apart by construction (its line.rs): a shard uses
    // descriptors that were open before any shard started (the wakers, standard error, UNIX sockets that listen), and
    // those that it opened itself after this call, which are owned by values that never leave its thread. No other
    // thread is handed a descriptor of a shard, and a shard is handed none that was opened later.
    unsafe { unshare_unsafe(UnshareFlags::FILES) }
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
}
