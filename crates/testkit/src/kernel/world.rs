//! The fake world as a test holds it: what it may be told, and what it tells.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use wait::Errno;

use super::state::WorldState;

/// All sockets of a test, and its clock. A clone is the same world.
#[derive(Debug, Clone)]
pub struct World(pub(super) Rc<RefCell<WorldState>>);

/// How often a call does not do all it could: once in so many times, never for 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mischief {
    /// A read or a write stops anywhere.
    pub short: u64,
    /// A call is interrupted.
    pub interrupted: u64,
    /// What was said to be ready is not.
    pub again: u64,
    /// Only some of what is ready is told.
    pub partial: u64,
    /// No room for one more in the set of watched sockets.
    pub no_room: u64,
    /// No descriptor for one more connection.
    pub no_descriptor: u64,
}

/// System calls so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are named after the calls")]
pub struct Calls {
    pub polls: u64,
    pub accepts: u64,
    pub reads: u64,
    pub writes: u64,
    /// Sends to several at once; what they write counts among `writes`, too.
    pub batches: u64,
    pub watches: u64,
    /// Looks at the clock that measures what clients ask for.
    pub looks: u64,
    pub shutdowns: u64,
    pub closes: u64,
}

/// What a shard asked for when it last polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// It got something, or did not want to sleep.
    Busy,
    /// It wanted to sleep until then, and nothing was ready.
    Until(u64),
    /// It wanted to sleep for ever, and nothing was ready.
    Forever,
}

impl World {
    /// A calm world at time 0.
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(WorldState::new(seed))))
    }

    /// The clock by which the hub shall live: the kernels' time, and a fixed offset.
    pub fn clock(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.0.borrow().clock)
    }

    /// By how many milliseconds the clock on the wall was set since the world began; whoever has it may set it.
    pub fn set_by(&self) -> Arc<AtomicI64> {
        Arc::clone(&self.0.borrow().set_by)
    }

    /// Milliseconds since the world began.
    pub fn now(&self) -> u64 {
        self.0.borrow().now()
    }

    /// Lets time pass.
    pub fn pass(&self, ms: u64) {
        self.0.borrow().clock.fetch_add(ms, Ordering::Relaxed);
    }

    /// From now on each thing that a shard measures takes so many microseconds.
    pub fn set_cost_us(&self, us: u64) {
        self.0.borrow_mut().us_per_look = us;
    }

    /// Whether polling with nothing ready lets time pass, as sleeping does. Otherwise it returns at once.
    pub fn set_sleeps(&self, sleeps: bool) {
        self.0.borrow_mut().sleeps = sleeps;
    }

    /// From now on calls do so little.
    pub fn set_mischief(&self, mischief: Mischief) {
        self.0.borrow_mut().mischief = mischief;
    }

    /// The next call that accepts fails so.
    pub fn fail_accept(&self, error: Errno) {
        self.0.borrow_mut().accept_errors.push_back(error);
    }

    /// For so long, accepting finds no descriptor.
    pub fn exhaust_descriptors(&self, ms: u64) {
        let mut state = self.0.borrow_mut();
        state.no_descriptor_until = state.now() + ms;
    }

    /// So many times, a new socket cannot be watched.
    pub fn fail_watch(&self, times: usize) {
        self.0.borrow_mut().watch_errors = times;
    }

    /// System calls so far.
    pub fn calls(&self) -> Calls {
        self.0.borrow().calls
    }

    /// Connections the server holds.
    pub fn held(&self) -> usize {
        let open = self.0.borrow().lines.iter().filter(|line| !line.server_closed && !line.refused).count();
        open - self.waiting()
    }

    /// Connections that wait to be accepted.
    pub fn waiting(&self) -> usize {
        self.0.borrow().listeners.iter().map(|queue| queue.waiting.len()).sum()
    }
}

/// The Unix time, in milliseconds, at which every world begins.
pub const UNIX_AT_START: u64 = 1_700_000_000_000;
