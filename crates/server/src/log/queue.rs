//! The lines of the log that wait to be written, and the thread that writes them.
//!
//! Leaving a line takes no lock that is held over a write, and wakes by a futex and not by a descriptor: a shard may do it.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tracing::error;
use tracing_subscriber::fmt::MakeWriter;

use crate::limits::{LOG_LEN_MAX, LOG_LINES_MAX, LOG_PAUSE, LOG_WRITE_LEN};

/// Where lines are left.
#[derive(Clone)]
pub(super) struct LineQueue(Arc<QueueState>);

struct QueueState {
    lines: SyncSender<Box<[u8]>>,
    /// Bytes of the lines that are not written yet; at most [`LOG_LEN_MAX`].
    held: AtomicUsize,
    lost: AtomicU64,
}

impl LineQueue {
    /// Begins to write there.
    pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, lines) = Self::new(LOG_LINES_MAX);
        let writing = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || writing.write_all_of(&lines, out))?;
        Ok(queue)
    }

    fn new(lines_max: usize) -> (Self, Receiver<Box<[u8]>>) {
        let (lines, taken) = sync_channel(lines_max);
        (Self(Arc::new(QueueState { lines, held: AtomicUsize::new(0), lost: AtomicU64::new(0) })), taken)
    }

    /// Waits until all that was left is written; false: it took too long.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.0.held.load(Ordering::Acquire) > 0 {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(LOG_PAUSE);
        }
        true
    }

    /// Leaves a line, or loses it.
    fn put(&self, line: &[u8]) {
        let held = self.0.held.fetch_add(line.len(), Ordering::Relaxed);
        if held + line.len() > LOG_LEN_MAX || self.0.lines.try_send(line.into()).is_err() {
            self.0.held.fetch_sub(line.len(), Ordering::Relaxed);
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            super::lose_line();
        }
    }

    /// Writes what comes, many lines at a time where many wait, and says how many are missing when it could write again.
    fn write_all_of(&self, lines: &Receiver<Box<[u8]>>, mut out: impl Write) {
        let (mut batch, mut told) = (Vec::new(), 0);
        while let Ok(line) = lines.recv() {
            batch.extend_from_slice(&line);
            while batch.len() < LOG_WRITE_LEN
                && let Ok(line) = lines.try_recv()
            {
                batch.extend_from_slice(&line);
            }
            // If standard error is closed, nobody wants to know.
            let written = out.write_all(&batch).is_ok();
            self.0.held.fetch_sub(batch.len(), Ordering::Release);
            batch.clear();
            let lost = self.0.lost.load(Ordering::Relaxed);
            if written && lost > told {
                error!(
                    lines = lost - told,
                    in_all = lost,
                    "lines of the log were left out: nobody read them in time"
                );
                told = lost;
            }
        }
    }
}

/// The formatter gives a line in one write.
impl Write for LineQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Standard error without the lock of the library, which somebody who waits for a reader may hold; and to the end, also
/// where whoever shares it made it such that it does not wait.
pub(super) struct StandardError;

impl Write for StandardError {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(io::stderr(), bytes) {
                Err(Errno::AGAIN) => thread::sleep(LOG_PAUSE),
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Sender, channel};

    /// Takes so many writes as it is let.
    struct Slow(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?;
            self.1.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_holds_up_nobody() {
        let (queue, lines) = LineQueue::new(2);
        (0..5).for_each(|n| queue.put(&[n]));
        assert_eq!(queue.0.lost.load(Ordering::Relaxed), 3);
        assert!(!queue.flush(Duration::ZERO));
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), [[0].into(), [1].into()] as [Box<[u8]>; 2]);
    }

    #[test]
    fn what_waits_is_limited_in_bytes() {
        let (queue, _lines) = LineQueue::new(2);
        queue.put(&vec![0; LOG_LEN_MAX]);
        queue.put(&[1]);
        assert_eq!(queue.0.lost.load(Ordering::Relaxed), 1);
        assert_eq!(queue.0.held.load(Ordering::Relaxed), LOG_LEN_MAX);
    }

    #[test]
    fn lines_are_written_in_order_when_somebody_reads() {
        let (let_go, waits) = channel();
        let (tell, told) = channel();
        let queue = LineQueue::start(Slow(waits, tell)).unwrap();
        (0..100).for_each(|n: u8| queue.put(&[n]));
        (0..100).for_each(|_| let_go.send(()).unwrap());
        assert!(queue.flush(Duration::from_secs(60)));
        assert_eq!(told.try_iter().flatten().collect::<Vec<_>>(), (0..100).collect::<Vec<u8>>());
        assert_eq!(queue.0.lost.load(Ordering::Relaxed), 0);
    }
}
