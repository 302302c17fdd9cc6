//! `multiplexor serve`: starts both lines, and ends them in good order.
//!
//! The order at the start matters. Each shard has a table of file descriptors of its own, which
//! begins as a copy of what was open then; so shards start first, and whatever must not be in their
//! tables (the IN line, its runtime) is opened after them. Files are shut off before there is a second thread, and
//! the store is opened by the user that the program becomes: to whom its folder belongs must get nothing of root's by it.

mod listeners;
mod notifiers;
mod role;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context;
use exchange::hub::{Epoch, Stage, volatile_mark};
use exchange::{Clock, EventFollower, Exchange, Immediate, Order, Wake};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};
use wait::limits::GIVE_BACK_MS;

use crate::banner::{Banner, BannerToken};
use crate::certificates::LineCertificates;
use crate::limits::{BLOCKING_THREADS_MAX, JOIN_MARGIN};
use crate::log;
use crate::memory;
use crate::privileges::{self, Account};
use crate::reload::{Reload, Subsystems};
use crate::sandbox;
use crate::signals::{self, Signals};
use crate::store::OpenStore;
use crate::unix::SocketFile;
use crate::webhooks;
use listeners::{In, listen_in, listen_wait, listened_in, listened_wait, probe_all};
use notifiers::Notifiers;
pub(crate) use role::{Files, Itself, Role, Running};
use settings::{Address, Settings, shares};

/// Serves until a signal says to end.
pub(crate) fn run<R: Role>(
    settings: Settings,
    role: &mut R,
    connections_log: Option<log::ConnectionLayer>,
) -> anyhow::Result<ExitCode> {
    signals::hold_hang_up()?;
    let (account, sandbox) = shut_in(&settings, role)?;
    log::start(settings.log, settings.log_level, connections_log)?;
    let connections = raise_descriptor_limit().map(|limit| limit.min(wait::limits::CONNECTIONS_MAX as u64));
    probe_all(&settings, role.names())?;
    // Read before any thread starts: shards open no file.
    let certificates = LineCertificates::new(&settings.tls);
    let snapshot = certificates.read()?;
    let wakers = wait::wakers(settings.shards).context("the wake-ups of the shards cannot be made")?;
    let notifiers = Notifiers::new(!settings.upstream.is_empty())?;
    // Its files are closed again but for the lock, of which a copy in every table does no harm.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let opened = || exchange(&settings, &wakers);
    let (exchange, open_store) =
        account.as_ref().map_or_else(|| Ok(opened()), |to_be| to_be.acting(opened))??;
    exchange.admin().set_stage(Stage::Starting);
    let exchange = exchange.with_follower_notifier(notifiers.followed());
    let exchange = Arc::new(exchange.with_lanes(processors).with_shares(shares(&settings.shares)));
    let follower = webhooks::follower(&settings, &exchange);
    let seed = random().context("the system gives no random numbers")?;
    // A UNIX socket is one for all shards: all tables must have it, and keep it to the end.
    let (listeners, files) = listen_wait(&settings)?;
    let shown = wait::Certificates::new(snapshot.wait);
    let (desk, wait_line) = (notifiers.desk(&exchange), settings.wait_line.clone());
    let start = || wait::Line::start(&listeners, &shown, wait_line, wakers, &exchange, &desk, seed);
    let line = signals::kept_from(start)??;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("the runtime of the IN line cannot start")?;
    let started = open_store.map(|store| store.start(&exchange)).transpose()?;
    let (store, answered) = started.map_or((None, None), |(store, answered)| (Some(store), Some(answered)));
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
    };
    let code = runtime.block_on(serve(&settings, role, started));
    if let Some(store) = store {
        store.end();
    }
    // A shard that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
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
}

