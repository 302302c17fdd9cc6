//! Where the WAIT line listens, and what is understood there besides our own protocol.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

pub use transport::dialect::{Classic, DialectSet};

/// One address of the WAIT line.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where it listens.
    pub address: ListenAddress,
    /// What is understood there besides our own.
    pub dialects: DialectSet,
}

/// Where a listener listens.
#[derive(Debug, Clone)]
pub enum ListenAddress {
    /// An address of the network, which each shard opens for itself; port 0 is any.
    Inet(SocketAddr),
    /// A UNIX socket that listens already. As its file is one for all shards, so is it, and must be there before any of
    /// them starts.
    Unix(Arc<UnixListener>),
}

impl ListenAddress {
    /// The address of the network, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
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
