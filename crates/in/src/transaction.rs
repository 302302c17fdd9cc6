//! A request from its admission to its answer, whoever carries it out: the router, or the fast path.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dialect::{GUARDS, Problem};
use tracing::{Level, debug, enabled};

use crate::caller::Requester;
use crate::peer::{self, PEER, TaskPeer};
use crate::response::{ErrorResponse, RefusedProblem};
use crate::state::InLine;
use crate::{admission, denial_log, proxy, warnings};

/// A request that is under way.
pub(crate) struct Transaction {
    /// When it began, where that is logged.
    started: Option<Instant>,
    method: Method,
    uri: Uri,
    who: Option<Box<str>>,
    /// Whose it is, where a known proxy passes it on.
    client: Option<TaskPeer>,
}

impl Transaction {
    /// A request begins; whether it may be carried out.
    pub(crate) fn begin(line: &InLine, request: &mut Request) -> (Self, Result<(), ErrorResponse>) {
        let mut asked = Self {
            started: start(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            who: None,
            client: proxy::passed(line, request.headers()),
        };
        let may = asked.as_client(|| admission::request(line, request));
        asked.who = Requester::name(request.extensions());
        (asked, may)
    }

    /// Does what is asked, on behalf of whoever asks.
    pub(crate) async fn carry_out<T>(&self, work: impl Future<Output = T>) -> T {
        peer::scope(self.client, work).await
    }

    /// It is answered.
    pub(crate) fn end(mut self, line: &InLine, mut response: Response) -> Response {
        let who = self.who.take();
        if response.status().is_success() {
            warnings::tell(line.routes, &self.method, &self.uri, response.headers_mut());
        }
        let told = self.as_client(|| finish(line, &mut response, who, self.uri.path()));
        if self.method != Method::POST {
            guard_answer(response.headers_mut());
        }
        log(self.started, &self.method, self.uri.path(), response.status(), told.as_ref());
        response
    }

    fn as_client<T>(&self, run: impl FnOnce() -> T) -> T {
        match self.client {
            Some(client) => PEER.sync_scope(client, run),
            None => run(),
        }
    }
}

pub(crate) async fn around(State(line): State<Arc<InLine>>, request: Request, next: Next) -> Response {
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
    if stays {
        let value = format!("timeout={}", line.settings().keep_alive.as_secs());
        let value = HeaderValue::try_from(value).expect("it is a word and a number");
        response.headers_mut().insert(HeaderName::from_static("keep-alive"), value);
    }
    response
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
        denial_log::tell(line, problem, who.as_deref(), path);
        denial_log::keep(line, problem, who, path);
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

/// When a request begins, where that is logged.
pub(crate) fn start() -> Option<Instant> {
    enabled!(Level::DEBUG).then(Instant::now)
}

/// Says in the log that a request was answered.
pub(crate) fn log(
    started: Option<Instant>,
    method: &Method,
    path: &str,
    status: StatusCode,
    refused: Option<&RefusedProblem>,
) {
    let Some(started) = started else { return };
    debug!(
        %method,
        path,
        status = status.as_u16(),
        code = refused.map(|RefusedProblem(problem)| problem.code.name()),
        took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
}

/// Whether a further request may come on the connection.
pub(crate) fn leaves_open(request: &Request) -> bool {
    let says = |token: &str| {
        let lines = request.headers().get_all(header::CONNECTION).iter();
        let mut said = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
        said.any(|said| said.trim().eq_ignore_ascii_case(token))
    };
    if request.version() >= Version::HTTP_11 { !says("close") } else { says("keep-alive") }
}
