//! What happens, told on standard error: one line an event, never a payload.

use std::io::{self, IsTerminal};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::settings::LogForm;

/// Who listens to what the lines say of single connections in the words of Realplexor.
pub(crate) type Listening = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to log. Where nobody listens, what is said of connections costs one look at a number.
pub(crate) fn start(form: LogForm, level: &str, listening: Option<Listening>) {
    let level: LevelFilter = level.parse().unwrap_or(LevelFilter::INFO);
    let log = fmt::layer().with_writer(io::stderr).with_target(false);
    let log = match form {
        LogForm::Text => log.with_ansi(io::stderr().is_terminal()).boxed(),
        LogForm::Json => log.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(listening).with(log.with_filter(level)).init();
}
