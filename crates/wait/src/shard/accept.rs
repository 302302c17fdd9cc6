//! Taking connections in, and pausing when the system has no more to give.

use tracing::warn;
use transport::dialect::DialectSet;

use super::Shard;
use crate::kernel::{Errno, Kernel};
use crate::limits::{ACCEPT_PAUSE_MS, ACCEPTS_PER_TURN, CONNECTIONS_MAX};
use crate::link::Link;
use crate::slot::Slot;

impl<K: Kernel> Shard<K> {
    /// Takes waiting connections of a listener. True: there may be more.
    pub(super) fn accept(&mut self, number: usize) -> bool {
        for _ in 0..ACCEPTS_PER_TURN {
            if self.paused_until.is_some() || self.parting.is_some() {
                return false;
            }
            let Some((listener, dialects)) = self.listeners.get(number) else { return false };
            let dialects = *dialects;
            match self.kernel.accept(listener) {
                Ok(socket) => {
                    let link = self.certificates.of(number).map_or(Link::Plain, Link::tls);
                    self.welcome(socket, link, dialects);
                }
                Err(Errno::AGAIN) => return false,
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.pause(error)
                }
                // The client has gone before it was its turn (accept(2)): the next one.
                Err(_) => {}
            }
        }
        true
    }

    fn welcome(&mut self, socket: K::Socket, link: Link, dialects: DialectSet) {
        if self.slab.len() >= CONNECTIONS_MAX {
            self.pause(Errno::MFILE);
            return;
        }
        let generation = self.identities.next_generation();
        let index = self.slab.insert(Slot::new(socket, generation, link, dialects));
        let token = self.token(index);
        if let Err(error) = self.kernel.watch(&self.slab[index].socket, token) {
            self.slab.remove(index);
            self.pause(error);
            return;
        }
        self.counters.accepted.add(1);
        self.log_came(index);
        self.tell_opened(index);
        self.set_timer(index, self.settings.request_timeout);
        self.meet(index);
    }

    /// Accepts nobody for a while, and goes on serving. Says so once a minute at most.
    fn pause(&mut self, error: Errno) {
        self.watch_listeners(false);
        self.paused_until = Some(self.now + ACCEPT_PAUSE_MS);
        self.counters.accept_pauses.add(1);
        if self.told_at.pause.is_none_or(|told| self.now >= told + PAUSE_TOLD_MS) {
            self.told_at.pause = Some(self.now);
            warn!(
                shard = self.id.0,
                connections = self.slab.len(),
                error = %std::io::Error::from(error),
                "accepting pauses: the system gives no more; raise the limit of open files or start more shards"
            );
        }
    }

    /// Goes on accepting when the pause is over.
    pub(super) fn resume_accepting(&mut self) {
        if self.parting.is_none() && self.paused_until.is_some_and(|until| self.now >= until) {
            self.paused_until = None;
            self.watch_listeners(true);
        }
    }

    pub(super) fn watch_listeners(&mut self, on: bool) {
        for (number, (listener, _)) in self.listeners.iter().enumerate() {
            if let Err(error) = self.kernel.watch_listener(listener, number, on) {
                warn!(shard = self.id.0, error = %std::io::Error::from(error), "a listener could not be watched");
            }
        }
    }
}

/// How often a pause is worth a line in the log.
const PAUSE_TOLD_MS: u64 = 60_000;
