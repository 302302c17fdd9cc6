//! What a run says of itself: its figures, of which the table, the page and the JSON are made.

mod chart;
mod page;
mod table;
mod words;

use serde::Serialize;

use crate::histogram::Durations;
use crate::job::Job;
use crate::order::ConnectionTally;
use crate::plan::ClientTransport;
use crate::proc::{Host, MemoryUse, Used};
use crate::publisher::PublishCounts;
use crate::timeline::Sample;

pub(crate) use page::page;
pub(crate) use table::table;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: Option<&'static str>,
    pub(crate) transport: ClientTransport,
    pub(crate) url: String,
    /// Whether the server was measured, too: its memory and its CPU time.
    pub(crate) is_measured: bool,
    pub(crate) channels: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) workers: u32,
    pub(crate) steps: Vec<Step>,
    /// Whether nobody failed, and every message came to everybody once, in order.
    pub(crate) ok: bool,
    pub(crate) total: Total,
    pub(crate) timeline: Vec<Sample>,
    /// Where and when it was.
    pub(crate) host: Host,
}

/// Figures of the whole run; null where there is none.
#[derive(Debug, Serialize)]
pub(crate) struct Total {
    pub(crate) connected: u64,
    /// New connections a second, of the step that made the most.
    pub(crate) connects_per_s: Option<f64>,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    /// Deliveries a second, of the step that was fastest.
    pub(crate) deliveries_per_s: Option<f64>,
    /// Private memory of the measured processes by which they grew, for each connection, when most had connected.
    pub(crate) memory_bytes_per_connection: Option<f64>,
    pub(crate) cpu_us_per_connection: Option<f64>,
    pub(crate) cpu_us_per_delivery: Option<f64>,
    /// The largest part of the machine that others had in a step that took a second.
    pub(crate) others_share: f64,
}

/// One step of it.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// As it was given.
    pub(crate) step: String,
    /// When it began and ended, in seconds since the run began.
    pub(crate) begun_s: f64,
    pub(crate) ended_s: f64,
    #[serde(flatten)]
    pub(crate) used: Used,
    /// The measured processes' memory at the end.
    pub(crate) memory: MemoryUse,
    #[serde(flatten)]
    pub(crate) outcome: RunOutcome,
    /// From the first message sent to the last one received, or until the last connection was ready.
    pub(crate) span_s: f64,
    /// Connections made, or messages delivered, in each second of that span.
    pub(crate) per_s: Option<f64>,
    pub(crate) latency_ms: Latency,
    /// Latency over rank: of how many in a hundred, how many milliseconds; no rank but those that count.
    #[serde(skip)]
    pub(crate) curve: Vec<(f64, f64)>,
    /// The same for the first message of the step alone.
    pub(crate) first_ms: Latency,
    /// By message: until the last receiver had it.
    pub(crate) last_receiver_ms: Latency,
    /// Until the publisher had its answer.
    pub(crate) answer_ms: Latency,
    pub(crate) published: PublishCounts,
    /// CPU of the measured processes, in microseconds for each message delivered, each message sent and
    /// each connection made; null where there was none, or nothing is measured.
    pub(crate) cpu_us_per_delivery: Option<f64>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) cpu_us_per_connection: Option<f64>,
    /// Private memory by which the measured processes have grown since the run began, for each connection.
    pub(crate) memory_bytes_per_connection: Option<f64>,
    /// Bytes that came, for each message delivered.
    pub(crate) bytes_per_delivery: Option<f64>,
}

/// What is counted.
#[derive(Debug, Serialize)]
pub(crate) struct RunOutcome {
    pub(crate) standing: u64,
    /// Connections made in this step.
    pub(crate) joined: u64,
    pub(crate) failed: u64,
    /// Connections that were not answered.
    pub(crate) unanswered: u64,
    pub(crate) closed: u64,
    pub(crate) owed: u64,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) disordered: u64,
    pub(crate) astray: u64,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
}

/// Milliseconds, by rank.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl From<&Durations> for Latency {
    fn from(all: &Durations) -> Self {
        let ms = |ns: u64| ns as f64 / 1e6;
        let rank = |permille| ms(all.permille(permille));
        let (p50, p90, p99, p999) = (rank(500), rank(900), rank(990), rank(999));
        Self { count: all.count(), p50, p90, p99, p999, max: ms(all.max()) }
    }
}

/// What was measured around a step, of which [`Step::new`] makes figures.
#[derive(Debug)]
pub(crate) struct StepFigures {
    pub(crate) step: String,
    pub(crate) begun_ns: u64,
    pub(crate) begun_s: f64,
    pub(crate) ended_s: f64,
    /// Connections made.
    pub(crate) joined: u64,
    pub(crate) tally: ConnectionTally,
    pub(crate) published: PublishCounts,
    pub(crate) used: Used,
    pub(crate) memory: MemoryUse,
    /// Bytes of private memory more than before the run.
    pub(crate) grown: u64,
}

