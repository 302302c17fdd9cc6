//! The one HTTP client: a request, an answer of limited length, in limited time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::error;

use crate::limits::CERTIFICATES_RETRY;

/// Connections to those who are asked, kept while they are idle for a while.
#[derive(Clone)]
pub(crate) struct Client {
    plain: Pool<HttpConnector, Full<Bytes>>,
    secure: Arc<watch::Sender<Secure>>,
}

/// Connections over TLS.
#[derive(Default)]
struct Secure {
    /// `None`: the system's certificates were not needed so far, or could not be read.
    pool: Option<Pool<HttpsConnector<HttpConnector>, Full<Bytes>>>,
    /// Why they could not be read, and when that was tried.
    fault: Option<(String, Instant)>,
}

/// A URL as it is told in the log: what follows `?` may be a secret between those who wrote it.
pub(crate) fn told(url: &Uri) -> String {
    format!(
        "{}://{}{}",
        url.scheme_str().unwrap_or_default(),
        url.authority().map_or("", |authority| authority.as_str()),
        url.path()
    )
}

impl Client {
    /// A client that asks these. Whoever is asked over TLS is checked by the system's certificates; where there are none, calls to
    /// him fail until there are some.
    pub(crate) fn new<'a>(urls: impl IntoIterator<Item = &'a Uri>) -> Self {
        let client = Self { plain: pool(HttpConnector::new()), secure: Arc::default() };
        if urls.into_iter().any(is_secure)
            && let Err(failure) = client.secure()
        {
            error!(why = %failure, "calls over TLS fail until the certificates are there");
        }
        client
    }

    /// Reads the system's certificates anew, where they are needed. An error: they cannot be read, and the ones from before count on.
    pub(crate) fn renew<'a>(&self, urls: impl IntoIterator<Item = &'a Uri>) -> Result<(), CallFailure> {
        if !urls.into_iter().any(is_secure) {
            return Ok(());
        }
        let pool = secure_pool().map_err(|error| CallFailure::Certificates(error.to_string()))?;
        self.secure.send_replace(Secure { pool: Some(pool), fault: None });
        Ok(())
    }

    /// Connections over TLS. Where the certificates could not be read, that is tried again once in a while.
    fn secure(&self) -> Result<Pool<HttpsConnector<HttpConnector>, Full<Bytes>>, CallFailure> {
        let mut found = None;
        self.secure.send_if_modified(|secure| {
            let is_new = secure.fault.as_ref().is_some_and(|(_, tried)| tried.elapsed() < CERTIFICATES_RETRY);
            if secure.pool.is_none() && !is_new {
                match secure_pool() {
                    Ok(pool) => *secure = Secure { pool: Some(pool), fault: None },
                    Err(error) => secure.fault = Some((error.to_string(), Instant::now())),
                }
            }
            let fault = || secure.fault.as_ref().map(|(why, _)| why.clone()).unwrap_or_default();
            found = Some(secure.pool.clone().ok_or_else(|| CallFailure::Certificates(fault())));
            false
        });
        found.expect("it was looked for")
    }

    /// Sends a request; the head of the answer, and its body as it comes.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, CallFailure> {
        let answered = if is_secure(request.uri()) {
            self.secure()?.request(request).await
        } else {
            self.plain.request(request).await
        };
        answered.map_err(|error| CallFailure::Unreachable(causes(&error)))
    }

    /// Tells something. The status is the answer, whatever becomes of the body: of that so many bytes are read at the most, so
    /// that the connection can be used again.
    pub(crate) async fn tell(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
        len_max: usize,
    ) -> Result<HttpAnswer, CallFailure> {
        let deadline = Instant::now() + within;
        let answered =
            timeout_at(deadline, self.send(request)).await.map_err(|_| CallFailure::Late(within))?;
        let (head, mut body) = answered?.into_parts();
        let mut answered = HttpAnswer { status: head.status, headers: head.headers, body: Vec::new() };
        while answered.body.len() < len_max
            && let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await
        {
            let data = frame.into_data().unwrap_or_default();
            let room = len_max - answered.body.len();
            answered.body.extend_from_slice(&data[..data.len().min(room)]);
        }
        Ok(answered)
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
        len_max: usize,
    ) -> Result<Response<Bytes>, CallFailure> {
        let asked = async {
            let (head, body) = self.send(request).await?.into_parts();
            let body = Limited::new(body, len_max).collect().await;
            let body = body.map_err(|error| CallFailure::Incomplete(len_max, error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(within, asked).await.unwrap_or(Err(CallFailure::Late(within)))
    }
}

/// An answer whose status is what matters.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// As much of its body as came in time and was read.
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer; in a sentence for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallFailure {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("this system's certificates cannot be read, so nobody can be checked over TLS: {0}")]
    Certificates(String),
    #[error("its answer broke off, or has more than {0} bytes: {1}")]
    Incomplete(usize, String),
    #[error("its answer changes the protocol, or its Multiplexor-Lasts is no whole number of seconds")]
    Unreadable,
    #[error("no answer within {0:?}")]
    Late(Duration),
}

fn is_secure(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

fn secure_pool() -> io::Result<Pool<HttpsConnector<HttpConnector>, Full<Bytes>>> {
    let connector = HttpsConnectorBuilder::new().with_native_roots()?;
    Ok(pool(connector.https_or_http().enable_http1().build()))
}

fn pool<C: Connect + Clone>(connector: C) -> Pool<C, Full<Bytes>> {
    let mut builder = Pool::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX);
    builder.build(connector)
}

/// An error and what caused it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);
