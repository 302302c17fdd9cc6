//! What is set anew while a shard runs: its settings, and what it made of them when it started.

use std::sync::Arc;

use access::{AuthFinding, Sessions, Tokens};
use transport::{Ending, Phase};

use super::Shard;
use crate::desk::Renewal;
use crate::kernel::Kernel;
use crate::limits::RENEWED_PER_TURN;
use crate::settings::WaitSettings;

impl<K: Kernel> Shard<K> {
    /// Does what others have to tell it.
    pub(super) fn look_at_desk(&mut self) {
        for renewal in self.desk.renewals.take(self.id) {
            match renewal {
                Renewal::Settings(settings) => self.set_settings(settings),
                Renewal::Certificates(certificates) => self.set_certificates(certificates),
            }
        }
        for finding in self.desk.findings.take(self.id) {
            match finding {
                AuthFinding::Verdict(verdict) => self.asking.tell(verdict, self.exchange.wall()),
                AuthFinding::Keys(found) => self.put_keys(&found),
            }
        }
    }

    /// Goes by these settings from now on.
    pub(super) fn set_settings(&mut self, settings: Arc<WaitSettings>) {
        let old = std::mem::replace(&mut self.settings, Arc::clone(&settings));
        if old.tokens != settings.tokens {
            let found = self.tokens.keys.iter().filter(|key| !old.tokens.keys.contains(key));
            let keys = settings.tokens.keys.iter().chain(found).cloned().collect();
            self.tokens = Arc::new(Tokens { keys, ..settings.tokens.clone() });
            // What a secret or a key vouched for that is gone must be shown anew.
            self.sessions = Sessions::default();
        }
        self.callers.go_by(&self.exchange, &settings);
        self.handshakes.set_max(settings.tls_handshakes, self.exchange.shards());
        if old.unacknowledged() != settings.unacknowledged() {
            for (listener, _) in &self.listeners {
                self.kernel.set_unacknowledged(listener, settings.unacknowledged());
            }
        }
        if settings.heartbeat < old.heartbeat {
            self.beats.sooner_from = Some(0);
        }
    }

    /// Streams whose next heartbeat is too far away are given another time for it, so many connections a turn.
    pub(super) fn run_renewals(&mut self) {
        let Some(from) = self.beats.sooner_from else { return };
        let end = (from + RENEWED_PER_TURN).min(self.slab.end());
        self.beats.sooner_from = (end < self.slab.end()).then_some(end);
        for index in from..end {
            let Some(slot) = self.slab.get(index) else { continue };
            if slot.conn.phase != Phase::Waiting
                || slot.conn.shape.ending() != Ending::Stream
                || self.draining.is_some()
            {
                continue;
            }
            let due = slot.due_by(self.heartbeat_tick(index));
            if due < self.slab[index].timer.due {
                self.wheel.set(&mut self.slab, index, due);
            }
        }
    }
}
