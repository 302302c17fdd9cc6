//! `POST /pub/…` ahead of hyper: what publishers say most often costs little more than its system calls.
//!
//! Whole requests of that kind are read and answered here, one after the other. The first that is
//! anything else goes to the service with all that was read, and the connection stays there. What a
//! request means and how it is answered is told by the same code as there.

mod answer_queue;
mod bare_publish;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use access::Key;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use codec::http2;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep};

use crate::admission::Patience;
use crate::caller::CertifiedKey;
use crate::limits::{QUICK_HEADERS_MAX, QUICK_LEN_MAX, QUICK_READ_LEN};
use crate::placement;
use crate::state::InLine;
use crate::transaction::{self, Transaction};
use crate::{body, denial_log, publish, wire};
use answer_queue::{AnswerQueue, PendingRequest, PlaceOutcome};
use bare_publish::BarePublish;

/// Serves a connection of which `bytes` were read already, until it says something else: then these bytes
/// are for the service. `None`: it is over.
pub(crate) async fn serve(
    line: &Arc<InLine>,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    bytes: Vec<u8>,
    key: Option<&Arc<Key>>,
    stopped: &mut watch::Receiver<()>,
) -> Option<Vec<u8>> {
    let mut answers = AnswerQueue::default();
    let rest = read_on(line, stream, bytes, key, stopped, &mut answers).await;
    // What has its place is answered before anything else is, and counted though nobody may be there any more.
    while answers.wait() {
        answers.ready().await;
        answers.settle(line);
        // Whether it is taken is known in the end.
        let _ = answers.send(line, stream).await;
    }
    answers.send(line, stream).await.and(rest)
}

/// Carries out requests while they come, though the store may not have the messages of those before.
async fn read_on(
    line: &Arc<InLine>,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut bytes: Vec<u8>,
    key: Option<&Arc<Key>>,
    stopped: &mut watch::Receiver<()>,
    answers: &mut AnswerQueue,
) -> Option<Vec<u8>> {
    // Both stay registered from one request to the next.
    let patience = line.settings().request_timeout;
    let alarm = pin!(sleep(patience));
    let mut deadline = Deadline::new(patience, alarm);
    let mut stop = pin!(stopped.changed());
    loop {
        let is_last = line.is_ending();
        let (taken, is_ours) = carry_out_all(line, stream, &bytes, key, answers).await?;
        if taken > 0 {
            if is_last {
                return None;
            }
            bytes.drain(..taken);
            answers.send(line, stream).await?;
            deadline.set(deadline_of(line, &bytes));
        }
        if !is_ours || bytes.len() >= QUICK_LEN_MAX {
            return Some(bytes);
        }
        let was_silent = bytes.is_empty();
        bytes.reserve(QUICK_READ_LEN);
        let read = loop {
            let wait = answers.wait();
            let is_idle = bytes.is_empty() && !wait;
            select! {
                biased;
                read = stream.read_buf(&mut bytes), if answers.have_room() => break Some(read),
                () = answers.ready(), if wait => {
                    answers.settle(line);
                    answers.send(line, stream).await?;
                    deadline.set(deadline_of(line, &bytes));
                }
                _ = &mut stop, if is_idle => return None,
                // Who waits for the store is not silent.
                () = deadline.pass(), if !wait => break None,
            }
        };
        match read {
            Some(Ok(len)) if len > 0 && was_silent => deadline.set(deadline_of(line, &bytes)),
            Some(Ok(len)) if len > 0 => {}
            // The end may be that of a request without a length.
            Some(Ok(_)) if !bytes.is_empty() => return Some(bytes),
            None if !bytes.is_empty() => {
                refuse_late(line, stream, answers).await;
                return None;
            }
            _ => return None,
        }
    }
}

/// A deadline that is moved often, with an alarm that looks at it only when it goes off.
struct Deadline<'a> {
    at: Instant,
    /// It comes no nearer than that when it is moved.
    patience: Duration,
    alarm: Pin<&'a mut Sleep>,
}

impl<'a> Deadline<'a> {
    fn new(patience: Duration, alarm: Pin<&'a mut Sleep>) -> Self {
        Self { at: alarm.deadline(), patience, alarm }
    }

