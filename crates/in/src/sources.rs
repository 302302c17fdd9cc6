//! What is known here of the rest of the program: counters to be read, and where the WAIT line is.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use exchange::hub::Answered;
use serde_json::Value;

/// All of it that is read while the line serves.
pub(crate) struct Sources {
    pub(crate) wait: WaitLine,
    /// Reads the counters of the store, if there is one.
    pub(crate) store: Option<Box<dyn Fn() -> ShardCounters + Send + Sync>>,
}

/// Name and value of each counter of one shard.
pub type ShardCounters = Vec<(&'static str, u64)>;

/// Reads counters that belong to somebody else, by shard.
pub type ReadCounters = Box<dyn Fn() -> Vec<ShardCounters> + Send + Sync>;

/// What became of the files of certificates.
#[derive(Debug, Default)]
pub struct CertificateNews {
    /// Times new ones were read and are shown.
    pub reloads: AtomicU64,
    /// Times new ones could not be used.
    pub failures: AtomicU64,
    /// When the first of those that are shown ends, in Unix time.
    pub not_after: AtomicI64,
}

/// What became of settings that were read anew.
#[derive(Debug, Default)]
pub struct ReloadNews {
    /// Times they were taken.
    pub reloads: AtomicU64,
    /// Times they were not, since something was wrong.
    pub failures: AtomicU64,
    /// Settings of which another value waits for a restart.
    pub waiting: AtomicU64,
}

/// What became of upgrades, by which another program goes on in the place of this one.
#[derive(Debug, Default)]
pub struct UpgradeNews {
    /// Programs that went on one in the place of the other, up to this one.
    pub upgrades: AtomicU64,
    /// Times this one was to hand over, and served on.
    pub failures: AtomicU64,
}

/// The WAIT line, as far as it is known here.
pub struct WaitLine {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// What stands before its paths.
    pub prefix: String,
    /// Reads its counters.
    pub counters: ReadCounters,
    /// What becomes of the certificates of both lines; `None`: neither speaks TLS.
    pub certificates: Option<Arc<CertificateNews>>,
    /// Reads what is counted of asking others about its clients.
    pub asked: Box<dyn Fn() -> ShardCounters + Send + Sync>,
    /// Reads how the application's webhooks are, each an object.
    pub webhooks: Box<dyn Fn() -> Vec<Value> + Send + Sync>,
    /// Takes the settings anew, as far as they may change while the program runs; what is said of that, or why nothing has changed.
    pub reload: Box<dyn Fn() -> Result<Value, String> + Send + Sync>,
    /// What becomes of that.
    pub reloads: Arc<ReloadNews>,
    /// What becomes of upgrades.
    pub upgrades: Arc<UpgradeNews>,
    /// Tells all settings, with who said so; `None`: they are not known so, in this role.
    pub settings: Box<dyn Fn() -> Option<Value> + Send + Sync>,
    /// Reads how many lines of the log were left out.
    pub lines_lost: fn() -> u64,
    /// Becomes readable when there is more for those who follow the order; `None`: they are woken by whoever finds it.
    pub notices: Option<OwnedFd>,
}

/// The store, as far as it is known here.
pub struct StoreLine {
    /// Keys that came before the program was started anew, in order, and what was answered.
    pub answered: Vec<Answered>,
    /// Reads its counters.
    pub counters: Box<dyn Fn() -> ShardCounters + Send + Sync>,
}
