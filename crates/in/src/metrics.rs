//! `GET /metrics`: all that is counted, as Prometheus reads it; and the page of the manual about it.
//!
//! Numbers are read where they are counted anyway, when somebody asks. What each of them is called and
//! means stands in one table, from which both the answer and docs/metrics.md are made.

mod metric;
mod shards;
mod table;

use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use dialect::hub::{ShardId, Totals};
use exchange::{BOUNDS, Distribution, KeysLoad, MailboxLoad, Measured};

use crate::sources::ShardCounters;
use crate::state::InLine;
use metric::{Metric, MetricSource};
use table::all;

/// The numbers now.
pub(crate) async fn metrics(State(line): State<Arc<InLine>>) -> Response {
    let scrape = Scrape::now(&line);
    let mut text = String::with_capacity(16 << 10);
    for metric in all() {
        write_metric(metric, &scrape, &mut text);
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// The page of the manual about the numbers.
pub fn metrics_page() -> String {
    let mut page = PAGE_HEAD.to_owned();
    for Metric { name, help, read } in all() {
        let (kind, label) = (read.kind(name), read.label().unwrap_or(""));
        page += &format!("| `{name}` | {kind} | {label} | {help} |\n");
    }
    page
}

/// Whether a counter of the WAIT line, by the name it has there, is told to Prometheus.
pub fn is_wait_metric(counter: &str) -> bool {
    all().any(|metric| matches!(metric.read, MetricSource::Wait(name) if name == counter))
}

/// Whether a counter of those who ask others, by the name it has there, is told to Prometheus.
pub fn is_asked_metric(counter: &str) -> bool {
    all().any(|metric| matches!(metric.read, MetricSource::Asked(name) if name == counter))
}

/// Everything that is read for one answer.
struct Scrape<'a> {
    line: &'a InLine,
    totals: Totals,
    keys: KeysLoad,
    client_keys: KeysLoad,
    measured: Measured,
    loads: Vec<MailboxLoad>,
    wait: Vec<ShardCounters>,
    store: ShardCounters,
    asked: ShardCounters,
}

impl<'a> Scrape<'a> {
    fn now(line: &'a InLine) -> Self {
        let shards = (0..line.exchange.shards()).filter_map(|index| u16::try_from(index).ok());
        Self {
            line,
            totals: line.exchange.admin().totals(),
            keys: line.idempotency.load(),
            client_keys: line.exchange.shares().messages.keys.load(),
            measured: line.exchange.admin().measured(),
            loads: shards.map(|index| line.exchange.admin().load(ShardId(index))).collect(),
            wait: (line.sources.wait.counters)(),
            store: line.sources.store.as_ref().map_or_else(Vec::new, |read| read()),
            asked: (line.sources.wait.asked)(),
        }
    }
}

fn write_metric(Metric { name, help, read }: &Metric, scrape: &Scrape<'_>, text: &mut String) {
    let kind = read.kind(name);
    write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").expect("a string takes everything");
    let mut sample = |label: Option<(&str, &dyn Display)>, value: &dyn Display| {
        match label {
            Some((label, word)) => writeln!(text, "{name}{{{label}=\"{word}\"}} {value}"),
            None => writeln!(text, "{name} {value}"),
        }
        .expect("a string takes everything");
    };
    match read {
        MetricSource::Times(read) => write_distribution(name, read(&scrape.measured), 1e-6, text),
        MetricSource::Sizes(read) => write_distribution(name, read(&scrape.measured), 1.0, text),
        MetricSource::Version => sample(Some(("version", &env!("CARGO_PKG_VERSION"))), &1),
        MetricSource::One(read) => sample(None, &read(scrape)),
        MetricSource::Seconds(read) => sample(None, &read(scrape)),
        MetricSource::Certificates(read) => {
            if let Some(news) = &scrape.line.sources.wait.certificates {
                sample(None, &read(news));
            }
        }
        MetricSource::Mailbox(read) => {
            for (shard, load) in scrape.loads.iter().enumerate() {
                sample(Some(("shard", &shard)), &read(load));
            }
        }
        MetricSource::Wait(counter) => {
            for (shard, counters) in scrape.wait.iter().enumerate() {
                let found = counters.iter().find(|(name, _)| name == counter);
                found.iter().for_each(|(_, value)| sample(Some(("shard", &shard)), value));
            }
        }
        MetricSource::Asked(counter) => {
            let found = scrape.asked.iter().find(|(name, _)| name == counter);
            sample(None, &found.map_or(0, |(_, value)| *value));
        }
        MetricSource::Denied => {
            for (code, count) in scrape.line.exchange.denials().by_code() {
                sample(Some(("code", &code)), &count);
            }
        }
        MetricSource::Store(counter) => {
            let found = scrape.store.iter().find(|(name, _)| name == counter);
            found.iter().for_each(|(_, value)| sample(None, value));
        }
        MetricSource::Refused => {
            for (code, count) in scrape.line.counters.by_code() {
                sample(Some(("code", &code)), &count);
            }
        }
    }
}

/// A histogram as Prometheus has it: each bucket counts all that was at most so much. `unit`: what is told, of what is recorded.
fn write_distribution(name: &str, distribution: &Distribution, unit: f64, text: &mut String) {
    #[allow(clippy::cast_precision_loss, reason = "sums of this size are exact enough")]
    let told = |value: u64| (value as f64 * unit * 1e6).round() / 1e6;
    let bounds = BOUNDS.iter().map(|bound| told(*bound).to_string()).chain(["+Inf".to_owned()]);
    let mut count = 0;
    for (bound, more) in bounds.zip(distribution.counts) {
        count += more;
        writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}").expect("a string takes everything");
    }
    let sum = told(distribution.sum);
    write!(text, "{name}_sum {sum}\n{name}_count {count}\n").expect("a string takes everything");
}

