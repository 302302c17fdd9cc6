//! What is made ready so that another program can go on in the place of this one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use exchange::Exchange;
use in_line::{Handover, Memories, UpgradeNews};
use settings::Settings;
use tokio::sync::{mpsc, watch};
use tracing::warn;
use upstream::Webhooks;

use super::listeners::sockets;
use crate::upgrade::{Ends, Upgrade, control};

/// What is known of it before the IN line listens.
pub(super) struct Succession {
    /// Those of the WAIT line.
    pub(super) listeners: Vec<wait::Listener>,
    pub(super) outside: wait::ShardPassages,
    /// What the program remembered in whose place this one goes on.
    pub(super) memories: Memories,
    /// How many did so, up to this one.
    pub(super) upgrades: u64,
}

impl Succession {
    /// How another program goes on, how the IN line takes part in that, and what becomes of it.
    pub(super) fn prepare(
        self,
        settings: &Settings,
        fault: Option<&'static str>,
        exchange: &Arc<Exchange>,
        in_line: &[in_line::InListener],
        webhooks: watch::Receiver<Arc<Webhooks>>,
    ) -> anyhow::Result<(Upgrade, Handover, Arc<UpgradeNews>)> {
        let (wait_unix, in_line) = sockets(&self.listeners, in_line)?;
        let news =
            Arc::new(UpgradeNews { upgrades: AtomicU64::new(self.upgrades), failures: AtomicU64::new(0) });
        let (sender, pauses) = mpsc::channel(1);
        // Without it there is the signal.
        let opened = control::open().inspect_err(|error| {
            warn!(error = format!("{error:#}"), "`multiplexor upgrade` will not find this program");
        });
        let (listener, control) = opened.ok().flatten().unzip();
        let upgrade = Upgrade::new(Ends {
            settings: settings.clone(),
            exchange: Arc::clone(exchange),
            outside: self.outside,
            wait_unix,
            in_line,
            pauses: sender,
            news: Arc::clone(&news),
            fault: fault.or_else(|| keeps_from_upgrade(settings)),
            webhooks,
            control,
        });
        if let Some(listener) = listener {
            control::serve(listener, upgrade.clone())?;
        }
        Ok((upgrade, Handover { before: self.memories, pauses: Some(pauses) }, news))
    }
}

/// Why a program of these settings cannot hand over; `None`: it can.
fn keeps_from_upgrade(settings: &Settings) -> Option<&'static str> {
    if settings.store.is_some() {
        return Some(
            "this program has a store, which it does not hand over: restart, and clients go on from their cursors",
        );
    }
    (std::process::id() == 1)
        .then_some("this program is process 1, with which a container ends: start another container instead")
}
