//! Settings that are read anew while the program runs: all is checked, then what can be taken at once is, and what waits for a
//! restart is named.
//!
//! Each part of the program has its own way to be told: shards by mail, the IN line, the certificates and the webhooks through
//! a channel of which the newest counts, the hub and the shares through the exchange.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exchange::{Commands, Exchange};
use in_line::ReloadNews;
use serde_json::{Value, json};
use settings::{Errors, Merged, Settings, Tls, Values, shares};
use tokio::sync::watch;
use tracing::{info, warn};
use upstream::Webhooks;
use wait::Renewal;

use crate::{config, log, notify};

/// Reads the values of all settings as at the start.
pub(crate) type ReadValues = Box<dyn Fn() -> Values + Send + Sync>;

/// The values of a start, and how they are read anew.
pub(crate) struct SettingsSource {
    /// Those that hold at first.
    pub(crate) values: Values,
    pub(crate) read: ReadValues,
}

/// What holds, and how another reading becomes what holds.
pub(crate) struct Reload {
    /// `None`: in this role the program reads its settings in another way.
    read: Option<ReadValues>,
    held: watch::Sender<InForce>,
    news: Arc<ReloadNews>,
    parts: Subsystems,
}

/// All settings as they are.
#[derive(Clone)]
struct InForce {
    settings: Arc<Settings>,
    /// `None` where they are read in another way.
    values: Option<Values>,
    /// What was read last, of which some waits.
    read: Option<Values>,
    waiting: Vec<&'static str>,
}

/// Those who are told.
pub(crate) struct Subsystems {
    exchange: Arc<Exchange>,
    shards: Arc<Commands<Renewal>>,
    in_line: watch::Sender<Arc<in_line::InSettings>>,
    dialects: watch::Sender<Arc<in_line::InDialects>>,
    webhooks: watch::Sender<Arc<Webhooks>>,
    certificates: watch::Sender<Tls>,
    memory_limit: Arc<AtomicU64>,
}

impl Subsystems {
    /// As they are at the start.
    pub(crate) fn new(
        settings: &Settings,
        exchange: &Arc<Exchange>,
        shards: &Arc<Commands<Renewal>>,
    ) -> Self {
        Self {
            exchange: Arc::clone(exchange),
            shards: Arc::clone(shards),
            in_line: watch::Sender::new(Arc::new(settings.in_line.clone())),
            dialects: watch::Sender::new(Arc::new(settings.in_line.dialects.clone())),
            webhooks: watch::Sender::new(Arc::new(settings.webhooks.clone())),
            certificates: watch::Sender::new(settings.tls.clone()),
            memory_limit: Arc::new(AtomicU64::new(settings.memory_limit)),
        }
    }

    /// They go by these from now on.
    fn take(&self, old: &Settings, settings: &Settings) {
        let _ = log::set_level(settings.log_level)
            .inspect_err(|error| warn!(%error, "log_level stays as it was"));
        self.memory_limit.store(settings.memory_limit, Ordering::Relaxed);
        self.exchange.shares().set(&shares(&settings.shares));
        if old.hub != settings.hub {
            self.exchange.admin().set_limits(settings.hub.clone());
        }
        self.in_line.send_replace(Arc::new(settings.in_line.clone()));
        self.dialects.send_replace(Arc::new(settings.in_line.dialects.clone()));
        self.webhooks.send_replace(Arc::new(settings.webhooks.clone()));
        self.certificates.send_replace(settings.tls.clone());
        // Last: shards look at some of what was set above.
        if !self.shards.put_all(&Renewal::Settings(Arc::new(settings.wait_line.clone()))) {
            warn!("a shard takes no more mail; it goes on with its old settings until the next reload");
        }
    }
}

impl Reload {
    pub(crate) fn new(source: Option<SettingsSource>, started: &Settings, parts: Subsystems) -> Self {
        let (values, read) = source.map(|source| (source.values, source.read)).unzip();
        let held = InForce {
            settings: Arc::new(started.clone()),
            read: values.clone(),
            values,
            waiting: Vec::new(),
        };
        Self { read, held: watch::Sender::new(held), news: Arc::default(), parts }
    }

