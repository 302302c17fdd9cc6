//! Whom a task serves: the client at the other end of a connection, or whose request a proxy passes on.

use std::net::SocketAddr;

/// Whom a task serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskPeer {
    /// The address at the other end of the connection; the client's, where a known proxy says it.
    pub(crate) address: SocketAddr,
    /// It is a known proxy, and may pass on what is anybody's: it counts for nobody.
    pub(crate) is_anybody: bool,
}

tokio::task_local! {
    /// Whom a task serves.
    pub(crate) static PEER: TaskPeer;
}

/// Does something on behalf of a client, where it is known.
pub(crate) async fn scope<T>(client: Option<TaskPeer>, work: impl Future<Output = T>) -> T {
    match client {
        Some(client) => PEER.scope(client, work).await,
        None => work.await,
    }
}

/// The address of whom a task serves.
pub(crate) fn address() -> Option<SocketAddr> {
    PEER.try_with(|peer| peer.address).ok()
}
