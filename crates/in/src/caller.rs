//! Who asks: the API key of a request, and what it may do.
//!
//! Where no keys are set, the line trusts whoever reaches it. Where some are, a request without one, or without the
//! cookie of somebody who signed in with one, gets no further than here; what its session may do is asked of it by
//! whoever carries the request out.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use access::Key;
use axum::extract::Request;
use axum::http::{Extensions, HeaderMap, header};
use dialect::hub::{Addressed, Grant, Right, addressed};
use dialect::{Code, Problem};

use crate::response::excerpt;
use crate::route::Access;
use crate::sign_ins::{self, SignIn};
use crate::state::InLine;

/// Whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Requester {
    /// `None`: nobody is asked for a key.
    key: Option<Arc<Key>>,
    /// Where it is shown by the cookie of a browser.
    sign_in: Option<Arc<SignIn>>,
}

/// The key for which the certificate of a connection's client stands, on each of its requests.
#[derive(Debug, Clone)]
pub(crate) struct CertifiedKey(pub(crate) Arc<Key>);

/// Looks at the key of a request, and leaves on it whose it is.
pub(crate) fn admit(line: &InLine, request: &mut Request, access: Access) -> Result<(), Problem> {
    let is_open = matches!(access, Access::Open | Access::OpenBeneath | Access::Probe);
    if line.settings().keys.is_empty() || is_open {
        return Ok(());
    }
    let caller = find(line, request)?;
    caller.may_ask(line, access)?;
    request.extensions_mut().insert(caller);
    Ok(())
}

/// Who asks, by what the request shows: a key says more than a cookie, and that more than the certificate of the
/// connection.
pub(crate) fn find(line: &InLine, request: &Request) -> Result<Requester, Problem> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(Requester { key: Some(key_of(line, request.headers())?), sign_in: None });
    }
    // What the key may do may have changed since, and it may be gone.
    let certified = request.extensions().get::<CertifiedKey>();
    let certified = certified.and_then(|CertifiedKey(key)| line.settings().keys.renewed(key));
    match (signed_in(line, request), certified) {
        (Ok(Some(caller)), _) => Ok(caller),
        (_, Some(key)) => Ok(Requester { key: Some(key), sign_in: None }),
        (Ok(None), None) => Err(no_key()),
        (Err(problem), None) => Err(problem),
    }
}

/// Who signed in on the browser that asks; `None`: it shows no cookie.
fn signed_in(line: &InLine, request: &Request) -> Result<Option<Requester>, Problem> {
    let Some(ticket) = sign_ins::shown(request.headers()) else { return Ok(None) };
    sign_ins::check_page(request.method(), request.headers())?;
    let found = line.sign_ins.find(ticket, line.exchange.now());
    let settings = line.settings();
    let keys = &settings.keys;
    let found = found.filter(|found| found.is_live(line.exchange.wall(), keys));
    let found = found.and_then(|found| Some(Requester::signed_in(keys.of_hash(&found.key)?, found)));
    found.map(Some).ok_or_else(sign_ins::not_signed_in)
}

impl Requester {
    /// Who signed in with this key.
    pub(crate) fn signed_in(key: Arc<Key>, sign_in: Arc<SignIn>) -> Self {
        Self { key: Some(key), sign_in: Some(sign_in) }
    }

