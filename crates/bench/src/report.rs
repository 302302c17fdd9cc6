//! What a run says of itself: a line a step for people, JSON for programs.

use std::fmt;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::order::Tally;
use crate::plan::Transport;
use crate::proc::{Memory, Used};
use crate::publisher::Published;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) transport: Transport,
    pub(crate) url: String,
    pub(crate) channels: u32,
    pub(crate) payload_bytes: usize,
    pub(crate) workers: u32,
    pub(crate) steps: Vec<Step>,
    /// Whether nobody failed, and every message came to everybody once, in order.
    pub(crate) ok: bool,
}

/// One step of it.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// As it was given.
    pub(crate) step: String,
    #[serde(flatten)]
    pub(crate) used: Used,
    /// The measured processes' memory at the end.
    pub(crate) memory: Memory,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// From the first message sent to the last one received, or until the last connection was ready.
    pub(crate) span_s: f64,
    pub(crate) latency_ms: Latency,
    /// The same for the first message of the step alone.
    pub(crate) first_ms: Latency,
    /// By message: until the last receiver had it.
    pub(crate) last_receiver_ms: Latency,
    /// Until the publisher had its answer.
    pub(crate) answer_ms: Latency,
    pub(crate) published: Published,
    /// CPU of the measured processes, in microseconds for each message delivered, each message sent and
    /// each connection made; null where there was none, or nothing is measured.
    pub(crate) cpu_us_per_delivery: Option<f64>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) cpu_us_per_connection: Option<f64>,
    /// Bytes that came, for each message delivered.
    pub(crate) bytes_per_delivery: Option<f64>,
}

/// What is counted.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) standing: u64,
    pub(crate) failed: u64,
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
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub(crate) max: f64,
}

impl From<&Histogram> for Latency {
    fn from(all: &Histogram) -> Self {
        let ms = |ns: u64| ns as f64 / 1e6;
        let rank = |permille| ms(all.permille(permille));
        Self { count: all.count(), p50: rank(500), p90: rank(900), p99: rank(990), max: ms(all.max()) }
    }
}

/// What was measured around a step, of which [`Step::new`] makes figures.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) step: String,
    pub(crate) begun_ns: u64,
    /// Connections made.
    pub(crate) joined: u64,
    pub(crate) tally: Tally,
    pub(crate) published: Published,
    pub(crate) used: Used,
    pub(crate) memory: Memory,
}

impl Step {
    /// The figures of a step.
    pub(crate) fn new(measured: Measured) -> Self {
        let Measured { step, begun_ns, joined, tally, published, used, memory } = measured;
        let mut slowest = Histogram::default();
        tally.slowest_ns.iter().for_each(|ns| slowest.record(*ns));
        let ended_ns = if joined > 0 { tally.ready_ns.max(tally.last_ns) } else { tally.last_ns };
        let sent = published.answered + published.refused;
        let cpu = |count: u64| (used.server_s > 0.0 && count > 0).then(|| used.server_s * 1e6 / count as f64);
        Self {
            step,
            used,
            memory,
            span_s: ended_ns.saturating_sub(begun_ns) as f64 / 1e9,
            latency_ms: (&tally.latency).into(),
            first_ms: (&tally.first).into(),
            last_receiver_ms: (&slowest).into(),
            answer_ms: (&published.answers).into(),
            cpu_us_per_delivery: cpu(tally.got),
            cpu_us_per_message: cpu(sent),
            cpu_us_per_connection: cpu(joined),
            bytes_per_delivery: (tally.got > 0).then(|| tally.bytes as f64 / tally.got as f64),
            outcome: Outcome {
                standing: tally.standing,
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
        let Outcome { failed, closed, lost, doubled, disordered, astray, .. } = self.outcome;
        failed + closed + lost + doubled + disordered + astray + self.published.refused == 0
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<16}", self.step)?;
        let Outcome { standing, delivered, .. } = self.outcome;
        if self.published.answered > 0 {
            write!(f, "{} sent, ", self.published.answered)?;
        }
        if delivered > 0 {
            let Latency { p50, p99, .. } = self.latency_ms;
            let rate = delivered as f64 / self.span_s;
            write!(f, "{delivered} delivered in {:.2} s ({rate:.0}/s), ", self.span_s)?;
            write!(f, "latency p50 {p50:.2} p99 {p99:.2} ms, ")?;
        } else {
            write!(f, "{standing} connected, {:.2} s, ", self.span_s)?;
        }
        for (us, what) in [
            (self.cpu_us_per_connection, "connection"),
            (self.cpu_us_per_delivery, "delivery"),
            (self.cpu_us_per_message.filter(|_| delivered == 0), "message"),
        ] {
            if let Some(us) = us {
                write!(f, "CPU {us:.2} us a {what}, ")?;
            }
        }
        if self.memory.private > 0 {
            write!(f, "memory {:.2} MiB, ", self.memory.private as f64 / 1_048_576.0)?;
        }
        write!(f, "others {:.0} %", self.used.others_share * 100.0)?;
        let outcome = &self.outcome;
        for (count, what) in [
            (outcome.failed, "failed"),
            (outcome.closed, "closed by the server"),
            (outcome.lost, "lost"),
            (outcome.doubled, "doubled"),
            (outcome.disordered, "out of order"),
            (outcome.astray, "of another channel"),
            (self.published.refused, "refused"),
        ] {
            if count > 0 {
                write!(f, "; {} {what}", count)?;
            }
        }
        self.outcome.error.as_ref().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}
