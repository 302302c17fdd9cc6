//! What may be set about the dialect of Realplexor on this line.

use std::sync::Arc;
use std::time::Duration;

use access::Users;
use dialect::realplexor::Marker;

use crate::limits::{CLASSIC_TIMEOUT, REALPLEXOR_LEN_MAX};

/// What may be set about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realplexor {
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

impl Default for Realplexor {
    fn default() -> Self {
        Self {
            marker: Marker::default(),
            users: Arc::default(),
            timeout: CLASSIC_TIMEOUT,
            limit: REALPLEXOR_LEN_MAX,
            partial: false,
        }
    }
}
