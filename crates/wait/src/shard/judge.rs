//! What a client would be told, for somebody who asks why it is refused: by the checks that clients pass, and without a client.

use access::{Denied, Signed};
use exchange::hub::{Code, Right, Session, Start};
use exchange::{Judged, Pasted, Refusal};
use transport::dialect::native::{Shown, credentials_in_url, names_in_path};
use transport::dialect::{PageOrigin, Problem, Request};

use super::Shard;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// What comes of what was pasted.
    pub(super) fn judge_pasted(&self, pasted: &Pasted) -> Judged {
        let shown = credentials_in_url(&pasted.list, &pasted.query);
        let session = shown.map(|shown| self.session_of_shown(&shown));
        let known = session.as_ref().and_then(|session| session.as_ref().ok());
        let ended = known.map(|session| self.check_ended(session).map_err(refusal));
        // Who shows something that is refused gets no further.
        let goes_on = session.as_ref().is_none_or(Result::is_ok) && ended.as_ref().is_none_or(Result::is_ok);
        let may = (goes_on && !pasted.names.is_empty())
            .then(|| self.check_right(known, pasted.right, &pasted.names).map_err(refusal));
        let is_listed = pasted.origin.as_deref().is_some_and(|origin| self.is_listed(origin));
        let speaks = pasted.right == Right::Publish && !pasted.names.is_empty();
        let page = pasted.origin.as_deref().map(|origin| self.check_origin(origin, is_listed, speaks));
        Judged { page, is_listed, session, ended, may }
    }

    fn session_of_shown(&self, shown: &Shown) -> Result<Session, Refusal> {
        if self.tokens.is_empty() {
            let why = "this server takes no tokens and no signed URLs; set token_secret or token_key there";
            return Err((Code::Token, why.to_owned()));
        }
        let (tokens, now) = (&self.tokens, self.exchange.wall());
        let found = match shown {
            Shown::Tokens(shown) => tokens.session(shown.first().map_or("", |token| token), now),
            Shown::Signature { path, expires, user, iat, signature } => {
                let names = names_in_path(path).map_err(refusal)?;
                tokens.session_of_url(Signed { path, expires, user, iat, signature }, &names, now)
            }
            Shown::Headers(_) => unreachable!("a URL has no headers"),
        };
        found.map_err(|Denied { code, detail }| (code, detail))
    }

    fn check_right(
        &self,
        session: Option<&Session>,
        right: Right,
        names: &[Box<str>],
    ) -> Result<(), Problem> {
        self.check_names(names)?;
        match right {
            Right::Publish => self.check_publish(session, names),
            Right::History => self.check_past(session, names, Start::Everything),
            Right::Presence => {
                self.check_grants(session, names)?;
                self.check_presence_grants(session, names)
            }
            Right::Listen | Right::Administer => self.check_grants(session, names),
        }
    }

    /// Whether an origin is listed, as for a request that comes from there to a host of another name.
    fn is_listed(&self, origin: &str) -> bool {
        let header = |name: &str| (name == "origin").then_some(origin.as_bytes());
        let (method, path, query, body) = ("GET", "/", "", &b""[..]);
        let request = Request { method, path, query, header: &header, upgrade: false, tls: false, body };
        self.settings.origins.page(&request) != PageOrigin::FOREIGN
    }

    /// Whether a page from elsewhere may show a token, and where it wants to, publish.
    fn check_origin(&self, origin: &str, is_listed: bool, speaks: bool) -> Result<(), Refusal> {
        if is_listed || (self.settings.origins.is_empty() && !speaks) {
            return Ok(());
        }
        let what = if speaks { "publish" } else { "show credentials" };
        let why = format!(
            "pages of {:?} may {what} only where the server itself has that host, for it is not listed in `origins`; list it \
             there",
            exchange::hub::excerpt(origin)
        );
        Err((Code::Origin, why))
    }
}

fn refusal(problem: Problem) -> Refusal {
    (problem.code, problem.detail)
}
