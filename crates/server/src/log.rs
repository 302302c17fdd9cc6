//! What happens, told on standard error: one line an event, never a payload.
//!
//! Lines go into a queue, from which a thread writes them. So nothing waits for the program that reads
//! standard error, neither at work nor when the program ends.

mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::Context;
use tracing::error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::Layered;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::limits::LOG_PATIENCE;
use queue::{LineQueue, StandardError};
use settings::LogForm;

/// What takes the events about single connections that Realplexor's log is made of.
pub(crate) type ConnectionLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What the log of the program stands upon.
type Logged = Layered<Option<ConnectionLayer>, Registry>;

/// Begins to log. Where nobody listens, what is said of connections costs one look at a number.
pub(crate) fn start(form: LogForm, level: &str, connections: Option<ConnectionLayer>) -> anyhow::Result<()> {
    let queue = LineQueue::start(StandardError).context("the log cannot be written")?;
    let queue = QUEUE.get_or_init(|| queue).clone();
    let (level, handle) = reload::Layer::new(level_of(level));
    let _ = LEVEL.set(handle);
    let log = fmt::layer().with_writer(queue).with_target(false);
    let log = match form {
        LogForm::Text => log.with_ansi(io::stderr().is_terminal()).boxed(),
        LogForm::Json => log.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry().with(connections).with(log.with_filter(level)).init();
    panic::set_hook(Box::new(|panic| {
        let (thread, words) = (thread::current(), panic.to_string().replace('\n', " "));
        let thread = thread.name().unwrap_or("unnamed");
        match Backtrace::capture() {
            backtrace if backtrace.status() == BacktraceStatus::Captured => {
                error!(thread, %backtrace, "{words}")
            }
            _ => error!(thread, "{words}"),
        }
        // What follows may be the end of the program.
        flush();
    }));
    Ok(())
}

/// Says so much from now on.
pub(crate) fn set_level(level: &str) -> Result<(), reload::Error> {
    LEVEL.get().map_or(Ok(()), |handle| handle.reload(level_of(level)))
}

fn level_of(word: &str) -> LevelFilter {
    word.parse().unwrap_or(LevelFilter::INFO)
}

/// Waits until what was said is written, if somebody reads it in time.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(LOG_PATIENCE);
    }
}

/// Lines of all logs that were left out, since nobody read them in time.
pub(crate) fn lines_lost() -> u64 {
    LINES_LOST.load(Ordering::Relaxed)
}

/// A line is left out.
pub(crate) fn lose_line() {
    LINES_LOST.fetch_add(1, Ordering::Relaxed);
}

/// Writes to standard output or error what must come before the program goes on or ends. It does not wait for a slow reader;
/// if the stream is closed, nobody wants to know.
pub(crate) fn write_in_time(mut out: impl Write + Send + 'static, text: String) {
    let (done, is_done) = channel();
    let write = move || {
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        // Nobody waits any more, perhaps.
        let _ = done.send(());
    };
    // It goes on when there is somebody to read, unless the program has ended.
    if thread::Builder::new().name("words".to_owned()).spawn(write).is_ok() {
        let _ = is_done.recv_timeout(LOG_PATIENCE);
    }
}

static QUEUE: OnceLock<LineQueue> = OnceLock::new();
static LEVEL: OnceLock<reload::Handle<LevelFilter, Logged>> = OnceLock::new();
static LINES_LOST: AtomicU64 = AtomicU64::new(0);
