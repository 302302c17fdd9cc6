//! The one HTTP client: a request, an answer of limited length, in limited time.

use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::{Instant, timeout, timeout_at};

/// Connections to those who are asked, kept while they are idle for a while.
#[derive(Clone)]
pub(crate) enum Client {
    /// Nobody is asked over TLS, so the system's certificates are not needed.
    Plain(Pool<HttpConnector, Full<Bytes>>),
    Tls(Pool<HttpsConnector<HttpConnector>, Full<Bytes>>),
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
    /// A client that can ask all of these.
    pub(crate) fn new<'a>(urls: impl IntoIterator<Item = &'a Uri>) -> std::io::Result<Self> {
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX);
        if urls.into_iter().any(|url| url.scheme_str() == Some("https")) {
            let tls =
                HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
            return Ok(Self::Tls(builder.build(tls)));
        }
        Ok(Self::Plain(builder.build(HttpConnector::new())))
    }

    /// Tells something. The status is the answer, whatever becomes of the body: of that so many bytes are read at the most, so
    /// that the connection can be used again.
    pub(crate) async fn tell(
        &self,
        request: Request<Full<Bytes>>,
        within: Duration,
        len_max: usize,
    ) -> Result<Answered, Failure> {
        let deadline = Instant::now() + within;
        let answered = async {
            match self {
                Self::Plain(pool) => pool.request(request).await,
                Self::Tls(pool) => pool.request(request).await,
            }
        };
        let answered = timeout_at(deadline, answered).await.map_err(|_| Failure::Late(within))?;
        let (head, mut body) = answered.map_err(|error| Failure::Unreachable(causes(&error)))?.into_parts();
        let mut answered = Answered { status: head.status, headers: head.headers, body: Vec::new() };
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
    ) -> Result<Response<Bytes>, Failure> {
        let asked = async {
            let answered = match self {
                Self::Plain(pool) => pool.request(request).await,
                Self::Tls(pool) => pool.request(request).await,
            };
            let answer = answered.map_err(|error| Failure::Unreachable(causes(&error)))?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, len_max).collect().await;
            let body = body.map_err(|error| Failure::Incomplete(len_max, error.to_string()))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(within, asked).await.unwrap_or(Err(Failure::Late(within)))
    }
}

/// An answer whose status is what matters.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// As much of its body as came in time and was read.
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer; in a sentence for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("its answer broke off, or has more than {0} bytes: {1}")]
    Incomplete(usize, String),
    #[error("its answer changes the protocol, or its Multiplexor-Lasts is no whole number of seconds")]
    Unreadable,
    #[error("no answer within {0:?}")]
    Late(Duration),
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
