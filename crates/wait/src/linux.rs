//! Linux, by epoll and system calls that need no allocation.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exchange::UNIX;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use sys::Ring;

use crate::kernel::{Errno, Interest, Kernel, ReadyEvent};
use crate::limits::{EVENTS_PER_TURN, GIVE_BACK_MS, LISTEN_BACKLOG, SENDS_PER_CALL};

/// The kernel of this machine, for one shard: one epoll set, in the shard's own fd table.
pub(crate) struct Linux {
    epoll: OwnedFd,
    /// Open as long as the epoll set knows it.
    _wake: Arc<Waker>,
    ready: Vec<epoll::Event>,
    start: Instant,
    /// When the thread next gives back memory.
    give_back_at: u64,
    /// For sends to many; `None`: each is a call of its own.
    ring: Option<Ring>,
}

/// Wakes a shard's event loop, or a task that listens to it.
///
/// Made before any shard starts: each shard has an fd table of its own, a copy of the one there was,
/// and what is opened later is not in it.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// Makes one. Before any shard starts.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// A descriptor that becomes readable at each wake-up, for a task to listen to.
    pub fn listen(&self) -> std::io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

impl exchange::Wake for Waker {
    fn wake(&self) {
        // It fails only when the counter is full: after 2^64 wake-ups.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl Linux {
    /// Opens the epoll set. Called in the shard's own thread.
    ///
    /// All shards count from the same `start`: what is due to many comes due in all of them at once, so none is woken
    /// alone for its part of it. `with_ring`: sends to many go by io_uring, if there is one.
    pub(crate) fn new(wake: Arc<Waker>, start: Instant, with_ring: bool) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // Edge-triggered: each wake-up is told once, and nobody has to read the counter.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&epoll, &wake.0, epoll::EventData::new_u64(WAKE), flags)?;
        Ok(Self {
            epoll,
            _wake: wake,
            ready: Vec::with_capacity(EVENTS_PER_TURN),
            start,
            give_back_at: GIVE_BACK_MS,
            ring: with_ring.then(|| Ring::new(SENDS_PER_CALL)).flatten(),
        })
    }

    /// Opens a listener that shares its address with those of the other shards. What is set on it
    /// holds for every connection it accepts: so a client that takes nothing for the time `unacknowledged`
    /// is given up by the kernel, which would otherwise wait a quarter of an hour for one that vanished.
    pub(crate) fn listen(
        address: SocketAddr,
        unacknowledged: Duration,
    ) -> Result<(OwnedFd, SocketAddr), Errno> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        set_unacknowledged(&socket, unacknowledged)?;
        net::bind(&socket, &address)?;
        net::listen(&socket, LISTEN_BACKLOG)?;
        let bound = Self::address(&socket)?;
        Ok((socket, bound))
    }

    /// Where a socket of the network listens.
    pub(crate) fn address(socket: &OwnedFd) -> Result<SocketAddr, Errno> {
        SocketAddr::try_from(net::getsockname(socket)?)
    }

    /// A listener of this shard's own for a UNIX socket that all shards have.
    pub(crate) fn share(socket: &UnixListener) -> Result<OwnedFd, Errno> {
        fcntl_dupfd_cloexec(socket, 0)
    }

    /// Gives back memory when it is time to; how long until the next time, in milliseconds.
    fn give_back(&mut self) -> u64 {
        let now = self.now();
        if now >= self.give_back_at {
            sys::give_back();
            self.give_back_at = now + GIVE_BACK_MS;
        }
        self.give_back_at - now
    }
}

fn set_unacknowledged(socket: &OwnedFd, after: Duration) -> Result<(), Errno> {
    sockopt::set_tcp_user_timeout(socket, u32::try_from(after.as_millis()).unwrap_or(u32::MAX))
}

impl Kernel for Linux {
    type Socket = OwnedFd;
    type Listener = OwnedFd;

    fn now(&mut self) -> u64 {
        self.now_us() / 1_000
    }

