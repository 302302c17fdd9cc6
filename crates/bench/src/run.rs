//! A run: starts workers, takes them through the steps, and measures around each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::clock::now_ns;
use crate::job::Job;
use crate::order::{ConnectionTally, WorkerFact, WorkerOrder};
use crate::plan::Step;
use crate::proc::{Cpu, forget_peak, memory};
use crate::progress::{Goal, Progress};
use crate::publisher::PublishCounts;
use crate::report::{self, Report, StepFigures};
use crate::timeline::{Sample, Timeline};

/// Runs all steps, and tells `progress` of them.
pub(crate) fn run(job: &Job, progress: Progress) -> anyhow::Result<Report> {
    let mut crowd = Crowd::start(job, progress)?;
    let mut steps: Vec<report::Step> = Vec::new();
    // What a server needed to start is given back first.
    crowd.rest(if job.pids.is_empty() { Duration::ZERO } else { job.settle })?;
    let empty = memory(&job.pids);
    let (mut next, mut most) = (0, 0);
    for (text, step) in &job.steps {
        let standing = steps.last().map_or(0, |step| step.outcome.standing);
        most = most.max(standing);
        crowd.begin(text, goal_of(job, *step, standing, most));
        forget_peak(&job.pids);
        let (begun_ns, begun_s) = (now_ns(), crowd.timeline.seconds());
        let before = Cpu::read(&job.pids);
        let published = crowd.take(job, *step, next)?;
        let used = Cpu::read(&job.pids).since(&before);
        let ended_s = crowd.timeline.seconds();
        crowd.rest(if matches!(step, Step::Send(_)) { AFTER_SENDING } else { job.settle })?;
        if let Step::Send(sending) = step {
            next += sending.count;
        }
        let tally = crowd.tally()?;
        let joined = match step {
            Step::Join(_) | Step::Back => tally.standing.saturating_sub(standing),
            Step::Reload(_) => tally.reloaded.saturating_sub(tally.failed + tally.pending),
            _ => 0,
        };
        let memory = memory(&job.pids);
        let grown = memory.private.saturating_sub(empty.private);
        let measured = StepFigures {
            step: text.clone(),
            begun_ns,
            begun_s,
            ended_s,
            joined,
            tally,
            published,
            used,
            memory,
            grown,
        };
        steps.push(report::Step::new(measured));
        steps.last().into_iter().for_each(|step| crowd.progress.end(step));
    }
    Ok(Report::new(job, steps, crowd.into_timeline()))
}

/// What a step will have done when it is done.
fn goal_of(job: &Job, step: Step, standing: u64, most: u64) -> Goal {
    match step {
        Step::Join(until) => Goal::Connections(standing, until.into()),
        Step::Back => Goal::Connections(standing, most),
        Step::Send(sending) => {
            let channels = u64::from(job.plan.schedule.channels);
            Goal::Deliveries(u64::from(sending.count) * standing / channels)
        }
        Step::Idle(seconds) => Goal::Time(Duration::from_secs_f64(seconds)),
        _ => Goal::Unknown,
    }
}

/// The workers, and what they told.
struct Crowd {
    workers: Vec<Worker>,
    facts: Receiver<(usize, WorkerFact)>,
    /// By worker: whether it has done what it was ordered, and what it told last.
    settled: Vec<bool>,
    told: Vec<Option<ConnectionTally>>,
    /// By worker: how many clients stand, and what they have got since the last tally.
    seen: Vec<(u64, u64)>,
    /// What all had got at the last tally.
    delivered: u64,
    timeline: Timeline,
    progress: Progress,
    goal: Goal,
    /// When the step began, and what had been delivered then.
    begun: (Instant, u64),
}

struct Worker {
    process: Child,
    orders: ChildStdin,
}

impl Crowd {
    fn start(job: &Job, progress: Progress) -> anyhow::Result<Self> {
        let (out, facts) = channel();
        let mut workers = Vec::new();
        for number in 0..job.workers {
            let mut worker = Worker::start(number as usize, &out)?;
            worker.order(&WorkerOrder::Begin { plan: job.plan.clone(), number, workers: job.workers })?;
            workers.push(worker);
        }
        let count = workers.len();
        Ok(Self {
            workers,
            facts,
            settled: vec![true; count],
            told: vec![None; count],
            seen: vec![(0, 0); count],
            delivered: 0,
            timeline: Timeline::new(&job.pids),
            progress,
            goal: Goal::Unknown,
            begun: (Instant::now(), 0),
        })
    }

