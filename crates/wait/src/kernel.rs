//! What a shard asks of the operating system. All of it, and nothing else.
//!
//! The real one is `linux.rs`. A fake one scripts readiness, short reads, errors and time, so that the
//! whole loop runs in a test, with a seed.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::time::Duration;

pub use rustix::io::Errno;

/// The operating system as a shard sees it.
pub trait Kernel {
    /// A client's socket; dropping it closes it.
    type Socket;
    /// A listening socket; dropping it closes it.
    type Listener;

    /// Milliseconds of a clock that never runs backwards.
    fn now(&mut self) -> u64;

    /// Microseconds of the same clock: how long what was asked for took.
    fn now_us(&mut self) -> u64;

    /// Waits until something is ready, or for so many milliseconds (`None`: for ever), and appends it
    /// to `events`: at most [`crate::limits::EVENTS_PER_TURN`].
    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<ReadyEvent>);

    /// Begins or stops to report connections that wait to be accepted.
    fn watch_listener(&mut self, listener: &Self::Listener, number: usize, on: bool) -> Result<(), Errno>;

    /// From now on a client that a listener brings is given up when it takes nothing for this time, where the system knows of such.
    fn set_unacknowledged(&mut self, _listener: &Self::Listener, _after: Duration) {}

    /// Takes the next waiting connection.
    fn accept(&mut self, listener: &Self::Listener) -> Result<Self::Socket, Errno>;

    /// The address of the client, as far as it is known.
    fn peer(&mut self, socket: &Self::Socket) -> Option<SocketAddr>;

    /// Reads what has come, and leaves it there; 0: the client has closed its side.
    fn peek(&mut self, socket: &Self::Socket, bytes: &mut [u8]) -> Result<usize, Errno>;

    /// Begins to report that bytes have come for `token`. Level-triggered, once for as long as it is with a shard.
    fn watch(&mut self, socket: &Self::Socket, token: u64) -> Result<(), Errno>;

    /// Reports this from now on. An error is reported in any case, as something that can be read.
    fn watch_for(&mut self, socket: &Self::Socket, token: u64, interest: Interest) -> Result<(), Errno>;

    /// Reports nothing of it any more: it goes over to another shard.
    fn unwatch(&mut self, socket: &Self::Socket);

    /// Reads what has come; 0: the client has closed its side.
    fn read(&mut self, socket: &Self::Socket, bytes: &mut [u8]) -> Result<usize, Errno>;

    /// Writes what the kernel takes at once.
    fn writev(&mut self, socket: &Self::Socket, slices: &[IoSlice<'_>]) -> Result<usize, Errno>;

    /// Writes one piece to each of several, in this order, and appends what came of each to `results`: as `writev`
    /// one after the other would, of at most [`crate::limits::SENDS_PER_CALL`]. True: in one call.
    fn send_each(
        &mut self,
        sends: &[(&Self::Socket, &[u8])],
        results: &mut Vec<Result<usize, Errno>>,
    ) -> bool;

    /// Closes our side: what was written is still delivered.
    fn shutdown(&mut self, socket: &Self::Socket);
}

/// What is reported of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interest {
    /// That bytes have come, or the end of them.
    pub readable: bool,
    /// That bytes can be written.
    pub writable: bool,
}

impl Interest {
    /// What is reported at first.
    pub const READ: Self = Self { readable: true, writable: false };
}

/// Something is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyEvent {
    /// There is mail, or somebody wants a look at it.
    Wake,
    /// Connections wait at this listener.
    Accept(usize),
    /// A connection is ready.
    Ready {
        /// As it was given to `watch`.
        token: u64,
        /// Bytes, the end, or an error can be read.
        readable: bool,
        /// Bytes can be written.
        writable: bool,
    },
}