    fn now_us(&mut self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<ReadyEvent>) {
        let ms = timeout_ms.unwrap_or(u64::MAX).min(self.give_back());
        let timeout = Timespec {
            tv_sec: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ms % 1_000 * 1_000_000).unwrap_or_default(),
        };
        self.ready.clear();
        // An interrupted wait has no events; there is no other error with arguments of ours.
        let _ = epoll::wait(&self.epoll, spare_capacity(&mut self.ready), Some(&timeout));
        for event in &self.ready {
            let (token, flags) = (event.data.u64(), event.flags);
            events.push(match token {
                WAKE => ReadyEvent::Wake,
                LISTENERS.. => ReadyEvent::Accept(usize::try_from(token - LISTENERS).unwrap_or_default()),
                _ => ReadyEvent::Ready {
                    token,
                    readable: flags
                        .intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR),
                    writable: flags.contains(epoll::EventFlags::OUT),
                },
            });
        }
    }

    fn watch_listener(&mut self, listener: &OwnedFd, number: usize, on: bool) -> Result<(), Errno> {
        if !on {
            return epoll::delete(&self.epoll, listener);
        }
        let token = epoll::EventData::new_u64(LISTENERS + number as u64);
        // A UNIX socket is one for all shards: not all of them are to wake for each who comes.
        epoll::add(&self.epoll, listener, token, epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE)
    }

    fn set_unacknowledged(&mut self, listener: &OwnedFd, after: Duration) {
        // A UNIX socket has none, and what fails leaves the time that was set before.
        let _ = set_unacknowledged(listener, after);
    }

    fn accept(&mut self, listener: &OwnedFd) -> Result<OwnedFd, Errno> {
        net::accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
    }

    fn peer(&mut self, socket: &OwnedFd) -> Option<SocketAddr> {
        let peer = net::getpeername(socket).ok()??;
        if peer.address_family() == AddressFamily::UNIX {
            return Some(SocketAddr::new(UNIX, 0));
        }
        let address = SocketAddr::try_from(peer).ok()?;
        Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    fn peek(&mut self, socket: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
        net::recv(socket, bytes, RecvFlags::PEEK).map(|(len, _)| len)
    }

    fn watch(&mut self, socket: &OwnedFd, token: u64) -> Result<(), Errno> {
        epoll::add(&self.epoll, socket, epoll::EventData::new_u64(token), epoll::EventFlags::IN)
    }

    fn watch_for(&mut self, socket: &OwnedFd, token: u64, interest: Interest) -> Result<(), Errno> {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, interest.readable);
        flags.set(epoll::EventFlags::OUT, interest.writable);
        epoll::modify(&self.epoll, socket, epoll::EventData::new_u64(token), flags)
    }

    fn unwatch(&mut self, socket: &OwnedFd) {
        // It fails only where it is not watched.
        let _ = epoll::delete(&self.epoll, socket);
    }

    fn read(&mut self, socket: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
        // Not `read`, which takes the longer way through the file system's layer.
        net::recv(socket, bytes, RecvFlags::empty()).map(|(len, _)| len)
    }

    fn writev(&mut self, socket: &OwnedFd, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        if let [one] = slices {
            return net::send(socket, one, SendFlags::NOSIGNAL);
        }
        let mut control = net::SendAncillaryBuffer::new(&mut []);
        net::sendmsg(socket, slices, &mut control, SendFlags::NOSIGNAL)
    }

    fn send_each(&mut self, sends: &[(&OwnedFd, &[u8])], results: &mut Vec<Result<usize, Errno>>) -> bool {
        let mut sent = 0;
        // For one alone a plain call is cheaper.
        if let Some(ring) = self.ring.as_mut().filter(|_| sends.len() > 1) {
            let first = results.len();
            if ring.send_each(sends, results) {
                return true;
            }
            self.ring = None;
            sent = results.len() - first;
        }
        results
            .extend(sends[sent..].iter().map(|(socket, bytes)| self.writev(socket, &[IoSlice::new(bytes)])));
        false
    }

    fn shutdown(&mut self, socket: &OwnedFd) {
        // A client that is gone already needs no goodbye.
        let _ = net::shutdown(socket, Shutdown::Write);
    }
}

/// The token of the wake-up; tokens of connections are far below.
const WAKE: u64 = u64::MAX;
/// Tokens from here on are listeners.
const LISTENERS: u64 = u64::MAX - (1 << 16);

#[cfg(test)]
mod tests;
