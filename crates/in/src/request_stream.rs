//! How long a connection of the service waits: for a request to begin, and for the rest of a head that has begun.
//! hyper knows one time for both, and reads ahead whatever comes; so it is given a head, then the body, and what comes
//! behind them when it has answered.
//!
//! While a request is answered nobody is waited for here: its body has a time of its own, and so has its answer.
//!
//! Nor does hyper say what is wrong with a head that is none: it closes. So a head is judged here first, when it is whole,
//! and in place of one that will not do the service gets a request of ours, and answers that with what was wrong.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use codec::http::BodyFraming;
use dialect::Problem;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use crate::body::too_slow;
use crate::boundary::Boundary;
use crate::head;
use crate::limits::{CLASSIC_LINGER, HEAD_LEN_MAX};
use crate::settings::LiveSettings;

/// Requests of a connection that are under way: that one is, or what is left of one that was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<RequestCount>);

#[derive(Debug, Default)]
struct RequestCount {
    count: AtomicUsize,
    over: Notify,
    /// What the last head that was read says of its body, until somebody looks: a length and 2, [`CHUNKED`], or 0.
    begun: AtomicU64,
    /// What is wrong with what came last: its answer is the last one.
    fault: OnceLock<Problem>,
}

/// One of them; over when it is dropped.
#[derive(Debug)]
pub(crate) struct RequestGuard(UnderWay);

/// A body of a request that is under way as long as it lives.
#[derive(Debug)]
pub(crate) struct GuardedBody<B> {
    body: B,
    _held: RequestGuard,
}

/// A connection whose end is told to the service when nobody has spoken for too long.
pub(crate) struct RequestStream<S> {
    stream: S,
    /// What was read and is not hyper's yet.
    ahead: Vec<u8>,
    /// Bytes of it that are.
    taken: usize,
    /// Bytes of it that may be: those of a body, or of a head that is whole.
    cleared: usize,
    /// Bytes of it that the boundary has taken.
    scanned: usize,
    boundary: Boundary,
    under_way: UnderWay,
    state: StreamState,
    alarm: Pin<Box<Sleep>>,
    settings: LiveSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamState {
    /// A request is under way.
    Busy,
    /// None is, and nothing of the next one has come.
    Silent,
    /// Some of it has.
    Opening,
    /// It took too long, or is no request: nothing more is read.
    Over,
    /// All was said, and what still comes is thrown away.
    Left,
}

impl UnderWay {
    pub(crate) fn hold(&self) -> RequestGuard {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        RequestGuard(self.clone())
    }

    /// The same, of a request whose head was read.
    pub(crate) fn begin(&self, body: &impl HttpBody) -> RequestGuard {
        let begun = body.size_hint().exact().map_or(CHUNKED, |len| len.saturating_add(2));
        self.0.begun.store(begun, Ordering::Relaxed);
        self.hold()
    }

    /// What comes behind a head that was read since this was asked the last time.
    fn take_begun(&self) -> Option<BodyFraming> {
        match self.0.begun.swap(0, Ordering::Relaxed) {
            0 => None,
            CHUNKED => Some(BodyFraming::Chunked),
            len => Some(BodyFraming::Length(len - 2)),
        }
    }

    /// Waits until none is any more. Then the connection is to be looked at: hyper reads ahead while it answers, and would
    /// not ask again before something comes.
    pub(crate) async fn over(&self) {
        self.0.over.notified().await;
    }

    /// What is wrong with what came, so that the request which the service is given stands for it.
    pub(crate) fn fault(&self) -> Option<&Problem> {
        self.0.fault.get()
    }

    fn is_any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            shared.over.notify_one();
        }
    }
}

impl RequestGuard {
    pub(crate) fn with<B>(self, body: B) -> GuardedBody<B> {
        GuardedBody { body, _held: self }
    }
}

impl<S> RequestStream<S> {
    /// A connection of which `ahead` was read: its first request has begun.
    pub(crate) fn new(ahead: Vec<u8>, stream: S, under_way: UnderWay, settings: LiveSettings) -> Self {
        let alarm = Box::pin(sleep(settings.now().request_timeout));
        let (boundary, state, taken, cleared, scanned) = (Boundary::new(), StreamState::Opening, 0, 0, 0);
        Self { stream, ahead, taken, cleared, scanned, boundary, under_way, state, alarm, settings }
    }

    /// Looks which request it is at. Whether one is under way.
    fn look(&mut self) -> bool {
        let begun = self.under_way.take_begun();
        let is_busy = self.under_way.is_any();
        if let Some(framing) = begun {
            self.boundary.begin_body(framing);
        }
        if matches!(self.state, StreamState::Over | StreamState::Left) {
            return is_busy;
        }
        if is_busy || begun.is_some() {
            self.state = StreamState::Busy;
        }
        if !is_busy && self.state == StreamState::Busy {
            let is_silent = self.ahead.is_empty() && self.boundary.is_between();
            let (state, patience) = match is_silent {
                true => (StreamState::Silent, self.settings.now().silence_max()),
                false => (StreamState::Opening, self.settings.now().request_timeout),
            };
            self.enter(state, patience);
        }
        is_busy
    }

    fn enter(&mut self, state: StreamState, patience: Duration) {
        self.state = state;
        self.alarm.as_mut().reset(Instant::now() + patience);
    }

