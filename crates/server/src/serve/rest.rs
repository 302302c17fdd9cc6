//! What the IN line tells of the rest of the program.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde_json::Value;
use settings::Settings;

use crate::log;
use crate::reload::Reload;

/// What the IN line tells of the rest of the program.
pub(super) struct Rest {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) stats: wait::ShardStats,
    pub(super) certificates: Option<Arc<in_line::CertificateNews>>,
    pub(super) asked: Arc<upstream::Counters>,
    pub(super) webhooks: Box<dyn Fn() -> Vec<Value> + Send + Sync>,
    pub(super) upgrades: Arc<in_line::UpgradeNews>,
    pub(super) notices: OwnedFd,
}

impl Rest {
    pub(super) fn of_line(self, settings: &Settings, reload: &Arc<Reload>) -> in_line::WaitLine {
        let Self { addresses, stats, certificates, asked, webhooks, upgrades, notices } = self;
        let (reloads, overview) = (Arc::clone(reload), Arc::clone(reload));
        in_line::WaitLine {
            addresses,
            counters: Box::new(move || stats.by_shard()),
            certificates,
            asked: Box::new(move || asked.read()),
            lines_lost: log::lines_lost,
            webhooks,
            reloads: reload.news(),
            upgrades,
            reload: Box::new(move || reloads.run()),
            settings: Box::new(move || overview.overview()),
            notices: Some(notices),
            prefix: settings.wait_line.paths.prefix().to_owned(),
        }
    }
}
