//! What a thread has to itself: its fd table, its part of the allocator, and its ring of sends. The one file that
//! needs `unsafe`.
//!
//! RLIMIT_NOFILE is a limit per table, not per process, and the kernel's lock on a table is not shared
//! by threads that have one each. So every shard takes a table of its own: `unshare(CLONE_FILES)`.
//!
//! The allocator hands memory back to the system only when a thread asks for more or says that it is a
//! good time; of what one thread took and another freed it learns then, too. A thread that sleeps does
//! neither, and would keep what a crowd left behind for ever.
//!
//! By its ring (io_uring) a thread sends to many in one call of the kernel. While that goes through them the readers it
//! wakes do not take the processor from it, each for one message: they find several when they run.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::{IoUring, opcode, types};
use rustix::io::Errno;
use rustix::net::SendFlags;
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Gives the calling thread an fd table of its own: a copy of what the process has open now. An error
/// means that the thread goes on with the common table.
///
/// To be called by a shard's thread as the first thing it does.
pub fn unshare() -> Result<(), Errno> {
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

/// Has the kernel give this process memory in pages of 4 KiB, not in huge ones of 2 MiB. To be called before there is
/// much of it; where the kernel knows nothing of this, nothing changes.
///
/// The kernel's `khugepaged` makes a huge page whole again of which parts were given back, so what a crowd left behind
/// would stay: up to half of it. Huge pages would save 3 % of a message to 300,000, and 8 % of a batch over 10,000 channels.
pub fn only_small_pages() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// The allocator of the program: mimalloc. It is asked for an alignment only where the one it always has is not
/// enough; whoever asks for 8 bytes' alignment gets 7 bytes more, which for 10 KiB is 12 KiB.
pub struct Allocator;

// SAFETY: mimalloc gives what `GlobalAlloc` asks for: a block of at least so many bytes that nobody else has, or null; and
// every block it gives begins at a multiple of `ALIGN`, since all its sizes are. A block that was given by one of
// its functions may be freed, or given another size, by any other.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: these functions have no preconditions but an alignment that is a power of two.
        unsafe {
            if layout.align() <= ALIGN {
                libmimalloc_sys::mi_malloc(layout.size()).cast()
            } else {
                libmimalloc_sys::mi_malloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if layout.align() <= ALIGN {
                libmimalloc_sys::mi_zalloc(layout.size()).cast()
            } else {
                libmimalloc_sys::mi_zalloc_aligned(layout.size(), layout.align()).cast()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller has the block from one of the functions of this type.
        unsafe { libmimalloc_sys::mi_free(block.cast()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        // SAFETY: as above; the alignment is the one that it had.
        unsafe {
            if layout.align() <= ALIGN {
                libmimalloc_sys::mi_realloc(block.cast(), len).cast()
            } else {
                libmimalloc_sys::mi_realloc_aligned(block.cast(), len, layout.align()).cast()
            }
        }
    }
}

/// The alignment of every block of mimalloc.
const ALIGN: usize = size_of::<usize>();

/// Whether the kernel lets this process send to many in one call.
pub fn has_io_uring() -> bool {
    Ring::new(1).is_some()
}

/// A ring of one thread's sends. Between two calls nothing is in it.
pub struct Ring(IoUring);

impl Ring {
    /// One with room for so many sends at once. `None`: the kernel has no such thing, or does not let us have it.
    ///
    /// To be called in the thread that sends.
    pub fn new(sends: usize) -> Option<Self> {
        let len = u32::try_from(sends).ok()?;
        // Linux 6.1: one thread alone, and what is done is told when it asks. Before that without.
        let mut modern = IoUring::builder();
        modern.setup_submit_all().setup_single_issuer().setup_defer_taskrun();
        modern.build(len).or_else(|_| IoUring::builder().build(len)).ok().map(Self)
    }

    /// Sends each piece to its socket, in this order, and appends what came of each to `results`: at most as many as there
    /// is room for. False: the ring is of no use any more; what is missing at the end of `results` was not sent.
    pub fn send_each(
        &mut self,
        sends: &[(&OwnedFd, &[u8])],
        results: &mut Vec<Result<usize, Errno>>,
    ) -> bool {
        let first = results.len();
        // Who gets no word of theirs is given up: whether they have their bytes nobody knows.
        results.resize(first + sends.len(), Err(Errno::IO));
        self.push(sends);
        let (mut left, mut works) = (sends.len(), true);
        while left > 0 && works {
            works = match self.0.submit_and_wait(left) {
                Ok(submitted) => submitted > 0,
                Err(error) => error.kind() == std::io::ErrorKind::Interrupted,
            };
            for done in self.0.completion() {
                let result = usize::try_from(done.result());
                let number = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                if let Some(place) = results[first..].get_mut(number) {
                    *place = result.map_err(|_| Errno::from_raw_os_error(-done.result()));
                    left -= 1;
                }
            }
        }
        results.truncate(results.len() - self.0.submission().len());
        works
    }

    fn push(&mut self, sends: &[(&OwnedFd, &[u8])]) {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let mut queue = self.0.submission();
        for (number, (socket, bytes)) in sends.iter().enumerate() {
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let send = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), len)
                .flags(flags.bits().cast_signed())
                .build()
                .user_data(number as u64);
            // SAFETY: the socket and the bytes are borrowed until `send_each` returns. By then the kernel is done
            // with them: a send that may not wait (DONTWAIT) ends in the call that submits it, and those that were
            // not submitted go with the ring, which its owner drops.
            unsafe { queue.push(&send) }.expect("the caller sends no more than the ring has room for");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, send, socketpair};

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

    /// Blocks of every size and alignment: in their place, apart from each other, and with what was in them when they
    /// get another size.
    #[test]
    fn blocks_are_aligned_and_keep_what_is_in_them() {
        let sizes = (1..=2_100).chain([4_095, 10_240, 12_289, 65_536, 600_000, 5 << 20]);
        for (number, size) in sizes.enumerate() {
            for align in [1, 2, 4, 8, 16, 64, 4_096] {
                let layout = Layout::from_size_align(size, align).unwrap();
                let mark = u8::try_from(number % 255).unwrap() + 1;
                // SAFETY: the sizes are not 0; each block is written within its size, and freed once.
                unsafe {
                    let (one, zeroed) = (Allocator.alloc(layout), Allocator.alloc_zeroed(layout));
                    assert!(one.addr().is_multiple_of(align) && zeroed.addr().is_multiple_of(align));
                    assert!((0..size).all(|at| *zeroed.add(at) == 0));
                    one.write_bytes(mark, size);
                    assert!((0..size).all(|at| *zeroed.add(at) == 0));
                    let more = Allocator.realloc(one, layout, 2 * size);
                    assert!(more.addr().is_multiple_of(align) && (0..size).all(|at| *more.add(at) == mark));
                    Allocator.dealloc(more, Layout::from_size_align(2 * size, align).unwrap());
                    Allocator.dealloc(zeroed, layout);
                }
            }
        }
    }

    /// The records of 128 connections take no more than they have: the WAIT line counts on it.
    #[test]
    fn a_chunk_of_records_wastes_nothing() {
        let layout = Layout::from_size_align(128 * 80, 8).unwrap();
        // SAFETY: the block is freed once.
        let usable = unsafe {
            let block = Allocator.alloc(layout);
            let usable = libmimalloc_sys::mi_usable_size(block.cast());
            Allocator.dealloc(block, layout);
            usable
        };
        assert_eq!(usable, layout.size());
    }

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::NONBLOCK, None).unwrap()
    }

    const SENDS: usize = 128;

    /// A ring, where this kernel lets us have one.
    fn ring() -> Option<Ring> {
        let ring = Ring::new(SENDS);
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
        // Filters of system calls may still be in the way.
        eprintln!("io_uring: {}, kernel.io_uring_disabled is {disabled}", ring.is_some());
        ring
    }

    #[test]
    fn what_is_sent_arrives_and_what_is_not_is_told() {
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..SENDS).map(|_| pair()).collect();
        // The fourth takes nothing more, the sixth but a part, and the ninth is gone.
        let much = vec![b'x'; 16 << 20];
        while send(&pairs[3].0, &much, SendFlags::NOSIGNAL).is_ok() {}
        let bytes: Vec<Vec<u8>> = (0..pairs.len())
            .map(|number| if number == 5 { much.clone() } else { vec![b'a'; number + 1] })
            .collect();
        rustix::net::shutdown(&pairs[8].1, rustix::net::Shutdown::Both).unwrap();
        let sends: Vec<(&OwnedFd, &[u8])> =
            pairs.iter().zip(&bytes).map(|(pair, bytes)| (&pair.0, &bytes[..])).collect();
        // More often than the ring has room, and appended to what is there.
        for round in 0..5 {
            let mut results = vec![Ok(7)];
            assert!(ring.send_each(&sends, &mut results));
            assert_eq!((results.len(), results[0]), (1 + pairs.len(), Ok(7)));
            for (number, result) in results[1..].iter().enumerate() {
                match number {
                    3 => assert_eq!(*result, Err(Errno::AGAIN)),
                    5 if round > 0 => assert_eq!(*result, Err(Errno::AGAIN)),
                    5 => assert!(result.is_ok_and(|taken| (1..much.len()).contains(&taken)), "{result:?}"),
                    8 => assert_eq!(*result, Err(Errno::PIPE)),
                    _ => assert_eq!(*result, Ok(number + 1)),
                }
            }
        }
        let mut taken = [0; 64];
        assert_eq!(recv(&pairs[9].1, &mut taken[..], RecvFlags::empty()).unwrap().0, 50);
    }

    #[test]
    fn a_part_of_a_ring_is_enough() {
        let Some(mut ring) = ring() else { return };
        let (ours, theirs) = pair();
        let mut results = Vec::new();
        for _ in 0..20 {
            assert!(ring.send_each(&[(&ours, b"1"), (&ours, b"2"), (&ours, b"3")], &mut results));
        }
        assert!(results.iter().all(|result| *result == Ok(1)));
        let mut taken = vec![0; 1_000];
        let len = recv(&theirs, &mut taken[..], RecvFlags::empty()).unwrap().0;
        assert!(taken[..len].chunks(3).all(|three| three == b"123") && len == results.len());
    }
}