/// From now to a time in Unix seconds.
fn days_left(end: i64) -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "seconds of this age are exact")]
    let left = (end as f64 - now) / 86_400.0;
    (left * 1_000.0).round() / 1_000.0
}

fn count(counter: &AtomicU64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "nobody reads files so often")]
    let count = counter.load(Ordering::Relaxed) as f64;
    count
}

const PAGE_HEAD: &str = "\
# Metrics

After this page you know what Prometheus can watch: what `GET /metrics` tells on the IN line, where applications publish. Clients subscribe
on the WAIT line.

Counters count since the program started. Numbers by shard are for one thread of the WAIT line each; add them up for the whole.
`GET /stats` tells much of the same as JSON. A histogram counts how often something was at most `le`, in powers of four; what all but
one in a hundred stay below is `histogram_quantile(0.99, sum by (le) (rate(NAME_bucket[5m])))`.

This page is generated from the program.

| name | type | label | what it is |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = Vec::new();
        for Metric { name, help, read } in all() {
            assert!(name.starts_with("multiplexor_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(read.kind(name) == "counter", name.ends_with("_total"), "{name}");
            assert!(!help.is_empty() && !help.ends_with('.') && !help.contains(['\n', '\\', '|']), "{name}");
            assert!(!seen.contains(name), "{name} stands there twice");
            seen.push(*name);
        }
    }

    #[test]
    fn a_distribution_is_told_as_prometheus_has_it() {
        let mut distribution = Distribution { sum: 2_500_007, ..Distribution::default() };
        (distribution.counts[0], distribution.counts[2]) = (1, 2);
        distribution.counts[BOUNDS.len()] = 1;
        let mut text = String::new();
        write_distribution("x", &distribution, 1e-6, &mut text);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), BOUNDS.len() + 3);
        assert_eq!(
            lines[..3],
            ["x_bucket{le=\"0.000001\"} 1", "x_bucket{le=\"0.000004\"} 1", "x_bucket{le=\"0.000016\"} 3"]
        );
        assert_eq!(
            lines[12..],
            ["x_bucket{le=\"16.777216\"} 3", "x_bucket{le=\"+Inf\"} 4", "x_sum 2.500007", "x_count 4"]
        );
    }

    #[test]
    fn the_page_of_the_manual_is_up_to_date() {
        expect_test::expect_file!["../../../docs/metrics.md"].assert_eq(&metrics_page());
    }
}
