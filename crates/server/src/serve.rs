//! `multiplexor serve`: starts both lines, and ends them in good order.
//!
//! The order at the start matters. Each shard has a table of file descriptors of its own, which
//! begins as a copy of what was open then; so shards start first, and whatever must not be in their
//! tables (the IN line, its runtime) is opened after them. Files are shut off before there is a second thread, and
//! the store is opened by the user that the program becomes: to whom its folder belongs must get nothing of root's by it.

mod listeners;
mod memory;
mod notifiers;
mod rest;
mod role;
mod succession;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use exchange::hub::Stage;
use exchange::{EventFollower, Exchange, Order};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};
use wait::limits::GIVE_BACK_MS;

use crate::banner::{Banner, BannerToken};
use crate::certificates::LineCertificates;
use crate::limits::{BLOCKING_THREADS_MAX, JOIN_MARGIN};
use crate::privileges::{self, Account};
use crate::reload::{Reload, Subsystems};
use crate::sandbox;
use crate::signals::{self, Signals};
use crate::unix::SocketFile;
use crate::upgrade::Predecessor;
use crate::webhooks;
use crate::{log, notify};
use listeners::{In, listen_in, listen_wait, listened_in, listened_wait, probe_all};
use notifiers::Notifiers;
use rest::Rest;
pub(crate) use role::{Files, Itself, Role, Running};
use settings::{Address, Settings};
use succession::Succession;
use wait::ShardWay;

/// Serves until a signal says to end, or another program goes on; perhaps in the place of one that started this for it.
pub(crate) fn run<R: Role>(
    settings: Settings,
    role: &mut R,
    connections_log: Option<log::ConnectionLayer>,
) -> anyhow::Result<ExitCode> {
    signals::hold_back()?;
    let predecessor = Predecessor::find()?;
    let ran = start(&settings, role, connections_log, predecessor.as_ref());
    if let (Err(error), Some(predecessor)) = (&ran, &predecessor) {
        predecessor.refuse(error);
    }
    ran
}

fn start<R: Role>(
    settings: &Settings,
    role: &mut R,
    connections_log: Option<log::ConnectionLayer>,
    predecessor: Option<&Predecessor>,
) -> anyhow::Result<ExitCode> {
    let (account, sandbox) = shut_in(settings, role, predecessor.is_some())?;
    log::start(settings.log, settings.log_level, connections_log)?;
    let connections = raise_descriptor_limit().map(|limit| limit.min(wait::limits::CONNECTIONS_MAX as u64));
    predecessor.is_none().then(|| probe_all(settings, role.names())).transpose()?;
    // Read before any thread starts: shards open no file.
    let certificates = LineCertificates::new(&settings.tls);
    let snapshot = certificates.read()?;
    let taken = predecessor.map(|old| old.greet(settings)).transpose()?.unwrap_or_default();
    let wakers = wait::wakers(settings.shards).context("the wake-ups of the shards cannot be made")?;
    let (outside, passages) = wait::passages(settings.shards).context("the shards cannot be reached")?;
    outside.receive(taken.lines).context("the shards cannot be reached")?;
    let notifiers = Notifiers::new(!settings.upstream.is_empty())?;
    // Its files are closed again but for the lock, of which a copy in every table does no harm.
    let opened = || memory::exchange(settings, &wakers, predecessor);
    let (exchange, open_store) =
        account.as_ref().map_or_else(|| Ok(opened()), |to_be| to_be.acting(opened))??;
    exchange.admin().set_stage(Stage::Starting);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let exchange = Arc::new(exchange.with_follower_notifier(notifiers.followed()).with_lanes(processors));
    let follower = webhooks::follower(settings, &exchange);
    let seed = memory::random().context("the system gives no random numbers")?;
    // A UNIX socket is one for all shards: all tables must have it, and keep it to the end.
    let (listeners, files) = listen_wait(settings, taken.wait_unix)?;
    let shown = wait::Certificates::new(snapshot.wait);
    let (desk, wait_line) = (notifiers.desk(&exchange), settings.wait_line.clone());
    let ways = wakers.into_iter().zip(passages).map(|(waker, passage)| ShardWay { waker, passage }).collect();
    let over = predecessor.is_some();
    let begin = || wait::Line::start(&listeners, &shown, wait_line, ways, over, &exchange, &desk, seed);
    let line = signals::kept_from(begin)??;
    let (runtime, store) = (runtime()?, open_store.map(|store| store.start(&exchange)).transpose()?);
    let (store, answered) = store.map_or((None, None), |(store, answered)| (Some(store), Some(answered)));
    let started = Started {
        line,
        files,
        exchange,
        follower,
        desk,
        notifiers,
        connections,
        store: answered,
        certificates,
        account,
        sandbox,
        in_servers: snapshot.in_line,
        succession: Succession { listeners, outside, memories: taken.memories, upgrades: taken.upgrades },
    };
    let code = runtime.block_on(serve(settings, role, started, predecessor));
    if let Some(store) = store {
        store.end();
    }
    // A shard that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
}

