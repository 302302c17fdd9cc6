//! Where the WAIT line listens, and what is understood there besides our own protocol.

use std::net::SocketAddr;
use std::sync::Arc;

pub use transport::dialect::Classic;

/// One address of the WAIT line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The dialect of old that is understood there.
    pub classic: Classic,
}

/// What each listener shows clients of TLS, in the order of the listeners; those of which nothing stands here
/// speak plain HTTP. An immutable snapshot: new certificates come as a new one, by mail.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Arc<[Option<tls::Server>]>);

impl Certificates {
    /// These, by listener.
    pub fn new(servers: Vec<Option<tls::Server>>) -> Self {
        Self(servers.into())
    }

    pub(crate) fn of(&self, listener: usize) -> Option<tls::Server> {
        self.0.get(listener)?.clone()
    }
}