    /// What holds now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.held.borrow().settings)
    }

    /// How often it was done.
    pub(crate) fn news(&self) -> Arc<ReloadNews> {
        Arc::clone(&self.news)
    }

    /// What the IN line goes by, the newest.
    pub(crate) fn in_line(&self) -> watch::Receiver<Arc<in_line::InSettings>> {
        self.parts.in_line.subscribe()
    }

    /// What is set about dialects on the IN line; it may be changed by a role.
    pub(crate) fn dialects(&self) -> &watch::Sender<Arc<in_line::InDialects>> {
        &self.parts.dialects
    }

    /// What is set about webhooks.
    pub(crate) fn webhooks(&self) -> watch::Receiver<Arc<Webhooks>> {
        self.parts.webhooks.subscribe()
    }

    /// Which certificates are shown.
    pub(crate) fn certificates(&self) -> watch::Receiver<Tls> {
        self.parts.certificates.subscribe()
    }

    /// Bytes of memory that the program may have.
    pub(crate) fn memory_limit(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.parts.memory_limit)
    }

    /// All settings, with who said so; `None`: they are not known so, in this role.
    pub(crate) fn overview(&self) -> Option<Value> {
        let held = self.held.borrow();
        let (values, read) = held.values.as_ref().zip(held.read.as_ref())?;
        Some(values.overview(read, &held.waiting))
    }

    /// Reads the settings anew. The error says why nothing has changed.
    pub(crate) fn run(&self) -> Result<Value, String> {
        let done = self.try_run().inspect_err(|_| {
            self.news.failures.fetch_add(1, Ordering::Relaxed);
        })?;
        self.news.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(done)
    }

    fn try_run(&self) -> Result<Value, String> {
        let read = self.read.as_ref().ok_or(NOTHING)?;
        let fresh = read();
        // All of it must be right, also what waits.
        let read_settings = Settings::of(&fresh).map_err(|errors| errors.to_string())?;
        let InForce { settings: old, values, .. } = self.held.borrow().clone();
        let Merged { values, changed, waiting } = values.ok_or(NOTHING)?.merge(&fresh);
        let settings = judge(&old, &values, &waiting)?;
        // What waits of files may be out of the sandbox, from where nobody can tell how it is.
        let there = Settings { tls: settings.tls.clone(), store: settings.store.clone(), ..read_settings };
        let faults: Errors = config::faults(&there, &fresh).into_iter().collect();
        if !faults.is_empty() {
            return Err(faults.to_string());
        }
        if !self.parts.exchange.admin().takes_orders() {
            return Err(BUSY.to_owned());
        }
        self.parts.take(&old, &settings);
        tell(&changed, &waiting);
        self.news.waiting.store(waiting.len() as u64, Ordering::Relaxed);
        let said = json!({ "changed": changed, "waiting": waiting });
        let (settings, values, read) = (Arc::new(settings), Some(values), Some(fresh));
        self.held.send_replace(InForce { settings, values, read, waiting });
        Ok(said)
    }

    /// The same at SIGHUP.
    pub(crate) fn hung_up(&self) {
        notify::reloading();
        let became = self.run();
        notify::ready();
        match became {
            Ok(said) if said["changed"] == json!([]) && said["waiting"] == json!([]) => {
                info!("SIGHUP changes nothing: the settings are as they were");
            }
            Ok(_) => {}
            Err(why) => warn!(why, "the settings were not taken anew; the program goes on as before"),
        }
    }
}

/// What holds where these values do; the error says what is wrong with them beside what waits.
fn judge(old: &Settings, values: &Values, waiting: &[&'static str]) -> Result<Settings, String> {
    let (settings, errors) = Settings::judged(values);
    if !errors.is_empty() {
        return Err(format!(
            "{errors}\nThat is so as long as these stay as they are, which are taken when the program is started anew: {}; start \
             it anew",
            waiting.join(", ")
        ));
    }
    if fixed(old) != fixed(&settings) {
        return Err(FIXED.to_owned());
    }
    Ok(settings)
}

fn tell(changed: &[&str], waiting: &[&str]) {
    let names = |names: &[&str]| names.join(", ");
    if !changed.is_empty() {
        info!(changed = names(changed), "the settings were taken anew");
    }
    if !waiting.is_empty() {
        warn!(
            waiting = names(waiting),
            "these settings have changed, too; they are taken when the program is started anew"
        );
    }
}

/// What nobody could be told while the program runs. It depends on settings alone that wait, or so they say; where that were
/// wrong, nothing would be taken.
fn fixed(settings: &Settings) -> impl PartialEq + use<> {
    let tls = |pairs: &[Vec<_>]| pairs.iter().map(Vec::is_empty).collect::<Vec<_>>();
    (
        (settings.wait.clone(), settings.in_listeners.clone(), settings.shards, settings.log),
        (settings.store.clone(), settings.user.clone(), settings.group.clone(), settings.sandbox),
        (settings.unix.clone(), settings.upstream.clone(), settings.wait_line.io_uring),
        (tls(&settings.tls.wait), tls(&settings.tls.in_line), settings.in_line.address_prefix),
        (settings.in_line.idempotency_age, settings.in_line.idempotency_keys, settings.in_line.sign_in_age),
        (settings.hub.channels_budget, settings.wait_line.paths.prefix().to_owned()),
    )
}

const NOTHING: &str =
    "in this role the program takes nothing anew but what its own configuration files say, by SIGHUP";
const BUSY: &str = "a shard has no room for orders now, so nothing was changed; try again";
const FIXED: &str = "what has changed cannot be taken while the program runs; start it anew";

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{Effect, File, GivenTexts, Setting, Source, TABLE};

    fn with(name: &str, text: &str) -> Settings {
        let given = |setting: &Setting| {
            (setting.name == name)
                .then(|| GivenTexts { origin: Source::Flag(setting.flag()), texts: vec![text.to_owned()] })
        };
        Settings::judged(&Values::gather(given, &File::default())).0
    }

    /// What is marked as taken while the program runs is nothing that nobody could be told then.
    #[test]
    fn no_mark_promises_what_is_fixed() {
        let (default, texts) =
            (with("", ""), ["1", "2", "17", "100", "on", "off", "3s", "2MiB", "token", "debug"]);
        let mut tried = 0;
        for setting in TABLE.iter().filter(|setting| setting.effect != Effect::Restart) {
            // Where TLS is spoken waits, whatever else is said of certificates.
            if setting.name == "tls_certificate" {
                continue;
            }
            for text in texts.iter().filter(|text| setting.parse((**text).to_owned()).is_some()) {
                assert!(fixed(&default) == fixed(&with(setting.name, text)), "{} = {text}", setting.name);
                tried += 1;
            }
        }
        assert!(tried > 150, "{tried}");
    }
}
