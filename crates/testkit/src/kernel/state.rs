//! The state behind the fake world: what lies in which socket, who watches what, and what time it is.

use std::collections::{BTreeSet, VecDeque};
use std::io::IoSlice;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use wait::limits::EVENTS_PER_TURN;
use wait::{Errno, Interest, ReadyEvent};

use super::world::{Ask, Calls, Mischief, UNIX_AT_START};
use crate::seeds::Chance;

#[derive(Debug)]
pub(super) struct WorldState {
    /// The fake clock, in milliseconds since the Unix epoch: the hub reads it, too.
    pub(super) clock: Arc<AtomicU64>,
    /// By how many milliseconds somebody has set the clock on the wall.
    pub(super) set_by: Arc<AtomicI64>,
    chance: Chance,
    pub(super) mischief: Mischief,
    /// Microseconds that pass between two looks at the clock that tells them.
    pub(super) us_per_look: u64,
    /// So many have passed by looking.
    looked_us: u64,
    /// Polling with nothing ready lets time pass.
    pub(super) sleeps: bool,
    pub(super) lines: Vec<SimLine>,
    pub(super) listeners: Vec<ByteQueue>,
    /// What each kernel's shard asked for, and the sockets it watches.
    asks: Vec<Ask>,
    watched: Vec<BTreeSet<usize>>,
    /// Errors that accepting has in store.
    pub(super) accept_errors: VecDeque<Errno>,
    /// Until then there is no descriptor.
    pub(super) no_descriptor_until: u64,
    /// Watching a new socket fails so many times.
    pub(super) watch_errors: usize,
    pub(super) calls: Calls,
}

/// One connection, seen from both ends.
#[derive(Debug, Default)]
pub(super) struct SimLine {
    /// Where the client is; `None`: on this machine.
    pub(super) from: Option<IpAddr>,
    pub(super) to_server: VecDeque<u8>,
    pub(super) to_client: VecDeque<u8>,
    /// So many bytes may lie in `to_client`.
    pub(super) window: usize,
    /// Kernel and token that watch it.
    watch: Option<(usize, u64)>,
    pub(super) interest: Option<Interest>,
    /// The client says nothing more.
    pub(super) client_done: bool,
    /// The client reads nothing more.
    pub(super) client_gone: bool,
    pub(super) reset: bool,
    /// The listener went before it was accepted.
    pub(super) refused: bool,
    /// The server says nothing more.
    pub(super) server_done: bool,
    pub(super) server_closed: bool,
}

#[derive(Debug, Default)]
pub(super) struct ByteQueue {
    pub(super) waiting: VecDeque<usize>,
    /// Kernel, and the number by which it knows the listener.
    watch: Option<(usize, usize)>,
    closed: bool,
}

