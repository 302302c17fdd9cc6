//! Reading a request's body, with a limit in bytes and one in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use dialect::{Code, Problem};
use exchange::Shortage;
use tokio::time::timeout;

use crate::limits::{BODY_BEGUN_LEN, OVERLONG_LEN_MAX, RETRY_AFTER_S, SMALL_LEN_MAX};
use crate::response::ErrorResponse;
use crate::state::InLine;

/// How long a body may be, and what is advised to whoever sends a longer one.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimit {
    pub(crate) len_max: usize,
    pub(crate) advice: &'static str,
}

/// Reads the whole body, if it is not too long. What is too long is known at once where its length is announced, and
/// otherwise when so much has come.
pub(crate) async fn read(
    line: &InLine,
    headers: &HeaderMap,
    mut body: Body,
    limit: BodyLimit,
) -> Result<Vec<u8>, ErrorResponse> {
    let is_short = line.exchange.memory().shortage() != Shortage::None;
    let patience = line.settings().request_timeout;
    let len_max = if is_short { limit.len_max.min(SMALL_LEN_MAX) } else { limit.len_max };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let reading = async {
        let mut bytes = Vec::with_capacity(announced.min(len_max).min(BODY_BEGUN_LEN));
        let mut len = announced;
        while len <= len_max {
            let Some(piece) = next(&mut body).await? else { return Ok(Some(bytes)) };
            len = bytes.len() + piece.len();
            bytes.extend_from_slice(&piece);
        }
        Ok::<_, Problem>(None)
    };
    match timeout(patience, reading).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => {
            // Who asked first (`Expect: 100-continue`) has sent nothing yet.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(timeout(patience, throw_away(body)));
            }
            if is_short && announced <= limit.len_max {
                let why = "the server is short of memory; try again soon, or send less at once";
                return Err(ErrorResponse::retry_after(Problem::new(503, Code::Memory, why), RETRY_AFTER_S));
            }
            let why = format!("the body has more than {} bytes; {}", limit.len_max, limit.advice);
            Err(Problem::new(413, Code::Payload, why).into())
        }
        Ok(Err(problem)) => Err(ErrorResponse::from(problem)),
        Err(_) => Err(too_slow(patience).into()),
    }
}

/// Reads on and throws away, while the answer goes out: a sender who has not read it yet would otherwise be cut off
/// before it can.
async fn throw_away(mut body: Body) {
    let mut len = 0;
    while len < OVERLONG_LEN_MAX
        && let Ok(Some(piece)) = next(&mut body).await
    {
        len += piece.len();
    }
}

/// The body of an answer that is there already.
pub(crate) fn whole(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
        if let Ok(data) = frame.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    bytes
}

/// The next piece of data; `None` at the end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    loop {
        match poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            None => return Ok(None),
            Some(Err(_)) => return Err(broken_off()),
            // Trailers, the only other kind of frame, end the body; they say nothing to us.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn broken_off() -> Problem {
    Problem::bad(
        Code::Body,
        "the body broke off, or its framing is wrong; send Content-Length and as many bytes, or chunks",
    )
}

/// Of a request that was not whole in time.
pub(crate) fn too_slow(patience: Duration) -> Problem {
    let seconds = patience.as_secs_f32();
    let unit = if patience == Duration::from_secs(1) { "second" } else { "seconds" };
    Problem::new(
        408,
        Code::RequestTimeout,
        format!("the request was not complete after {seconds} {unit}; send it in one go"),
    )
}
