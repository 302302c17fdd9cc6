//! Signing in: a person shows an API key once, and the browser then shows a cookie instead of it.
//!
//! The cookie is chance, of which a table keeps the SHA-256 until the sign-in ends; the key itself stays nowhere. A
//! browser sends a cookie whether the page knows of it or not, so it counts for requests of our own pages only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use access::KeyHash;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dialect::hub::{Millis, Right, WallTime};
use dialect::{Code, Problem};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::body::{self, BodyLimit};
use crate::caller::{self, Caller};
use crate::limits::{SIGN_IN_LEN_MAX, WRONG_KEYS_PER_S_MAX};
use crate::pages::embedded;
use crate::response::{ErrorResponse, json};
use crate::state::InLine;

/// Somebody signed in.
#[derive(Debug)]
pub(crate) struct SignIn {
    /// What is kept of the key that was shown.
    key: KeyHash,
    /// When it ends by itself.
    ends: WallTime,
    /// Signed out.
    ended: AtomicBool,
}

/// On requests that came through TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OverTls;

/// The routes of signing in and out.
pub(crate) fn routes() -> Router<Arc<InLine>> {
    Router::new()
        .route("/sign-in", get(async |request: Request| embedded(&web::SIGN_IN, &request, "")).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/session", get(session))
}

/// Who signed in on the browser that asks; `None`: it shows no cookie.
pub(crate) fn of(line: &InLine, request: &Request) -> Result<Option<Caller>, Problem> {
    let Some(shown) = shown(request.headers()) else { return Ok(None) };
    check_page(request.method(), request.headers())?;
    let found = find(line, shown).filter(|found| found.is_live(line));
    let found =
        found.and_then(|found| Some(Caller::signed_in(line.settings.keys.of_hash(&found.key)?, found)));
    found.map(Some).ok_or_else(not_signed_in)
}

impl SignIn {
    /// Whether it counts yet. A key that is no longer set ends it, too.
    pub(crate) fn is_live(&self, line: &InLine) -> bool {
        !self.ended.load(Ordering::Relaxed)
            && line.exchange.wall() < self.ends
            && line.settings.keys.of_hash(&self.key).is_some()
    }

    /// How long until it ends by itself.
    pub(crate) fn lasts(&self, line: &InLine) -> Duration {
        Duration::from_millis(self.ends.millis().saturating_sub(line.exchange.wall().millis()))
    }
}

/// Takes a key, and gives the cookie for it.
async fn sign_in(State(line): State<Arc<InLine>>, request: Request) -> Result<Response, ErrorResponse> {
    let (head, body) = request.into_parts();
    if line.settings.keys.is_empty() {
        return Err(Problem::bad(
            Code::SignIn,
            "this server asks for no API key; there is no need to sign in",
        )
        .into());
    }
    if head.headers.get(FETCHED_BY).is_some_and(|page| page != "same-origin") {
        return Err(cross_site().into());
    }
    let advice = "send key= and an API key, as a form does";
    let limit = BodyLimit { len_max: SIGN_IN_LEN_MAX, advice };
    let form = Zeroizing::new(body::read(&line, &head.headers, body, limit).await?);
    let shown = form_urlencoded::parse(&form).find(|(name, _)| name == "key").map(|(_, key)| key);
    let found = line.settings.keys.find(shown.unwrap_or_default().trim());
    let key = found.ok_or_else(|| refuse_key(&line))?;
    let ends = line.exchange.wall().after(age(&line));
    let hash = key.hash.expect("a key that was shown has a hash");
    let ticket = ticket()?;
    let made = Arc::new(SignIn { key: hash, ends, ended: AtomicBool::new(false) });
    end(&line, &head.headers);
    line.sign_ins.keep(&kept(&ticket), 1, line.exchange.now(), Arc::clone(&made));
    line.counters.sign_ins.add();
    // A page that came through TLS says so, whoever ends that.
    let origin = head.headers.get(header::ORIGIN).map_or(&b""[..], HeaderValue::as_bytes);
    let secure = head.extensions.get::<OverTls>().is_some() || origin.starts_with(b"https://");
    let caller = Caller::signed_in(key, made);
    let mut response = json(&told(&line, Some(&caller)));
    response.headers_mut().insert(header::SET_COOKIE, cookie(&ticket, age(&line) / 1_000, secure));
    Ok(response)
}

/// What somebody is told who shows a wrong key; too many get no more than the advice to wait.
fn refuse_key(line: &InLine) -> ErrorResponse {
    let too_many = |seconds| {
        let why = format!(
            "more than {WRONG_KEYS_PER_S_MAX} wrong keys a second are shown here; wait before the next one"
        );
        ErrorResponse::retry_after(Problem::new(429, Code::Rate, why), seconds)
    };
    line.wrong_keys.take().map_or_else(too_many, |()| caller::unknown_key().into())
}

/// Ends the sign-in of the browser that asks, and takes its cookie away.
async fn sign_out(State(line): State<Arc<InLine>>, request: Request) -> Result<Response, ErrorResponse> {
    check_page(request.method(), request.headers())?;
    end(&line, request.headers());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", 0, false))]).into_response())
}

/// Says to a page who asks, and what he may.
async fn session(State(line): State<Arc<InLine>>, request: Request) -> Response {
    json(&told(&line, caller::find(&line, &request).ok().as_ref()))
}

fn told(line: &InLine, caller: Option<&Caller>) -> Value {
    let session = caller.and_then(|caller| {
        let (key, ends) = (caller.key()?, caller.sign_in().map(|sign_in| sign_in.ends.seconds()));
        // All grants of a key are of the same rights.
        let rights = key.session.grants().next().map(|grant| grant.rights).unwrap_or_default();
        let may: Vec<&str> = rights.iter().map(Right::name).collect();
        let names: Vec<String> = key.session.grants().map(|grant| grant.names.as_str().to_owned()).collect();
        Some(json!({ "key": key.name, "may": may, "match": names, "ends": ends }))
    });
    json!({ "asks": !line.settings.keys.is_empty(), "session": session })
}

/// Whether a request that shows the cookie was made by a page of ours, or by the person in front of the browser.
/// That an `Origin` is ours was seen before; browsers that are old, or see no TLS, say no more than that.
fn check_page(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let is_ours = match headers.get(FETCHED_BY).map(HeaderValue::as_bytes) {
        Some(b"same-origin") => true,
        Some(b"none") | None => reads || headers.contains_key(header::ORIGIN),
        Some(_) => false,
    };
    if is_ours { Ok(()) } else { Err(cross_site()) }
}

/// Ends the sign-in whose cookie is shown, if there is one.
fn end(line: &InLine, headers: &HeaderMap) {
    if let Some(sign_in) = shown(headers).and_then(|shown| find(line, shown)) {
        sign_in.ended.store(true, Ordering::Relaxed);
        // Whoever watches by it is to see that.
        line.exchange.wake_followers();
    }
}

fn find(line: &InLine, ticket: &str) -> Option<Arc<SignIn>> {
    line.sign_ins.find(&kept(ticket), line.exchange.now())
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

/// The cookie as it is shown; nothing stands for what is no text. Those of others may be anything.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let mut pairs = lines.flat_map(|line| line.split(|byte| *byte == b';'));
    let shown =
        pairs.find_map(|pair| pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"="))?;
    Some(str::from_utf8(shown).unwrap_or_default())
}

/// The cookie as it is given; one that lasts 0 seconds is taken away.
fn cookie(ticket: &str, seconds: Millis, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={ticket}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).expect("all of it is letters, digits and signs")
}

fn age(line: &InLine) -> Millis {
    Millis::try_from(line.settings.sign_in_age.as_millis()).unwrap_or(Millis::MAX)
}

fn not_signed_in() -> Problem {
    Problem::new(
        401,
        Code::SignIn,
        "the cookie is of no sign-in that counts: it ended, its key is gone, or the server was started anew; \
         sign in again at /sign-in",
    )
}

fn cross_site() -> Problem {
    Problem::new(
        403,
        Code::CrossSite,
        "a sign-in counts for requests of this server's own pages, and nothing shows that this one is; programs send \
         the header Authorization: Bearer mpx_…",
    )
}

/// The cookie's name.
const COOKIE: &str = "multiplexor_sign_in";
/// What a browser says of the page that makes a request (Fetch Metadata, 2.4).
const FETCHED_BY: &str = "sec-fetch-site";

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
