//! The connections of the line: how many there are, and whether they are to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use exchange::SharedPlaces;
use exchange::hub::Asker;
use tokio::sync::Semaphore;

use crate::handshake::HandshakeSlot;
use crate::limits::CONNECTIONS_MAX;

/// All of them.
pub(crate) struct Connections {
    /// One permit a connection.
    pub(crate) permits: Arc<Semaphore>,
    /// Those whose handshake of TLS is under way.
    pub(crate) handshakes: SharedPlaces<HandshakeSlot, Asker>,
    /// When the line began to serve.
    pub(crate) started: Instant,
    draining: AtomicBool,
}

impl Connections {
    /// None; so many handshakes may be under way at once.
    pub(crate) fn new(handshakes: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            handshakes: SharedPlaces::new(handshakes),
            started: Instant::now(),
            draining: AtomicBool::new(false),
        }
    }

    /// How many are open now.
    pub(crate) fn open(&self) -> usize {
        CONNECTIONS_MAX - self.permits.available_permits()
    }

    /// From now on they are to end.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// They are not to end after all.
    pub(crate) fn go_on(&self) {
        self.draining.store(false, Ordering::Relaxed);
    }

    /// Whether they are.
    pub(crate) fn are_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}
