//! What Realplexor's log says about the server as a whole: its counters, and which ids went offline.

use std::sync::Arc;

use exchange::Exchange;
use exchange::hub::{Position, Start};
use in_line::dialects::is_id;

use crate::limits::NEWS_PAGE;

/// Looks at a server that runs.
pub(super) struct IdChanges {
    exchange: Arc<Exchange>,
    stats: wait::ShardStats,
    /// Up to here changes were told.
    told: Position,
    /// After how many seconds what is held of an id is dropped.
    held_s: f64,
}

/// The counters of the second line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogCounts {
    /// Connections of the WAIT line.
    pub(super) connections: u64,
    /// Ids of which something is held.
    pub(super) held: u64,
    /// Ids that are online.
    pub(super) online: u64,
    /// Changes (online, offline) that are kept.
    pub(super) changes: usize,
}

impl IdChanges {
    pub(super) fn new(exchange: Arc<Exchange>, stats: wait::ShardStats, held_s: f64) -> Self {
        Self { told: exchange.end(), exchange, stats, held_s }
    }

    /// What is counted now.
    pub(super) fn count(&self) -> LogCounts {
        let totals = self.exchange.admin().totals();
        let shards = self.stats.by_shard();
        let connections = shards.iter().flatten().filter(|(name, _)| *name == "connections");
        LogCounts {
            connections: connections.map(|(_, count)| count).sum(),
            held: totals.histories,
            online: totals.online,
            changes: self.exchange.admin().changes_kept(),
        }
    }

    /// What became of ids since this was last asked.
    pub(super) fn news(&mut self) -> Vec<String> {
        let page = self.exchange.admin().changes(Start::After(self.told), NEWS_PAGE);
        self.told = page.position;
        let offline = page.changes.iter().filter(|change| !change.what.is_online() && is_id(&change.name));
        let offline = offline.map(|change| format!("[{}] is now offline", change.name));
        let held_s = self.held_s;
        let cleaned = self
            .exchange
            .admin()
            .outlived()
            .into_iter()
            .filter(|id| is_id(id))
            .map(|id| format!("[{id}] cleaned, because no data is pushed within last {held_s} seconds"));
        offline.chain(cleaned).collect()
    }

    /// What became of ids until now is not told.
    pub(super) fn skip(&mut self) {
        self.told = self.exchange.end();
        drop(self.exchange.admin().outlived());
    }
}
