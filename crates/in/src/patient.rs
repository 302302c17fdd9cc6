//! How long a connection of the service waits: for a request to begin, and for the rest of a head that has begun.
//! hyper knows one time for both, and reads ahead whatever comes; so it is given a head, then the body, and what comes
//! behind them when it has answered.
//!
//! While a request is answered nobody is waited for here: its body has a time of its own, and so has its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use codec::http::Framing;
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

use crate::boundary::Boundary;

/// Requests of a connection that are under way: that one is, or what is left of one that was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    over: Notify,
    /// What the last head that was read says of its body, until somebody looks: a length and 2, [`CHUNKED`], or 0.
    begun: AtomicU64,
}

/// One of them; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Held(UnderWay);

/// A body of a request that is under way as long as it lives.
#[derive(Debug)]
pub(crate) struct Holding<B> {
    body: B,
    _held: Held,
}

/// A connection whose end is told to the service when nobody has spoken for too long.
pub(crate) struct Patient<S> {
    stream: S,
    /// What was read and is not hyper's yet.
    ahead: Vec<u8>,
    /// Bytes of it that are.
    taken: usize,
    boundary: Boundary,
    under_way: UnderWay,
    state: State,
    alarm: Pin<Box<Sleep>>,
    request_timeout: Duration,
    silence_max: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A request is under way.
    Busy,
    /// None is, and nothing of the next one has come.
    Silent,
    /// Some of it has.
    Begun,
    /// It took too long.
    Over,
}

impl UnderWay {
    pub(crate) fn hold(&self) -> Held {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }

    /// The same, of a request whose head was read.
    pub(crate) fn begin(&self, body: &impl HttpBody) -> Held {
        let begun = body.size_hint().exact().map_or(CHUNKED, |len| len.saturating_add(2));
        self.0.begun.store(begun, Ordering::Relaxed);
        self.hold()
    }

    /// What comes behind a head that was read since this was asked the last time.
    fn take_begun(&self) -> Option<Framing> {
        match self.0.begun.swap(0, Ordering::Relaxed) {
            0 => None,
            CHUNKED => Some(Framing::Chunked),
            len => Some(Framing::Length(len - 2)),
        }
    }

    /// Waits until none is any more. Then the connection is to be looked at: hyper reads ahead while it answers, and would
    /// not ask again before something comes.
    pub(crate) async fn over(&self) {
        self.0.over.notified().await;
    }

    fn is_any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let shared = &self.0.0;
        if shared.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            shared.over.notify_one();
        }
    }
}

impl Held {
    pub(crate) fn with<B>(self, body: B) -> Holding<B> {
        Holding { body, _held: self }
    }
}

impl<S> Patient<S> {
    /// A connection of which `ahead` was read: its first request has begun.
    pub(crate) fn new(
        ahead: Vec<u8>,
        stream: S,
        under_way: UnderWay,
        request_timeout: Duration,
        silence_max: Duration,
    ) -> Self {
        let alarm = Box::pin(sleep(request_timeout));
        let boundary = Boundary::new();
        let state = State::Begun;
        Self { stream, ahead, taken: 0, boundary, under_way, state, alarm, request_timeout, silence_max }
    }

    /// Looks which request it is at. Whether one is under way.
    fn look(&mut self) -> bool {
        let begun = self.under_way.take_begun();
        let is_busy = self.under_way.is_any();
        if let Some(framing) = begun {
            self.boundary.begin_body(framing);
        }
        if is_busy || begun.is_some() {
            self.state = State::Busy;
        }
        if !is_busy && self.state == State::Busy {
            let is_silent = self.ahead.is_empty() && self.boundary.is_between();
            let (state, patience) = match is_silent {
                true => (State::Silent, self.silence_max),
                false => (State::Begun, self.request_timeout),
            };
            self.enter(state, patience);
        }
        is_busy
    }

    fn enter(&mut self, state: State, patience: Duration) {
        self.state = state;
        self.alarm.as_mut().reset(Instant::now() + patience);
    }

    /// Hands on what was read before, as far as it is of the same head or body.
    fn hand_on(&mut self, into: &mut ReadBuf<'_>) {
        let end = self.ahead.len().min(self.taken + into.remaining());
        let len = self.boundary.take(&self.ahead[self.taken..end]);
        into.put_slice(&self.ahead[self.taken..self.taken + len]);
        self.taken += len;
        if self.taken == self.ahead.len() {
            // An idle connection keeps no buffer.
            (self.ahead, self.taken) = (Vec::new(), 0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let is_busy = this.look();
        // What comes behind a request has to wait; then all that can be read is the end.
        let waits = is_busy && !this.boundary.is_in_body();
        if !this.ahead.is_empty() {
            if waits {
                return Poll::Pending;
            }
            this.hand_on(into);
            return Poll::Ready(Ok(()));
        }
        if this.state == State::Over {
            return Poll::Ready(Ok(()));
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(context, into) {
            let come = &into.filled()[before..];
            let len = if waits || come.is_empty() { 0 } else { this.boundary.take(come) };
            if read.is_err() || come.is_empty() {
                return Poll::Ready(read);
            }
            this.ahead = come[len..].to_vec();
            into.set_filled(before + len);
            if this.state == State::Silent {
                let patience = this.request_timeout;
                this.enter(State::Begun, patience);
            }
            // Whoever waits is woken when the request is over.
            return if waits { Poll::Pending } else { Poll::Ready(Ok(())) };
        }
        if !is_busy {
            ready!(this.alarm.as_mut().poll(context));
            // As if the client had said that it says no more: then all ends in good order.
            this.state = State::Over;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for Holding<B> {
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
