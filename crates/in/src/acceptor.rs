//! Who accepts connections, at all listeners, until told to stop; and how the line then finishes what is under way.

use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Extension, Router};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::limits::{ACCEPT_PAUSE, CONNECTIONS_MAX, SHUTDOWN_MAX};
use crate::listener::{InListener, connection};
use crate::peer::{PEER, TaskPeer};
use crate::routes::router;
use crate::sign_ins::OverTls;
use crate::socket::Accepted;
use crate::state::InLine;

/// The tasks that accept, at all listeners.
pub(crate) struct Acceptors {
    stop: watch::Sender<()>,
    tasks: JoinSet<io::Result<()>>,
}

impl Acceptors {
    pub(crate) fn begin(line: &Arc<InLine>, listeners: &[Arc<InListener>]) -> Self {
        let (router, mut tasks) = (router(Arc::clone(line)), JoinSet::new());
        let (stop, stopped) = watch::channel(());
        for listener in listeners {
            let over_tls = listener.tls.as_ref().map(|_| router.clone().layer(Extension(OverTls)));
            let router = over_tls.unwrap_or_else(|| router.clone());
            tasks.spawn(accept(Arc::clone(line), Arc::clone(listener), router, stopped.clone()));
        }
        Self { stop, tasks }
    }

    /// Done when one of them can no longer accept.
    pub(crate) async fn broken(&mut self) -> io::Result<()> {
        match self.tasks.join_next().await {
            Some(ended) => ended.unwrap_or_else(|panic| Err(io::Error::other(panic))),
            None => pending().await,
        }
    }

    /// Accepts nobody any more, and finishes the requests under way, for a while.
    pub(crate) async fn end(self, line: &InLine) {
        self.stop.send_replace(());
        // All permits are free when no connection is left.
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        if timeout(SHUTDOWN_MAX, line.connections.permits.acquire_many(all)).await.is_err() {
            warn!(connections = line.connections.open(), "IN line ended before all requests were answered");
        }
        line.publisher().flush();
    }
}

/// Accepts until told to stop. An error means that the listener itself is broken.
async fn accept(
    line: Arc<InLine>,
    listener: Arc<InListener>,
    router: Router,
    mut stopped: watch::Receiver<()>,
) -> io::Result<()> {
    let mut pausing = false;
    loop {
        let next = async {
            // Accepted is only who has room; it is taken by those who are there.
            let room = || Arc::clone(&line.connections.permits).acquire_owned();
            drop(room().await);
            let accepted = listener.socket.accept().await;
            (room().await.expect("the semaphore is never closed"), accepted)
        };
        let (room, accepted) = select! {
            _ = stopped.changed() => return Ok(()),
            next = next => next,
        };
        match accepted {
            Ok((stream, address)) => {
                pausing = false;
                let (line, router, stopped) = (Arc::clone(&line), router.clone(), stopped.clone());
                let tls = listener.tls.as_ref().map(|newest| newest.borrow().clone());
                let is_anybody = line.settings().proxies.know(address.ip());
                let (peer, classic) = (TaskPeer { address, is_anybody }, listener.classic);
                match stream {
                    // What is lost here is only time.
                    Accepted::Inet(stream) => {
                        let _ = stream.set_nodelay(true);
                        let served = connection(line, stream, tls, classic, room, router, stopped);
                        tokio::spawn(PEER.scope(peer, logged(address, served)));
                    }
                    Accepted::Unix(stream) => {
                        let served = connection(line, stream, tls, classic, room, router, stopped);
                        tokio::spawn(PEER.scope(peer, logged(address, served)));
                    }
                }
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            Err(error) => {
                if !pausing {
                    warn!(%error, "IN line pauses accepting");
                }
                pausing = true;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Says who comes and goes.
async fn logged(from: SocketAddr, served: impl Future<Output = ()>) {
    debug!(%from, "a publisher has come");
    served.await;
    debug!(%from, "a publisher has gone");
}

/// Whether a connection was gone before it was accepted, which is nothing to us.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
