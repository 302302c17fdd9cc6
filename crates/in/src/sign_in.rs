//! Signing in and out: a person shows an API key once, and the browser then shows a cookie instead of it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dialect::hub::Right;
use dialect::{Code, Problem};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::admission;
use crate::body::{self, BodyLimit};
use crate::caller::{self, Requester};
use crate::limits::{SIGN_IN_LEN_MAX, WRONG_KEYS_PER_S_MAX};
use crate::pages::embedded;
use crate::response::{ErrorResponse, json};
use crate::sign_ins::{FETCHED_BY, OverTls, check_page, cookie, cross_site, shown};
use crate::state::InLine;

/// The page with the form.
pub(crate) async fn page(request: Request) -> Response {
    embedded(&web::SIGN_IN, &request, "")
}

/// Takes a key, and gives the cookie for it.
pub(crate) async fn sign_in(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let (head, body) = request.into_parts();
    if line.settings().keys.is_empty() {
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
    let found = line.settings().keys.find(shown.unwrap_or_default().trim());
    let key = found.ok_or_else(|| refuse_key(&line))?;
    let hash = key.hash.expect("a key that was shown has a hash");
    let (made, ticket) = line.sign_ins.begin(hash, line.exchange.wall(), line.exchange.now())?;
    end(&line, &head.headers);
    line.counters.sign_ins.add();
    // A page that came through TLS says so, whoever ends that.
    let origin = head.headers.get(header::ORIGIN).map_or(&b""[..], HeaderValue::as_bytes);
    let secure = head.extensions.get::<OverTls>().is_some() || origin.starts_with(b"https://");
    let caller = Requester::signed_in(key, made);
    let mut response = json(&told(&line, Some(&caller)));
    response.headers_mut().insert(header::SET_COOKIE, cookie(&ticket, line.sign_ins.seconds(), secure));
    Ok(response)
}

/// What somebody is told who shows a wrong key; too many get no more than the advice to wait.
fn refuse_key(line: &InLine) -> ErrorResponse {
    let what = "wrong keys a second are shown here; wait before the next one";
    let too_many = |seconds| admission::too_many(Code::Rate, WRONG_KEYS_PER_S_MAX, what, seconds);
    line.rates.wrong_keys.take().map_or_else(too_many, |()| caller::unknown_key().into())
}

/// Ends the sign-in of the browser that asks, and takes its cookie away.
pub(crate) async fn sign_out(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    check_page(request.method(), request.headers())?;
    end(&line, request.headers());
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie("", 0, false))]).into_response())
}

/// Ends the sign-in whose cookie is shown, if there is one.
fn end(line: &InLine, headers: &HeaderMap) {
    let ticket = shown(headers);
    if let Some(sign_in) = ticket.and_then(|ticket| line.sign_ins.find(ticket, line.exchange.now())) {
        sign_in.end();
        // Whoever watches by it is to see that.
        line.exchange.admin().wake_all_followers();
    }
}

/// Says to a page who asks, and what he may.
pub(crate) async fn session(State(line): State<Arc<InLine>>, request: Request) -> Response {
    json(&told(&line, caller::find(&line, &request).ok().as_ref()))
}

fn told(line: &InLine, caller: Option<&Requester>) -> Value {
    let session = caller.and_then(|caller| {
        let (key, ends) = (caller.key()?, caller.sign_in().map(|sign_in| sign_in.ends.seconds()));
        // All grants of a key are of the same rights.
        let rights = key.session.grants().next().map(|grant| grant.rights).unwrap_or_default();
        let may: Vec<&str> = rights.iter().map(Right::name).collect();
        let names: Vec<String> = key.session.grants().map(|grant| grant.names.as_str().to_owned()).collect();
        Some(json!({ "key": key.name, "may": may, "match": names, "ends": ends }))
    });
    json!({ "asks": !line.settings().keys.is_empty(), "session": session })
}
