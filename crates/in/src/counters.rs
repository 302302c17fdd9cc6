//! What the IN line counts.

use std::sync::atomic::{AtomicU64, Ordering};

use dialect::Code;
use exchange::CodeCounts;

/// Counters since the start.
#[derive(Default)]
pub(crate) struct InCounters {
    /// Requests answered, whatever the answer.
    pub(crate) requests: Counter,
    /// Messages that got their place in the order.
    pub(crate) published: Counter,
    /// Publishes that found a mailbox full, whether it was emptied in time or not.
    pub(crate) waited: Counter,
    /// Messages of 2009 for channels of which none was online.
    pub(crate) classic_dropped: Counter,
    /// Messages of 2009 that named no channel.
    pub(crate) classic_unnamed: Counter,
    /// Messages of 2009 for which there was no room, or that broke off in a head of HTTP.
    pub(crate) classic_lost: Counter,
    /// Messages of 2009 that were too long.
    pub(crate) classic_overflows: Counter,
    /// Messages of 2009 that did not end in time.
    pub(crate) classic_timeouts: Counter,
    /// Publishes that were a repeat and got the first answer.
    pub(crate) repeated: Counter,
    /// Messages that were taken back.
    pub(crate) messages_deleted: Counter,
    /// Users whose connections were ended at once.
    pub(crate) users_ended: Counter,
    /// Times somebody signed in.
    pub(crate) sign_ins: Counter,
    /// Handshakes of TLS.
    pub(crate) tls_handshakes: Counter,
    /// Connections to a TLS port with which there was no TLS.
    pub(crate) tls_failures: Counter,
    /// Handshakes that were given up for a newcomer's, because so many were under way.
    pub(crate) tls_crowded_out: Counter,
    /// Connections to a plain port that spoke TLS.
    pub(crate) tls_misplaced: Counter,
    /// Connections that began with HTTP/2, which is not spoken here.
    pub(crate) http2: Counter,
    /// Connections of known proxies closed because they did not begin with a header of the PROXY protocol.
    pub(crate) proxy_faults: Counter,
    /// Requests that known proxies passed on without saying so that it could be read for whom.
    pub(crate) proxy_unreadable: Counter,
    refused: CodeCounts,
}

/// One counter.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl InCounters {
    /// A request was refused with this code.
    pub(crate) fn refused(&self, code: Code) {
        self.refused.add(code);
    }

    /// Refusals by code; those of codes that are for the WAIT line alone under `other`.
    pub(crate) fn by_code(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.refused.by_code(Code::is_of_in)
    }

    /// Refusals by code, those that happened.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.by_code().filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_code() {
        let counters = InCounters::default();
        for code in [Code::Ttl, Code::Event, Code::Ttl, Code::Draining] {
            counters.refused(code);
        }
        let counted: Vec<_> = counters.refusals().collect();
        assert_eq!(counted, [("event", 1), ("ttl", 2), ("other", 1)]);
    }
}