fn runtime() -> anyhow::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX);
    runtime.build().context("the runtime of the IN line cannot start")
}

/// What was opened before the runtime.
struct Started {
    line: wait::Line,
    /// The UNIX sockets of the WAIT line.
    files: Vec<SocketFile>,
    exchange: Arc<Exchange>,
    /// Who follows for webhooks.
    follower: Option<EventFollower>,
    desk: wait::Desk,
    notifiers: Notifiers,
    /// How many there may be, in each shard.
    connections: Option<u64>,
    store: Option<in_line::StoreLine>,
    certificates: LineCertificates,
    /// Whom the program becomes when it listens.
    account: Option<Account>,
    /// What was shut off by then; `None`: nothing is to be.
    sandbox: Option<sandbox::FilesShut>,
    /// One for each listener of the IN line.
    in_servers: Vec<Option<tls::Server>>,
    succession: Succession,
}

/// Opens the IN line, says where both listen, serves, and drains.
async fn serve<R: Role>(
    settings: &Settings,
    role: &mut R,
    started: Started,
    predecessor: Option<&Predecessor>,
) -> anyhow::Result<ExitCode> {
    let Started { line, mut files, exchange, desk, store, certificates, account, in_servers, .. } = started;
    let signals = Signals::new()?;
    let sockets = predecessor.map(|old| old.sockets(settings)).transpose()?.unwrap_or_default();
    let In { listeners, senders, files: in_files } =
        listen_in(settings, in_servers, sockets, role.names()[1]).await?;
    files.extend(in_files);
    give_up(settings, account, &certificates)?;
    warn_of_logins(settings);
    let in_addresses: Vec<Address> = listened_in(settings, &listeners)?;
    let wait_addresses = listened_wait(settings, &line);
    let banner = banner(settings, &wait_addresses, &in_addresses, started.connections);
    let parts = Subsystems::new(settings, &exchange, &desk.renewals);
    let reload = Arc::new(Reload::new(role.settings(), settings, parts));
    let succession = started.succession;
    let (upgrade, handover, upgrades) =
        succession.prepare(settings, role.keeps_from_upgrade(), &exchange, &listeners, reload.webhooks())?;
    predecessor.map_or(Ok(()), Predecessor::ready)?;
    line.go();
    let stats = line.stats();
    let running = Running::of(&exchange, &stats, &desk, &reload);
    role.listening(&banner, running)?;
    started.sandbox.into_iter().for_each(sandbox::shut_calls);
    exchange.admin().set_stage(Stage::Serving);
    notify::ready();
    look_after_memory(reload.memory_limit(), &exchange);
    let news = (!settings.tls.is_empty()).then(|| renew(certificates, reload.certificates(), &desk, senders));
    let asked = Arc::new(upstream::Counters::default());
    if let Some(inbox) = started.notifiers.inbox(&desk)? {
        tokio::spawn(ask(settings.upstream.clone(), Arc::clone(&exchange), inbox, Arc::clone(&asked)));
    }
    let webhooks = webhooks::start(settings, reload.webhooks(), started.follower, &exchange, &asked);
    let addresses = wait_addresses.iter().filter_map(Address::inet).collect();
    let notices = started.notifiers.notices()?;
    let rest = Rest { addresses, stats, certificates: news, asked, webhooks, upgrades, notices };
    let wait = rest.of_line(settings, &reload);
    in_line::serve(
        listeners,
        reload.in_line().into(),
        Arc::clone(&exchange),
        wait,
        store,
        Some(reload.dialects().subscribe()),
        handover,
        signals.heed(role, &exchange, &upgrade, || reload.settings().lame_duck),
    )
    .await
    .context("the IN line broke down")?;

    // No new connections from here on; those that are there are served by the shards until they drain.
    drop(files);
    upgrade.close();
    end(reload.settings().wait_line.drain, line, &exchange).await
}

/// Says which logins nobody can use.
fn warn_of_logins(settings: &Settings) {
    for login in settings.in_line.dialects.skipped_logins() {
        warn!(login, "a line of the users file was skipped; a login is letters and digits");
    }
}

/// Finds whom the program is to become, and shuts files off; before there is a second thread. `is_shut_in`: it goes on in the place of
/// another one, and inherits what that has shut off.
fn shut_in<R: Role>(
    settings: &Settings,
    role: &mut R,
    is_shut_in: bool,
) -> anyhow::Result<(Option<Account>, Option<sandbox::FilesShut>)> {
    let account = account(settings)?;
    have_store(settings, account.as_ref())?;
    let shuts = settings.sandbox && !is_shut_in;
    let sandbox = shuts.then(|| sandbox::shut_files(settings, &role.files()));
    role.shut_in()?;
    Ok((account, sandbox))
}