    /// Moves it. Mostly it moves away, and the alarm stays.
    fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
    }

    /// Waits until it has passed, and may be given up and begun again.
    async fn pass(&mut self) {
        loop {
            self.alarm.as_mut().await;
            let now = Instant::now();
            if now >= self.at {
                return;
            }
            self.alarm.as_mut().reset(self.at.min(now + self.patience));
        }
    }
}

/// When these bytes must be a whole request, or the first of one must have come.
fn deadline_of(line: &InLine, bytes: &[u8]) -> Instant {
    let settings = line.settings();
    Instant::now() + if bytes.is_empty() { settings.silence_max() } else { settings.request_timeout }
}

/// Answers half a request whose time is over. Nothing is told before it, and nothing waits for the store.
async fn refuse_late(
    line: &InLine,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    answers: &mut AnswerQueue,
) {
    let problem = body::too_slow(line.settings().request_timeout);
    line.counters.requests.add();
    denial_log::tell(line, &problem, None, "");
    if answers.send(line, stream).await.is_some() {
        wire::answer(line, stream, &wire::refusal(&problem)).await;
    }
}

/// Carries out all whole requests that `bytes` begin with. How long they are, and whether what follows may become
/// another; `None`: the publisher does not take the answers.
async fn carry_out_all(
    line: &Arc<InLine>,
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    key: Option<&Arc<Key>>,
    answers: &mut AnswerQueue,
) -> Option<(usize, bool)> {
    let mut taken = 0;
    loop {
        // An answer that is the last one is followed by none.
        if taken > 0 && line.is_ending() {
            return Some((taken, true));
        }
        let (said, len) = match read(&bytes[taken..], |head, body| BarePublish::read(line, head, body)) {
            Ok(Some(whole)) => whole,
            Ok(None) => return Some((taken, true)),
            Err(NotFast) => return Some((taken, false)),
        };
        while !answers.have_room() {
            answers.ready().await;
            answers.settle(line);
        }
        taken += len;
        match said {
            FastRequest::BarePublish(BarePublish { target, publish }) => {
                let started = transaction::start();
                let outcome = placement::place(line, publish, None, None, &mut Patience::default()).await;
                answers.put(line, PendingRequest::BarePublish(target.into(), started), outcome);
            }
            FastRequest::Request(request) => {
                let (asked, outcome) = place(line, *request, key).await;
                answers.put(line, PendingRequest::Request(Box::new(asked)), outcome);
            }
        }
        if answers.are_many() {
            answers.send(line, stream).await?;
        }
    }
}

/// A request to publish.
enum FastRequest<'a> {
    /// Of which no more is said than the data.
    BarePublish(BarePublish<'a>),
    /// Of which more is said.
    Request(Box<Request>),
}

/// Something for the service.
struct NotFast;

/// The request at the beginning of `bytes`, and how long it is; `None` while it is not whole.
fn read<'a>(
    bytes: &'a [u8],
    plain: impl FnOnce(&httparse::Request<'_, 'a>, &'a [u8]) -> Option<BarePublish<'a>>,
) -> Result<Option<(FastRequest<'a>, usize)>, NotFast> {
    if http2::begins(bytes).is_none() {
        return Ok(None);
    }
    let known = bytes.len().min(BEGINNING.len());
    if bytes[..known] != BEGINNING[..known] {
        return Err(NotFast);
    }
    let mut headers = [httparse::EMPTY_HEADER; QUICK_HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_len) = head.parse(bytes).map_err(|_| NotFast)? else {
        return Ok(None);
    };
    let len = body_len(&head).and_then(|len| head_len.checked_add(len)).ok_or(NotFast)?;
    if len > QUICK_LEN_MAX {
        return Err(NotFast);
    }
    let Some(whole) = bytes.get(..len) else { return Ok(None) };
    if let Some(plain) = plain(&head, &whole[head_len..]) {
        return Ok(Some((FastRequest::BarePublish(plain), len)));
    }
    let request = request(&head, whole, &whole[head_len..]).ok_or(NotFast)?;
    Ok(Some((FastRequest::Request(Box::new(request)), len)))
}

