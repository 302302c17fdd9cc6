//! One process full of clients: it does what it is ordered on its standard input, and counts.
//!
//! A process holds as many clients as its fd table has room for; [`crate::run`] starts as many as it takes.

mod connect;
mod serve;

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::client::{ClientOptions, ClientState, ReadOutcome};
use crate::clock::SeededRandom;
use crate::compression::Packed;
use crate::order::{ConnectionTally, WorkerFact, WorkerOrder};
use crate::plan::{Plan, Reloading};

/// Runs a worker until its orders end.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut inbox = OrderReader::default();
    let mut orders = Vec::new();
    while orders.is_empty() {
        orders = inbox.read()?;
    }
    // What follows the first order may have come with it.
    let rest = orders.split_off(1);
    let Some(WorkerOrder::Begin { plan, number, workers }) = orders.pop() else {
        bail!("the first order must be Begin")
    };
    let mut worker = Worker::new(plan, number, workers)?;
    rest.into_iter().try_for_each(|order| worker.obey(order))?;
    worker.run(inbox)
}

/// Orders as they come on standard input.
#[derive(Default)]
struct OrderReader {
    bytes: Vec<u8>,
}

impl OrderReader {
    /// Waits for bytes, and returns the orders that are complete.
    fn read(&mut self) -> anyhow::Result<Vec<WorkerOrder>> {
        let mut chunk = [0; 4096];
        let len = rustix::io::read(std::io::stdin(), &mut chunk).context("orders")?;
        if len == 0 {
            // Whoever gave orders is gone or has seen enough.
            std::process::exit(0);
        }
        self.bytes.extend_from_slice(&chunk[..len]);
        let whole = memchr::memrchr(b'\n', &self.bytes).map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.bytes.drain(..whole).collect();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).context("an order")).collect()
    }
}

struct Worker {
    plan: Plan,
    manner: ClientOptions,
    number: u32,
    workers: u32,
    epoll: OwnedFd,
    /// Client n of these is client `number + n * workers` of all.
    clients: Vec<ClientPlace>,
    /// How many of them have begun to connect, from the first on.
    begun: usize,
    /// How many shall have.
    wanted: usize,
    /// Those who left and shall come back.
    returning: Vec<usize>,
    /// Of those here: how many times one is still to leave and to come back at once, how often a second, and whose turn it is.
    reloading: Reloading,
    reloader: usize,
    /// Connections that are not answered yet.
    pending: usize,
    /// Whether all have stopped reading; some may have, see [`ClientPlace::is_paused`].
    is_paused: bool,
    /// Messages that are owed to those who have stopped, while others read.
    withheld: u64,
    /// The first message that was expected last.
    first: u32,
    tally: ConnectionTally,
    /// What came compressed.
    packed: Packed,
    /// What some bytes said; here only to be allocated once.
    told: Vec<ReadOutcome>,
    /// Whether all that was ordered has been told as settled.
    is_told: bool,
    /// When connecting began, and how many connections were begun since.
    paced: (Instant, u32),
}

