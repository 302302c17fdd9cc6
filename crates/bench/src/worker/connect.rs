//! Connecting: as many at a time as the plan allows, each from the local address that is its turn.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::{PROGRESS_EVERY, Worker, WorkerState};
use crate::clock::timespec;
use crate::machine::words;
use crate::plan::Reloading;

impl Worker {
    /// Begins as many connections as may be begun now, and tells for how long to wait then.
    pub(super) fn connect_some(&mut self) -> Timespec {
        let rate = if self.reloading.count > 0 {
            self.reloading.rate
        } else {
            self.plan.connect_rate / f64::from(self.workers)
        };
        for _ in 0..CONNECTS_PER_TURN {
            let is_reloading = self.reloading.count > 0;
            let nothing_left = self.begun == self.wanted && self.returning.is_empty() && !is_reloading;
            if nothing_left || self.is_paused || self.pending >= self.plan.pending_max {
                return timespec(PROGRESS_EVERY);
            }
            if is_reloading && self.is_reloader_coming() {
                return timespec(PROGRESS_EVERY);
            }
            if rate > 0.0 && f64::from(self.paced.1) > self.paced.0.elapsed().as_secs_f64() * rate {
                return timespec(Duration::from_millis(1));
            }
            self.paced.1 += 1;
            if is_reloading {
                self.reload();
                continue;
            }
            let place = self.returning.pop().unwrap_or_else(|| {
                self.begun += 1;
                self.begun - 1
            });
            self.begin(place);
        }
        timespec(Duration::ZERO)
    }

    /// Its share of all reloads is this worker's; where nobody is, there is nothing to do.
    pub(super) fn begin_reloading(&mut self, all: Reloading) {
        let share = (all.count.saturating_sub(self.number)).div_ceil(self.workers);
        let count = if self.begun > 0 { share } else { 0 };
        self.reloading = Reloading { count, rate: all.rate / f64::from(self.workers) };
        self.paced = (Instant::now(), 0);
    }

    /// Whether the client whose turn it is to leave is not back from the last time.
    fn is_reloader_coming(&self) -> bool {
        matches!(
            self.clients[self.reloader % self.begun].state,
            WorkerState::Connecting | WorkerState::Asking
        )
    }

    /// The client whose turn it is leaves and comes back, if it is there.
    fn reload(&mut self) {
        self.reloading.count -= 1;
        let place = self.reloader % self.begun;
        self.reloader = place + 1;
        if self.clients[place].state == WorkerState::Standing && !self.clients[place].is_paused {
            (self.clients[place].socket, self.clients[place].state) = (None, WorkerState::Away);
            self.tally.standing -= 1;
            self.tally.reloaded += 1;
            self.begin(place);
        }
    }

    pub(super) fn begin(&mut self, place: usize) {
        self.pending += 1;
        match self.connect(place) {
            Ok(socket) => {
                self.clients[place].socket = Some(socket);
                self.clients[place].state = WorkerState::Connecting;
            }
            Err(error) => self.lose(place, &format!("cannot connect: {}", words(error))),
        }
    }

    fn connect(&self, place: usize) -> Result<OwnedFd, Errno> {
        let address = self.plan.target.address;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        if self.plan.by_reset {
            sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        }
        if self.plan.sources > 0 {
            let source = Ipv4Addr::from(FIRST_SOURCE + self.global(place) % self.plan.sources);
            net::bind(&socket, &SocketAddr::new(IpAddr::V4(source), 0))?;
        }
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(place as u64), flags)?;
        Ok(socket)
    }
}

/// Connections begun before those there are are looked at again.
const CONNECTS_PER_TURN: usize = 64;
/// 127.0.0.2 and those after it.
const FIRST_SOURCE: u32 = 0x7f00_0002;