    /// A step begins.
    fn begin(&mut self, text: &str, goal: Goal) {
        self.goal = goal;
        self.begun = (Instant::now(), self.delivered);
        self.progress.begin(text, goal);
        self.look(true);
    }

    /// Takes all workers through a step.
    fn take(&mut self, job: &Job, step: Step, next: u32) -> anyhow::Result<PublishCounts> {
        match step {
            Step::Join(until) => self.order(&WorkerOrder::Join { until })?,
            Step::Leave(percent) => self.order(&WorkerOrder::Leave { percent, seed: next.into() })?,
            Step::Back => self.order(&WorkerOrder::Back)?,
            Step::Reload(reloading) => self.order(&WorkerOrder::Reload(reloading))?,
            Step::Pause(percent) => self.order(&WorkerOrder::Pause { percent, seed: next.into() })?,
            Step::Resume => self.order(&WorkerOrder::Resume)?,
            Step::Idle(seconds) => self.rest(Duration::from_secs_f64(seconds))?,
            Step::Enter => {
                eprintln!("multiplexor bench: waiting for a line on standard input");
                std::io::stdin().read_line(&mut String::new())?;
            }
            Step::Send(sending) => {
                self.order(&WorkerOrder::Expect { first: next, count: sending.count })?;
                let publisher = job.publisher.clone();
                let sent = thread::spawn(move || publisher.run(sending, next));
                self.wait(job.patience, || sent.is_finished())?;
                return sent.join().map_err(|_| anyhow::anyhow!("the publisher ended by a panic"))?;
            }
        }
        self.wait(job.patience, || true)?;
        Ok(PublishCounts::default())
    }

    /// Lets so much time pass.
    fn rest(&mut self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.hear(left.min(REST_STEP))?;
        }
    }

    /// Looks how things stand: for the timeline, and for whoever watches.
    fn look(&mut self, must: bool) {
        let standing = self.seen.iter().map(|(standing, _)| standing).sum();
        let delivered = self.delivered + self.seen.iter().map(|(_, got)| got).sum::<u64>();
        self.timeline.look(standing, delivered, must);
        let of_step = delivered.saturating_sub(self.begun.1);
        self.progress.tell(self.goal, standing, of_step, self.begun.0.elapsed());
    }

    /// How it went, up to its end.
    fn into_timeline(mut self) -> Vec<Sample> {
        self.look(true);
        std::mem::replace(&mut self.timeline, Timeline::new(&[])).into_samples()
    }

    fn order(&mut self, order: &WorkerOrder) -> anyhow::Result<()> {
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
            Ok((worker, WorkerFact::Progress { standing, got })) => self.seen[worker] = (standing, got),
            Ok((worker, WorkerFact::Settled)) => self.settled[worker] = true,
            Ok((worker, WorkerFact::Told(tally))) => {
                self.seen[worker] = (tally.standing, 0);
                self.delivered += tally.got;
                self.told[worker] = Some(*tally);
            }
            Err(RecvTimeoutError::Timeout) => {
                self.look(false);
                return Ok(false);
            }
            Err(RecvTimeoutError::Disconnected) => bail!("all workers have ended"),
        }
        self.look(false);
        Ok(true)
    }

    /// What became of everything since the last time.
    fn tally(&mut self) -> anyhow::Result<ConnectionTally> {
        self.order(&WorkerOrder::Tell)?;
        while self.told.iter().any(Option::is_none) {
            if !self.hear(TELL_TIMEOUT)? {
                bail!("a worker does not answer");
            }
        }
        self.settled.fill(true);
        let mut all = ConnectionTally::default();
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
    fn start(number: usize, out: &Sender<(usize, WorkerFact)>) -> anyhow::Result<Self> {
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

    fn order(&mut self, order: &WorkerOrder) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        self.orders.write_all(&line).context("a worker takes no orders")
    }
}

/// How often it is looked whether the publisher is done.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// How long one may be blind for what workers tell.
const REST_STEP: Duration = Duration::from_millis(50);
/// What comes twice comes soon.
const AFTER_SENDING: Duration = Duration::from_millis(100);
const TELL_TIMEOUT: Duration = Duration::from_secs(30);
