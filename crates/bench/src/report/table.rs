//! The table at the end, for a terminal.

use super::words::{figure, grouped};
use super::{Report, Step};

/// What a terminal shows of a run: a row for each step, the figures of the whole, and whether all went well.
pub(crate) fn table(report: &Report) -> String {
    let mut out = String::new();
    let title = report.scenario.map_or_else(String::new, |name| format!("{name}: "));
    out.push_str(&format!("{title}{}\n{}\n\n", report.about(), report.url));
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| column.has_any(report)).collect();
    let mut rows = vec![columns.iter().map(|column| column.name.to_owned()).collect::<Vec<_>>()];
    rows.extend(report.steps.iter().map(|step| columns.iter().map(|column| (column.of)(step)).collect()));
    push_aligned(&rows, &mut out);
    let figures = report.figures();
    if !figures.is_empty() {
        out.push('\n');
    }
    let width = figures.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in figures {
        out.push_str(&format!("{name:width$}  {value}\n"));
    }
    out.push_str(&format!("\n{}\n", report.verdict()));
    report.advice().iter().for_each(|line| out.push_str(&format!("{line}\n")));
    out
}

/// A column of it.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) of: fn(&Step) -> String,
}

impl Column {
    /// Whether there is anything in it.
    pub(super) fn has_any(&self, report: &Report) -> bool {
        report.steps.iter().any(|step| !(self.of)(step).is_empty())
    }
}

/// All there are; those that are empty are left out.
pub(super) const COLUMNS: &[Column] = &[
    Column { name: "step", of: |step| step.step.clone() },
    Column { name: "clients", of: |step| grouped(step.outcome.standing) },
    Column { name: "sent", of: |step| counted(step.published.answered) },
    Column { name: "delivered", of: |step| counted(step.outcome.delivered) },
    Column { name: "a second", of: |step| step.per_s.map(figure).unwrap_or_default() },
    Column { name: "p50 ms", of: |step| ranked(step, step.latency_ms.p50) },
    Column { name: "p90", of: |step| ranked(step, step.latency_ms.p90) },
    Column { name: "p99", of: |step| ranked(step, step.latency_ms.p99) },
    Column { name: "p99.9", of: |step| ranked(step, step.latency_ms.p999) },
    Column { name: "max", of: |step| ranked(step, step.latency_ms.max) },
    Column { name: "CPU µs each", of: |step| cost(step).map(figure).unwrap_or_default() },
    Column { name: "MiB", of: mebibytes },
    Column { name: "wrong", of: wrong },
];

/// CPU time of the server for each connection made, each delivery, or each message where nobody listens.
fn cost(step: &Step) -> Option<f64> {
    step.cpu_us_per_connection.or_else(|| {
        let sends = step.published.answered > 0;
        step.cpu_us_per_delivery.filter(|_| sends).or(step.cpu_us_per_message)
    })
}

fn counted(count: u64) -> String {
    if count > 0 { grouped(count) } else { String::new() }
}

fn ranked(step: &Step, ms: f64) -> String {
    if step.latency_ms.count > 0 { figure(ms) } else { String::new() }
}

fn mebibytes(step: &Step) -> String {
    if step.memory.private > 0 { figure(step.memory.private as f64 / 1_048_576.0) } else { String::new() }
}

fn wrong(step: &Step) -> String {
    let faults = step.faults();
    faults.iter().map(|(count, what)| format!("{} {what}", grouped(*count))).collect::<Vec<_>>().join(", ")
}

/// Words to the left, numbers to the right; two blanks between columns.
fn push_aligned(rows: &[Vec<String>], out: &mut String) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, text) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - text.chars().count());
            let is_words = matches!(rows[0][column].as_str(), "step" | "wrong");
            line.push_str(&if is_words { format!("{text}{pad}  ") } else { format!("{pad}{text}  ") });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let row = |words: [&str; 3]| words.map(str::to_owned).to_vec();
        let mut out = String::new();
        push_aligned(&[row(["step", "µs", "wrong"]), row(["a=1", "1,000", ""])], &mut out);
        assert_eq!(out, "step     µs  wrong\na=1   1,000\n");
    }
}
