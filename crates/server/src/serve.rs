//! `multiplexor serve`: starts both lines, and ends them in good order.
//!
//! The order at the start matters. Each shard has a table of file descriptors of its own, which
//! begins as a copy of what was open then; so shards start first, and whatever must not be in their
//! tables (the IN line, its runtime) is opened after them.

use std::io;
use std::net::{SocketAddr, TcpListener as Probe};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use exchange::hub::Epoch;
use exchange::{Clock, Exchange, Immediate, Order, Wake};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{error, info, warn};
use wait::limits::GIVE_BACK_MS;

use crate::banner::Banner;
use crate::limits::{BLOCKING_THREADS_MAX, JOIN_MARGIN};
use crate::log;
use crate::settings::{Listener, Settings};

/// Serves until a signal says to end.
pub(crate) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    log::start(settings.log, settings.log_level);
    let connections = raise_descriptor_limit().map(|limit| limit.min(wait::limits::CONNECTIONS_MAX as u64));
    for listener in &settings.wait {
        probe("WAIT", listener.address, "--wait")?;
    }
    for listener in &settings.in_listeners {
        probe("IN", listener.address, "--in")?;
    }
    let wakers = wait::wakers(settings.shards).context("the wake-ups of the shards cannot be made")?;
    let exchange = Arc::new(exchange(&settings, &wakers)?);
    let seed = random().context("the system gives no random numbers")?;
    let listeners: Vec<wait::Listener> = settings.wait.iter().map(|listener| listener.of_wait()).collect();
    let line = wait::Line::start(&listeners, settings.wait_line.clone(), wakers, &exchange, seed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("the runtime of the IN line cannot start")?;
    let code = runtime.block_on(serve(&settings, line, exchange, connections));
    // A shard that hangs must not keep the program from ending.
    runtime.shutdown_background();
    code
}

/// Opens the IN line, says where both listen, serves, and drains.
async fn serve(
    settings: &Settings,
    line: wait::Line,
    exchange: Arc<Exchange>,
    connections: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let shutdown = shutdown()?;
    let mut listeners = Vec::new();
    for listener in &settings.in_listeners {
        let Listener { address, .. } = listener;
        let socket = TcpListener::bind(address)
            .await
            .map_err(|error| cannot_listen("IN", *address, "--in", &error))?;
        let users = &settings.in_line.realplexor.users;
        if listener.is_closed_to_realplexor(users) {
            warn!(
                %address,
                "publishers of Realplexor are not heard there; give --realplexor-users a file that lets no guests in"
            );
        }
        listeners.push(in_line::Listener { socket, classic: listener.of_in(users) });
    }
    for login in settings.in_line.realplexor.users.skipped() {
        warn!(login, "a line of the users file was skipped; a login is letters and digits");
    }
    let in_addresses =
        listeners.iter().map(|listener| listener.socket.local_addr()).collect::<io::Result<Vec<_>>>()?;
    let banner =
        Banner { wait: line.addresses(), in_addresses: &in_addresses, shards: settings.shards, connections };
    banner.print(settings.log);

    tokio::spawn(give_back());
    let stats = line.stats();
    let wait = in_line::WaitLine {
        addresses: line.addresses().to_vec(),
        counters: Box::new(move || stats.by_shard()),
    };
    in_line::serve(listeners, settings.in_line.clone(), Arc::clone(&exchange), wait, shutdown)
        .await
        .context("the IN line broke down")?;

    // What was acknowledged is released by now; the clients get it before they are closed.
    let drain = settings.wait_line.drain;
    if !exchange.order_all(&Order::Drain(drain)) {
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

/// Gives back the memory of this thread that is no longer needed, once in a while; shards do so themselves.
async fn give_back() {
    let mut times = interval(Duration::from_millis(GIVE_BACK_MS));
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        times.tick().await;
        wait::give_back();
    }
}

fn exchange(settings: &Settings, wakers: &[Arc<wait::Waker>]) -> anyhow::Result<Exchange> {
    let wakers = wakers.iter().map(|waker| Arc::clone(waker) as Arc<dyn Wake>).collect();
    let epoch = Epoch::new(random().context("the system gives no random numbers")?);
    let seed = random().context("the system gives no random numbers")?;
    Ok(Exchange::new(settings.hub.clone(), epoch, seed, Clock::system(), Box::new(Immediate), wakers))
}

/// A random number of the system.
fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // So few bytes come whole or not at all.
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Allows as many descriptors as the system lets us, and returns how many; `None`: any number.
fn raise_descriptor_limit() -> Option<u64> {
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

/// Checks that nobody listens there yet. The WAIT line shares its ports between its shards, so the
/// system would also let it share them with a server that already runs, and split the clients.
fn probe(line: &str, address: SocketAddr, flag: &str) -> anyhow::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    Probe::bind(address).map(drop).map_err(|error| cannot_listen(line, address, flag, &error))
}

fn cannot_listen(line: &str, address: SocketAddr, flag: &str, error: &io::Error) -> anyhow::Error {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program listens there; stop it, or choose another address with {flag}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("this user may not use port {}; choose one from 1024 on with {flag}", address.port())
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address; choose another one with {flag}")
        }
        _ => format!("{error}; choose another address with {flag}"),
    };
    anyhow::anyhow!("the {line} line cannot listen on {address}: {why}")
}

/// Done at the first SIGTERM or SIGINT; the second one ends the program at once.
fn shutdown() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be received")?;
    let (begin, begun) = oneshot::channel();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        info!("ending; once more to end at once");
        // Nobody waits only where the program ends already.
        let _ = begin.send(());
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(EXIT_INTERRUPTED);
    });
    Ok(async { drop(begun.await) })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// What a shell shows for a program that was interrupted.
const EXIT_INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    #[test]
    fn every_counter_of_the_wait_line_is_a_metric() {
        for name in wait::counter_names() {
            assert!(in_line::is_wait_metric(name), "{name} is missing in the table of metrics");
        }
    }
}
