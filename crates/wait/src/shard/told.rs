//! What the log of old tells of single connections. Nobody listens to it but a server in the old one's place; then a
//! line costs a look at who is at the other end, otherwise a look at one number.

use exchange::hub::After;
use tracing::{Level, debug, enabled};
use transport::Listen;
use transport::dialect::realplexor::TOLD;

use super::Shard;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// Tells something of a connection.
    pub(super) fn tell(&mut self, index: usize, words: impl FnOnce() -> String) {
        if !enabled!(target: TOLD, Level::DEBUG) {
            return;
        }
        let peer = self.kernel.peer(&self.slab[index].socket);
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
        debug!(target: TOLD, "WAIT: {peer}: {}", words());
    }

    /// Tells that an answer with messages goes out.
    pub(super) fn tell_reply(&self, count: usize, len: usize, ids: &[&str]) {
        debug!(
            target: TOLD,
            "<- sending {count} responses ({len} bytes) from [{}] (print=1, shutdown=1)",
            ids.join(", ")
        );
    }
}

/// A connection that listens, by what it listens to.
pub(super) fn name_of(listen: &Listen) -> String {
    let Some((id, after)) = listen.wishes.first() else { return String::new() };
    let cursor = match after {
        After::Now | After::Recent => String::new(),
        After::Cursor(cursor) | After::Mark(cursor) => format!("{cursor}:"),
    };
    let more = match listen.wishes.len() {
        1 => String::new(),
        len => format!(",(and {} more)", len - 1),
    };
    format!("[{cursor}{id}{more}]")
}
