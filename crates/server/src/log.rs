//! What happens, told on standard error: one line an event, never a payload.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;

use crate::settings::LogForm;

/// Begins to log.
pub(crate) fn start(form: LogForm, level: &str) {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let log = tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(level).with_target(false);
    match form {
        LogForm::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogForm::Json => log.json().flatten_event(true).init(),
    }
}
