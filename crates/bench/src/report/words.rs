//! Figures as people read them.

use std::fmt;

use super::{Latency, Report, Step};
use crate::plan::ClientTransport;

impl fmt::Display for Step {
    /// A line for whoever waits for the next step; the table comes at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.published.answered > 0 {
            write!(f, "{} sent, ", grouped(self.published.answered))?;
        }
        if self.outcome.delivered > 0 {
            let Latency { p50, p99, .. } = self.latency_ms;
            write!(f, "{} delivered in {:.2} s, ", grouped(self.outcome.delivered), self.span_s)?;
            write!(f, "latency p50 {} p99 {} ms", figure(p50), figure(p99))?;
        } else if self.outcome.joined > 0 {
            write!(f, "{} connected in {:.2} s", grouped(self.outcome.joined), self.span_s)?;
        } else {
            write!(f, "{} connected", grouped(self.outcome.standing))?;
        }
        for (count, what) in self.faults() {
            write!(f, "; {} {what}", grouped(count))?;
        }
        self.outcome.error.as_ref().map_or(Ok(()), |error| write!(f, " ({error})"))
    }
}

impl Report {
    /// What it is about, in a line.
    pub(super) fn about(&self) -> String {
        let channels = match self.channels {
            1 => "one channel".to_owned(),
            n if u64::from(n) == self.total.connected => "a channel each".to_owned(),
            n => format!("{} channels", grouped(n.into())),
        };
        let clients = grouped(self.total.connected);
        let about = format!("{clients} clients over {} on {channels}", self.transport.name());
        if self.total.delivered == 0 {
            return about;
        }
        format!("{about}, {} bytes a message", grouped(self.payload_bytes as u64))
    }

    /// Whether all went well, and what did not.
    pub(super) fn verdict(&self) -> String {
        if self.ok && self.total.delivered == 0 {
            return format!("All {} clients connected and stayed.", grouped(self.total.connected));
        }
        if self.ok {
            return format!(
                "Nothing is missing: {} messages came to those they were for, once and in order.",
                grouped(self.total.delivered)
            );
        }
        let mut sums: Vec<(u64, &str)> = Vec::new();
        for (count, what) in self.steps.iter().flat_map(Step::faults) {
            match sums.iter_mut().find(|(_, other)| *other == what) {
                // Who is not answered is told of in each step anew.
                Some((sum, _)) if what == "not answered" => *sum = (*sum).max(count),
                Some((sum, _)) => *sum += count,
                None => sums.push((count, what)),
            }
        }
        let sums: Vec<String> =
            sums.iter().map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
        format!("Not all is well: {}.", sums.join(", "))
    }

    /// What to do about it, where that is known.
    pub(super) fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let errors = self.steps.iter().filter_map(|step| step.outcome.error.as_deref());
        advice.extend(errors.take(1).map(|error| format!("What went wrong first: {error}")));
        let stopped = |step: &Step| step.outcome.failed + step.outcome.unanswered > 0;
        if self.steps.iter().any(stopped) {
            advice.push(
                "Whether this machine has reached a limit, of files, ports or memory: multiplexor doctor"
                    .to_owned(),
            );
        }
        if self.total.others_share > DISTURBED {
            advice.push(format!(
                "Others used up to {:.0} % of this machine meanwhile: figures of time say little.",
                self.total.others_share * 100.0
            ));
        }
        advice
    }

    /// The step whose latency stands for the run: one at a steady rate, if there is one.
    fn told_latency(&self) -> Option<&Step> {
        let sending =
            || self.steps.iter().filter(|step| step.latency_ms.count > 0 && step.published.answered > 0);
        sending().find(|step| step.step.contains(['@', '~'])).or_else(|| sending().next())
    }

    /// The figures of the whole run, each with its name.
    pub(super) fn figures(&self) -> Vec<(String, String)> {
        let total = &self.total;
        let some = |value: Option<f64>, unit: &str| value.map(|value| format!("{}{unit}", figure(value)));
        let ranks = self.told_latency().map(|step| (&step.step, &step.latency_ms));
        let latency = |rank: fn(&Latency) -> f64| ranks.map(|(_, all)| format!("{} ms", figure(rank(all))));
        let of = |rank: &str| ranks.map_or_else(String::new, |(step, _)| format!("{rank} latency of {step}"));
        [
            ("connected".to_owned(), some(total.connects_per_s, " a second")),
            ("delivered".to_owned(), some(total.deliveries_per_s, " a second")),
            (of("p50"), latency(|all| all.p50)),
            (of("p99"), latency(|all| all.p99)),
            (
                "memory of the server".to_owned(),
                some(total.memory_bytes_per_connection, " bytes a connection"),
            ),
            ("CPU of the server".to_owned(), some(total.cpu_us_per_connection, " µs a connection")),
            ("CPU of the server".to_owned(), some(total.cpu_us_per_delivery, " µs a delivery")),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl ClientTransport {
    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sse => "Server-Sent Events",
            Self::Ws => "WebSocket",
            Self::Stream => "HTTP streams",
            Self::Poll => "long poll",
        }
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three digits that count; more of a large number.
pub(super) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => grouped(whole(value)),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded by what a float can show"
)]
fn whole(value: f64) -> u64 {
    value.round().clamp(0.0, 1e15) as u64
}

/// From so large a part of the machine on, others count as a disturbance.
const DISTURBED: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_thousands_apart() {
        let told = [0, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(told, ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn figures_have_three_digits_that_count() {
        let told = [0.0, 0.0123, 0.5, 6.904, 12.34, 99.96, 12_345.6].map(figure);
        assert_eq!(told, ["0", "0.012", "0.50", "6.90", "12.3", "100", "12,346"]);
    }
}
