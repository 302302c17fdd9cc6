//! Certificates: read at the start, and again when their files change; handed to the lines as snapshots.
//!
//! Shards open no file. They get new certificates by mail, the IN line through a channel; connections that are
//! there stay as they are. When something is wrong with new files, the old certificates stay.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use exchange::Commands;
use in_line::CertificateNews;
use tls::{Certificate, Pair, Server, ServerOptions, Tickets, read_authorities};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};
use wait::Renewal;

use crate::config::unreadable;
use crate::limits::CERTIFICATE_LOOK;
use settings::Tls;

/// What both lines show.
pub(crate) struct LineCertificates {
    files: Tls,
    tickets: Tickets,
    news: Arc<CertificateNews>,
    /// The files as they were before they were first read: what changes while the program starts is seen, too.
    before: Stamps,
}

/// One reading of all files.
pub(crate) struct Snapshot {
    pub(crate) wait: Vec<Option<Server>>,
    pub(crate) in_line: Vec<Option<Server>>,
    /// When each certificate ends, in Unix time.
    ends: Vec<(PathBuf, i64)>,
}

/// A file as it was when it was looked at; `None`: it was not there.
type Stamps = HashMap<PathBuf, Option<(i64, i64, u64, u64)>>;

impl LineCertificates {
    /// Nothing is read yet.
    pub(crate) fn new(files: &Tls) -> Self {
        let (tickets, news, before) = (Tickets::default(), Arc::default(), Stamps::new());
        let this = Self { files: files.clone(), tickets, news, before };
        Self { before: this.stamps(), ..this }
    }

    /// What becomes of the files, for metrics.
    pub(crate) fn news(&self) -> Arc<CertificateNews> {
        Arc::clone(&self.news)
    }

    /// The same, of other files.
    fn with_files(&self, files: Tls) -> Self {
        let (tickets, news) = (self.tickets.clone(), Arc::clone(&self.news));
        Self { files, tickets, news, before: Stamps::new() }
    }

    /// Reads all files.
    pub(crate) fn read(&self) -> anyhow::Result<Snapshot> {
        let files = self.files.wait.iter().chain(&self.files.in_line).flatten();
        let files = files.flat_map(|pair| [&pair.certificate, &pair.key]).chain(&self.files.authorities);
        if let Some(why) = files.map(PathBuf::as_path).find_map(unreadable) {
            bail!(why);
        }
        let mut read = HashMap::new();
        for pair in self.files.wait.iter().chain(&self.files.in_line).flatten() {
            if !read.contains_key(pair) {
                read.insert(pair.clone(), pair.read()?);
            }
        }
        let mut authorities = Vec::new();
        for file in &self.files.authorities {
            authorities.extend(read_authorities(file)?);
        }
        let server = |pairs: &Vec<Pair>, options: &ServerOptions, tickets: &Tickets| {
            let all: Vec<Certificate> = pairs.iter().filter_map(|pair| read.get(pair).cloned()).collect();
            if all.is_empty() {
                return Ok(None);
            }
            let server = Server::new(&all, options, tickets);
            server.map(Some).context("TLS cannot be set up")
        };
        let waiting = ServerOptions { hands_out_keys: true, ..ServerOptions::default() };
        let publishing = ServerOptions { authorities, ..ServerOptions::default() };
        // Who may vouch for a client may have changed: nobody comes back to the IN line on an old word.
        let tickets = Tickets::default();
        let wait = self.files.wait.iter().map(|pairs| server(pairs, &waiting, &self.tickets));
        let in_line = self.files.in_line.iter().map(|pairs| server(pairs, &publishing, &tickets));
        let snapshot = Snapshot {
            wait: wait.collect::<anyhow::Result<_>>()?,
            in_line: in_line.collect::<anyhow::Result<_>>()?,
            ends: read.iter().map(|(pair, read)| (pair.certificate.clone(), read.not_after)).collect(),
        };
        self.tell_ends(&snapshot);
        Ok(snapshot)
    }

    /// Says which certificates end soon, and notes the first end.
    fn tell_ends(&self, snapshot: &Snapshot) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        for (file, end) in &snapshot.ends {
            let days = (end - now).div_euclid(DAY);
            if *end < now {
                error!(file = %file.display(), "this certificate has expired: no client will take it; renew it");
            } else if days < DAYS_TOLD {
                warn!(file = %file.display(), days, "this certificate expires soon; renew it");
            }
        }
        let first = snapshot.ends.iter().map(|(_, end)| *end).min();
        self.news.not_after.store(first.unwrap_or(0), Ordering::Relaxed);
    }

    /// Looks after the files for ever, and hands out what becomes of them.
    pub(crate) async fn watch(
        self,
        mut files: watch::Receiver<Tls>,
        renewals: Arc<Commands<Renewal>>,
        in_line: Vec<Option<watch::Sender<Server>>>,
    ) {
        let mut this = Arc::new(self);
        let mut looks = interval(CERTIFICATE_LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut held, mut seen) = (this.before.clone(), Stamps::new());
        loop {
            let is_asked = tokio::select! {
                _ = looks.tick() => false,
                Ok(()) = files.changed() => true,
            };
            let named = files.borrow_and_update().clone();
            if named != this.files {
                this = Arc::new(this.with_files(named));
            }
            let now = this.stamps();
            // Files that change together are read when they have come to rest, or somebody says that they are ready.
            let rests = now == seen || is_asked;
            seen = now;
            if !rests || seen == held {
                continue;
            }
            let reader = Arc::clone(&this);
            let read = spawn_blocking(move || reader.read()).await;
            held.clone_from(&seen);
            match read {
                Ok(Ok(snapshot)) => {
                    if this.hand_out(snapshot, &renewals, &in_line) {
                        this.news.reloads.fetch_add(1, Ordering::Relaxed);
                        info!("new certificates are shown from now on");
                    } else {
                        held = Stamps::new();
                    }
                }
                Ok(Err(error)) => {
                    this.news.failures.fetch_add(1, Ordering::Relaxed);
                    error!(error = %format!("{error:#}"), "certificates changed and cannot be used; the old ones stay");
                }
                Err(_) => error!("reading the certificates broke down; the old ones stay"),
            }
        }
    }

    /// False: a shard takes no more mail; another time.
    fn hand_out(
        &self,
        snapshot: Snapshot,
        renewals: &Commands<Renewal>,
        in_line: &[Option<watch::Sender<Server>>],
    ) -> bool {
        let certificates = wait::Certificates::new(snapshot.wait);
        if !renewals.put_all(&Renewal::Certificates(certificates)) {
            return false;
        }
        for (sender, server) in in_line.iter().zip(snapshot.in_line) {
            if let (Some(sender), Some(server)) = (sender, server) {
                sender.send_replace(server);
            }
        }
        true
    }

    fn stamps(&self) -> Stamps {
        let pairs = self.files.wait.iter().chain(&self.files.in_line).flatten();
        let files = pairs.flat_map(|pair| [&pair.certificate, &pair.key]).chain(&self.files.authorities);
        files.map(|file| (file.clone(), stamp(file))).collect()
    }
}

/// What tells that a file is another one; links are followed, as certbot changes these.
fn stamp(file: &Path) -> Option<(i64, i64, u64, u64)> {
    let data = fs::metadata(file).ok()?;
    Some((data.mtime(), data.mtime_nsec(), data.ino(), data.len()))
}

/// Seconds of a day.
const DAY: i64 = 86_400;
/// From so many days on it is said that a certificate ends.
const DAYS_TOLD: i64 = 14;
