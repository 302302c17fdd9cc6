//! Realplexor's log, on standard output: scripts wait for its lines.
//!
//! A thread of its own writes it. Others leave their lines in a queue and go on: a reader of the log
//! who is slow costs lines, of which the number is told, and holds up nobody.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::layer::{Context, Filter};

use super::id_changes::{IdChanges, LogCounts};
use crate::limits::{JOURNAL_LINES_MAX, JOURNAL_PATIENCE, NEWS_EVERY};
use crate::log;

/// Where lines are left.
#[derive(Clone)]
pub(super) struct PredecessorLog(Arc<JournalInner>);

struct JournalInner {
    /// 0 silent, 1 text, 2 and time, 3 and counters.
    level: AtomicU8,
    queue: SyncSender<LogEntry>,
    lost: AtomicU64,
}

enum LogEntry {
    Line(SystemTime, String),
    /// From now on there is a server to look at.
    Serving(Box<IdChanges>),
    End,
}

impl PredecessorLog {
    /// A log whose lines wait for its writer to start.
    pub(super) fn new(level: u8) -> (Self, Writer) {
        let (queue, said) = sync_channel(JOURNAL_LINES_MAX);
        let inner = JournalInner { level: AtomicU8::new(level), queue, lost: AtomicU64::new(0) };
        (Self(Arc::new(inner)), Writer { said: Some(said), thread: None })
    }

    /// From now on the second line has numbers, and what becomes of ids is told.
    pub(super) fn watch(&self, changes: IdChanges) {
        // It is told once, when the lines listen and hardly anything waits to be written.
        let _ = self.0.queue.try_send(LogEntry::Serving(Box::new(changes)));
    }

    pub(super) fn set_level(&self, level: u8) {
        self.0.level.store(level, Ordering::Relaxed);
    }

    /// Passes on what the lines say of their connections.
    pub(super) fn layer(&self) -> log::ConnectionLayer {
        let words = Targets::new().with_target(wait::CONNECTION_LOG, LevelFilter::DEBUG);
        Box::new(JournalLayer(self.clone()).with_filter(words.and(IfRead(self.clone()))))
    }

    /// Whether anything is written.
    fn is_silent(&self) -> bool {
        self.0.level.load(Ordering::Relaxed) == 0
    }

    /// Says one line.
    pub(super) fn say(&self, text: impl Into<String>) {
        if self.is_silent() {
            return;
        }
        if self.0.queue.try_send(LogEntry::Line(SystemTime::now(), text.into())).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            log::lose_line();
        }
    }

    fn write(&self, said: &Receiver<LogEntry>) {
        let mut changes = None;
        let (mut silent, mut looked) = (true, Instant::now());
        loop {
            let next = if self.is_silent() {
                said.recv().map_err(RecvTimeoutError::from)
            } else {
                said.recv_timeout(NEWS_EVERY)
            };
            match next {
                Ok(LogEntry::Line(time, text)) => self.put(time, &text, changes.as_deref()),
                Ok(LogEntry::Serving(server)) => changes = Some(server),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(LogEntry::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let was_silent = std::mem::replace(&mut silent, self.is_silent());
            if silent || looked.elapsed() < NEWS_EVERY {
                continue;
            }
            looked = Instant::now();
            let Some(server) = &mut changes else { continue };
            if was_silent {
                server.skip();
            }
            for text in server.news() {
                self.put(SystemTime::now(), &text, Some(server));
            }
        }
    }

    fn put(&self, time: SystemTime, text: &str, server: Option<&IdChanges>) {
        let counts = self.0.level.load(Ordering::Relaxed) >= 3;
        let count = server.filter(|_| counts).map(IdChanges::count).unwrap_or_default();
        let mut lines = self.line(time, text, count);
        let lost = self.0.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("{lost} lines were left out: nobody read them in time");
            lines += &self.line(time, &text, count);
        }
        // If standard output is closed, nobody wants to know.
        let mut out = io::stdout().lock();
        let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
    }

    fn line(&self, time: SystemTime, text: &str, count: LogCounts) -> String {
        let level = self.0.level.load(Ordering::Relaxed);
        let mut line = if level >= 2 { format!("[{}] {text}\n", dated(time)) } else { format!("{text}\n") };
        if level >= 3 {
            let LogCounts { connections, held, online, changes } = count;
            writeln!(
                line,
                "  [pairs_by_fhs={connections} data_to_send={held} connected_fhs={online} online_timers={online} \
                 cleanup_timers={held} events={changes}]"
            )
            .expect("a string takes everything");
        }
        line
    }
}