    /// Goes through what was read and was not looked at, as far as it is of the same head or body. A head is cleared when it
    /// is whole and will do.
    fn scan(&mut self) {
        let was_in_body = self.boundary.is_in_body();
        self.scanned += self.boundary.take(&self.ahead[self.scanned..]);
        let head = &self.ahead[self.taken..self.scanned];
        if self.boundary.is_lost() {
            self.state = StreamState::Over;
        } else if was_in_body {
            self.cleared = self.scanned;
        } else if head.len() >= HEAD_LEN_MAX {
            self.refuse(head::too_long(head));
        } else if self.boundary.is_head_whole() {
            match head::judge(head) {
                None => self.cleared = self.scanned,
                Some(problem) => self.refuse(problem),
            }
        }
    }

    /// What came is no request: a request of ours stands for it, and nothing is read behind it.
    fn refuse(&mut self, problem: Problem) {
        // There is one at the most: nothing is looked at after it.
        let _ = self.under_way.0.fault.set(problem);
        self.ahead = STAND_IN.to_vec();
        (self.taken, self.cleared, self.scanned) = (0, STAND_IN.len(), STAND_IN.len());
        self.state = StreamState::Over;
    }

    /// Hands on what is cleared.
    fn hand_on(&mut self, into: &mut ReadBuf<'_>) {
        let end = self.cleared.min(self.taken + into.remaining());
        into.put_slice(&self.ahead[self.taken..end]);
        self.taken = end;
        if self.taken == self.ahead.len() {
            // An idle connection keeps no buffer.
            self.ahead = Vec::new();
            (self.taken, self.cleared, self.scanned) = (0, 0, 0);
        }
    }
}

impl<S: AsyncRead + Unpin> RequestStream<S> {
    /// Reads more. What is of a body is `into` right away, all else is kept. `Some(Ready)`: that is what there is to say.
    fn read_more(
        &mut self,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        waits: bool,
    ) -> Poll<Option<io::Result<()>>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(context, into));
        let come = &into.filled()[before..];
        if read.is_err() || come.is_empty() {
            return Poll::Ready(Some(read));
        }
        let is_of_body = !waits && self.ahead.is_empty() && self.boundary.is_in_body();
        let len = if is_of_body { self.boundary.take(come) } else { 0 };
        // Of a body whose end cannot be found nothing is the service's: to it that body broke off.
        let len = if self.boundary.is_lost() { 0 } else { len };
        self.ahead.extend_from_slice(&come[len..]);
        into.set_filled(before + len);
        if self.boundary.is_lost() {
            self.state = StreamState::Over;
        } else if self.state == StreamState::Silent {
            self.enter(StreamState::Opening, self.settings.now().request_timeout);
        }
        if is_of_body {
            return Poll::Ready(Some(Ok(())));
        }
        if !waits {
            self.scan();
        }
        Poll::Ready(None)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for RequestStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_busy = this.look();
        // What comes behind a request has to wait; then all that can be read is the end.
        let waits = is_busy && !this.boundary.is_in_body();
        if !waits && this.state != StreamState::Over && this.scanned < this.ahead.len() {
            this.scan();
        }
        loop {
            if this.taken < this.cleared {
                this.hand_on(into);
                return Poll::Ready(Ok(()));
            }
            if matches!(this.state, StreamState::Over | StreamState::Left) {
                // An end would take the answer with it that says what was wrong.
                let is_answered = is_busy && this.under_way.fault().is_some();
                return if is_answered { Poll::Pending } else { Poll::Ready(Ok(())) };
            }
            if waits && !this.ahead.is_empty() {
                return Poll::Pending;
            }
            match this.read_more(context, into, waits) {
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                // Whoever waits is woken when the request is over.
                Poll::Ready(None) if waits => return Poll::Pending,
                Poll::Ready(None) => {}
                Poll::Pending if is_busy => return Poll::Pending,
                Poll::Pending => {
                    ready!(this.alarm.as_mut().poll(context));
                    match this.state {
                        // Empty lines may stand before a request, and are none.
                        StreamState::Opening if !this.ahead.is_empty() && !this.boundary.is_between() => {
                            this.refuse(too_slow(this.settings.now().request_timeout))
                        }
                        // As if the client had said that it says no more: then all ends in good order.
                        _ => this.state = StreamState::Over,
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RequestStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Whoever is told that what he said is no request may still be saying it: a close with bytes unread would cut that off.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_broken = this.under_way.fault().is_some() || this.boundary.is_lost();
        if !is_broken {
            return Pin::new(&mut this.stream).poll_shutdown(context);
        }
        if this.state != StreamState::Left {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.state = StreamState::Left;
            this.alarm.as_mut().reset(Instant::now() + CLASSIC_LINGER);
        }
        let mut rest = [0; REST_LEN];
        for _ in 0..REST_READS_MAX {
            let mut rest = ReadBuf::new(&mut rest);
            match Pin::new(&mut this.stream).poll_read(context, &mut rest) {
                Poll::Ready(Ok(())) if !rest.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return this.alarm.as_mut().poll(context).map(Ok),
            }
        }
        // More than anybody says who waits for an answer.
        Poll::Ready(Ok(()))
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for GuardedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body in chunks, of which nobody knows the length before; no length of one that could come is that.
const CHUNKED: u64 = u64::MAX;

/// The request that stands for what is none. Its answer is the last one.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// Bytes that are thrown away at once of what comes behind the end.
const REST_LEN: usize = 4_096;
/// How often that is done in a row.
const REST_READS_MAX: usize = 1_024;
