//! What may be set about dialects on this line, and what the line keeps for them.

use std::sync::Arc;

use tokio::sync::watch;

use super::realplexor::{RealplexorIn, RealplexorState};

/// What may be set about dialects on this line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InDialects {
    /// What is set about Realplexor's.
    pub realplexor: Arc<RealplexorIn>,
}

impl InDialects {
    /// Logins whose lines in a file of users cannot be used, and are passed over.
    pub fn skipped_logins(&self) -> &[String] {
        self.realplexor.users.skipped()
    }
}

/// What the line keeps for dialects.
pub(crate) struct DialectState {
    /// What is set about them now.
    pub(super) settings: watch::Receiver<Arc<InDialects>>,
    pub(super) realplexor: RealplexorState,
}

impl DialectState {
    /// What is set is `newest`, or what was set at the start.
    pub(crate) fn new(at_start: &InDialects, newest: Option<watch::Receiver<Arc<InDialects>>>) -> Self {
        let as_set = || watch::channel(Arc::new(at_start.clone())).1;
        Self { settings: newest.unwrap_or_else(as_set), realplexor: RealplexorState::new() }
    }
}
