//! Which URL is answered by whom, and what every request goes through.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, Uri, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use dialect::{Code, Problem};

use crate::response::{ErrorResponse, excerpt};
use crate::state::InLine;
use crate::transaction::Transaction;
use crate::{batch, channels, denials, metrics, openapi, pages, probes, publish, sign_in, watch};

/// The whole line as one service.
pub(crate) fn router(line: Arc<InLine>) -> Router {
    let described = PATHS.iter().fold(Router::new(), |router, path| router.route(path, answering(path)));
    described
        .route("/pub/", post(publish::publish_nowhere))
        .merge(pages::routes())
        .merge(sign_in::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&line), around))
        .with_state(line)
}

/// All paths of the line, and `/` besides; one that ends in `/` stands for all that begin with it. They are
/// never taken for a message of 2009.
pub(crate) const PREFIXES: &[&str] = &[
    "/pub",
    "/pub/",
    "/channels",
    "/channels/",
    "/stats",
    "/metrics",
    "/refused",
    "/watch",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/multiplexor.js",
    "/demo",
    "/demo/",
    "/sign-in",
    "/sign-out",
    "/session",
];

/// Every path that is for programs; each is described in openapi.rs.
pub(crate) const PATHS: &[&str] = &[
    "/pub/{*names}",
    "/pub",
    "/channels",
    "/channels/{name}",
    "/channels/{name}/history",
    "/channels/{name}/history/{cursor}",
    "/watch",
    "/stats",
    "/metrics",
    "/refused",
    "/healthz",
    "/readyz",
    "/openapi.json",
];

/// Who answers at one of [`PATHS`].
fn answering(path: &str) -> MethodRouter<Arc<InLine>> {
    match path {
        "/pub/{*names}" => post(publish::publish),
        "/pub" => post(batch::publish),
        "/channels" => get(channels::list),
        "/channels/{name}" => get(channels::one).delete(channels::delete),
        "/channels/{name}/history" => get(channels::history),
        "/channels/{name}/history/{cursor}" => delete(channels::remove),
        "/watch" => get(watch::watch),
        "/stats" => get(probes::stats),
        "/metrics" => get(metrics::metrics),
        "/refused" => get(denials::list),
        "/healthz" => get(probes::healthz),
        "/readyz" => get(probes::readyz),
        "/openapi.json" => get(openapi::openapi),
        _ => unreachable!("every path of the list is answered"),
    }
}

async fn around(State(line): State<Arc<InLine>>, request: Request, next: Next) -> Response {
    surrounded(&line, request, async |request| next.run(request).await).await
}

/// What every request goes through: the guard before, counters and common headers after.
pub(crate) async fn surrounded(
    line: &InLine,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let stays = leaves_open(&request) && !line.is_ending();
    let (asked, may) = Transaction::begin(line, &mut request);
    let response = match may {
        Ok(()) => asked.carry_out(answer(request)).await,
        Err(refusal) => refusal.into_response(),
    };
    let mut response = asked.end(line, response);
    if stays && let Ok(value) = line.keep_alive().try_into() {
        response.headers_mut().insert(HeaderName::from_static("keep-alive"), value);
    }
    response
}

/// Whether a further request may come on the connection.
fn leaves_open(request: &Request) -> bool {
    let says = |token: &str| {
        let lines = request.headers().get_all(header::CONNECTION).iter();
        let mut said = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        said.any(|said| said.trim().eq_ignore_ascii_case(token))
    };
    if request.version() >= Version::HTTP_11 { !says("close") } else { says("keep-alive") }
}

async fn not_found(uri: Uri) -> ErrorResponse {
    if uri.path().starts_with("/channels/") {
        return channels::no_such_name(channels::SLASH).into();
    }
    let path = excerpt(uri.path());
    let problem = Problem::new(
        404,
        Code::NotFound,
        format!(
            "there is nothing at {path}; publish with POST /pub/CHANNEL, ask GET /channels, /channels/CHANNEL, \
             /watch, /stats, /metrics, /refused, /healthz or /readyz; all there is stands in /openapi.json, and /demo shows \
             it; clients wait on the WAIT line, not here"
        ),
    );
    problem.into()
}

/// The answer says in `Allow` what would be right.
async fn wrong_method(method: Method, uri: Uri) -> ErrorResponse {
    let right = match uri.path() {
        path if path.starts_with("/pub") || path == "/sign-out" => "POST",
        "/sign-in" => "GET, HEAD or POST",
        path if path.starts_with("/channels/") && path.contains("/history/") => "DELETE",
        path if path.starts_with("/channels/") && !path.ends_with("/history") => "GET, HEAD or DELETE",
        _ => "GET or HEAD",
    };
    let method = excerpt(method.as_str());
    Problem::new(405, Code::Method, format!("the method {method} is not for this address; use {right}"))
        .into()
}
