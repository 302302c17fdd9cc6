//! What may be set about the dialect of Realplexor on this line, and what the line keeps for it.

use std::sync::Arc;
use std::time::Duration;

use access::Users;
use dialect::realplexor::Marker;
use tokio::sync::Semaphore;

use crate::limits::CLASSIC_TIMEOUT;

use super::password_checks::PasswordChecks;

/// What may be set about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealplexorIn {
    /// What comes before the ids.
    pub marker: Marker,
    /// Who may publish and ask.
    pub users: Arc<Users>,
    /// How long a message may take.
    pub timeout: Duration,
    /// Bytes of one input, its head included.
    pub limit: usize,
    /// An HTTP request whose connection ends before its body is whole is published all the same.
    pub partial: bool,
}

impl Default for RealplexorIn {
    fn default() -> Self {
        Self {
            marker: Marker::default(),
            users: Arc::default(),
            timeout: CLASSIC_TIMEOUT,
            limit: INPUT_LEN_MAX,
            partial: false,
        }
    }
}

/// What the line keeps for it.
pub(crate) struct RealplexorState {
    /// One permit a password that is being checked.
    pub(crate) password_checks: PasswordChecks,
    /// To ask the shards who listens: one at a time, so that their mailboxes keep room.
    pub(crate) snapshots: Semaphore,
}

impl RealplexorState {
    pub(crate) fn new() -> Self {
        Self { password_checks: PasswordChecks::new(), snapshots: Semaphore::new(1) }
    }
}

/// Default for [`RealplexorIn::limit`], in bytes.
const INPUT_LEN_MAX: usize = 204_800;
