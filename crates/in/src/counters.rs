//! What the IN line counts.

use std::sync::atomic::{AtomicU64, Ordering};

use dialect::Code;
use exchange::CodeCounts;

/// Counters since the start.
#[derive(Default)]
pub(crate) struct InCounters {
    /// Requests answered, whatever the answer.
    pub(crate) requests: MetricCounter,
    /// Messages that got their place in the order.
    pub(crate) published: MetricCounter,
    /// Publishes that found a mailbox full, whether it was emptied in time or not.
    pub(crate) waited: MetricCounter,
    /// Messages of 2009 for channels of which none was online.
    pub(crate) classic_dropped: MetricCounter,
    /// Messages of 2009 that named no channel.
    pub(crate) classic_unnamed: MetricCounter,
    /// Messages of 2009 for which there was no room, or that broke off in a head of HTTP.
    pub(crate) classic_lost: MetricCounter,
    /// Messages of 2009 that were too long.
    pub(crate) classic_overflows: MetricCounter,
    /// Messages of 2009 that did not end in time.
    pub(crate) classic_timeouts: MetricCounter,
    /// Publishes that were a repeat and got the first answer.
    pub(crate) repeated: MetricCounter,
    /// Messages that were taken back.
    pub(crate) messages_deleted: MetricCounter,
    /// Users whose connections were ended at once.
    pub(crate) users_ended: MetricCounter,
    /// Times somebody signed in.
    pub(crate) sign_ins: MetricCounter,
    /// Handshakes of TLS.
    pub(crate) tls_handshakes: MetricCounter,
    /// Connections to a TLS port with which there was no TLS.
    pub(crate) tls_failures: MetricCounter,
    /// Handshakes that were given up for a newcomer's, because so many were under way.
    pub(crate) tls_crowded_out: MetricCounter,
    /// Connections to a plain port that spoke TLS.
    pub(crate) tls_misplaced: MetricCounter,
    /// Connections that began with HTTP/2, which is not spoken here.
    pub(crate) http2: MetricCounter,
    /// Connections of known proxies closed because they did not begin with a header of the PROXY protocol.
    pub(crate) proxy_faults: MetricCounter,
    /// Requests that known proxies passed on without saying so that it could be read for whom.
    pub(crate) proxy_unreadable: MetricCounter,
    refused: CodeCounts,
}

/// One counter.
#[derive(Default)]
pub(crate) struct MetricCounter(AtomicU64);

impl MetricCounter {
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
