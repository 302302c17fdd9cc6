//! What a shard counts. One writer, the shard; anybody may read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only its shard changes.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        // One writer: a plain load and store are enough, and cost no more than that.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares the counters of a shard, and their names in one order.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The counters of one shard.
        #[derive(Debug, Default)]
        #[repr(align(128))] // a shard's counters share no cache line with another's
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        impl Counters {
            fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.value()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Connections now.
    connections,
    /// Channels with members in this shard now.
    channels,
    /// Connections accepted since start.
    accepted,
    /// Connections ended since start, for whatever reason.
    closed,
    /// Requests that began a wait.
    waits,
    /// Requests and commands answered with a problem.
    problems,
    /// Messages given to clients.
    delivered,
    /// Sends of messages, heartbeats or answers.
    writes,
    /// Calls of the kernel that carried several of them.
    batches,
    /// Bytes written.
    bytes_written,
    /// Visits: looks at a connection for what it is owed.
    visits,
    full_turns,
    /// Messages of clients that have their place.
    published,
    /// Messages of clients that came again under their keys, and were answered as the first time.
    repeated,
    /// Messages of clients refused because their connection, user or address, or all together, publish as many as they may.
    messages_refused,
    /// Messages of clients that the application was asked about.
    messages_asked,
    /// Messages of backlogs given to clients.
    replayed,
    /// Pages of what was said before that clients read.
    history_pages,
    /// Channels of which a client was told that something is gone.
    gaps,
    /// How often a client came back to the same message for the third time.
    poison,
    /// Messages past which a client was taken that came back to them again and again.
    poison_skipped,
    /// Connections ended, or polls answered, because the time of their credentials was over.
    expired,
    /// Connections ended, or polls answered, because the application ended them.
    ended,
    /// Requests and commands refused for want of credentials or grants.
    denied,
    /// Checks of tokens' signatures by public keys.
    token_checks,
    /// Tokens whose signature was not checked, since too many were that came to nothing.
    tokens_busy,
    /// Connections refused because their address, or all together, have as many as they may.
    connections_refused,
    /// Connections, requests and messages refused because memory is short.
    memory_refused,
    /// Requests and commands refused because their address or user asks too often, or waits on as many as it may.
    requests_refused,
    /// Connections of known proxies closed because they did not begin with a header of the PROXY protocol.
    proxy_faults,
    /// Requests that known proxies passed on without saying so that it could be read for whom.
    proxy_unreadable,
    /// Connections that wait with credentials now.
    guests,
    /// Users of those now.
    users,
    /// Questions asked about who a client is, or about keys.
    asked,
    /// Of these, those without an answer yet.
    asking,
    /// Long polls answered because their time was over.
    poll_timeouts,
    /// Clients of 2009 whose time was over before there was a message.
    classic_timeouts,
    /// Clients of 2009 closed because they sent too much before they named a channel.
    classic_overflows,
    /// Heartbeats sent.
    heartbeats,
    /// Streams ended because they had had their time.
    aged,
    /// Connections ended because they took too little too slowly.
    slow_readers,
    /// Connections ended because a request, or a message of a client, did not come in time.
    request_timeouts,
    /// Connections ended by their own errors or resets.
    resets,
    /// Handshakes of TLS from the beginning.
    tls_handshakes,
    /// Handshakes of TLS by a ticket of an earlier one.
    tls_resumptions,
    /// Connections to a TLS port that spoke plain HTTP.
    tls_plain_http,
    /// Clients that offered no version, cipher or protocol that we have.
    tls_incompatible,
    /// Clients that refused us, mostly because they do not trust the certificate.
    tls_refused,
    /// Clients whose TLS was wrong.
    tls_malformed,
    /// Clients that left in the middle of their handshake.
    tls_left,
    /// Handshakes that were given up for a newcomer's, because so many were under way.
    tls_crowded_out,
    /// Handshakes under way now.
    tls_under_way,
    /// Handshakes that took too long.
    tls_timeouts,
    /// Connections to a plain port that spoke TLS.
    tls_misplaced,
    /// Connections that began with HTTP/2, which is not spoken here.
    http2,
    /// Times accepting was paused because the system had no more to give.
    accept_pauses,
}

/// Reads the counters of all shards.
#[derive(Debug, Clone)]
pub struct ShardStats(pub(crate) Arc<[Arc<Counters>]>);

impl ShardStats {
    /// Name and value of each counter, by shard.
    pub fn by_shard(&self) -> Vec<Vec<(&'static str, u64)>> {
        self.0.iter().map(|shard| shard.values().collect()).collect()
    }
}

/// The names of all counters.
pub fn counter_names() -> Vec<&'static str> {
    Counters::default().values().map(|(name, _)| name).collect()
}
