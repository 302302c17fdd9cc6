//! How things went over time: connections, deliveries, memory and CPU, sampled while a run goes on.

use std::time::Duration;

use serde::Serialize;

use crate::clock::now_ns;
use crate::proc::{family, memory_of, seconds_of};

/// What was at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// Seconds since the run began.
    pub(crate) at_s: f64,
    /// Clients that were connected.
    pub(crate) standing: u64,
    /// Messages delivered since the run began.
    pub(crate) delivered: u64,
    /// Private memory of the measured processes, in bytes; 0 where nothing is measured.
    pub(crate) memory: u64,
    /// CPU time that they had used, in seconds.
    pub(crate) cpu_s: f64,
}

/// Samples in order, never more than a page can show.
#[derive(Debug)]
pub(crate) struct Timeline {
    begun_ns: u64,
    /// The processes to measure, and with their descendants as they were last.
    pids: Vec<u32>,
    family: Vec<u32>,
    samples: Vec<Sample>,
    /// The time between two samples; doubled when there are too many.
    step: Duration,
    /// When the next one is due, by the monotonic clock.
    due_ns: u64,
}

impl Timeline {
    /// Begins now.
    pub(crate) fn new(pids: &[u32]) -> Self {
        let now = now_ns();
        Self {
            begun_ns: now,
            pids: pids.to_vec(),
            family: Vec::new(),
            samples: Vec::new(),
            step: STEP_MIN,
            due_ns: now,
        }
    }

    /// Seconds since it began.
    pub(crate) fn seconds(&self) -> f64 {
        now_ns().saturating_sub(self.begun_ns) as f64 / 1e9
    }

    /// Takes a sample if one is due, or `must` be.
    pub(crate) fn look(&mut self, standing: u64, delivered: u64, must: bool) {
        let now = now_ns();
        if now < self.due_ns && !must {
            return;
        }
        if self.samples.len().is_multiple_of(FAMILY_EVERY) {
            self.family = family(&self.pids);
        }
        let (memory, cpu_s) = (memory_of(&self.family).private, seconds_of(&self.family));
        let at_s = (now - self.begun_ns) as f64 / 1e9;
        self.keep(Sample { at_s, standing, delivered, memory, cpu_s });
        // Looking must not become what is measured: the larger a process, the longer it takes.
        let took_ns = now_ns() - now;
        self.due_ns = now + nanos(self.step).max(took_ns * COST_SHARE);
    }

    /// All of it.
    pub(crate) fn into_samples(self) -> Vec<Sample> {
        self.samples
    }

    fn keep(&mut self, sample: Sample) {
        self.samples.push(sample);
        if self.samples.len() > SAMPLES_MAX {
            let mut n = 0;
            self.samples.retain(|_| {
                n += 1;
                n % 2 == 1
            });
            self.step *= 2;
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const STEP_MIN: Duration = Duration::from_millis(100);
const SAMPLES_MAX: usize = 1_200;
/// Looking takes at most one part in so many of the time.
const COST_SHARE: u64 = 30;
/// After so many samples it is looked for new descendants, which takes as long as all else.
const FAMILY_EVERY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_bounded_and_cover_the_whole_run() {
        let mut line = Timeline::new(&[]);
        for n in 0..10_000_u32 {
            line.keep(Sample { at_s: f64::from(n), ..Sample::default() });
        }
        assert!(line.step > STEP_MIN);
        let samples = line.into_samples();
        assert!(samples.len() <= SAMPLES_MAX);
        assert_eq!(samples[0].at_s, 0.0);
        assert!(samples.last().is_some_and(|sample| sample.at_s > 9_900.0));
        assert!(samples.is_sorted_by_key(|sample| sample.at_s));
    }
}