/// The thread that writes, and what is left for it until it starts.
pub(super) struct Writer {
    said: Option<Receiver<LogEntry>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Begins to write, unless it did. Before any shard starts, since a shard's copy of the table of descriptors is made then.
    pub(super) fn start(&mut self, journal: &PredecessorLog) -> io::Result<()> {
        let Some(said) = self.said.take() else { return Ok(()) };
        let writing = journal.clone();
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || writing.write(&said))?;
        self.thread = Some(thread);
        Ok(())
    }

    /// Waits until what was said is written, if somebody reads it in time.
    pub(super) fn end(mut self, journal: &PredecessorLog) {
        // Where no thread can start, nothing can be written.
        let _ = self.start(journal);
        let Some(thread) = self.thread else { return };
        let deadline = Instant::now() + JOURNAL_PATIENCE;
        let pause = || thread::sleep(Duration::from_millis(1));
        while journal.0.queue.try_send(LogEntry::End).is_err() && Instant::now() < deadline {
            pause();
        }
        while !thread.is_finished() && Instant::now() < deadline {
            pause();
        }
    }
}

/// A time as C writes it, in UTC: `Sun Nov 22 11:36:10 2026`.
fn dated(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = date.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    match parts[..] {
        [weekday, day, month, year, clock, _] => {
            format!("{weekday} {month} {:>2} {clock} {year}", day.trim_start_matches('0'))
        }
        _ => date,
    }
}

/// Passes on what the lines say of their connections.
struct JournalLayer(PredecessorLog);

/// Lets through what somebody reads: nothing is put into words for a silent log.
struct IfRead(PredecessorLog);

impl<S> Filter<S> for IfRead {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        !self.0.is_silent()
    }
}

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = EventText::default();
        event.record(&mut text);
        self.0.say(text.0);
    }
}

/// The words of an event.
#[derive(Default)]
struct EventText(String);

impl Visit for EventText {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_c_does() {
        let time = |seconds| dated(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(time(1_795_347_370), "Sun Nov 22 11:36:10 2026");
        assert_eq!(time(4 * 86_400), "Mon Jan  5 00:00:00 1970");
    }

    #[test]
    fn a_line_has_as_much_as_is_wanted() {
        for (level, expected) in [
            (1, "x\n"),
            (2, "[Thu Jan  1 00:00:00 1970] x\n"),
            (
                3,
                "[Thu Jan  1 00:00:00 1970] x\n  [pairs_by_fhs=1 data_to_send=2 connected_fhs=3 online_timers=3 \
                 cleanup_timers=2 events=4]\n",
            ),
        ] {
            let (journal, writer) = PredecessorLog::new(level);
            let count = LogCounts { connections: 1, held: 2, online: 3, changes: 4 };
            assert_eq!(journal.line(SystemTime::UNIX_EPOCH, "x", count), expected);
            writer.end(&journal);
        }
    }

    #[test]
    fn what_nobody_reads_holds_up_nobody() {
        let (queue, said) = sync_channel(1);
        let inner = JournalInner { level: AtomicU8::new(1), queue, lost: AtomicU64::new(0) };
        let journal = PredecessorLog(Arc::new(inner));
        (0..5).for_each(|n| journal.say(n.to_string()));
        assert_eq!(journal.0.lost.load(Ordering::Relaxed), 4);
        journal.set_level(0);
        journal.say("silent");
        assert_eq!(journal.0.lost.load(Ordering::Relaxed), 4);
        drop(said);
    }
}
