//! The WAIT line as a whole: its shards' threads, started in the one order in which private fd tables
//! work.
//!
//! A copied table keeps open whatever was open when it was copied, and a forgotten copy of an
//! SO_REUSEPORT listener swallows connections. So: first the wakers, which all must share; then the
//! threads, each of which takes its own table at once; then a barrier; and only then does a shard open
//! its listeners, and the caller whatever it wants.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::Instant;

use exchange::Exchange;
use exchange::hub::ShardId;
use sys::Parcels;
use tracing::warn;
use transport::dialect::DialectSet;

use crate::counters::{Counters, ShardStats};
use crate::desk::Desk;
use crate::handover;
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
    threads: Vec<Thread>,
}

/// A shard's thread, which runs from when it is told to.
#[derive(Debug)]
struct Thread {
    go: Sender<()>,
    thread: JoinHandle<()>,
}

/// Why the WAIT line could not start.
#[derive(Debug)]
pub enum StartError {
    /// An address could not be listened on.
    Listen(SocketAddr, std::io::Error),
    /// Something else the system refused.
    System(std::io::Error),
    /// What another program hands over is not taken.
    Handover(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::System(error) => write!(f, "cannot start the WAIT line: {error}"),
            Self::Handover(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for StartError {}

/// Makes the wakers of so many shards. Before any shard starts: all fd tables must have them.
pub fn wakers(shards: usize) -> std::io::Result<Vec<Arc<Waker>>> {
    (0..shards).map(|_| Waker::new().map(Arc::new)).collect()
}

/// How a shard is reached: woken, and talked to when another program goes on in its place.
pub struct ShardWay {
    /// What wakes it.
    pub waker: Arc<Waker>,
    /// Its own end of its passage.
    pub passage: Parcels,
}

impl Line {
    /// Starts one thread a waker. Returns when all of them listen, or with the first error; they serve from [`Self::go`] on. The
    /// caller opens no other fd before this returns: all shards would keep a copy of it open. `takes_over`: they go on in the place of
    /// those of another program, of which each was given a line by [`ShardPassages::receive`].
    pub fn start(
        listeners: &[Listener],
        certificates: &Certificates,
        settings: WaitSettings,
        ways: Vec<ShardWay>,
        takes_over: bool,
        exchange: &Arc<Exchange>,
        desk: &Desk,
        seed: u64,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let began = Instant::now();
        let barrier = Arc::new(Barrier::new(ways.len() + 1));
        let mut starting = Vec::with_capacity(ways.len());
        for (number, way) in ways.into_iter().enumerate() {
            let id = ShardId(u16::try_from(number).unwrap_or(u16::MAX));
            let start = ThreadStart {
                id,
                way,
                takes_over,
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
        let mut bound = listeners.to_vec();
        let mut counters = Vec::with_capacity(starting.len());
        if takes_over {
            // Each is given its own; all take them at once.
            starting.iter().try_for_each(|shard| shard.tell(&bound))?;
        }
        for shard in &starting {
            // The first shard decides what port 0 becomes; the others share it.
            if !takes_over {
                shard.tell(&bound)?;
            }
            let opened = shard.opened()?;
            bound = opened.listeners;
            counters.push(opened.counters);
        }
        let threads = starting.into_iter().map(|Starting { go, thread, .. }| Thread { go, thread }).collect();
        let addresses = bound.into_iter().map(|listener| listener.address).collect();
        Ok(Self { addresses, stats: ShardStats(counters.into()), threads })
    }

    /// All shards serve from now on.
    pub fn go(&self) {
        for Thread { go, .. } in &self.threads {
            // It fails only if the thread has ended, which `join` will tell.
            let _ = go.send(());
        }
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
        for Thread { thread, .. } in self.threads {
            if thread.join().is_err() {
                warn!("a shard ended by a panic");
            }
        }
    }
}

/// What a shard's thread starts with.
struct ThreadStart {
    id: ShardId,
    way: ShardWay,
    takes_over: bool,
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
                let opened = if start.takes_over { take_over(start, &listeners) } else { open(start, &listeners) };
                let (mut shard, passage) = match opened {
                    Ok((shard, listeners, passage)) => {
                        let counters = Arc::clone(shard.counters());
                        // Whoever started us may have given up meanwhile; then `go` fails, too.
                        let _ = opened_out.send(Ok(Opened { listeners, counters }));
                        (shard, passage)
                    }
                    Err(error) => {
                        let _ = opened_out.send(Err(error));
                        return;
                    }
                };
                if go_in.recv().is_err() {
                    return;
                }
                loop {
                    shard.run();
                    if !shard.is_to_rest() {
                        return;
                    }
                    handover::part(&mut shard, &passage);
                }
            },
        )?;
        Ok(Self { listeners, opened, go, thread })
    }

    fn tell(&self, listeners: &[Listener]) -> Result<(), StartError> {
        self.listeners.send(listeners.to_vec()).map_err(|_| ended())
    }

    fn opened(&self) -> Result<Opened, StartError> {
        self.opened.recv().map_err(|_| ended())?
    }
}

fn ended() -> StartError {
    StartError::System(std::io::Error::other("a shard's thread ended while it started"))
}

/// A shard that listens there, and its end of its passage.
type Ready = (Shard<Linux>, Vec<Listener>, Parcels);

/// Opens a shard's epoll set and listeners, in its own thread.
fn open(start: ThreadStart, wanted: &[Listener]) -> Result<Ready, StartError> {
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
    let (shard, passage) = start.shard(listeners)?;
    Ok((shard, bound, passage))
}

/// Makes a shard that goes on in the place of one of another program, in its own thread.
fn take_over(start: ThreadStart, wanted: &[Listener]) -> Result<Ready, StartError> {
    let (line, own, sockets) = handover::take_legacy(&start.way.passage).map_err(StartError::Handover)?;
    if sockets.len() != wanted.len() {
        return Err(StartError::Handover("the other program listens elsewhere".to_owned()));
    }
    let mut bound = Vec::new();
    for (Listener { address, dialects }, socket) in wanted.iter().zip(&sockets) {
        let address = match address {
            ListenAddress::Inet(_) => Linux::address(socket).map(ListenAddress::Inet).map_err(system)?,
            ListenAddress::Unix(shared) => ListenAddress::Unix(Arc::clone(shared)),
        };
        bound.push(Listener { address, dialects: *dialects });
    }
    let listeners = sockets.into_iter().zip(wanted).map(|(socket, wanted)| (socket, wanted.dialects));
    let (shard, passage) = start.shard(listeners.collect())?;
    let resumed = shard.resume_elsewhere(&own);
    let mut shard =
        resumed.map_err(|why| StartError::Handover(format!("a shard is not taken over: {why}")))?;
    handover::take_seats(&mut shard, &line).map_err(StartError::Handover)?;
    Ok((shard, bound, passage))
}

impl ThreadStart {
    fn shard(self, listeners: Vec<(OwnedFd, DialectSet)>) -> Result<(Shard<Linux>, Parcels), StartError> {
        let ShardWay { waker, passage } = self.way;
        let kernel = Linux::new(waker, self.began, self.settings.io_uring).map_err(system)?;
        let (id, seed) = (self.id, self.seed);
        let mut shard = Shard::new(id, kernel, listeners, self.settings, self.exchange, self.desk, seed);
        shard.set_certificates(self.certificates);
        Ok((shard, passage))
    }
}

fn system(error: Errno) -> StartError {
    StartError::System(error.into())
}

/// A shard needs little stack; only what it touches is ever given to it.
const STACK_LEN: usize = 512 << 10;
