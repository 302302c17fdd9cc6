//! Who is signed in: the cookie of a browser, and the key that was shown for it.
//!
//! The cookie is chance, of which a table keeps the SHA-256 until the sign-in ends; the key itself stays nowhere. A
//! browser sends a cookie whether the page knows of it or not, so it counts for requests of our own pages only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use access::{KeyHash, Keyring};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dialect::hub::{Millis, WallTime};
use dialect::{Code, Problem};
use exchange::Keys;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::limits::SIGN_INS_MAX;

/// All sign-ins that count, by what is kept of their cookies.
pub(crate) struct SignIns {
    table: Keys<Arc<SignIn>>,
    age: Millis,
}

/// Somebody signed in.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// What is kept of the key that was shown.
    pub(crate) key: KeyHash,
    /// When it ends by itself.
    pub(crate) ends: WallTime,
    /// Signed out.
    ended: AtomicBool,
}

/// On requests that came through TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

impl SignIns {
    /// Nobody is signed in; whoever will be is for so long.
    pub(crate) fn new(age: Duration) -> Self {
        let age = Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX);
        Self { table: Keys::new(age, SIGN_INS_MAX), age }
    }

    /// Somebody signs in with a key: the sign-in, and what the cookie is to hold.
    pub(crate) fn begin(
        &self,
        key: KeyHash,
        wall: WallTime,
        now: Millis,
    ) -> Result<(Arc<SignIn>, String), Problem> {
        let ticket = ticket()?;
        let made = Arc::new(SignIn::new(key, wall.after(self.age)));
        self.table.keep(&kept(&ticket), 1, now, Arc::clone(&made));
        Ok((made, ticket))
    }

    /// The sign-in of a ticket that is shown.
    pub(crate) fn find(&self, ticket: &str, now: Millis) -> Option<Arc<SignIn>> {
        self.table.find(&kept(ticket), now)
    }

    /// Seconds that a cookie is good for.
    pub(crate) fn seconds(&self) -> u64 {
        self.age / 1_000
    }

    /// How many are remembered.
    pub(crate) fn count(&self) -> usize {
        self.table.load().keys
    }

    /// All of them by what is kept of their tickets, in the order in which they began, with weights that are all alike.
    pub(crate) fn all(&self) -> Vec<(Arc<str>, usize, Millis, Arc<SignIn>)> {
        self.table.all()
    }

    /// One that began then. They come in that order.
    pub(crate) fn keep(&self, kept: &str, since: Millis, sign_in: Arc<SignIn>) {
        self.table.keep(kept, 1, since, sign_in);
    }

    /// Forgets those whose time is over.
    pub(crate) fn tick(&self, now: Millis) {
        self.table.tick(now);
    }
}

impl SignIn {
    pub(crate) fn new(key: KeyHash, ends: WallTime) -> Self {
        Self { key, ends, ended: AtomicBool::new(false) }
    }

    /// Whether somebody signed out.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether it counts yet. A key that is no longer set ends it, too.
    pub(crate) fn is_live(&self, wall: WallTime, keys: &Keyring) -> bool {
        !self.has_ended() && wall < self.ends && keys.of_hash(&self.key).is_some()
    }

    /// How long until it ends by itself.
    pub(crate) fn lasts(&self, wall: WallTime) -> Duration {
        Duration::from_millis(self.ends.millis().saturating_sub(wall.millis()))
    }

    /// It counts no longer.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Whether a request that shows the cookie was made by a page of ours, or by the person in front of the browser.
/// That an `Origin` is ours was seen before; browsers that are old, or see no TLS, say no more than that.
pub(crate) fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_ours = match headers.get(FETCHED_BY).map(HeaderValue::as_bytes) {
        Some(b"same-origin") => true,
        Some(b"none") | None => reads || headers.contains_key(header::ORIGIN),
        Some(_) => false,
    };
    if is_ours { Ok(()) } else { Err(cross_site()) }
}

/// The cookie as it is shown; nothing stands for what is no text. Those of others may be anything.
pub(crate) fn shown(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let shown =
        pairs.find_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))?;
    Some(str::from_utf8(shown).unwrap_or_default())
}

/// The cookie as it is given; one that lasts 0 seconds is taken away.
pub(crate) fn cookie(ticket: &str, seconds: Millis, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={ticket}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).expect("all of it is letters, digits and signs")
}

pub(crate) fn not_signed_in() -> Problem {
    Problem::new(
        401,
        Code::SignIn,
        "the cookie is of no sign-in that counts: it ended, its key is gone, or the server was started anew; \
         sign in again at /sign-in",
    )
}

pub(crate) fn cross_site() -> Problem {
    Problem::new(
        403,
        Code::CrossSite,
        "a sign-in counts for requests of this server's own pages, and nothing shows that this one is; programs send \
         the header Authorization: Bearer mpx_…",
    )
}

/// What is kept of what the cookie holds, so that how long a look takes tells nothing of it.
fn kept(ticket: &str) -> String {
    KeyHash::of(ticket).to_string()
}

fn ticket() -> Result<String, Problem> {
    let mut chance = [0; access::limits::KEY_LEN];
    // So few bytes come whole or not at all.
    getrandom(&mut chance, GetRandomFlags::empty())
        .map_err(|_| Problem::new(503, Code::NotReady, "the system gives no random numbers; try again"))?;
    Ok(URL_SAFE_NO_PAD.encode(chance))
}

/// The cookie's name.
const COOKIE: &str = "multiplexor_sign_in";

/// What a browser says of the page that makes a request (Fetch Metadata, 2.4).
pub(crate) const FETCHED_BY: &str = "sec-fetch-site";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, page: &str, origin: &str, expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [(FETCHED_BY, page), ("origin", origin)].into_iter().filter(|(_, value)| !value.is_empty())
        {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(check_page(&method, &headers).is_ok(), expected, "{method} {page:?} {origin:?}");
    }

    /// The guard has seen by then that the origin is ours.
    #[test]
    fn the_cookie_counts_for_our_own_pages() {
        for page in ["cross-site", "same-site", "nonsense"] {
            for origin in ["", "http://127.0.0.1:10010"] {
                check(Method::GET, page, origin, false);
                check(Method::POST, page, origin, false);
            }
        }
        for page in ["none", ""] {
            check(Method::GET, page, "", true);
            check(Method::HEAD, page, "", true);
            check(Method::POST, page, "", false);
            check(Method::DELETE, page, "", false);
            check(Method::POST, page, "http://127.0.0.1:10010", true);
        }
        check(Method::DELETE, "same-origin", "", true);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            shown(&headers).map(str::to_owned)
        };
        assert_eq!(found(&["a=1; multiplexor_sign_in=x;b=2"]).as_deref(), Some("x"));
        assert_eq!(found(&["city=Zürich; multiplexor_sign_in=x"]).as_deref(), Some("x"));
        assert_eq!(found(&["a=1", "multiplexor_sign_in=y"]).as_deref(), Some("y"));
        assert_eq!(found(&["multiplexor_sign_in_too=x; xmultiplexor_sign_in=y; multiplexor_sign_in"]), None);
    }
}
