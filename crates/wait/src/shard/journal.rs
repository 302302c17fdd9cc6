//! What the log says of single clients: who comes, waits and goes at debug, who is refused at info.

use exchange::hub::{Session, excerpt};
use tracing::{Level, debug, enabled, info};
use transport::dialect::{Problem, Wait};

use super::Shard;
use super::access::what_of;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// A client has connected.
    pub(super) fn log_came(&mut self, index: usize) {
        if enabled!(Level::DEBUG) {
            let (connection, from) = (self.token(index), self.kernel.peer(&self.slab[index].socket));
            debug!(
                shard = self.id.0,
                connection,
                from = from.map(tracing::field::display),
                "a client has come"
            );
        }
    }

    /// A client waits from now on.
    pub(super) fn log_waits(&self, index: usize, wait: &Wait, session: Option<&Session>) {
        if enabled!(Level::DEBUG) {
            let user = session.and_then(Session::user).map(excerpt);
            debug!(
                shard = self.id.0,
                connection = self.token(index),
                channels = what_of(&wait.names),
                transport = ?wait.transport,
                user = user.as_deref(),
                "a client waits"
            );
        }
    }

    /// A client has gone, or was sent away.
    pub(super) fn log_gone(&self, index: usize) {
        debug!(shard = self.id.0, connection = self.token(index), "a client has gone");
    }

    /// What a client asked for is not done.
    pub(super) fn log_refused(&mut self, index: usize, problem: &Problem, names: &[Box<str>]) {
        if !enabled!(Level::INFO) {
            return;
        }
        let Some(untold) = self.exchange.denials().may_tell(self.exchange.now()) else { return };
        let from = self.address(index);
        let user = self.guests.session(index).and_then(Session::user).map(excerpt);
        info!(
            line = "wait",
            status = problem.status,
            code = problem.code.name(),
            from = from.map(tracing::field::display),
            user = user.as_deref(),
            what = what_of(names),
            why = problem.detail,
            untold = (untold > 0).then_some(untold),
            "refused"
        );
    }
}
