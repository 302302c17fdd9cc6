//! The log of old, on standard output: scripts wait for its lines.
//!
//! A thread of its own writes it. Whoever has something to say leaves it in a queue and goes on: a reader of the log
//! who is slow costs lines, of which the number is told, and holds up nobody.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::limits::{JOURNAL_LINES_MAX, JOURNAL_PATIENCE};

/// Where lines are left.
#[derive(Clone)]
pub(super) struct Journal(Arc<Inner>);

struct Inner {
    /// 0 silent, 1 text, 2 and time, 3 and counters.
    level: AtomicU8,
    queue: SyncSender<Said>,
    lost: AtomicU64,
    numbers: OnceLock<Numbers>,
}

/// What the counters are when a line is written.
pub(crate) type Numbers = Box<dyn Fn() -> Count + Send + Sync>;

/// The counters of the second line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// Connections of the WAIT line.
    pub(crate) connections: u64,
    /// Channels that are remembered.
    pub(crate) channels: u64,
    /// Channels that are online.
    pub(crate) online: u64,
    /// Messages that are kept.
    pub(crate) messages: u64,
}

enum Said {
    Line(SystemTime, String),
    End,
}

impl Journal {
    /// Begins to write. Before any shard starts, since a shard's copy of the table of descriptors is made then.
    pub(super) fn start(level: u8) -> io::Result<(Self, Writer)> {
        let (queue, said) = sync_channel(JOURNAL_LINES_MAX);
        let inner =
            Inner { level: AtomicU8::new(level), queue, lost: AtomicU64::new(0), numbers: OnceLock::new() };
        let journal = Self(Arc::new(inner));
        let writing = journal.clone();
        let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || writing.write(&said))?;
        Ok((journal, Writer(thread)))
    }

    /// From now on the second line has numbers.
    pub(super) fn count_by(&self, numbers: Numbers) {
        // It is told once, when the lines listen.
        let _ = self.0.numbers.set(numbers);
    }

    pub(super) fn set_level(&self, level: u8) {
        self.0.level.store(level, Ordering::Relaxed);
    }

    /// Says one line.
    pub(super) fn say(&self, text: impl Into<String>) {
        if self.0.level.load(Ordering::Relaxed) == 0 {
            return;
        }
        if self.0.queue.try_send(Said::Line(SystemTime::now(), text.into())).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write(&self, said: &Receiver<Said>) {
        while let Ok(Said::Line(time, text)) = said.recv() {
            let mut lines = self.line(time, &text);
            let lost = self.0.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                lines += &self.line(time, &format!("{lost} lines were left out: nobody read them in time"));
            }
            // Whoever closed standard output does not want to know.
            let mut out = io::stdout().lock();
            let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        }
    }

    fn line(&self, time: SystemTime, text: &str) -> String {
        let level = self.0.level.load(Ordering::Relaxed);
        let mut line = if level >= 2 { format!("[{}] {text}\n", dated(time)) } else { format!("{text}\n") };
        if level >= 3 {
            let Count { connections, channels, online, messages } =
                self.0.numbers.get().map(|numbers| numbers()).unwrap_or_default();
            writeln!(
                line,
                "  [pairs_by_fhs={connections} data_to_send={channels} connected_fhs={online} online_timers={online} \
                 cleanup_timers={channels} events={messages}]"
            )
            .expect("a string takes everything");
        }
        line
    }
}

/// The thread that writes.
pub(super) struct Writer(JoinHandle<()>);

impl Writer {
    /// Waits until what was said is written, if somebody reads it in time.
    pub(super) fn end(self, journal: &Journal) {
        let deadline = Instant::now() + JOURNAL_PATIENCE;
        let pause = || thread::sleep(Duration::from_millis(1));
        while journal.0.queue.try_send(Said::End).is_err() && Instant::now() < deadline {
            pause();
        }
        while !self.0.is_finished() && Instant::now() < deadline {
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
pub(super) struct Listening(pub(super) Journal);

impl<S: Subscriber> Layer<S> for Listening {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.0.say(text.0);
    }
}

/// The words of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
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
            let (journal, writer) = Journal::start(level).unwrap();
            journal.count_by(Box::new(|| Count { connections: 1, channels: 2, online: 3, messages: 4 }));
            assert_eq!(journal.line(SystemTime::UNIX_EPOCH, "x"), expected);
            writer.end(&journal);
        }
    }

    #[test]
    fn what_nobody_reads_holds_up_nobody() {
        let (queue, said) = sync_channel(1);
        let inner =
            Inner { level: AtomicU8::new(1), queue, lost: AtomicU64::new(0), numbers: OnceLock::new() };
        let journal = Journal(Arc::new(inner));
        (0..5).for_each(|n| journal.say(n.to_string()));
        assert_eq!(journal.0.lost.load(Ordering::Relaxed), 4);
        journal.set_level(0);
        journal.say("silent");
        assert_eq!(journal.0.lost.load(Ordering::Relaxed), 4);
        drop(said);
    }
}
