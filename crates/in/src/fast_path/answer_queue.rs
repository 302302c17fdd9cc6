//! The answers on a connection, in the order of its requests: those that are to be sent, and behind them those
//! that wait for the store.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dialect::hub::WallTime;
use httpdate::HttpDate;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::doubts::Doubts;
use crate::limits::{PIPELINED_MAX, QUICK_ANSWERS_LEN_MAX, WAITING_KEPT};
use crate::placement::Placement;
use crate::response::ErrorResponse;
use crate::state::InLine;
use crate::transaction::{self, Transaction};
use crate::{body, publish};

/// Answers that are still to be sent.
#[derive(Default)]
pub(crate) struct AnswerQueue {
    bytes: Vec<u8>,
    /// Answered when the first is; at most [`PIPELINED_MAX`].
    waiting: VecDeque<(PendingRequest<'static>, PlaceOutcome)>,
    date: Date,
    /// The publisher takes no more.
    is_lost: bool,
}

/// What is answered.
pub(crate) enum PendingRequest<'a> {
    /// A plain request, sent to this target; when it began, where that is logged.
    BarePublish(Cow<'a, str>, Option<Instant>),
    /// Any other.
    Request(Box<Transaction>),
}

/// A message has its place, or was refused one.
pub(crate) type PlaceOutcome = Result<Placement, ErrorResponse>;

/// The date as it was last written: it is another once a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl AnswerQueue {
    /// Answers a request, or lets its answer wait for the store and for those before it.
    #[inline]
    pub(crate) fn put(&mut self, line: &InLine, asked: PendingRequest<'_>, outcome: PlaceOutcome) {
        if self.waiting.is_empty() && is_ready(&outcome) {
            self.answer(line, asked, outcome);
        } else {
            self.waiting.push_back((asked.kept(), outcome));
        }
    }

    /// Whether answers wait for the store.
    pub(crate) fn wait(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether another request may be carried out before they are there.
    pub(crate) fn have_room(&self) -> bool {
        self.waiting.len() < PIPELINED_MAX
    }

    /// Whether there are so many that they should be sent before more are put.
    pub(crate) fn are_many(&self) -> bool {
        self.bytes.len() > QUICK_ANSWERS_LEN_MAX
    }

    /// Waits until the store has the message of the first that waits; may be given up and begun again.
    pub(crate) async fn ready(&mut self) {
        if let Some((_, Ok(placed))) = self.waiting.front_mut() {
            placed.ready().await;
        }
    }

    /// Answers those that wait no longer.
    pub(crate) fn settle(&mut self, line: &InLine) {
        while self.waiting.front().is_some_and(|(_, outcome)| is_ready(outcome)) {
            let (asked, outcome) = self.waiting.pop_front().expect("there is a front");
            self.answer(line, asked, outcome);
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(WAITING_KEPT);
        }
    }

    /// `None`: the publisher does not take them.
    pub(crate) async fn send(&mut self, line: &InLine, stream: &mut (impl AsyncWrite + Unpin)) -> Option<()> {
        if !self.is_lost && !self.bytes.is_empty() {
            let sent = timeout(line.settings().request_timeout, stream.write_all(&self.bytes)).await;
            self.is_lost = !matches!(sent, Ok(Ok(())));
        }
        self.bytes.clear();
        (!self.is_lost).then_some(())
    }

    #[inline]
    fn answer(&mut self, line: &InLine, asked: PendingRequest<'_>, outcome: PlaceOutcome) {
        let doubts = outcome.as_ref().map_or_else(|_| Doubts::default(), Placement::doubts);
        let published = outcome.and_then(|placed| placed.outcome(line));
        let response = match (asked, published) {
            (PendingRequest::BarePublish(target, started), Ok(published)) => {
                line.counters.requests.add();
                transaction::log(started, &Method::POST, &target, StatusCode::OK, None);
                let body = publish::answer_text(&published, line.exchange.cursors());
                return self.put_json(line, &body);
            }
            (PendingRequest::BarePublish(target, started), Err(refusal)) => {
                let mut response = refusal.into_response();
                let told = transaction::finish(line, &mut response, None, &target);
                transaction::log(started, &Method::POST, &target, response.status(), told.as_ref());
                response
            }
            (PendingRequest::Request(asked), published) => {
                let answer =
                    published.map(|published| publish::answer(&published, line.exchange.cursors(), doubts));
                asked.end(line, answer.into_response())
            }
        };
        self.put_response(line, response);
    }

    /// Writes an answer as hyper would.
    fn put_response(&mut self, line: &InLine, response: Response) {
        let (head, body) = response.into_parts();
        let body = body::whole(body);
        let out = &mut self.bytes;
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(head.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(head.status.canonical_reason().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &head.headers {
            if name != header::CONTENT_LENGTH {
                put(out, name.as_str(), value.as_bytes());
            }
        }
        self.put_rest(line, &body);
    }

    /// The same of [`crate::response::json_text`].
    fn put_json(&mut self, line: &InLine, body: &[u8]) {
        self.bytes.extend_from_slice(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncache-control: no-store\r\n",
        );
        if line.is_ending() {
            put(&mut self.bytes, "connection", b"close");
        }
        self.put_rest(line, body);
    }

    fn put_rest(&mut self, line: &InLine, body: &[u8]) {
        // Nothing fails that is written to a vector.
        let _ = write!(self.bytes, "content-length: {}\r\n", body.len());
        // All that is answered here leaves the connection open, but for the last answer before the end.
        if !line.is_ending() {
            let _ = write!(self.bytes, "keep-alive: timeout={}\r\n", line.settings().keep_alive.as_secs());
        }
        put(&mut self.bytes, "date", self.date.at(line.exchange.wall()).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(body);
    }
}

impl PendingRequest<'_> {
    /// The same, to be kept for as long as it takes.
    fn kept(self) -> PendingRequest<'static> {
        match self {
            PendingRequest::BarePublish(target, started) => {
                PendingRequest::BarePublish(Cow::Owned(target.into_owned()), started)
            }
            PendingRequest::Request(asked) => PendingRequest::Request(asked),
        }
    }
}

fn is_ready(outcome: &PlaceOutcome) -> bool {
    outcome.as_ref().map_or(true, Placement::is_ready)
}

impl Date {
    fn at(&mut self, now: WallTime) -> &str {
        if self.text.is_empty() || self.second != now.seconds() {
            self.second = now.seconds();
            self.text = HttpDate::from(UNIX_EPOCH + Duration::from_millis(now.millis())).to_string();
        }
        &self.text
    }
}

fn put(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
