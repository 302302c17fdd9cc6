//! A kernel of lies for the WAIT line: sockets that are memory, time that is told, and mischief by seed.
//!
//! A [`World`] holds all sockets of a test and one clock. Each shard gets a [`FakeKernel`] of it; the
//! other end of every connection is a [`SimPeer`], in the hands of the test. A calm world does what it is
//! asked at once, so that system calls can be counted; [`Mischief`] makes readiness partial and
//! disorderly, reads and writes short, and calls interrupted. What a server must never do (write after
//! it said it is done, watch twice) panics.

mod peer;
mod state;
mod tls;
mod world;

use std::cell::RefCell;
use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use peer::SimPeer;
pub use tls::{SimTls, certificates, server};
pub use world::{Ask, Calls, Mischief, UNIX_AT_START, World};

use state::WorldState;
use wait::exchange::Wake;
use wait::limits::SENDS_PER_CALL;
use wait::{Errno, Interest, Kernel, ReadyEvent};

/// The operating system of one shard, in a world it may share with others.
#[derive(Debug)]
pub struct FakeKernel {
    state: Rc<RefCell<WorldState>>,
    number: usize,
    bell: Arc<SimBell>,
}

/// The server's end of a connection. Dropping it closes it.
#[derive(Debug)]
pub struct SimSocket {
    state: Rc<RefCell<WorldState>>,
    number: usize,
}

/// A listener. Dropping it closes it.
#[derive(Debug)]
pub struct SimListener {
    state: Rc<RefCell<WorldState>>,
    /// Its number, by which a [`SimPeer`] finds it.
    pub number: usize,
}

/// What wakes a shard.
#[derive(Debug, Default)]
pub struct SimBell(AtomicBool);

impl Wake for SimBell {
    fn wake(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.state.borrow_mut().closed(self.number);
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.state.borrow_mut().listener_closed(self.number);
    }
}

impl World {
    /// The kernel of a further shard, which this bell wakes.
    pub fn kernel(&self, bell: Arc<SimBell>) -> FakeKernel {
        let number = self.0.borrow_mut().add_kernel();
        FakeKernel { state: Rc::clone(&self.0), number, bell }
    }

    /// A further listener.
    pub fn listener(&self) -> SimListener {
        let number = self.0.borrow_mut().add_listener();
        SimListener { state: Rc::clone(&self.0), number }
    }
}

impl FakeKernel {
    /// What its shard asked for when it last polled, and got nothing.
    pub fn ask(&self) -> Ask {
        self.state.borrow().ask(self.number)
    }
}

impl Kernel for FakeKernel {
    type Socket = SimSocket;
    type Listener = SimListener;

    fn now(&mut self) -> u64 {
        self.state.borrow().now()
    }

    fn now_us(&mut self) -> u64 {
        self.state.borrow_mut().now_us()
    }

    fn poll(&mut self, timeout_ms: Option<u64>, events: &mut Vec<ReadyEvent>) {
        let rung = self.bell.0.swap(false, Ordering::Relaxed);
        self.state.borrow_mut().poll(self.number, timeout_ms, rung, events);
    }

    fn watch_listener(&mut self, listener: &SimListener, number: usize, on: bool) -> Result<(), Errno> {
        self.state.borrow_mut().watch_listener(self.number, listener.number, number, on)
    }

    fn accept(&mut self, listener: &SimListener) -> Result<SimSocket, Errno> {
        let number = self.state.borrow_mut().accept(listener.number)?;
        Ok(SimSocket { state: Rc::clone(&self.state), number })
    }

    fn peer(&mut self, socket: &SimSocket) -> Option<SocketAddr> {
        let from = self.state.borrow_mut().line_mut(socket.number).from;
        Some(SocketAddr::new(from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), 1))
    }

    fn peek(&mut self, socket: &SimSocket, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.state.borrow_mut().peek(socket.number, bytes)
    }

    fn watch(&mut self, socket: &SimSocket, token: u64) -> Result<(), Errno> {
        self.state.borrow_mut().watch(self.number, socket.number, token)
    }

    fn watch_for(&mut self, socket: &SimSocket, token: u64, interest: Interest) -> Result<(), Errno> {
        self.state.borrow_mut().watch_for(socket.number, token, interest)
    }

    fn unwatch(&mut self, socket: &SimSocket) {
        self.state.borrow_mut().unwatch(self.number, socket.number);
    }

    fn read(&mut self, socket: &SimSocket, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.state.borrow_mut().read(socket.number, bytes)
    }

    fn writev(&mut self, socket: &SimSocket, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.state.borrow_mut().writev(socket.number, slices)
    }

    fn send_each(&mut self, sends: &[(&SimSocket, &[u8])], results: &mut Vec<Result<usize, Errno>>) -> bool {
        assert!((1..=SENDS_PER_CALL).contains(&sends.len()), "{} sends in a call", sends.len());
        let mut state = self.state.borrow_mut();
        state.calls.batches += 1;
        let mut write = |number, bytes| state.writev(number, &[IoSlice::new(bytes)]);
        results.extend(sends.iter().map(|(socket, bytes)| write(socket.number, bytes)));
        true
    }

    fn shutdown(&mut self, socket: &SimSocket) {
        self.state.borrow_mut().shut_down(socket.number);
    }
}
