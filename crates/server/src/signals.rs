//! The signals that end the program; SIGHUP, which never does; and SIGUSR2, after which another one goes on in its place.

use std::time::Duration;

use anyhow::Context;
use exchange::Exchange;
use exchange::hub::Stage;
use nix::sys::signal::{SigSet, SigmaskHow, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::sleep;
use tracing::info;

use crate::serve::Role;
use crate::upgrade::Upgrade;
use crate::{log, notify};

/// Holds SIGHUP and SIGUSR2 back until [`Signals::new`] catches them: they would end the program while it starts.
pub(crate) fn hold_back() -> anyhow::Result<()> {
    held_back().thread_block().context("signals cannot be held back")
}

fn held_back() -> SigSet {
    [Number::SIGHUP, Number::SIGUSR2].into_iter().collect()
}

/// Starts threads that take no signals. What catches one writes to a descriptor of the runtime: in the table of a shard
/// that number is something else, a client's socket perhaps.
pub(crate) fn kept_from<T>(start: impl FnOnce() -> T) -> anyhow::Result<T> {
    let caught: SigSet =
        [Number::SIGTERM, Number::SIGINT, Number::SIGHUP, Number::SIGUSR2].into_iter().collect();
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
    hang_up: Signal,
    user2: Signal,
}

impl Signals {
    /// Begins to catch them.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let catch = |kind| signal(kind).context("signals cannot be received");
        // Whoever catches it is told by the write that failed; it would end the program.
        drop(catch(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?);
        let caught = Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
            hang_up: catch(SignalKind::hangup())?,
            user2: catch(SignalKind::user_defined2())?,
        };
        held_back().thread_unblock().context("signals cannot be taken again")?;
        Ok(caught)
    }

    /// Done when the program is to end: at the first SIGTERM, and the time after it in which both lines serve on; at
    /// SIGINT, which somebody types, or another SIGTERM within that time. One that comes later ends the program at once.
    pub(crate) async fn heed<R: Role>(
        mut self,
        role: &mut R,
        exchange: &Exchange,
        upgrade: &Upgrade,
        lame_duck: impl Fn() -> Duration,
    ) {
        let name = loop {
            tokio::select! {
                _ = self.terminate.recv() => break SIGTERM,
                _ = self.interrupt.recv() => break "SIGINT",
                _ = self.hang_up.recv() => role.hung_up(),
                _ = self.user2.recv() => upgrade.begin(),
            }
        };
        let lame_duck = lame_duck();
        notify::stopping();
        role.ending(name);
        exchange.admin().set_stage(Stage::Ending);
        if name == SIGTERM && !lame_duck.is_zero() {
            let seconds = lame_duck.as_secs_f64();
            info!(
                seconds,
                "about to end: /readyz says so, and both lines serve on for this time; SIGTERM or Ctrl+C once more skips it"
            );
            tokio::select! {
                () = sleep(lame_duck) => {}
                () = self.end() => {}
            }
        }
        info!("ending: clients are sent away and may come back; SIGTERM or Ctrl+C once more ends it at once");
        tokio::spawn(async move {
            self.end().await;
            log::flush();
            std::process::exit(EXIT_INTERRUPTED);
        });
    }

    /// Done at a signal that ends the program.
    async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => {}
                _ = self.user2.recv() => {}
            }
        }
    }
}

const SIGTERM: &str = "SIGTERM";
/// What a shell shows for a program that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;