/// A client and its connection.
#[derive(Default)]
struct ClientPlace {
    socket: Option<OwnedFd>,
    client: ClientState,
    state: WorkerState,
    /// Reads nothing until it may again, while others do.
    is_paused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WorkerState {
    /// Never was, or left.
    #[default]
    Away,
    /// Will be writable once connected.
    Connecting,
    /// Has asked, and is not answered.
    Asking,
    /// Waits for messages.
    Standing,
    /// Failed, or was closed by the server; it does not come back.
    Gone,
}

impl Worker {
    fn new(plan: Plan, number: u32, workers: u32) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, std::io::stdin(), EventData::new_u64(ORDERS), EventFlags::IN)?;
        Ok(Self {
            manner: ClientOptions::new(&plan, values(&plan)?),
            plan,
            number,
            workers,
            epoll,
            clients: Vec::new(),
            begun: 0,
            wanted: 0,
            returning: Vec::new(),
            reloading: Reloading { count: 0, rate: 0.0 },
            reloader: 0,
            pending: 0,
            is_paused: false,
            withheld: 0,
            first: 0,
            tally: ConnectionTally::default(),
            packed: Packed::default(),
            told: Vec::new(),
            is_told: true,
            paced: (Instant::now(), 0),
        })
    }

    fn run(mut self, mut inbox: OrderReader) -> anyhow::Result<()> {
        let (mut ready, mut buffer) = (Vec::with_capacity(EVENTS_MAX), vec![0; READ_LEN]);
        let mut told = (Instant::now(), 0, 0);
        loop {
            let timeout = self.connect_some();
            if self.is_paused {
                // What clients got stays in the set of events, and in their sockets.
                let stdin = std::io::stdin();
                poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
                self.obey_all(&mut inbox)?;
                continue;
            }
            ready.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                match event.data.u64() {
                    ORDERS => self.obey_all(&mut inbox)?,
                    place => {
                        let place = usize::try_from(place).expect("an index of a client");
                        if !self.clients[place].is_paused {
                            self.serve(place, event.flags, &mut buffer);
                        }
                    }
                }
            }
            if !self.is_told && self.is_settled() {
                self.is_told = true;
                say(&WorkerFact::Settled)?;
            }
            let now = (self.tally.standing, self.tally.got);
            let is_moving = (told.1, told.2) != now || self.reloading.count > 0;
            if is_moving && told.0.elapsed() > PROGRESS_EVERY {
                told = (Instant::now(), now.0, now.1);
                say(&WorkerFact::Progress { standing: now.0, got: now.1 })?;
            }
        }
    }

    fn is_settled(&self) -> bool {
        let connected = self.begun == self.wanted && self.returning.is_empty() && self.pending == 0;
        connected && self.reloading.count == 0 && (self.is_paused || self.tally.got >= self.tally.owed)
    }

    fn obey_all(&mut self, inbox: &mut OrderReader) -> anyhow::Result<()> {
        for order in inbox.read()? {
            self.obey(order)?;
        }
        Ok(())
    }

    fn obey(&mut self, order: WorkerOrder) -> anyhow::Result<()> {
        self.is_told = false;
        match order {
            WorkerOrder::Begin { .. } => bail!("begun already"),
            WorkerOrder::Join { until } => {
                self.wanted = (until.saturating_sub(self.number)).div_ceil(self.workers) as usize;
                self.clients.resize_with(self.wanted.max(self.clients.len()), ClientPlace::default);
                self.paced = (Instant::now(), 0);
            }
            WorkerOrder::Expect { first, count } => self.expect(first, count),
            WorkerOrder::Leave { percent, seed } => self.leave(percent, seed),
            WorkerOrder::Back => {
                let away = (0..self.begun).filter(|place| self.clients[*place].state == WorkerState::Away);
                self.returning = away.collect();
                for place in &self.returning {
                    self.tally.owed += u64::from(std::mem::take(&mut self.clients[*place].client.missed));
                }
                self.paced = (Instant::now(), 0);
            }
            WorkerOrder::Reload(all) => self.begin_reloading(all),
            WorkerOrder::Pause { percent, .. } if percent >= 100.0 => self.is_paused = true,
            WorkerOrder::Pause { percent, seed } => self.pause(percent, seed),
            WorkerOrder::Resume => self.resume(),
            WorkerOrder::Tell => {
                self.is_told = true;
                say(&WorkerFact::Told(Box::new(self.tell())))?;
            }
        }
        if self.is_paused && !self.is_told {
            self.is_told = true;
            say(&WorkerFact::Settled)?;
        }
        Ok(())
    }

    /// The tally so far, and begins the next. What paused clients have not read yet is owed in that one.
    fn tell(&mut self) -> ConnectionTally {
        let mut told = std::mem::take(&mut self.tally);
        self.tally.standing = told.standing;
        told.pending = self.pending as u64;
        if self.is_paused {
            self.tally.owed = told.lost();
            told.owed -= self.tally.owed;
        }
        told
    }

    /// Counts what clients are owed of messages that are about to be sent.
    fn expect(&mut self, first: u32, count: u32) {
        self.first = first;
        let spread = self.plan.schedule.spread(first, count);
        for place in 0..self.begun {
            let channel = self.channel_of(place);
            let (owed, place) = (spread.of(channel), &mut self.clients[place]);
            match place.state {
                WorkerState::Away if place.client.can_resume() => place.client.missed += owed,
                WorkerState::Away | WorkerState::Gone => {}
                _ if place.is_paused => self.withheld += u64::from(owed),
                _ => self.tally.owed += u64::from(owed),
            }
        }
    }

    fn leave(&mut self, percent: f64, seed: u64) {
        let mut chance = SeededRandom::new(seed.wrapping_add(u64::from(self.number)));
        for place in 0..self.begun {
            let leaves = chance.next() * 100.0 < percent;
            let stands = self.clients[place].state == WorkerState::Standing && !self.clients[place].is_paused;
            if leaves && stands {
                self.clients[place].socket = None;
                self.clients[place].state = WorkerState::Away;
                self.tally.standing -= 1;
            }
        }
    }

    fn pause(&mut self, percent: f64, seed: u64) {
        let mut chance = SeededRandom::new(seed.wrapping_add(u64::from(self.number)));
        for place in &mut self.clients[..self.begun] {
            place.is_paused |= chance.next() * 100.0 < percent && place.state == WorkerState::Standing;
        }
    }

    /// Everybody reads again, from now on and what gathered meanwhile.
    fn resume(&mut self) {
        self.is_paused = false;
        self.tally.owed += std::mem::take(&mut self.withheld);
        let mut buffer = vec![0; READ_LEN];
        for place in 0..self.begun {
            if std::mem::take(&mut self.clients[place].is_paused) {
                // What happened meanwhile is not told again: it is read to its end.
                self.serve(place, EventFlags::IN | EventFlags::RDHUP, &mut buffer);
            }
        }
    }

    /// The number of a client among all workers'.
    fn global(&self, place: usize) -> u32 {
        self.number + u32::try_from(place).expect("clients are counted in 32 bits") * self.workers
    }

    fn channel_of(&self, place: usize) -> u32 {
        self.plan.schedule.channel_of_client(self.global(place))
    }
}

/// The lines of the plan's file; none where it names none.
fn values(plan: &Plan) -> anyhow::Result<Vec<Box<str>>> {
    let Some(path) = &plan.values else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path).with_context(|| path.clone())?;
    Ok(text.lines().map(Box::from).collect())
}

fn say(fact: &WorkerFact) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(fact)?;
    line.push(b'\n');
    std::io::stdout().lock().write_all(&line).context("a fact")
}

/// Stands for standard input among the events of clients.
const ORDERS: u64 = u64::MAX;
const EVENTS_MAX: usize = 512;
const READ_LEN: usize = 64 << 10;
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
