//! The WAIT line as a whole: its shards' threads, started in the one order in which private fd tables
//! work.
//!
//! A copied table keeps open whatever was open when it was copied, and a forgotten copy of an
//! SO_REUSEPORT listener swallows connections. So: first the wakers, which all must share; then the
//! threads, each of which takes its own table at once; then a barrier; and only then does a shard open
//! its listeners, and the caller whatever it wants.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Instant;

use exchange::Exchange;
use exchange::hub::ShardId;
use tracing::warn;

use crate::counters::{Counters, ShardStats};
use crate::desk::Desk;
use crate::kernel::Errno;
use crate::linux::{Linux, Waker};
use crate::listener::{Certificates, ListenAddress, Listener};
use crate::settings::WaitSettings;
use crate::shard::Shard;

/// The running WAIT line.
#[derive(Debug)]
pub struct Line {
    addresses: Vec<ListenAddress>,
    stats: ShardStats,
    threads: Vec<JoinHandle<()>>,
}

/// Why the WAIT line could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be listened on.
    Listen(SocketAddr, std::io::Error),
    /// Something else the system refused.
    System(std::io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::System(error) => write!(f, "cannot start the WAIT line: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Makes the wakers of so many shards. Before any shard starts: all fd tables must have them.
pub fn wakers(shards: usize) -> std::io::Result<Vec<Arc<Waker>>> {
    (0..shards).map(|_| Waker::new().map(Arc::new)).collect()
}

impl Line {
    /// Starts one thread a waker. Returns when all of them listen, or with the first error. The caller
    /// opens no other fd before this returns: all shards would keep a copy of it open.
    pub fn start(
        listeners: &[Listener],
        certificates: &Certificates,
        settings: WaitSettings,
        wakers: Vec<Arc<Waker>>,
        exchange: &Arc<Exchange>,
        desk: &Desk,
        seed: u64,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let began = Instant::now();
        let barrier = Arc::new(Barrier::new(wakers.len() + 1));
        let mut starting = Vec::with_capacity(wakers.len());
        for (number, waker) in wakers.into_iter().enumerate() {
            let id = ShardId(u16::try_from(number).unwrap_or(u16::MAX));
            let start = ThreadStart {
                id,
                waker,
                settings: Arc::clone(&settings),
                certificates: certificates.clone(),
                exchange: Arc::clone(exchange),
                desk: desk.clone(),
                seed: seed.wrapping_add(u64::from(id.0)),
                began,
            };
            starting.push(Starting::spawn(start, Arc::clone(&barrier)).map_err(StartError::System)?);
        }
        barrier.wait();
        // The first shard decides what port 0 becomes; the others share it.
        let mut bound = listeners.to_vec();
        let mut counters = Vec::with_capacity(starting.len());
        for shard in &starting {
            let opened = shard.open(&bound)?;
            bound = opened.listeners;
            counters.push(opened.counters);
        }
        let threads = starting.into_iter().map(Starting::go).collect();
        let addresses = bound.into_iter().map(|listener| listener.address).collect();
        Ok(Self { addresses, stats: ShardStats(counters.into()), threads })
    }

    /// Where it listens; a port 0 is resolved.
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// A handle that reads the counters, summed over all shards.
    pub fn stats(&self) -> ShardStats {
        self.stats.clone()
    }

    /// Waits until all shards have ended, which they do after [`exchange::Order::Drain`].
    pub fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                warn!("a shard ended by a panic");
            }
        }
    }
}

/// What a shard's thread starts with.
struct ThreadStart {
    id: ShardId,
    waker: Arc<Waker>,
    settings: Arc<WaitSettings>,
    certificates: Certificates,
    exchange: Arc<Exchange>,
    desk: Desk,
    seed: u64,
    began: Instant,
}

/// A shard's thread that has its fd table, and waits to be told where to listen.
struct Starting {
    listeners: Sender<Vec<Listener>>,
    opened: Receiver<Result<Opened, StartError>>,
    go: Sender<()>,
    thread: JoinHandle<()>,
}

/// A shard that listens.
struct Opened {
    listeners: Vec<Listener>,
    counters: Arc<Counters>,
}

impl Starting {
    fn spawn(start: ThreadStart, barrier: Arc<Barrier>) -> std::io::Result<Self> {
        let (listeners, listeners_in) = channel::<Vec<Listener>>();
        let (opened_out, opened) = channel();
        let (go, go_in) = channel();
        let thread = std::thread::Builder::new().name(format!("wait-{}", start.id.0)).stack_size(STACK_LEN).spawn(
            move || {
                if let Err(error) = sys::unshare() {
                    warn!(shard = start.id.0, %error, "no fd table of its own: the limit of open files is for all shards together");
                }
                barrier.wait();
                let Ok(listeners) = listeners_in.recv() else { return };
                let mut shard = match open(start, &listeners) {
                    Ok((shard, listeners)) => {
                        let counters = Arc::clone(shard.counters());
                        // Whoever started us may have given up meanwhile; then `go` fails, too.
                        let _ = opened_out.send(Ok(Opened { listeners, counters }));
                        shard
                    }
                    Err(error) => {
                        let _ = opened_out.send(Err(error));
                        return;
                    }
                };
                if go_in.recv().is_ok() {
                    shard.run();
                }
            },
        )?;
        Ok(Self { listeners, opened, go, thread })
    }

    fn open(&self, listeners: &[Listener]) -> Result<Opened, StartError> {
        let ended = || StartError::System(std::io::Error::other("a shard's thread ended while it started"));
        self.listeners.send(listeners.to_vec()).map_err(|_| ended())?;
        self.opened.recv().map_err(|_| ended())?
    }

    fn go(self) -> JoinHandle<()> {
        // It fails only if the thread has ended, which `join` will tell.
        let _ = self.go.send(());
        self.thread
    }
}

/// Opens a shard's epoll set and listeners, in its own thread.
fn open(start: ThreadStart, wanted: &[Listener]) -> Result<(Shard<Linux>, Vec<Listener>), StartError> {
    let system = |error: Errno| StartError::System(error.into());
    let kernel = Linux::new(start.waker, start.began, start.settings.io_uring).map_err(system)?;
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    let unacknowledged = start.settings.unacknowledged();
    for Listener { address, dialects } in wanted {
        let (listener, address) = match address {
            ListenAddress::Inet(address) => Linux::listen(*address, unacknowledged)
                .map(|(listener, address)| (listener, ListenAddress::Inet(address)))
                .map_err(|error| StartError::Listen(*address, error.into()))?,
            ListenAddress::Unix(shared) => {
                (Linux::share(shared).map_err(system)?, ListenAddress::Unix(Arc::clone(shared)))
            }
        };
        listeners.push((listener, *dialects));
        bound.push(Listener { address, dialects: *dialects });
    }
    let mut shard =
        Shard::new(start.id, kernel, listeners, start.settings, start.exchange, start.desk, start.seed);
    shard.set_certificates(start.certificates);
    Ok((shard, bound))
}

/// A shard needs little stack; only what it touches is ever given to it.
const STACK_LEN: usize = 512 << 10;
