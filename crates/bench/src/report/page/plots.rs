//! The plots of the page: what is on their axes.

use std::fmt::Write as _;

use super::super::chart::{Band, Chart, Scale, Series, escaped};
use super::super::words::{figure, grouped};
use super::super::{Report, Step};
use crate::timeline::Sample;

/// All plots that have something to show.
pub(super) fn push(report: &Report, out: &mut String) {
    push_latency(report, out);
    out.push_str("<div class=\"pair\">");
    let samples = &report.timeline;
    let delivered = rates(samples, |sample| sample.delivered as f64);
    let connected: Vec<_> = samples.iter().map(|sample| (sample.at_s, sample.standing as f64)).collect();
    if report.total.delivered > 0 {
        push_over_time(report, "Deliveries", "a second", 1, delivered, short, out);
    }
    push_over_time(report, "Connections", "", 3, connected, short, out);
    if report.is_measured {
        let memory = samples.iter().map(|sample| (sample.at_s, sample.memory as f64 / MEBIBYTE)).collect();
        push_over_time(report, "Memory of the server", "MiB", 5, memory, figure_of_axis, out);
        let cpu = rates(samples, |sample| sample.cpu_s);
        push_over_time(report, "CPU of the server", "cores", 2, cpu, figure_of_axis, out);
    }
    out.push_str("</div>");
}

fn push_latency(report: &Report, out: &mut String) {
    let steps: Vec<&Step> = report.steps.iter().filter(|step| step.curve.len() > 1).take(COLORS).collect();
    let least = steps.iter().map(|step| step.curve[0].1).fold(f64::INFINITY, f64::min);
    let most = steps.iter().map(|step| step.latency_ms.max).fold(0.0, f64::max);
    let rank = steps.iter().filter_map(|step| step.curve.last()).map(|point| point.0).fold(0.0, f64::max);
    if steps.is_empty() {
        return;
    }
    let series = |(n, step): (usize, &&Step)| Series {
        color: n + 1,
        points: step.curve.clone(),
        is_filled: false,
        marks: marks(step),
    };
    let chart = Chart {
        width: 1080.0,
        height: 360.0,
        x: Scale::Rank(rank),
        y: Scale::around(least, most),
        x_text: |rank| format!("{rank} %"),
        y_text: |ms| if ms < 1_000.0 { format!("{ms} ms") } else { format!("{} s", ms / 1_000.0) },
        bands: Vec::new(),
        series: steps.iter().enumerate().map(series).collect(),
        about: "Latency by percentile, a line for each step that sends".to_owned(),
    };
    out.push_str("<section class=\"card\"><h2>Latency by percentile</h2><p class=\"legend\">");
    for (n, step) in steps.iter().enumerate() {
        let _ = write!(
            out,
            "<span class=\"c{}\">{}</span>",
            n + 1,
            escaped(&format!(
                "{}: p50 {} ms, p99 {} ms",
                name_of(report, step),
                figure(step.latency_ms.p50),
                figure(step.latency_ms.p99)
            ))
        );
    }
    let _ = write!(out, "</p><div class=\"wide\">{}</div></section>", chart.svg());
}

/// A step's words; with those before it, where the same words stand twice.
fn name_of(report: &Report, step: &Step) -> String {
    let at = report.steps.iter().position(|other| other.begun_s == step.begun_s).unwrap_or(0);
    let before = &report.steps[..at];
    match before.last() {
        Some(last) if before.iter().any(|other| other.step == step.step) => {
            format!("{} after {}", step.step, last.step)
        }
        _ => step.step.clone(),
    }
}

/// The points of a curve that people ask for.
fn marks(step: &Step) -> Vec<(f64, f64, String)> {
    let all = &step.latency_ms;
    [(50.0, all.p50), (90.0, all.p90), (99.0, all.p99), (99.9, all.p999)]
        .into_iter()
        .filter(|(rank, _)| step.curve.last().is_some_and(|last| *rank < last.0))
        .map(|(rank, ms)| (rank, ms, format!("{}: {rank} % within {} ms", step.step, figure(ms))))
        .collect()
}

fn push_over_time(
    report: &Report,
    title: &str,
    unit: &str,
    color: usize,
    points: Vec<(f64, f64)>,
    text: fn(f64) -> String,
    out: &mut String,
) {
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max);
    let end = report.timeline.last().map_or(1.0, |sample| sample.at_s).max(0.1);
    let ends = report.steps.iter().skip(1).map(|step| step.begun_s).chain([end]);
    let band = |(step, end): (&Step, f64)| Band { begin: step.begun_s, end, name: step.step.clone() };
    let highest = points.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1));
    let mark = |(x, y): (f64, f64)| (x, y, format!("{} {unit} at {x:.1} s", grouped_or_figure(y)));
    let chart = Chart {
        width: 530.0,
        height: 240.0,
        x: Scale::Linear(end),
        y: Scale::up_to(most),
        x_text: |seconds| format!("{} s", figure_of_axis(seconds)),
        y_text: text,
        bands: report.steps.iter().zip(ends).map(band).collect(),
        series: vec![Series {
            color,
            points,
            is_filled: true,
            marks: highest.into_iter().map(mark).collect(),
        }],
        about: format!("{title} over time, at most {} {unit}", grouped_or_figure(most)),
    };
    let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
    let _ =
        write!(out, "<section class=\"card\"><h2>{title}<small>{unit}</small></h2>{}</section>", chart.svg());
}

/// By how much a sum grew in each second, over stretches long enough to be told apart on a page.
fn rates(samples: &[Sample], sum: fn(&Sample) -> f64) -> Vec<(f64, f64)> {
    let end = samples.last().map_or(0.0, |sample| sample.at_s);
    let stretch = (end / STRETCHES_MAX).max(STRETCH_MIN_S);
    let mut points = vec![(0.0, 0.0)];
    let mut last: Option<(f64, f64)> = None;
    for sample in samples {
        let (at, value) = (sample.at_s, sum(sample));
        let Some((then, before)) = last else {
            last = Some((at, value));
            continue;
        };
        if at - then >= stretch {
            points.push(((at + then) / 2.0, (value - before).max(0.0) / (at - then)));
            last = Some((at, value));
        }
    }
    points
}

/// For an axis: 15k rather than 15,000.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{}M", figure_of_axis(value / 1e6)),
        value if value >= 1e3 => format!("{}k", figure_of_axis(value / 1e3)),
        value => figure_of_axis(value),
    }
}

/// Without zeros that say nothing.
fn figure_of_axis(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count that was made a float")]
fn grouped_or_figure(value: f64) -> String {
    if value >= 1_000.0 { grouped(value.round() as u64) } else { figure(value) }
}

/// Colours of lines that the style has.
const COLORS: usize = 6;
const MEBIBYTE: f64 = 1_048_576.0;
const STRETCHES_MAX: f64 = 150.0;
const STRETCH_MIN_S: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_in_a_stretch() {
        let sample = |at_s, delivered| Sample { at_s, delivered, ..Sample::default() };
        let samples = [sample(0.0, 0), sample(0.1, 0), sample(0.5, 100), sample(1.0, 100)];
        let rates = rates(&samples, |sample| sample.delivered as f64);
        assert_eq!(rates, [(0.0, 0.0), (0.25, 200.0), (0.75, 0.0)]);
    }

    #[test]
    fn axes_are_short() {
        assert_eq!([0.0, 2.5, 15_000.0, 1_250_000.0].map(short), ["0", "2.5", "15k", "1.25M"]);
    }
}