/// Opens the IN line, says where both listen, serves, and drains.
async fn serve<R: Role>(settings: &Settings, role: &mut R, started: Started) -> anyhow::Result<ExitCode> {
    let Started { line, mut files, exchange, desk, store, certificates, account, in_servers, .. } = started;
    let signals = Signals::new()?;
    let In { listeners, senders, files: in_files } = listen_in(settings, in_servers, role.names()[1]).await?;
    files.extend(in_files);
    give_up(settings, account, &certificates)?;
    warn_of_logins(settings);
    let in_addresses: Vec<Address> = listened_in(settings, &listeners)?;
    let wait_addresses = listened_wait(settings, &line);
    let banner = banner(settings, &wait_addresses, &in_addresses, started.connections);
    let stats = line.stats();
    let parts = Subsystems::new(settings, &exchange, &desk.renewals);
    let reload = Arc::new(Reload::new(role.settings(), settings, parts));
    let running = Running {
        exchange: Arc::clone(&exchange),
        stats: stats.clone(),
        renewals: Arc::clone(&desk.renewals),
        reload: Arc::clone(&reload),
    };
    role.listening(&banner, running)?;
    started.sandbox.into_iter().for_each(sandbox::shut_calls);
    exchange.admin().set_stage(Stage::Serving);
    look_after_memory(reload.memory_limit(), &exchange);
    let news = (!settings.tls.is_empty()).then(|| renew(certificates, reload.certificates(), &desk, senders));
    let asked = Arc::new(upstream::Counters::default());
    if let Some(inbox) = started.notifiers.inbox(&desk)? {
        tokio::spawn(ask(settings.upstream.clone(), Arc::clone(&exchange), inbox, Arc::clone(&asked)));
    }
    let webhooks = webhooks::start(settings, reload.webhooks(), started.follower, &exchange, &asked);
    let (reloads, overview) = (Arc::clone(&reload), Arc::clone(&reload));
    let wait = in_line::WaitLine {
        addresses: wait_addresses.iter().filter_map(Address::inet).collect(),
        counters: Box::new(move || stats.by_shard()),
        certificates: news,
        asked: Box::new(move || asked.read()),
        lines_lost: log::lines_lost,
        webhooks,
        reloads: reload.news(),
        reload: Box::new(move || reloads.run()),
        settings: Box::new(move || overview.overview()),
        notices: Some(started.notifiers.notices()?),
        prefix: settings.wait_line.paths.prefix().to_owned(),
    };
    in_line::serve(
        listeners,
        reload.in_line().into(),
        Arc::clone(&exchange),
        wait,
        store,
        Some(reload.dialects().subscribe()),
        signals.heed(role, &exchange, || reload.settings().lame_duck),
    )
    .await
    .context("the IN line broke down")?;

    // No new connections from here on; those that are there are served by the shards until they drain.
    drop(files);
    end(reload.settings().wait_line.drain, line, &exchange).await
}

/// Says which logins nobody can use.
fn warn_of_logins(settings: &Settings) {
    for login in settings.in_line.dialects.skipped_logins() {
        warn!(login, "a line of the users file was skipped; a login is letters and digits");
    }
}

/// Finds whom the program is to become, and shuts files off; before there is a second thread.
fn shut_in<R: Role>(
    settings: &Settings,
    role: &mut R,
) -> anyhow::Result<(Option<Account>, Option<sandbox::FilesShut>)> {
    let account = account(settings)?;
    have_store(settings, account.as_ref())?;
    let sandbox = settings.sandbox.then(|| sandbox::shut_files(settings, &role.files()));
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
    tokio::spawn(memory::watch(limit, Arc::clone(exchange)));
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

/// An exchange, and the store behind it, where one is set.
fn exchange(
    settings: &Settings,
    wakers: &[Arc<wait::Waker>],
) -> anyhow::Result<(Exchange, Option<OpenStore>)> {
    let wakers = wakers.iter().map(|waker| Arc::clone(waker) as Arc<dyn Wake>).collect();
    let numbers = || random().context("the system gives no random numbers");
    let (limits, random, seed) = (settings.hub.clone(), numbers()?, numbers()?);
    let key = random_bytes().context("the system gives no random numbers")?;
    let Some(store) = &settings.store else {
        let exchange =
            Exchange::new(limits, Epoch::new(random), seed, Clock::system(), Box::new(Immediate), wakers);
        return Ok((exchange.with_connection_key(key), None));
    };
    let volatile = volatile_mark(&limits.rules);
    let (open_store, past) = OpenStore::open(store, volatile, settings.in_line.idempotency_age, random)?;
    let clock = Clock::system_after(past.time());
    let epoch = Epoch::new(open_store.epoch());
    let reserved = open_store.reserved();
    let exchange = Exchange::again(limits, epoch, seed, clock, open_store.journal(), wakers, past, reserved);
    Ok((exchange.with_connection_key(key), Some(open_store)))
}

/// A random number of the system.
fn random() -> io::Result<u64> {
    random_bytes().map(u64::from_ne_bytes)
}

/// Few random bytes of the system.
fn random_bytes<const LEN: usize>() -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    // So few bytes come whole or not at all.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
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
