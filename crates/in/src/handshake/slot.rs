//! The place of a handshake under way among all others.

use std::sync::Arc;

use tokio::sync::Notify;

/// A handshake under way; it is told when its place is another's.
#[derive(Debug, Clone, Default)]
pub(crate) struct HandshakeSlot(pub(super) Arc<Notify>);

impl PartialEq for HandshakeSlot {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
