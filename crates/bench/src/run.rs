//! A run: starts workers, takes them through the steps, and measures around each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::clock::now_ns;
use crate::order::{Fact, Order, Tally};
use crate::plan::{Plan, Step};
use crate::proc::{Cpu, memory};
use crate::publisher::{Published, Publisher};
use crate::report::{self, Measured, Report};

/// What is to be run.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) plan: Plan,
    pub(crate) publisher: Publisher,
    /// Each as it was given, and what it means.
    pub(crate) steps: Vec<(String, Step)>,
    /// The processes to measure, with their descendants.
    pub(crate) pids: Vec<u32>,
    pub(crate) workers: u32,
    /// For how long nothing may happen before what is missing counts as lost.
    pub(crate) patience: Duration,
    /// For how long to wait until memory is read.
    pub(crate) settle: Duration,
}

/// Runs all steps, and hands each report to `tell` as it is made.
pub(crate) fn run(wish: &Wish, mut tell: impl FnMut(&report::Step)) -> anyhow::Result<Report> {
    let mut crowd = Crowd::start(wish)?;
    let mut steps: Vec<report::Step> = Vec::new();
    let mut next = 0;
    for (text, step) in &wish.steps {
        let standing = steps.last().map_or(0, |step| step.outcome.standing);
        let begun_ns = now_ns();
        let before = Cpu::read(&wish.pids);
        let published = crowd.take(wish, *step, next)?;
        let used = Cpu::read(&wish.pids).since(&before);
        let rest = if matches!(step, Step::Send(_)) { AFTER_SENDING } else { wish.settle };
        thread::sleep(rest);
        if let Step::Send(sending) = step {
            next += sending.count;
        }
        let tally = crowd.tally()?;
        let joined = match step {
            Step::Join(_) | Step::Back => tally.standing.saturating_sub(standing),
            _ => 0,
        };
        let memory = memory(&wish.pids);
        let step = text.clone();
        let report = report::Step::new(Measured { step, begun_ns, joined, tally, published, used, memory });
        tell(&report);
        steps.push(report);
    }
    Ok(Report {
        transport: wish.plan.transport,
        url: format!("http://{}{}", wish.plan.target.host, wish.plan.target.path),
        channels: wish.plan.schedule.channels,
        payload_bytes: wish.publisher.payload_len,
        workers: wish.workers,
        ok: steps.iter().all(report::Step::is_ok),
        steps,
    })
}

/// The workers, and what they told.
struct Crowd {
    workers: Vec<Worker>,
    facts: Receiver<(usize, Fact)>,
    /// By worker: whether it has done what it was ordered, and what it told last.
    settled: Vec<bool>,
    told: Vec<Option<Tally>>,
}

struct Worker {
    process: Child,
    orders: ChildStdin,
}

impl Crowd {
    fn start(wish: &Wish) -> anyhow::Result<Self> {
        let (out, facts) = channel();
        let mut workers = Vec::new();
        for number in 0..wish.workers {
            let mut worker = Worker::start(number as usize, &out)?;
            worker.order(&Order::Begin { plan: wish.plan.clone(), number, workers: wish.workers })?;
            workers.push(worker);
        }
        let count = workers.len();
        Ok(Self { workers, facts, settled: vec![true; count], told: vec![None; count] })
    }

    /// Takes all workers through a step.
    fn take(&mut self, wish: &Wish, step: Step, next: u32) -> anyhow::Result<Published> {
        match step {
            Step::Join(until) => self.order(&Order::Join { until })?,
            Step::Leave(percent) => self.order(&Order::Leave { percent, seed: next.into() })?,
            Step::Back => self.order(&Order::Back)?,
            Step::Pause(percent) => self.order(&Order::Pause { percent, seed: next.into() })?,
            Step::Resume => self.order(&Order::Resume)?,
            Step::Idle(seconds) => thread::sleep(Duration::from_secs_f64(seconds)),
            Step::Enter => {
                eprintln!("multiplexor bench: waiting for a line on standard input");
                std::io::stdin().read_line(&mut String::new())?;
            }
            Step::Send(sending) => {
                self.order(&Order::Expect { first: next, count: sending.count })?;
                let publisher = wish.publisher.clone();
                let sent = thread::spawn(move || publisher.run(sending, next));
                self.wait(wish.patience, || sent.is_finished())?;
                return sent.join().map_err(|_| anyhow::anyhow!("the publisher ended by a panic"))?;
            }
        }
        self.wait(wish.patience, || true)?;
        Ok(Published::default())
    }

    fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        self.settled.fill(false);
        self.workers.iter_mut().try_for_each(|worker| worker.order(order))
    }

    /// Waits until all workers are settled and `is_done`, or until nothing happens any more.
    fn wait(&mut self, patience: Duration, is_done: impl Fn() -> bool) -> anyhow::Result<()> {
        let mut moved = Instant::now();
        while !is_done() || self.settled.contains(&false) {
            if self.hear(POLL_EVERY)? || !is_done() {
                moved = Instant::now();
            } else if moved.elapsed() > patience {
                break;
            }
        }
        Ok(())
    }

    /// Takes one fact; false if none came in this time.
    fn hear(&mut self, timeout: Duration) -> anyhow::Result<bool> {
        match self.facts.recv_timeout(timeout) {
            Ok((_, Fact::Progress { .. })) => {}
            Ok((worker, Fact::Settled)) => self.settled[worker] = true,
            Ok((worker, Fact::Told(tally))) => self.told[worker] = Some(*tally),
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => bail!("all workers have ended"),
        }
        Ok(true)
    }

    /// What became of everything since the last time.
    fn tally(&mut self) -> anyhow::Result<Tally> {
        self.order(&Order::Tell)?;
        while self.told.iter().any(Option::is_none) {
            if !self.hear(TELL_TIMEOUT)? {
                bail!("a worker does not answer");
            }
        }
        self.settled.fill(true);
        let mut all = Tally::default();
        self.told.iter_mut().filter_map(Option::take).for_each(|tally| all.merge(&tally));
        Ok(all)
    }
}

impl Drop for Crowd {
    /// Workers end when their orders do.
    fn drop(&mut self) {
        for worker in self.workers.drain(..) {
            drop(worker.orders);
            let mut process = worker.process;
            // Nothing is left to be done for one that does not end well.
            let _ = process.wait();
        }
    }
}

impl Worker {
    fn start(number: usize, out: &Sender<(usize, Fact)>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("where this program is")?;
        let mut process = Command::new(program)
            .args(["bench", "--worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a worker does not start")?;
        let orders = process.stdin.take().context("a worker without standard input")?;
        let said = process.stdout.take().context("a worker without standard output")?;
        let out = out.clone();
        thread::spawn(move || {
            for line in BufReader::new(said).lines() {
                let Ok(Ok(fact)) = line.map(|line| serde_json::from_str(&line)) else { return };
                if out.send((number, fact)).is_err() {
                    return;
                }
            }
        });
        Ok(Self { process, orders })
    }

    fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).context("a worker takes no orders")
    }
}

/// How often it is looked whether the publisher is done.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// What comes twice comes soon.
const AFTER_SENDING: Duration = Duration::from_millis(100);
const TELL_TIMEOUT: Duration = Duration::from_secs(30);