    /// His key, if he was asked for one.
    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_deref()
    }

    /// What his cookie stands for, if he shows one.
    pub(crate) fn sign_in(&self) -> Option<&SignIn> {
        self.sign_in.as_deref()
    }

    /// Whether he is still who he was when he came, for what lasts.
    pub(crate) fn is_live(&self, line: &InLine) -> bool {
        let settings = line.settings();
        let is_known = |key: &Arc<Key>| settings.keys.has(key);
        self.sign_in().is_none_or(|sign_in| sign_in.is_live(line.exchange.wall(), &settings.keys))
            && self.key.as_ref().map_or(settings.keys.is_empty(), is_known)
    }

    /// How long he is that, if time ends it.
    pub(crate) fn lasts(&self, line: &InLine) -> Option<Duration> {
        self.sign_in().map(|sign_in| sign_in.lasts(line.exchange.wall()))
    }

    /// Who was found to ask. A request that nobody looked at may nothing where keys are asked for.
    pub(crate) fn of(line: &InLine, extensions: &Extensions) -> Result<Self, Problem> {
        match extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None if line.settings().keys.is_empty() => Ok(Self { key: None, sign_in: None }),
            None => Err(no_key()),
        }
    }

    /// What he is called, if a key says so.
    pub(crate) fn name(extensions: &Extensions) -> Option<Box<str>> {
        Some(extensions.get::<Self>()?.key.as_ref()?.name.clone())
    }

    /// Tells his key from all others, if he has one; names need not.
    pub(crate) fn key_number(&self) -> Option<usize> {
        Some(Arc::as_ptr(self.key.as_ref()?).addr())
    }

    /// Checks that he may do this on each of these channels.
    pub(crate) fn check<'a>(
        &self,
        line: &InLine,
        right: Right,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let now = line.exchange.wall();
        // For everybody is no name among others: that one is listed, or whoever may do it everywhere.
        let may = |name: &str| match addressed(name) {
            Some(Addressed::Everybody) => {
                let listed = |grant: Grant<&str>| grant.rights.has(right) && grant.names.as_str() == name;
                key.session.may_everywhere(right, now)
                    || key.session.is_live(now) && key.session.grants().any(listed)
            }
            // A pattern for channels, such as *.bell, says nothing of users, whose names are often what they chose.
            Some(Addressed::User(_)) => {
                let meant = |grant: Grant<&str>| {
                    let pattern = grant.names.as_str();
                    grant.rights.has(right)
                        && (pattern == "*" || pattern.starts_with('$'))
                        && grant.names.matches(name)
                };
                key.session.may_everywhere(right, now)
                    || key.session.is_live(now) && key.session.grants().any(meant)
            }
            None => key.session.may(right, name, now),
        };
        match names.into_iter().find(|name| !may(name)) {
            Some(name) => Err(not_granted(key, right, &format!("channel {:?}", excerpt(name)))),
            None => Ok(()),
        }
    }

    /// Whether he may do this on every channel there can be.
    pub(crate) fn may_everywhere(&self, line: &InLine, right: Right) -> bool {
        self.key.as_ref().is_none_or(|key| key.session.may_everywhere(right, line.exchange.wall()))
    }

    /// Whether he may know of this channel that somebody waits on it.
    pub(crate) fn sees(&self, line: &InLine, name: &str) -> bool {
        let may = |key: &Arc<Key>| key.session.may(Right::Presence, name, line.exchange.wall());
        self.key.as_ref().is_none_or(may)
    }

    /// What is about many channels, or about none, is decided by the address.
    fn may_ask(&self, line: &InLine, access: Access) -> Result<(), Problem> {
        let (Some(key), now) = (&self.key, line.exchange.wall()) else { return Ok(()) };
        let (right, may, whose) = match access {
            Access::Somewhere(right) => (right, key.session.may_somewhere(right, now), "any channel"),
            Access::Everywhere(right) => (right, key.session.may_everywhere(right, now), "all channels"),
            Access::Open | Access::OpenBeneath | Access::Probe | Access::Key => return Ok(()),
        };
        if may { Ok(()) } else { Err(not_granted(key, right, whose)) }
    }
}

fn key_of(line: &InLine, headers: &HeaderMap) -> Result<Arc<Key>, Problem> {
    let mut said = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(said), None) = (said.next(), said.next()) else { return Err(no_key()) };
    let said = String::from_utf8_lossy(said.as_bytes());
    let shown = said.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some((_, shown)) = shown else {
        return Err(unauthorized(
            Code::ApiKey,
            "the header Authorization does not say Bearer and a key; send Authorization: Bearer mpx_…",
        ));
    };
    line.settings().keys.find(shown.trim_start()).ok_or_else(unknown_key)
}

pub(crate) fn unknown_key() -> Problem {
    unauthorized(
        Code::ApiKey,
        "the server does not know this API key; send one that is set there, by MULTIPLEXOR_KEY or [[key]]",
    )
}

fn no_key() -> Problem {
    unauthorized(
        Code::Credentials,
        "this server asks for an API key; send the header Authorization: Bearer mpx_… with one that is set \
         there, or sign in at /sign-in in a browser",
    )
}

fn unauthorized(code: Code, detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(401, code, detail.into())
}

fn not_granted(key: &Key, right: Right, whose: &str) -> Problem {
    let (name, right) = (&key.name, right.name());
    Problem::new(
        403,
        Code::Grant,
        format!(
            "the API key {name:?} has no right to {right} for {whose}; add it to `may` and `match` of its [[key]], \
             or send another key"
        ),
    )
}
