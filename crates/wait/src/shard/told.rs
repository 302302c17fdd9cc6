//! What the log of old tells of single connections. Nobody listens to it but a server in the old one's place;
//! otherwise it costs a look at one number.

use std::net::SocketAddr;

use exchange::hub::Decimal;
use rustc_hash::FxHashMap;
use tracing::{Level, debug, enabled};
use transport::dialect::CONNECTION_LOG;

use super::Shard;
use crate::kernel::Kernel;

/// The connections of which something was told, by their index. Empty where nobody listens.
#[derive(Debug, Default)]
pub(super) struct Told(FxHashMap<usize, Who>);

#[derive(Debug)]
struct Who {
    /// The system no longer knows it when the client has gone.
    peer: Option<SocketAddr>,
    /// What it listens to, once it does, and a space.
    name: String,
}

impl Told {
    /// What is known of a connection.
    pub(super) fn get(&self, index: usize) -> Option<(Option<SocketAddr>, &str)> {
        self.0.get(&index).map(|who| (who.peer, &*who.name))
    }

    /// A connection came over with that.
    pub(super) fn put(&mut self, index: usize, peer: Option<SocketAddr>, name: String) {
        self.0.insert(index, Who { peer, name });
    }

    /// A connection goes over; nothing is told of it.
    pub(super) fn remove(&mut self, index: usize) {
        self.0.remove(&index);
    }
}

impl<K: Kernel> Shard<K> {
    /// Tells that a connection has come.
    pub(super) fn tell_opened(&mut self, index: usize) {
        let mut dialects = self.slab[index].conn.dialects.iter();
        if is_heard() && dialects.any(|classic| self.settings.dialects.of(classic).is_logged()) {
            let peer = self.kernel.peer(&self.slab[index].socket);
            self.told.0.insert(index, Who { peer, name: String::new() });
            self.tell(index, || "connection opened".to_owned());
        }
    }

    /// Tells that a connection is closed, and forgets it.
    pub(super) fn tell_closed(&mut self, index: usize) {
        if !self.told.0.is_empty() {
            self.tell(index, || "connection closed".to_owned());
            self.told.0.remove(&index);
        }
    }

    /// Tells that a connection listens to these ids from now on, the first one from this cursor on.
    pub(super) fn tell_registered(&mut self, index: usize, ids: &[&str], after: &[Decimal]) {
        if let Some(who) = self.told.0.get_mut(&index) {
            who.name = name_of(ids, after);
            self.tell(index, || "registered".to_owned());
        }
    }

    /// Tells something of a connection.
    pub(super) fn tell(&self, index: usize, words: impl FnOnce() -> String) {
        if is_heard()
            && let Some(Who { peer, name }) = self.told.0.get(&index)
        {
            debug!(target: CONNECTION_LOG, "WAIT: {}: DEBUG: {name}{}", shown(*peer), words());
        }
    }

    /// Tells what is wrong with a connection.
    pub(super) fn tell_error(&self, index: usize, words: impl FnOnce() -> String) {
        if is_heard()
            && let Some(Who { peer, .. }) = self.told.0.get(&index)
        {
            debug!(target: CONNECTION_LOG, "WAIT: {}: ERROR: {}", shown(*peer), words());
        }
    }

    /// Tells that an answer with messages goes out.
    pub(super) fn tell_reply(&self, count: usize, len: usize, ids: &[&str]) {
        debug!(
            target: CONNECTION_LOG,
            "<- sending {count} responses ({len} bytes) from [{}] (print=1, shutdown=1)",
            ids.join(", ")
        );
    }
}

/// Whether anybody listens.
pub(super) fn is_heard() -> bool {
    enabled!(target: CONNECTION_LOG, Level::DEBUG)
}

fn shown(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string())
}

/// A connection that listens, by what it listens to, and a space.
fn name_of(ids: &[&str], after: &[Decimal]) -> String {
    let (Some(id), Some(after)) = (ids.first(), after.first()) else { return String::new() };
    let more = match ids.len() {
        1 => String::new(),
        len => format!(",(and {} more)", len - 1),
    };
    format!("[{after}:{id}{more}] ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_named_by_its_first_id() {
        let after = [Decimal::read("5.50").unwrap(), Decimal::ZERO, Decimal::ZERO];
        assert_eq!(name_of(&["abc"], &after[..1]), "[5.5:abc] ");
        assert_eq!(name_of(&["abc", "d", "e"], &after), "[5.5:abc,(and 2 more)] ");
    }
}