impl Report {
    /// Of a run, and its steps.
    pub(crate) fn new(job: &Job, steps: Vec<Step>, timeline: Vec<Sample>) -> Self {
        Self {
            scenario: job.scenario,
            transport: job.plan.transport,
            url: format!("http://{}{}", job.plan.target.host, job.plan.target.path),
            is_measured: !job.pids.is_empty(),
            channels: job.plan.schedule.channels,
            payload_bytes: job.publisher.payload_len,
            workers: job.workers,
            ok: steps.iter().all(Step::is_ok),
            total: Total::new(&steps),
            steps,
            timeline,
            host: Host::read(),
        }
    }
}

impl Total {
    fn new(steps: &[Step]) -> Self {
        // Of equals the first.
        let largest = |count: fn(&Step) -> u64| {
            steps.iter().rev().filter(|step| count(step) > 0).max_by_key(|step| count(step))
        };
        let joined = largest(|step| step.outcome.joined);
        let rate = |step: &Step| step.outcome.delivered as f64 / step.span_s.max(1e-3);
        let fastest = steps.iter().map(rate).fold(0.0, f64::max);
        let sum = |count: fn(&RunOutcome) -> u64| steps.iter().map(|step| count(&step.outcome)).sum();
        // What was received while nothing was sent, as after a pause, was paid for when it was sent.
        let paid = |step: &&Step| step.published.answered > 0 && step.outcome.delivered > 0;
        let sending = || steps.iter().filter(paid);
        let delivered: u64 = sending().map(|step| step.outcome.delivered).sum();
        let cpu_s: f64 = sending().map(|step| step.used.server_s).sum();
        let long = steps.iter().filter(|step| step.used.wall_s > 1.0);
        Self {
            connected: steps.iter().map(|step| step.outcome.standing).max().unwrap_or(0),
            connects_per_s: joined.and_then(|step| step.per_s),
            delivered: sum(|outcome| outcome.delivered),
            lost: sum(|outcome| outcome.lost),
            deliveries_per_s: (fastest > 0.0).then_some(fastest),
            memory_bytes_per_connection: joined.and_then(|step| step.memory_bytes_per_connection),
            cpu_us_per_connection: joined.and_then(|step| step.cpu_us_per_connection),
            cpu_us_per_delivery: (delivered > 0 && cpu_s > 0.0).then(|| cpu_s * 1e6 / delivered as f64),
            others_share: long.map(|step| step.used.others_share).fold(0.0, f64::max),
        }
    }
}

impl Step {
    /// The figures of a step.
    pub(crate) fn new(measured: StepFigures) -> Self {
        let StepFigures { begun_ns, joined, tally, published, used, memory, grown, .. } = measured;
        let mut slowest = Durations::default();
        tally.slowest_ns.iter().for_each(|ns| slowest.record(*ns));
        let ended_ns = if joined > 0 { tally.ready_ns.max(tally.last_ns) } else { tally.last_ns };
        let sent = published.answered + published.refused;
        let cpu = |count: u64| (used.server_s > 0.0 && count > 0).then(|| used.server_s * 1e6 / count as f64);
        let span_s = ended_ns.saturating_sub(begun_ns) as f64 / 1e9;
        let moved = if joined > 0 { joined } else { tally.got };
        Self {
            step: measured.step,
            begun_s: measured.begun_s,
            ended_s: measured.ended_s,
            used,
            memory,
            span_s,
            per_s: (span_s > 0.0 && moved > 0).then(|| moved as f64 / span_s),
            curve: tally.latency.curve().into_iter().map(|(rank, ns)| (rank, ns as f64 / 1e6)).collect(),
            memory_bytes_per_connection: (memory.private > 0 && tally.standing >= CROWD_MIN)
                .then(|| grown as f64 / tally.standing as f64),
            latency_ms: (&tally.latency).into(),
            first_ms: (&tally.first).into(),
            last_receiver_ms: (&slowest).into(),
            answer_ms: (&published.answers).into(),
            cpu_us_per_delivery: cpu(tally.got),
            cpu_us_per_message: cpu(sent),
            cpu_us_per_connection: cpu(joined),
            bytes_per_delivery: (tally.got > 0).then(|| tally.bytes as f64 / tally.got as f64),
            outcome: RunOutcome {
                standing: tally.standing,
                joined,
                unanswered: tally.pending,
                failed: tally.failed,
                closed: tally.closed,
                owed: tally.owed,
                delivered: tally.got,
                lost: tally.lost(),
                doubled: tally.doubled,
                disordered: tally.disordered,
                astray: tally.astray,
                bytes: tally.bytes,
                error: tally.error.or_else(|| published.error.clone()),
            },
            published,
        }
    }

    /// Whether all went as it should.
    pub(crate) fn is_ok(&self) -> bool {
        self.faults().is_empty()
    }

    /// What went wrong: how often, and what.
    pub(crate) fn faults(&self) -> Vec<(u64, &'static str)> {
        let outcome = &self.outcome;
        let all = [
            (outcome.failed, "not connected"),
            (outcome.unanswered, "not answered"),
            (outcome.closed, "closed by the server"),
            (outcome.lost, "lost"),
            (outcome.doubled, "doubled"),
            (outcome.disordered, "out of order"),
            (outcome.astray, "of another channel"),
            (self.published.refused, "refused"),
        ];
        all.into_iter().filter(|(count, _)| *count > 0).collect()
    }
}

/// Fewer connections do not show in the memory of a process.
const CROWD_MIN: u64 = 1_000;