/// Has a folder for the store, of whom the program becomes.
fn have_store(settings: &Settings, account: Option<&Account>) -> anyhow::Result<()> {
    let Some(store) = &settings.store else { return Ok(()) };
    let had = match account {
        Some(account) => account.have_store(&store.folder),
        None => store::Folder::make(&store.folder).map_err(Into::into),
    };
    had.context("the store cannot be opened")
}

/// What is said of a program that listens there.
fn banner<'a>(
    settings: &'a Settings,
    wait: &'a [Address],
    in_addresses: &'a [Address],
    connections: Option<u64>,
) -> Banner<'a> {
    Banner {
        wait,
        in_addresses,
        prefix: settings.wait_line.paths.prefix(),
        tls: &settings.tls,
        shards: settings.shards,
        connections,
        needs_key: !settings.in_line.keys.is_empty(),
        token: if settings.closes("news") {
            BannerToken::of(&settings.wait_line.tokens)
        } else {
            BannerToken::Nothing
        },
    }
}

/// Whom the program is to become, if somebody else than it is.
fn account(settings: &Settings) -> anyhow::Result<Option<Account>> {
    let found = Account::find("user", &settings.user, &settings.group)?;
    let account = found.filter(|account| !account.is_ours());
    anyhow::ensure!(
        account.is_none() || privileges::is_root(),
        "user is {:?}, whom the program can become only if it is started as root; leave it out, or start it so",
        settings.user
    );
    Ok(account)
}

/// All ports are bound: gives up what nobody needs from here on.
fn give_up(
    settings: &Settings,
    account: Option<Account>,
    certificates: &LineCertificates,
) -> anyhow::Result<()> {
    if let Some(account) = account {
        account.become_it()?;
        info!(account = settings.user, "root is given up");
        if let Err(error) = certificates.read() {
            warn!(
                error = format!("{error:#}"),
                "certificates that change will not be reloaded: the user cannot read them"
            );
        }
    }
    if settings.holds_secrets()
        && let Err(error) = privileges::keep_memory_private()
    {
        warn!(%error, "a core dump of this program would hold its secrets");
    }
    Ok(())
}

/// Ends the WAIT line.
async fn end(drain: Duration, line: wait::Line, exchange: &Exchange) -> anyhow::Result<ExitCode> {
    // What was acknowledged is released by now; the clients get it before they are closed.
    if !exchange.admin().order_all(&Order::Drain(drain)) {
        error!("a shard takes no more orders; ended without it");
        return Ok(ExitCode::FAILURE);
    }
    match timeout(drain + JOIN_MARGIN, spawn_blocking(move || line.join())).await {
        Ok(_) => {
            info!("ended");
            Ok(ExitCode::SUCCESS)
        }
        Err(_) => {
            error!("a shard did not end in time; ended without it");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Asks others what shards want to know.
async fn ask(
    settings: upstream::UpstreamSettings,
    exchange: Arc<Exchange>,
    inbox: upstream::Inbox,
    counters: Arc<upstream::Counters>,
) {
    if let Err(error) = upstream::serve(settings, exchange, inbox, counters).await {
        error!(%error, "nobody can be asked who a client is; whoever needs that is refused");
    }
}

/// Looks after certificates for ever; where what became of them is told.
fn renew(
    certificates: LineCertificates,
    files: watch::Receiver<settings::Tls>,
    desk: &wait::Desk,
    in_line: Vec<Option<watch::Sender<tls::Server>>>,
) -> Arc<in_line::CertificateNews> {
    let news = certificates.news();
    tokio::spawn(certificates.watch(files, Arc::clone(&desk.renewals), in_line));
    news
}

/// Gives back memory and looks how much is left, for ever.
fn look_after_memory(limit: Arc<AtomicU64>, exchange: &Arc<Exchange>) {
    tokio::spawn(give_back());
    tokio::spawn(crate::memory::watch(limit, Arc::clone(exchange)));
}

/// Gives back the memory of this thread that is no longer needed, once in a while; shards do so themselves.
async fn give_back() {
    let mut times = interval(Duration::from_millis(GIVE_BACK_MS));
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        sys::give_back();
    }
}

/// Allows as many descriptors as the system lets us, and returns how many; `None`: any number.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current == limit.maximum {
        return limit.current;
    }
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(error) => {
            warn!(%error, "limit of open files could not be raised");
            limit.current
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_counter_is_a_metric() {
        for name in wait::counter_names() {
            assert!(in_line::is_wait_metric(name), "{name} is missing in the table of metrics");
        }
        for (name, _) in upstream::Counters::default().read() {
            assert!(in_line::is_asked_metric(name), "{name} is missing in the table of metrics");
        }
    }
}
