//! Whose password is checked when: a few at once, and of those who come from one address one after the other, so that
//! nobody who tries many keeps others waiting.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use exchange::Network;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{PASSWORD_CHECKS_MAX, PASSWORD_LINES, PASSWORD_PATIENCE};
use crate::peer;

/// Those who wait for their check.
pub(crate) struct PasswordChecks {
    all: Arc<Semaphore>,
    /// Lines in which addresses stand, each in the one that a keyed hash says: strangers cannot choose whom they stand
    /// behind.
    lines: Box<[Arc<Semaphore>]>,
    hasher: RandomState,
}

/// A check that may be made now. Whoever makes it holds this until it is made, whatever becomes of the client.
pub(crate) struct Turn {
    _line: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl PasswordChecks {
    pub(crate) fn new() -> Self {
        let lines = (0..PASSWORD_LINES).map(|_| Arc::new(Semaphore::new(1))).collect();
        Self { all: Arc::new(Semaphore::new(PASSWORD_CHECKS_MAX)), lines, hasher: RandomState::new() }
    }

    /// Waits for the turn of this connection's client. `None`: too many of its address are before it.
    pub(crate) async fn turn(&self, prefix: u8) -> Option<Turn> {
        let network = peer::address().map(|address| Network::of(address.ip(), prefix));
        let number = self.hasher.hash_one(network) % PASSWORD_LINES as u64;
        let line = Arc::clone(&self.lines[usize::try_from(number).unwrap_or_default()]);
        // Only whoever is the first of its address waits among all.
        let turn = async {
            let line = line.acquire_owned().await.ok()?;
            Some(Turn { _line: line, _all: Arc::clone(&self.all).acquire_owned().await.ok()? })
        };
        timeout(PASSWORD_PATIENCE, turn).await.ok().flatten()
    }

    /// Whether nobody's password is being checked.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.all.available_permits() == PASSWORD_CHECKS_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::Duration;

    use tokio::runtime::Builder;

    use super::*;
    use crate::peer::{PEER, TaskPeer};

    /// The turn of somebody at this address, if it comes at once.
    async fn turn(checks: &PasswordChecks, address: [u8; 4]) -> Option<Turn> {
        let address = SocketAddr::new(IpAddr::from(address), 1);
        let turn = PEER.scope(TaskPeer { address, is_anybody: false }, checks.turn(64));
        timeout(Duration::ZERO, turn).await.ok().flatten()
    }

    #[test]
    fn one_address_has_one_check_at_a_time_and_others_have_theirs() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let checks = PasswordChecks::new();
            let first = turn(&checks, [192, 0, 2, 1]).await;
            assert!(first.is_some() && turn(&checks, [192, 0, 2, 1]).await.is_none());
            // Two addresses may stand in one line, but not so many of these.
            let mut others = Vec::new();
            for number in 2..12 {
                others.extend(turn(&checks, [192, 0, 2, number]).await);
            }
            assert_eq!(others.len(), PASSWORD_CHECKS_MAX - 1);
            drop((first, others));
            assert!(turn(&checks, [192, 0, 2, 1]).await.is_some() && checks.is_idle());
        });
    }
}
