//! Where both lines listen: addresses of the network, and UNIX sockets.

use std::io;
use std::net::{SocketAddr, TcpListener as Probe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use anyhow::Context;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tracing::warn;

use crate::unix::{self, SocketFile};
use settings::{Address, Settings};

/// The WAIT line's listeners, and the files of its UNIX sockets, which listen already; `taken` are those of the program in whose place
/// this one goes on.
pub(super) fn listen_wait(
    settings: &Settings,
    taken: Vec<OwnedFd>,
) -> anyhow::Result<(Vec<wait::Listener>, Vec<SocketFile>)> {
    let (mut listeners, mut files, mut taken) = (Vec::new(), Vec::new(), taken.into_iter());
    for listener in &settings.wait {
        let address = match &listener.address {
            Address::Inet(address) => wait::ListenAddress::Inet(*address),
            Address::Unix(path) => {
                let opened = match taken.next() {
                    Some(socket) => unix::adopt(path, socket),
                    None => unix::open(path, &settings.unix),
                };
                let (socket, file) = opened.context("the WAIT line cannot listen")?;
                files.push(file);
                wait::ListenAddress::Unix(Arc::new(socket))
            }
        };
        listeners.push(listener.of_wait(address));
    }
    Ok((listeners, files))
}

/// Where the WAIT line listens; a port 0 is resolved.
pub(super) fn listened_wait(settings: &Settings, line: &wait::Line) -> Vec<Address> {
    let set = settings.wait.iter().zip(line.addresses());
    set.map(|(set, address)| address.inet().map_or_else(|| set.address.clone(), Address::Inet)).collect()
}

/// Where the IN line listens; a port 0 is resolved.
pub(super) fn listened_in(
    settings: &Settings,
    listeners: &[in_line::InListener],
) -> io::Result<Vec<Address>> {
    let set = settings.in_listeners.iter().zip(listeners);
    set.map(|(set, listener)| match &listener.socket {
        in_line::Socket::Inet(socket) => socket.local_addr().map(Address::Inet),
        in_line::Socket::Unix(_) => Ok(set.address.clone()),
    })
    .collect()
}

/// The IN line as it listens; through the senders its listeners get new certificates.
pub(super) struct In {
    pub(super) listeners: Vec<in_line::InListener>,
    pub(super) senders: Vec<Option<watch::Sender<tls::Server>>>,
    pub(super) files: Vec<SocketFile>,
}

/// Opens the IN line's listeners; `taken` are those of the program in whose place this one goes on.
pub(super) async fn listen_in(
    settings: &Settings,
    servers: Vec<Option<tls::Server>>,
    taken: Vec<OwnedFd>,
    flag: &str,
) -> anyhow::Result<In> {
    let (mut listeners, mut senders, mut files) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = taken.into_iter();
    for (listener, server) in settings.in_listeners.iter().zip(servers) {
        let address = &listener.address;
        let socket = match (address, taken.next()) {
            (Address::Inet(_), Some(socket)) => {
                in_line::Socket::Inet(TcpListener::from_std(std::net::TcpListener::from(socket))?)
            }
            (Address::Inet(address), None) => in_line::Socket::Inet(bind_in(settings, *address, flag).await?),
            (Address::Unix(path), socket) => {
                let opened = match socket {
                    Some(socket) => unix::adopt(path, socket),
                    None => unix::open(path, &settings.unix),
                };
                let (socket, file) = opened.context("the IN line cannot listen")?;
                files.push(file);
                in_line::Socket::Unix(UnixListener::from_std(socket)?)
            }
        };
        let dialects = &settings.in_line.dialects;
        if let Some(why) = listener.unheard(dialects) {
            warn!(%address, "{why}");
        }
        let (sender, tls) = server.map(watch::channel).unzip();
        senders.push(sender);
        listeners.push(in_line::InListener { socket, classic: listener.of_in(dialects), tls });
    }
    Ok(In { listeners, senders, files })
}

/// The sockets of both lines, for a program that goes on in the place of this one: the UNIX sockets of the WAIT line, and all of the IN
/// line.
pub(super) fn sockets(
    wait: &[wait::Listener],
    in_line: &[in_line::InListener],
) -> io::Result<(Vec<OwnedFd>, Vec<OwnedFd>)> {
    let wait = wait.iter().filter_map(|listener| match &listener.address {
        wait::ListenAddress::Unix(socket) => Some(socket.as_fd().try_clone_to_owned()),
        wait::ListenAddress::Inet(_) => None,
    });
    let in_line = in_line.iter().map(|listener| match &listener.socket {
        in_line::Socket::Inet(socket) => socket.as_fd().try_clone_to_owned(),
        in_line::Socket::Unix(socket) => socket.as_fd().try_clone_to_owned(),
    });
    Ok((wait.collect::<io::Result<_>>()?, in_line.collect::<io::Result<_>>()?))
}

async fn bind_in(settings: &Settings, address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let socket =
        TcpListener::bind(address).await.map_err(|error| cannot_listen("IN", address, flag, &error))?;
    // A watcher that vanished is given up as soon as a client of the WAIT line.
    let unacknowledged = settings.wait_line.unacknowledged().as_millis();
    set_tcp_user_timeout(&socket, u32::try_from(unacknowledged).unwrap_or(u32::MAX))?;
    Ok(socket)
}

/// Checks that nobody listens yet where either line is to; `names` are what their addresses are called.
pub(super) fn probe_all(settings: &Settings, names: [&str; 2]) -> anyhow::Result<()> {
    let wait = settings.wait.iter().map(|listener| &listener.address);
    let in_line = settings.in_listeners.iter().map(|listener| &listener.address);
    for address in wait.filter_map(Address::inet) {
        probe("WAIT", address, names[0])?;
    }
    for address in in_line.filter_map(Address::inet) {
        probe("IN", address, names[1])?;
    }
    Ok(())
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
