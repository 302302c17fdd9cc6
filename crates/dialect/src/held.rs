//! What a connection has besides others because of the dialect in which it waits: for a connection that is handed over.

use hub::Decimal;

use crate::Tag;

/// What a connection that listens by external cursors has; all others have nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// From where on it listens, in the order of its channels.
    pub since: Vec<Decimal>,
    /// What its cursors tell besides.
    pub tag: Option<Tag>,
}

/// Why bytes are not what a dialect wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldError {
    /// Another version wrote them.
    #[error("it is of version {0} of its dialect's format; this program reads version {1}")]
    Version(u8, u8),
    /// They are none of ours.
    #[error("what its dialect has of it is not what that writes")]
    Malformed,
}
