//! In whose place the program serves, and what it then says and heeds besides.

use std::path::PathBuf;
use std::sync::Arc;

use exchange::{Commands, Exchange};
use settings::LogForm;
use wait::{Desk, Renewal};

use crate::banner::Banner;
use crate::reload::{Reload, SettingsSource};

/// In whose place the program serves: what it says, and what it heeds besides.
pub(crate) trait Role {
    /// What the addresses of the WAIT line and the IN line are called where they are set.
    fn names(&self) -> [&'static str; 2];

    /// What the role needs of the disk beside what settings name.
    fn files(&self) -> Files;

    /// Files are shut off: from here on there may be a second thread.
    fn shut_in(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    /// Both lines listen; nothing was served yet. An error ends the program.
    fn listening(&mut self, banner: &Banner<'_>, running: Running) -> anyhow::Result<()>;

    /// What all settings are, and how they are read anew; `None`: they are not, in this role.
    fn settings(&mut self) -> Option<SettingsSource> {
        None
    }

    /// Why no other program can go on in the place of this one, in this role; `None`: it can.
    fn keeps_from_upgrade(&self) -> Option<&'static str> {
        None
    }

    /// SIGHUP came.
    fn hung_up(&mut self);

    /// This signal ends the program.
    fn ending(&mut self, _signal: &'static str) {}
}

/// What runs, for a role that looks into it or changes it.
pub(crate) struct Running {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) stats: wait::ShardStats,
    /// What is set anew, for the shards.
    pub(crate) renewals: Arc<Commands<Renewal>>,
    /// What may be taken anew beside that.
    pub(crate) reload: Arc<Reload>,
}

impl Running {
    pub(super) fn of(
        exchange: &Arc<Exchange>,
        stats: &wait::ShardStats,
        desk: &Desk,
        reload: &Arc<Reload>,
    ) -> Self {
        Self {
            exchange: Arc::clone(exchange),
            stats: stats.clone(),
            renewals: Arc::clone(&desk.renewals),
            reload: Arc::clone(reload),
        }
    }
}

/// What is needed of the disk.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// Files that are read, now or later.
    pub(crate) read: Vec<PathBuf>,
    /// Files that are made, changed or removed.
    pub(crate) written: Vec<PathBuf>,
}

/// As itself.
pub(crate) struct Itself {
    /// The file of settings, if there is one.
    file: Option<PathBuf>,
    log: LogForm,
    source: Option<SettingsSource>,
    reload: Option<Arc<Reload>>,
}

impl Itself {
    /// One that says where it listens in this form, and whose settings, in this file if in any, are read anew so.
    pub(crate) fn new(file: Option<PathBuf>, log: LogForm, source: SettingsSource) -> Self {
        Self { file, log, source: Some(source), reload: None }
    }
}

impl Role for Itself {
    fn names(&self) -> [&'static str; 2] {
        ["--wait", "--in"]
    }

    fn files(&self) -> Files {
        Files { read: self.file.iter().cloned().collect(), written: Vec::new() }
    }

    fn listening(&mut self, banner: &Banner<'_>, running: Running) -> anyhow::Result<()> {
        banner.print(self.log);
        self.reload = Some(running.reload);
        Ok(())
    }

    fn settings(&mut self) -> Option<SettingsSource> {
        self.source.take()
    }

    fn hung_up(&mut self) {
        if let Some(reload) = &self.reload {
            reload.hung_up();
        }
    }
}
