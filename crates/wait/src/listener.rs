//! One address on which the WAIT line listens, and in whose words it is spoken to there.

use std::net::SocketAddr;

/// Where to listen, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// A port 0 stands for any that is free.
    pub address: SocketAddr,
    /// Whose words are taken beside the native ones and those that cannot be confused with them.
    pub classic: Classic,
}

/// The classic dialect of a listener. There is one at most, since classic dialects answer the same bytes
/// differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Classic {
    /// None: what is not native is refused.
    None,
    /// That of 2009.
    #[default]
    Multiplexor,
}
