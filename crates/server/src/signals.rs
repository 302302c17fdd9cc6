//! The signals that end the program, and the one that it may heed besides.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::serve::Role;

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
            std::process::exit(EXIT_INTERRUPTED);
        });
    }
}

/// What a shell shows for a program that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;
