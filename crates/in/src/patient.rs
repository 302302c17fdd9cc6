//! How long a connection of the service waits: for a request to begin, and for the rest of a head that has begun.
//! hyper knows one time for both.
//!
//! While a request is answered nobody is waited for here: its body has a time of its own, and so has its answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};

/// Requests of a connection that are under way: that one is, or what is left of one that was answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnderWay(Arc<(AtomicUsize, Notify)>);

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
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Held(self.clone())
    }

    /// Waits until none is any more. Then the connection is to be looked at: hyper reads ahead while it answers, and would
    /// not ask again before something comes.
    pub(crate) async fn over(&self) {
        self.0.1.notified().await;
    }

    fn is_any(&self) -> bool {
        self.0.0.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (count, over) = &*self.0.0;
        if count.fetch_sub(1, Ordering::Relaxed) == 1 {
            over.notify_one();
        }
    }
}

impl Held {
    pub(crate) fn with<B>(self, body: B) -> Holding<B> {
        Holding { body, _held: self }
    }
}

impl<S> Patient<S> {
    /// A connection whose first request has begun.
    pub(crate) fn new(
        stream: S,
        under_way: UnderWay,
        request_timeout: Duration,
        silence_max: Duration,
    ) -> Self {
        let alarm = Box::pin(sleep(request_timeout));
        Self { stream, under_way, state: State::Begun, alarm, request_timeout, silence_max }
    }

    fn enter(&mut self, state: State, patience: Duration) {
        self.state = state;
        self.alarm.as_mut().reset(Instant::now() + patience);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.under_way.is_any() {
            self.state = State::Busy;
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        match self.state {
            State::Busy => {
                let patience = self.silence_max;
                self.enter(State::Silent, patience);
            }
            State::Over => return Poll::Ready(Ok(())),
            State::Silent | State::Begun => {}
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, into) {
            if self.state == State::Silent && into.filled().len() > before {
                let patience = self.request_timeout;
                self.enter(State::Begun, patience);
            }
            return Poll::Ready(read);
        }
        ready!(self.alarm.as_mut().poll(context));
        // As if the client had said that it says no more: then all ends in good order.
        self.state = State::Over;
        Poll::Ready(Ok(()))
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
