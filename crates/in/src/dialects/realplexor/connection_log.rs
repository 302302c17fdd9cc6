//! What the log of old tells of publishers and those who ask. Nobody listens to it but a server in the old one's
//! place; otherwise it costs a look at one number.

use dialect::realplexor::{List, TOLD};
use tracing::{Level, debug, enabled};

use crate::peer;

/// A connection, for as long as it lasts.
pub(crate) struct ConnectionLog(());

impl ConnectionLog {
    /// Tells that it has come.
    pub(crate) fn opened() -> Self {
        tell(|| "DEBUG: connection opened".to_owned());
        Self(())
    }
}

impl Drop for ConnectionLog {
    fn drop(&mut self) {
        tell(|| "DEBUG: connection closed".to_owned());
    }
}

/// Tells something of the connection.
pub(super) fn tell(words: impl FnOnce() -> String) {
    if enabled!(target: TOLD, Level::DEBUG) {
        let peer = peer::address().map(|peer| peer.to_string()).unwrap_or_default();
        debug!(target: TOLD, "IN: {peer}: {}", words());
    }
}

/// What is said of a list that was read.
pub(super) fn parsed(list: &List) -> String {
    let limiters: Vec<&str> = list.items.iter().filter(|item| item.star).map(|item| &*item.id).collect();
    let mut said = "parsed IDs".to_owned();
    if !limiters.is_empty() {
        said += &format!("; limiters are ({})", limiters.join(", "));
    }
    if let Some(credentials) = &list.credentials {
        said += &format!("; login is \"{}\"", credentials.login);
    }
    said
}