/// How long the body is; `None` where more than a reader of lengths is needed.
fn body_len(head: &httparse::Request<'_, '_>) -> Option<usize> {
    if head.version != Some(1) {
        return None;
    }
    let mut len = None;
    for header in head.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let digits = str::from_utf8(header.value)
                .ok()
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let first = len.replace(digits?.parse().ok()?);
            if first.is_some() {
                return None;
            }
        } else if is("transfer-encoding")
            || is("expect")
            || is("upgrade")
            || (is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive"))
        {
            return None;
        }
    }
    len
}

/// The request as the service would see it; `None` where its target or a header is not well formed.
fn request(head: &httparse::Request<'_, '_>, bytes: &[u8], body: &[u8]) -> Option<Request> {
    let shared = Bytes::copy_from_slice(bytes);
    let shared = |piece: &[u8]| {
        let start = piece.as_ptr().addr() - bytes.as_ptr().addr();
        shared.slice(start..start + piece.len())
    };
    let mut request = Request::new(Body::from(shared(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_maybe_shared(shared(head.path?.as_bytes())).ok()?;
    let headers = request.headers_mut();
    headers.reserve(head.headers.len());
    for header in head.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_maybe_shared(shared(header.value)).ok()?);
    }
    Some(request)
}

/// Gives what a request publishes its place, as the service would.
async fn place(line: &InLine, mut request: Request, key: Option<&Arc<Key>>) -> (Transaction, PlaceOutcome) {
    if let Some(key) = key {
        request.extensions_mut().insert(CertifiedKey(Arc::clone(key)));
    }
    let (asked, may) = Transaction::begin(line, &mut request);
    let outcome = match may {
        Ok(()) => asked.carry_out(publish::place(line, request)).await,
        Err(refusal) => Err(refusal),
    };
    (asked, outcome)
}

/// How a request of this kind begins.
const BEGINNING: &[u8] = b"POST /pub/";

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said, and how long it is, at every cut of the bytes.
    fn check(said: &[u8], is_publish: bool) {
        for cut in 0..said.len() {
            match read(&said[..cut], |_, _| None) {
                Ok(Some(_)) => panic!("{cut} bytes are not all of it"),
                Ok(None) => {}
                Err(NotFast) => assert!(!is_publish, "it is whole at {cut} bytes only"),
            }
        }
        match read(&[said, b"POST /pub/next"].concat(), |_, _| None) {
            Ok(Some((FastRequest::Request(request), len))) => {
                assert!(is_publish, "{request:?}");
                assert_eq!((len, request.method()), (said.len(), &Method::POST));
            }
            Ok(Some((FastRequest::BarePublish(_), _))) => panic!("none was found plain"),
            Ok(None) | Err(NotFast) => assert!(!is_publish, "{}", said.escape_ascii()),
        }
    }

    fn check_head(lines: &str, is_publish: bool) {
        check(
            format!("POST /pub/a HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n12345").as_bytes(),
            is_publish,
        );
    }

    #[test]
    fn a_plain_request_is_read_here() {
        check_head("Content-Length: 5", true);
        check_head("content-length: 5\r\nConnection: Keep-Alive\r\nContent-Type: text/plain", true);
        check(b"POST /pub/a,%D1%87?event=x&ttl=1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true);
    }

    #[test]
    fn whatever_takes_more_than_that_is_the_services() {
        for lines in [
            "Accept: */*",
            "Transfer-Encoding: chunked",
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Content-Length: 5\r\nContent-Length: 5",
            "Content-Length: +5",
            "Content-Length: 5, 5",
            "Content-Length:",
            "Content-Length: 99999999999999999999",
            "Content-Length: 18446744073709551615",
            "Content-Length: 5\r\nExpect: 100-continue",
            "Content-Length: 5\r\nConnection: close",
            "Content-Length: 5\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c",
            "Content-Length: 5\r\nno colon",
            "Content-Length: 65536",
        ] {
            check_head(lines, false);
        }
        check_head(&format!("{}Content-Length: 5", "X: y\r\n".repeat(QUICK_HEADERS_MAX)), false);
        for head in [
            "GET /pub/a HTTP/1.1\r\nContent-Length: 0",
            "POST /pub HTTP/1.1\r\nContent-Length: 0",
            "POST /pub/a HTTP/1.0\r\nContent-Length: 0",
            "POST http://localhost/pub/a HTTP/1.1\r\nContent-Length: 0",
        ] {
            check(format!("{head}\r\n\r\n").as_bytes(), false);
        }
    }
}
