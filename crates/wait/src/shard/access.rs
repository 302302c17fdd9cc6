//! Who a client is: credentials to a session, what it may listen to, and the end of its time.

use std::sync::Arc;

use access::{Denied, Signed};
use exchange::hub::{Right, Session};
use transport::Phase;
use transport::dialect::native::{Credentials, Shown};
use transport::dialect::{Problem, Wait};

use super::Shard;
use crate::kernel::Kernel;
use crate::limits::TIMERS_PER_TURN;

impl<K: Kernel> Shard<K> {
    /// The session of whoever makes this request; `None`: it showed nothing, or nobody asks for it.
    pub(super) fn identify(&mut self, wait: &Wait) -> Result<Option<Arc<Session>>, Problem> {
        let settings = Arc::clone(&self.settings);
        let Some(credentials) = wait.credentials.as_deref().filter(|_| !settings.tokens.is_empty()) else {
            return Ok(None);
        };
        let Credentials { shown, ambient, foreign } = credentials;
        if let Some(origin) = foreign.as_ref().filter(|_| *ambient) {
            let origin: String = origin.chars().take(100).collect();
            let why = format!(
                "the request comes with a cookie from a page of {origin:?}, and cookies count for pages of this \
                 host only; show the token in the URL, a header or a WebSocket's protocol instead"
            );
            return Err(Problem::new(403, "origin", why));
        }
        let session = match shown {
            Shown::Token(token) => self.session_of(token),
            Shown::Signature { path, expires, signature } => {
                let signed = Signed { path, expires, signature };
                settings.tokens.session_of_url(signed, &wait.names, self.exchange.now()).map(Arc::new)
            }
        };
        session.map(Some).map_err(unauthorized)
    }

    fn session_of(&mut self, token: &str) -> Result<Arc<Session>, Denied> {
        self.sessions.session(&self.settings.tokens, token, self.exchange.now())
    }

    /// Checks that a client may listen to all of these.
    pub(super) fn check_grants(
        &self,
        session: Option<&Arc<Session>>,
        names: &[Box<str>],
    ) -> Result<(), Problem> {
        let nobody = Session::NOBODY;
        let who = session.map_or(&nobody, |session| session);
        let Some(name) = names.iter().find(|name| !self.exchange.may(who, Right::Listen, name)) else {
            return Ok(());
        };
        Err(if session.is_none() {
            let why = format!(
                "the channel {name:?} is closed: show a token whose `listen` names it, or come by a signed URL"
            );
            Problem::new(401, "credentials", why)
        } else {
            let why = format!(
                "the credentials shown do not grant to listen to {name:?}; `listen` in the token must name it"
            );
            Problem::new(403, "grant", why)
        })
    }

    /// The session that a waiting connection has.
    pub(super) fn session(&self, index: usize) -> Option<Arc<Session>> {
        self.guests.session(index).map(Arc::clone)
    }

    /// The connection waits with this session, until that ends.
    pub(super) fn put_session(&mut self, index: usize, session: Option<Arc<Session>>) {
        if let Some(session) = session {
            let lasts = session.expires.map(|expires| expires.saturating_sub(self.exchange.now()));
            self.guests.put(index, session, lasts, self.now);
        }
    }

    /// A live connection goes on by another token: one of the same user that covers all it listens to.
    pub(super) fn renew(&mut self, index: usize, token: &str) -> Result<Arc<Session>, Problem> {
        if self.settings.tokens.is_empty() {
            return Err(Problem::bad(
                "token",
                "this server takes no tokens; set token_secret or token_key there",
            ));
        }
        let session = self.session_of(token).map_err(unauthorized)?;
        let before = self.session(index);
        if before.is_some_and(|before| before.user != session.user) {
            let why = "the token is of another user than the one before; open a connection of its own for it";
            return Err(Problem::new(403, "token-user", why));
        }
        let subs = &self.slab[index].subs;
        let channels = (0..subs.len()).filter_map(|number| subs.get(number));
        let channels: Vec<_> = channels.map(|sub| self.members.channel(sub.channel).id).collect();
        let names: Vec<Box<str>> =
            self.exchange.names(&channels).iter().map(|name| (&**name).into()).collect();
        self.check_grants(Some(&session), &names)?;
        self.put_session(index, Some(Arc::clone(&session)));
        Ok(session)
    }

    /// Ends those whose time is over.
    pub(super) fn run_expiries(&mut self) {
        if self.guests.len() == 0 {
            return;
        }
        for index in self.guests.expire(self.now, TIMERS_PER_TURN) {
            self.expire(index);
        }
    }

    /// The session of a waiting connection is over: it is given what it is owed, and told.
    fn expire(&mut self, index: usize) {
        debug_assert_eq!(self.slab[index].conn.phase, Phase::Waiting, "who waits no longer has no session");
        self.counters.expired.add(1);
        if !self.visit(index) || self.slab[index].conn.phase != Phase::Waiting {
            return;
        }
        if self.slab[index].conn.shape.is_poll() {
            self.answer_empty(index, self.seen);
            return;
        }
        let mut out = Vec::new();
        self.slab[index].conn.expired(&mut out);
        if self.write(index, &out) {
            self.end(index, 1008, "the token has ended; come back with a new one");
        }
    }
}

fn unauthorized(denied: Denied) -> Problem {
    Problem::new(401, denied.code, denied.detail)
}
