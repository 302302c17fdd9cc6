//! Where the WAIT line listens, and what is understood there besides our own protocol.

use std::net::SocketAddr;

pub use transport::dialect::Classic;

/// One address of the WAIT line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// The dialect of old that is understood there.
    pub classic: Classic,
}
