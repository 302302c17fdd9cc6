//! Handshakes of TLS: a few steps a turn, after those who wait had theirs; and how they fail.

use std::collections::VecDeque;

use exchange::Places;
use exchange::hub::Asker;
use tls::{Failure, HandshakeStep};
use tracing::{debug, info};
use transport::Phase;
use transport::dialect::Problem;

use super::Shard;
use crate::kernel::Kernel;
use crate::limits::HANDSHAKES_PER_TURN;
use crate::link::Link;

/// Handshakes under way.
pub(super) struct Handshakes {
    /// Connections of which something can be read.
    pub(super) queue: VecDeque<u64>,
    /// Connections that have said something.
    pub(super) places: Places<u64, Asker>,
}

impl Handshakes {
    /// Of so many in all, a shard has its part.
    pub(super) fn new(count_max: usize, shards: usize) -> Self {
        Self { queue: VecDeque::new(), places: Places::new(count_max.div_ceil(shards.max(1))) }
    }

    /// The same, of so many from now on.
    pub(super) fn set_max(&mut self, count_max: usize, shards: usize) {
        self.places.set_max(count_max.div_ceil(shards.max(1)));
    }
}

impl<K: Kernel> Shard<K> {
    /// Something can be read of a handshake: it gets its turn.
    pub(super) fn queue_handshake(&mut self, index: usize) {
        let token = self.token(index);
        if let Some(tls) = self.slab[index].link.handshake()
            && !std::mem::replace(&mut tls.is_queued, true)
        {
            self.handshakes.queue.push_back(token);
        }
    }

    /// A few steps of handshakes; one while messages are under way.
    pub(super) fn run_handshakes(&mut self) {
        let steps = if self.jobs.is_empty() && self.long_jobs.is_empty() { HANDSHAKES_PER_TURN } else { 1 };
        for _ in 0..steps {
            let Some(token) = self.handshakes.queue.pop_front() else { return };
            let Some(index) = self.find(token) else { continue };
            let Some(tls) = self.slab[index].link.handshake() else { continue };
            tls.is_queued = false;
            if !std::mem::replace(&mut tls.is_placed, true) {
                self.place_handshake(index, token);
            }
            self.read_now(index);
            let slot = self.find(token).map(|index| &mut self.slab[index]);
            if slot.is_none_or(|slot| slot.link.handshake().is_none()) {
                self.handshakes.places.leave(&token);
            }
        }
    }

    /// A handshake begins to cost memory. Where too many do, one of whoever has most of them is given up.
    fn place_handshake(&mut self, index: usize, token: u64) {
        let asker = self.asker(index);
        if let Some(left) = self.handshakes.places.enter(token, asker)
            && let Some(index) = self.find(left)
        {
            self.counters.tls_crowded_out.add(1);
            self.close(index);
        }
    }

    /// The connection ends; its handshake, if it was under way, is none any more.
    pub(super) fn end_handshake(&mut self, index: usize) {
        if self.slab[index].link.handshake().is_some_and(|tls| tls.is_placed) {
            self.handshakes.places.leave(&self.token(index));
        }
    }

    pub(super) fn count_handshake(&self, opened: Option<HandshakeStep>) {
        match opened {
            Some(HandshakeStep::Full) => self.counters.tls_handshakes.add(1),
            Some(HandshakeStep::Resumed) => self.counters.tls_resumptions.add(1),
            None => {}
        }
    }

    /// There is no TLS with this client. It was told why, as far as TLS has words for it.
    pub(super) fn fail_tls(&mut self, index: usize, failure: Failure) {
        match failure {
            Failure::PlainHttp => self.counters.tls_plain_http.add(1),
            Failure::Incompatible => self.counters.tls_incompatible.add(1),
            Failure::Left => self.counters.tls_left.add(1),
            Failure::Refused => self.counters.tls_refused.add(1),
            Failure::Malformed(_) | Failure::Internal => self.counters.tls_malformed.add(1),
        }
        debug!(shard = self.id.0, ?failure, "no TLS with a client");
        // An alert on its way goes out; what the client still says is not understood any more.
        if self.slab[index].link.pending_len() > 0 {
            return self.close(index);
        }
        self.slab[index].link = Link::Plain;
        if failure == Failure::PlainHttp {
            let problem = Problem::plain_http();
            self.count_problem(index, &problem, &[]);
            let conn = &mut self.slab[index].conn;
            conn.end_after_answer();
            let action = conn.refuse(problem, &self.settings.origins);
            self.act(index, action);
        } else {
            self.close_gently(index);
        }
    }

    /// Whether a client begins with a handshake where none is expected (RFC 8446, section 5.1).
    pub(super) fn is_misplaced_tls(&self, index: usize, bytes: &[u8]) -> bool {
        let slot = &self.slab[index];
        bytes.starts_with(&[22, 3]) && slot.conn.phase == Phase::Request && matches!(slot.link, Link::Plain)
    }

    /// Says so once a minute at most.
    pub(super) fn end_misplaced_tls(&mut self, index: usize) {
        self.counters.tls_misplaced.add(1);
        if self.told_at.misplaced.is_none_or(|told| self.now >= told + MISPLACED_TOLD_MS) {
            self.told_at.misplaced = Some(self.now);
            info!(
                shard = self.id.0,
                "a client spoke TLS where plain HTTP is spoken: use http:// there, or set tls_certificate and tls_key"
            );
        }
        self.close(index);
    }
}

/// How often misplaced TLS is worth a line in the log.
const MISPLACED_TOLD_MS: u64 = 60_000;
