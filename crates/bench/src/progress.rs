//! What one sees while a run goes on: a bar on a terminal, else a line for each step that is done.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report;

/// Tells of steps as they go on, on standard error.
#[derive(Debug)]
pub(crate) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    /// Whether lines are printed, too.
    has_lines: bool,
    width: usize,
}

/// What a step counts, and how much of it there will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Connections that stand, from so many to so many.
    Connections(u64, u64),
    /// Messages that are sent; how many receive each, no one knows before.
    Deliveries(u64),
    /// So long.
    Time(Duration),
    /// Nobody can say.
    Unknown,
}

impl Progress {
    /// For a run of these steps. `is_quiet`: no lines, since standard output is for a program.
    pub(crate) fn new(is_quiet: bool, width: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::no_length);
        Self { bar, has_lines: !is_quiet, width: width.max(8) }
    }

    /// A step begins.
    pub(crate) fn begin(&mut self, step: &str, goal: Goal) {
        let Some(bar) = &mut self.bar else { return };
        let (length, tail) = match goal {
            Goal::Connections(..) => (goal.length(), "{human_pos} of {human_len} connected, {per_sec}"),
            Goal::Deliveries(0) => (None, "{human_pos} delivered"),
            Goal::Deliveries(_) => (goal.length(), "{human_pos} of {human_len} delivered, {per_sec}"),
            Goal::Time(_) => (goal.length(), "{elapsed} of {msg}"),
            Goal::Unknown => (None, "{elapsed}"),
        };
        let body = if length.is_some() { " {bar:32.cyan/dim} " } else { " {spinner:.cyan} " };
        let template = format!("{{prefix:{}}}{body}{tail}", self.width);
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        *bar = ProgressBar::new_spinner().with_style(style.progress_chars("━━╌"));
        length.inspect(|length| bar.set_length(*length));
        if let Goal::Time(time) = goal {
            bar.set_message(format!("{} s", time.as_secs_f64()));
        }
        bar.set_prefix(step.to_owned());
        bar.enable_steady_tick(REDRAW_EVERY);
    }

    /// How far it is: what stands, what was delivered in this step, how long it has taken.
    pub(crate) fn tell(&self, goal: Goal, standing: u64, delivered: u64, elapsed: Duration) {
        let Some(bar) = &self.bar else { return };
        bar.set_position(match goal {
            Goal::Connections(from, _) => standing.saturating_sub(from),
            Goal::Deliveries(_) => delivered,
            Goal::Time(_) | Goal::Unknown => u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// It is done.
    pub(crate) fn end(&self, step: &report::Step) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.has_lines {
            // Whoever closed the other end does not want to read more.
            let _ = writeln!(std::io::stderr(), "{:<width$} {step}", step.step, width = self.width);
        }
    }
}

impl Goal {
    fn length(self) -> Option<u64> {
        match self {
            Self::Connections(from, to) => Some(to.saturating_sub(from)),
            Self::Deliveries(count) => Some(count),
            Self::Time(time) => u64::try_from(time.as_millis()).ok(),
            Self::Unknown => None,
        }
    }
}

const REDRAW_EVERY: Duration = Duration::from_millis(100);
