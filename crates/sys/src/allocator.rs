//! The memory of the program: its allocator, and when that gives back what is no longer needed.
//!
//! The allocator hands memory back to the system only when a thread asks for more or says that it is a
//! good time; of what one thread took and another freed it learns then, too. A thread that sleeps does
//! neither, and would keep what a crowd left behind for ever.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};

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
/// enough: to ask for 8 bytes' alignment costs up to 7 bytes more, which for 10 KiB is 12 KiB.
pub struct Allocator;

// SAFETY: mimalloc gives what `GlobalAlloc` asks for: a block of at least so many bytes that nobody else has, or null; and
// every block it gives begins at a multiple of `ALIGN`, since all its sizes are. A block that was given by one of
// its functions may be freed, or given another size, by any other.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
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

    #[inline]
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