impl WorldState {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            clock: Arc::new(AtomicU64::new(UNIX_AT_START)),
            set_by: Arc::default(),
            chance: Chance::new(seed ^ 0x5eed),
            mischief: Mischief::default(),
            us_per_look: 0,
            looked_us: 0,
            sleeps: false,
            lines: Vec::new(),
            listeners: Vec::new(),
            asks: Vec::new(),
            watched: Vec::new(),
            accept_errors: VecDeque::new(),
            no_descriptor_until: 0,
            watch_errors: 0,
            calls: Calls::default(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed) - UNIX_AT_START
    }

    /// What is done takes no time here but what is told.
    pub(super) fn now_us(&mut self) -> u64 {
        self.calls.looks += 1;
        self.looked_us += self.us_per_look;
        self.now() * 1_000 + self.looked_us
    }

    pub(super) fn line(&self, number: usize) -> &SimLine {
        &self.lines[number]
    }

    pub(super) fn line_mut(&mut self, number: usize) -> &mut SimLine {
        &mut self.lines[number]
    }

    pub(super) fn ask(&self, kernel: usize) -> Ask {
        self.asks[kernel]
    }

    pub(super) fn add_kernel(&mut self) -> usize {
        self.asks.push(Ask::Busy);
        self.watched.push(BTreeSet::new());
        self.asks.len() - 1
    }

    pub(super) fn add_listener(&mut self) -> usize {
        self.listeners.push(ByteQueue::default());
        self.listeners.len() - 1
    }

    pub(super) fn connect(&mut self, listener: usize) -> usize {
        let number = self.lines.len();
        let queue = &mut self.listeners[listener];
        self.lines.push(SimLine { window: usize::MAX, refused: queue.closed, ..SimLine::default() });
        if !queue.closed {
            queue.waiting.push_back(number);
        }
        number
    }

    pub(super) fn poll(
        &mut self,
        kernel: usize,
        timeout_ms: Option<u64>,
        rung: bool,
        events: &mut Vec<ReadyEvent>,
    ) {
        self.calls.polls += 1;
        let mut ready = self.ready(kernel);
        self.chance.shuffle(&mut ready);
        if !ready.is_empty() && self.chance.once_in(self.mischief.partial) {
            ready.truncate(1 + self.chance.index(ready.len()));
        }
        ready.truncate(EVENTS_PER_TURN - 1);
        ready.extend(rung.then_some(ReadyEvent::Wake));
        self.asks[kernel] = match timeout_ms {
            _ if !ready.is_empty() => Ask::Busy,
            Some(0) => Ask::Busy,
            Some(ms) => Ask::Until(self.now() + ms),
            None => Ask::Forever,
        };
        if let (true, Ask::Until(time)) = (self.sleeps, self.asks[kernel]) {
            let ms = time - self.now();
            let early = self.chance.once_in(self.mischief.interrupted);
            let slept = if early { self.chance.below(ms + 1) } else { ms };
            self.clock.fetch_add(slept, Ordering::Relaxed);
        }
        events.append(&mut ready);
    }

    /// All that is ready, level-triggered.
    fn ready(&self, kernel: usize) -> Vec<ReadyEvent> {
        let mut ready = Vec::new();
        for queue in &self.listeners {
            if let Some((_, number)) =
                queue.watch.filter(|(by, _)| *by == kernel && !queue.waiting.is_empty())
            {
                ready.push(ReadyEvent::Accept(number));
            }
        }
        for line in self.watched[kernel].iter().map(|number| &self.lines[*number]) {
            let Some((_, token)) = line.watch else { continue };
            let interest = line.interest.unwrap_or(Interest::READ);
            let has_bytes = !line.to_server.is_empty() || line.client_done;
            let readable = (interest.readable && has_bytes) || line.reset;
            let room = line.to_client.len() < line.window;
            let writable = interest.writable && (room || line.reset || line.client_gone);
            if readable || writable {
                ready.push(ReadyEvent::Ready { token, readable, writable });
            }
        }
        ready
    }

    pub(super) fn watch_listener(
        &mut self,
        kernel: usize,
        listener: usize,
        number: usize,
        on: bool,
    ) -> Result<(), Errno> {
        let queue = &mut self.listeners[listener];
        match (queue.watch, on) {
            (Some(_), true) => Err(Errno::EXIST),
            (None, false) => Err(Errno::NOENT),
            (_, on) => {
                queue.watch = on.then_some((kernel, number));
                Ok(())
            }
        }
    }

    pub(super) fn accept(&mut self, listener: usize) -> Result<usize, Errno> {
        self.calls.accepts += 1;
        let queue = &mut self.listeners[listener];
        assert!(!queue.closed, "a listener that is closed accepts nobody");
        if queue.waiting.is_empty() {
            return Err(Errno::AGAIN);
        }
        if let Some(error) = self.accept_errors.pop_front() {
            return Err(error);
        }
        if self.now() < self.no_descriptor_until || self.chance.once_in(self.mischief.no_descriptor) {
            return Err(Errno::MFILE);
        }
        let number = self.listeners[listener].waiting.pop_front().expect("there is one");
        if self.lines[number].reset {
            self.lines[number].refused = true;
            return Err(Errno::CONNABORTED);
        }
        Ok(number)
    }

    pub(super) fn watch(&mut self, kernel: usize, number: usize, token: u64) -> Result<(), Errno> {
        self.calls.watches += 1;
        if self.watch_errors > 0 || self.chance.once_in(self.mischief.no_room) {
            self.watch_errors = self.watch_errors.saturating_sub(1);
            return Err(Errno::NOSPC);
        }
        let line = &mut self.lines[number];
        assert!(line.watch.is_none(), "a socket is watched once");
        line.watch = Some((kernel, token));
        self.watched[kernel].insert(number);
        Ok(())
    }

    pub(super) fn watch_for(&mut self, number: usize, token: u64, interest: Interest) -> Result<(), Errno> {
        self.calls.watches += 1;
        let line = &mut self.lines[number];
        let known = line.watch.map(|(_, token)| token);
        assert_eq!(known, Some(token), "a socket keeps its token");
        line.interest = Some(interest);
        Ok(())
    }

    pub(super) fn unwatch(&mut self, kernel: usize, number: usize) {
        let line = &mut self.lines[number];
        assert_eq!(line.watch.map(|(by, _)| by), Some(kernel), "it is watched here");
        (line.watch, line.interest) = (None, None);
        self.watched[kernel].remove(&number);
    }

    pub(super) fn read(&mut self, number: usize, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.calls.reads += 1;
        self.disturb()?;
        let short = self.chance.once_in(self.mischief.short);
        let line = &mut self.lines[number];
        if line.reset {
            return Err(Errno::CONNRESET);
        }
        let mut len = bytes.len().min(line.to_server.len());
        if len == 0 {
            assert!(!bytes.is_empty(), "nothing is read only into nothing");
            return if line.client_done { Ok(0) } else { Err(Errno::AGAIN) };
        }
        if short {
            len = 1 + self.chance.index(len);
        }
        bytes.iter_mut().zip(line.to_server.drain(..len)).for_each(|(to, from)| *to = from);
        Ok(len)
    }

    pub(super) fn peek(&mut self, number: usize, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.disturb()?;
        let line = &self.lines[number];
        if line.reset {
            return Err(Errno::CONNRESET);
        }
        if line.to_server.is_empty() {
            return if line.client_done { Ok(0) } else { Err(Errno::AGAIN) };
        }
        bytes.iter_mut().zip(&line.to_server).for_each(|(to, from)| *to = *from);
        Ok(bytes.len().min(line.to_server.len()))
    }

    pub(super) fn writev(&mut self, number: usize, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
        self.calls.writes += 1;
        self.disturb()?;
        let short = self.chance.once_in(self.mischief.short);
        let line = &mut self.lines[number];
        assert!(!line.server_done, "who said the end says nothing more");
        let len: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(len > 0, "a call that writes nothing is a call too many");
        if line.reset || line.client_gone {
            return Err(Errno::PIPE);
        }
        let mut taken = len.min(line.window.saturating_sub(line.to_client.len()));
        if taken == 0 {
            return Err(Errno::AGAIN);
        }
        if short {
            taken = 1 + self.chance.index(taken);
        }
        line.to_client.extend(slices.iter().flat_map(|slice| slice.iter()).take(taken));
        Ok(taken)
    }

    /// A call may come to nothing, and is to be made again.
    fn disturb(&mut self) -> Result<(), Errno> {
        if self.chance.once_in(self.mischief.interrupted) {
            return Err(Errno::INTR);
        }
        if self.chance.once_in(self.mischief.again) { Err(Errno::AGAIN) } else { Ok(()) }
    }

    pub(super) fn shut_down(&mut self, number: usize) {
        self.calls.shutdowns += 1;
        self.lines[number].server_done = true;
    }

    pub(super) fn closed(&mut self, number: usize) {
        self.calls.closes += 1;
        let line = &mut self.lines[number];
        assert!(!line.server_closed, "a socket is closed once");
        line.server_closed = true;
        line.to_server = VecDeque::new();
        if let Some((kernel, _)) = line.watch.take() {
            self.watched[kernel].remove(&number);
        }
    }

    pub(super) fn listener_closed(&mut self, listener: usize) {
        let queue = &mut self.listeners[listener];
        (queue.closed, queue.watch) = (true, None);
        for number in queue.waiting.drain(..) {
            self.lines[number].refused = true;
        }
    }
}
