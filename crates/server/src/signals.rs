//! The signals that end the program, and the one that it may heed besides.

use anyhow::Context;
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::log;
use crate::serve::Role;

/// Starts threads that take no signals. What catches one writes to a descriptor of the runtime: in the table of a shard
/// that number is something else, a client's socket perhaps.
pub(crate) fn kept_from<T>(start: impl FnOnce() -> T) -> anyhow::Result<T> {
    let caught: SigSet = [Number::SIGTERM, Number::SIGINT, Number::SIGHUP].into_iter().collect();
    let before = caught.thread_swap_mask(SigmaskHow::SIG_BLOCK).context("signals cannot be held back")?;
    // Threads begin with the mask of who starts them. What comes meanwhile is told when it is taken back.
    let started = start();
    before.thread_set_mask().context("signals cannot be taken again")?;
    Ok(started)
}

/// The signals that are heeded.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// Only where the role hangs up; otherwise it would not end the program any more.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Begins to catch them.
    pub(crate) fn new<R: Role>() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("signals cannot be received");
        // Whoever catches it is told by the write that failed; it would end the program.
        drop(catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let hang_up = if R::HANGS_UP { Some(catch(SignalKind::hangup())?) } else { None };
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up,
        })
    }

    /// Done at the first SIGTERM or SIGINT; the second one ends the program at once.
    pub(crate) async fn heed<R: Role>(mut self, role: &mut R) {
        let name = loop {
            let hung_up = async {
                match &mut self.hang_up {
                    Some(signal) => signal.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = self.terminate.recv() => break "SIGTERM",
                _ = self.interrupt.recv() => break "SIGINT",
                _ = hung_up => role.hung_up(),
            }
        };
        role.ending(name);
        info!("ending; once more to end at once");
        tokio::spawn(async move {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            log::flush();
            std::process::exit(EXIT_INTERRUPTED);
        });
    }
}

/// What a shell shows for a program that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;
