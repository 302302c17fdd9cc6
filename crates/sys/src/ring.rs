//! Sends to many clients in one call of the kernel, by io_uring.
//!
//! While the kernel goes through them, the readers it wakes do not take the processor from it, each for one message: they
//! find several when they run.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::register::Restriction;
use io_uring::{IoUring, opcode, types};
use rustix::io::Errno;
use rustix::net::SendFlags;

/// Whether the kernel lets this process send to many in one call.
pub fn has_io_uring() -> bool {
    Ring::new(1).is_some()
}

/// A ring of one thread's sends. Between two calls nothing is in it; `None`: it has failed, and is gone with what was in it.
pub struct Ring(Option<IoUring>);

impl Ring {
    /// One with room for so many sends at once. `None`: the kernel has no such thing, or does not let us have it.
    ///
    /// To be called in the thread that sends. Since Linux 6.1 it can do nothing but send, whoever should get hold of it: what is
    /// done by a ring goes through no filter of calls.
    pub fn new(sends: usize) -> Option<Self> {
        let len = u32::try_from(sends).ok()?;
        // Linux 6.1: one thread alone, and what is done is told when it asks. Before that without.
        let mut modern = IoUring::builder();
        modern.setup_submit_all().setup_single_issuer().setup_defer_taskrun().setup_r_disabled();
        let restricted = modern.build(len).and_then(only_sends);
        restricted.or_else(|_| IoUring::builder().build(len)).ok().map(|ring| Self(Some(ring)))
    }

    /// Sends each piece to its socket, in this order, and appends what came of each to `results`: at most as many as there
    /// is room for. False: the ring is of no use any more; what is missing at the end of `results` was not sent.
    pub fn send_each(
        &mut self,
        sends: &[(&OwnedFd, &[u8])],
        results: &mut Vec<Result<usize, Errno>>,
    ) -> bool {
        let Some(ring) = &mut self.0 else { return false };
        let first = results.len();
        // Who gets no word of theirs is given up: whether they have their bytes nobody knows.
        results.resize(first + sends.len(), Err(Errno::IO));
        push(ring, sends);
        let (mut left, mut works) = (sends.len(), true);
        while left > 0 && works {
            works = match ring.submit_and_wait(left) {
                Ok(submitted) => submitted > 0,
                Err(error) => error.kind() == io::ErrorKind::Interrupted,
            };
            for done in ring.completion() {
                let result = usize::try_from(done.result());
                let number = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                if let Some(place) = results[first..].get_mut(number) {
                    *place = result.map_err(|_| Errno::from_raw_os_error(-done.result()));
                    left -= 1;
                }
            }
        }
        results.truncate(results.len() - ring.submission().len());
        if !works {
            self.0 = None;
        }
        works
    }
}

/// Starts a ring that refuses all else.
fn only_sends(ring: IoUring) -> io::Result<IoUring> {
    ring.submitter().register_restrictions(&mut [Restriction::sqe_op(opcode::Send::CODE)])?;
    ring.submitter().register_enable_rings()?;
    Ok(ring)
}

/// Puts all of them into a ring in which nothing is.
fn push(ring: &mut IoUring, sends: &[(&OwnedFd, &[u8])]) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let mut queue = ring.submission();
    // Before the first of them: what is in the queue must leave it before this call of `send_each` ends.
    assert!(sends.len() <= queue.capacity(), "the caller sends no more than the ring has room for");
    for (number, (socket, bytes)) in sends.iter().enumerate() {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), len)
            .flags(flags.bits().cast_signed())
            .build()
            .user_data(number as u64);
        // SAFETY: the socket and the bytes are borrowed until `send_each` returns. By then the kernel is done
        // with them: a send that may not wait (DONTWAIT) ends in the call that submits it, and those that were
        // not submitted are gone with the ring.
        unsafe { queue.push(&send) }.expect("there is room for all of them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, recv, send, socketpair};

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
    fn a_ring_does_nothing_but_send() {
        let mut disabled = IoUring::builder();
        let Some(mut ring) = disabled.setup_r_disabled().build(1).and_then(only_sends).ok() else { return };
        // SAFETY: it has no memory that must stay.
        unsafe { ring.submission().push(&opcode::Nop::new().build()).unwrap() };
        ring.submit_and_wait(1).unwrap();
        let done: Vec<i32> = ring.completion().map(|done| done.result()).collect();
        assert_eq!(done, [-Errno::ACCESS.raw_os_error()]);
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

    #[test]
    fn a_ring_that_failed_sends_nothing_more() {
        let (ours, _theirs) = pair();
        let mut results = vec![Ok(7)];
        assert!(!Ring(None).send_each(&[(&ours, b"1")], &mut results));
        assert_eq!(results, [Ok(7)]);
    }
}
