//! Which URL is answered by whom, and what every request goes through.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use dialect::{Code, GUARDS, Problem};
use tracing::debug;

use crate::caller::{self, Caller};
use crate::denials::{PEER, Peer};
use crate::response::{ErrorResponse, RefusedProblem, excerpt};
use crate::sign_in::OverTls;
use crate::state::InLine;
use crate::{
    batch, channels, denials, guard, metrics, openapi, pages, probes, publish, quotas, sign_in, warnings,
    watch,
};

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

/// The target of what is logged of every request.
pub(crate) const LOG_TARGET: &str = module_path!();

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

/// A request that is under way.
pub(crate) struct Transaction {
    started: Instant,
    method: Method,
    uri: Uri,
    who: Option<Box<str>>,
    /// Whose it is, where a known proxy passes it on.
    client: Option<Peer>,
}

impl Transaction {
    /// A request begins; whether it may be carried out.
    pub(crate) fn begin(line: &InLine, request: &mut Request) -> (Self, Result<(), ErrorResponse>) {
        let mut asked = Self {
            started: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            who: None,
            client: quotas::passed(line, request.headers()),
        };
        let may = asked.as_client(|| admit(line, request));
        asked.who = Caller::name(request.extensions());
        (asked, may)
    }

    /// Does what is asked, on behalf of whoever asks.
    pub(crate) async fn carry_out<T>(&self, work: impl Future<Output = T>) -> T {
        match self.client {
            Some(client) => PEER.scope(client, work).await,
            None => work.await,
        }
    }

    /// It is answered.
    pub(crate) fn end(mut self, line: &InLine, mut response: Response) -> Response {
        let who = self.who.take();
        if response.status().is_success() {
            warnings::tell(&self.method, &self.uri, response.headers_mut());
        }
        let told = self.as_client(|| finish(line, &mut response, who, self.uri.path()));
        if self.method != Method::POST {
            guard_answer(response.headers_mut());
        }
        debug!(
            target: LOG_TARGET,
            method = %self.method,
            path = self.uri.path(),
            status = response.status().as_u16(),
            refused = told.map(|RefusedProblem(problem)| problem.code.name()),
            micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        response
    }

    fn as_client<T>(&self, run: impl FnOnce() -> T) -> T {
        match self.client {
            Some(client) => PEER.sync_scope(client, run),
            None => run(),
        }
    }
}

/// What publishers wrote is nobody's page, and is not for pages of others to show. Our own files say what they are.
fn guard_answer(headers: &mut HeaderMap) {
    if headers.contains_key(header::X_CONTENT_TYPE_OPTIONS) {
        return;
    }
    for (name, value) in GUARDS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Counts an answer, and says with it what is said with every one. What was wrong is handed back.
pub(crate) fn finish(
    line: &InLine,
    response: &mut Response,
    who: Option<Box<str>>,
    path: &str,
) -> Option<RefusedProblem> {
    line.counters.requests.add();
    let told = response.extensions_mut().remove::<RefusedProblem>();
    if let Some(RefusedProblem(problem)) = &told {
        denials::tell(line, problem, who.as_deref(), path);
        denials::keep(line, problem, who, path);
    }
    if line.is_ending() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // What may be kept says so itself.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    told
}

/// The answer to what came and is no request; the connection ends with it.
pub(crate) fn refuse(line: &InLine, problem: &Problem) -> Response {
    let mut response = ErrorResponse::from(problem.clone()).into_response();
    finish(line, &mut response, None, "");
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    guard_answer(response.headers_mut());
    response
}

/// Whether a request may be carried out, and whose it is. Probes may always be.
fn admit(line: &InLine, request: &mut Request) -> Result<(), ErrorResponse> {
    let tls = request.extensions().get::<OverTls>().is_some();
    guard::check(request.version(), request.uri().authority(), request.headers(), &line.settings.hosts, tls)?;
    let is_probe = matches!(request.uri().path(), "/healthz" | "/readyz");
    if !is_probe {
        quotas::admit_address(line)?;
    }
    caller::admit(line, request)?;
    quotas::admit_key(line, request.extensions().get::<Caller>())
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
