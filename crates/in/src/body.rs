//! Reading a request's body, with a limit in bytes and one in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, header};
use dialect::Problem;
use tokio::time::timeout;

use crate::limits::{BODY_TIMEOUT, OVERLONG_LEN_MAX};

/// How long a body may be, and what is advised to whoever sends a longer one.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) len_max: usize,
    pub(crate) advice: &'static str,
}

/// Reads the whole body, if it is not too long.
pub(crate) async fn read(headers: &HeaderMap, mut body: Body, limit: Limit) -> Result<Vec<u8>, Problem> {
    let len_max = limit.len_max;
    let reading = async {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > len_max {
            return read_overlong(headers, &mut body, 0, limit).await;
        }
        let mut bytes = Vec::with_capacity(announced);
        while let Some(piece) = next(&mut body).await? {
            if bytes.len() + piece.len() > len_max {
                return read_overlong(headers, &mut body, bytes.len() + piece.len(), limit).await;
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    };
    timeout(BODY_TIMEOUT, reading).await.unwrap_or_else(|_| Err(too_slow()))
}

/// Reads on and throws away, so that a sender who has not yet read our answer is not cut off before
/// it can. One who asked first (`Expect: 100-continue`) has sent nothing yet.
async fn read_overlong(
    headers: &HeaderMap,
    body: &mut Body,
    mut len: usize,
    limit: Limit,
) -> Result<Vec<u8>, Problem> {
    let asked_first = headers.contains_key(header::EXPECT) && len == 0;
    while !asked_first && len < OVERLONG_LEN_MAX {
        match next(body).await? {
            Some(piece) => len += piece.len(),
            None => break,
        }
    }
    Err(Problem::new(
        413,
        "payload",
        format!("the body has more than {} bytes; {}", limit.len_max, limit.advice),
    ))
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
        "body",
        "the body broke off, or its framing is wrong; send Content-Length and as many bytes, or chunks",
    )
}

fn too_slow() -> Problem {
    let seconds = BODY_TIMEOUT.as_secs();
    Problem::new(
        408,
        "timeout",
        format!("the body was not complete after {seconds} seconds; send it in one go"),
    )
}
