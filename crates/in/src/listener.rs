//! Accepting connections, serving HTTP on them, and ending in good order.
//!
//! hyper is driven directly and not through `axum::serve`, which knows no limit of connections and
//! no timeout for a head.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use access::Key;
use axum::body::Body;
use axum::{Extension, Router};
use codec::http2;
use dialect::Classic;
use exchange::Exchange;
use exchange::limits::FOLLOW_PAUSE;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tls::Server;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::debug;

use crate::acceptor::Acceptors;
use crate::caller::CertifiedKey;
use crate::dialects::{self, DialectState, InDialects, Opener};
use crate::fast_path;
use crate::handover::{Handover, Memories, Pause};
use crate::handshake::{SecureStream, refuse_tls, secure};
use crate::limits::{CLASSIC_LINGER, HEAD_LEN_MAX, TICK};
use crate::peer::{PEER, TaskPeer};
use crate::proxy::read_header;
use crate::request_stream::{RequestStream, UnderWay};
use crate::routes::ROUTES;
use crate::settings::LiveSettings;
use crate::socket::{Socket, Stream};
use crate::sources::{StoreLine, WaitLine};
use crate::state::InLine;
use crate::transaction;
use crate::wire::{self, is_tls};

/// One address of the IN line.
#[derive(Debug)]
pub struct InListener {
    /// The socket, which listens.
    pub socket: Socket,
    /// The dialect of old that is understood there.
    pub classic: Classic,
    /// What it shows clients of TLS, the newest; `None`: it speaks plain HTTP.
    pub tls: Option<watch::Receiver<Server>>,
}

/// Serves the IN line until `shutdown` is done; then finishes the requests under way, for a second at
/// the most. Meanwhile the exchange does what is due. `wait` is what `/stats`,
/// `/metrics` and `/demo` tell of the WAIT line, `store` what is known of the store, if there is one.
/// `settings` may change while the line serves.
/// Through `dialects` comes what is set anew about those: connections that come later go by it. By `handover` another program goes on
/// in the place of this one, or this one has gone on in that of another.
pub async fn serve(
    listeners: Vec<InListener>,
    settings: LiveSettings,
    exchange: Arc<Exchange>,
    mut wait: WaitLine,
    store: Option<StoreLine>,
    dialects: Option<watch::Receiver<Arc<InDialects>>>,
    handover: Handover,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let notices = wait.notices.take();
    let dialects = DialectState::new(&settings.now().dialects, dialects);
    let line = Arc::new(InLine::new(ROUTES, exchange, settings, wait, store, dialects));
    let Handover { before, mut pauses } = handover;
    before.give(&line.idempotency, &line.sign_ins);
    let mut tasks = JoinSet::new();
    tasks.spawn(housekeeping(Arc::clone(&line)));
    tokio::spawn(following_settings(Arc::clone(&line)));
    tasks.spawn(ringing(Arc::clone(&line)));
    tasks.spawn(answering(Arc::clone(&line)));
    if let Some(notices) = notices {
        tasks.spawn(waking_followers(Arc::clone(&line), notices));
    }
    let listeners: Vec<_> = listeners.into_iter().map(Arc::new).collect();
    let mut shutdown = pin!(shutdown);
    loop {
        let mut acceptors = Acceptors::begin(&line, &listeners);
        let pause = select! {
            () = shutdown.as_mut() => None,
            Some(broken) = tasks.join_next() => return broken.unwrap_or_else(|panic| Err(io::Error::other(panic))),
            broken = acceptors.broken() => return broken,
            pause = next_pause(&mut pauses) => Some(pause),
        };
        let Some(Pause { still, go_on }) = pause else {
            line.drain();
            acceptors.end(&line).await;
            return Ok(());
        };
        line.end_connections();
        acceptors.end(&line).await;
        let _ = still.send(Memories::of(&line.idempotency, &line.sign_ins));
        // Where another program goes on, nobody says so any more: this one ends.
        let _ = go_on.await;
        line.connections.go_on();
    }
}

/// Who is next to have the line stand still.
async fn next_pause(pauses: &mut Option<mpsc::Receiver<Pause>>) -> Pause {
    if let Some(pauses) = pauses
        && let Some(pause) = pauses.recv().await
    {
        return pause;
    }
    pending().await
}

/// Does what is due, a few times a second.
async fn housekeeping(line: Arc<InLine>) -> io::Result<()> {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        line.exchange.admin().tick();
        line.idempotency.tick(line.exchange.now());
        line.sign_ins.tick(line.exchange.now());
    }
}

/// Takes other settings when there are some.
async fn following_settings(line: Arc<InLine>) {
    let mut settings = line.settings.clone();
    while settings.changed().await {
        line.take_settings();
    }
}

/// Wakes the shards that were given something.
async fn ringing(line: Arc<InLine>) -> io::Result<()> {
    line.flusher.serve(line.publisher()).await
}

/// Wakes publishers whose messages the store has: all of a commit in one turn.
async fn answering(line: Arc<InLine>) -> io::Result<()> {
    loop {
        let answered = poll_fn(|context| line.exchange.publisher().poll_answered(context)).await;
        answered.into_iter().for_each(Waker::wake);
        yield_now().await;
    }
}

/// Wakes those who follow the order, when something was written that there is more.
async fn waking_followers(line: Arc<InLine>, notices: OwnedFd) -> io::Result<()> {
    // An eventfd is read as a pipe is.
    let notices = pipe::Receiver::from_owned_fd_unchecked(notices)?;
    loop {
        notices.readable().await?;
        // How often it was written does not matter.
        if notices.try_read(&mut [0; 8]).is_err() {
            continue;
        }
        line.exchange.admin().wake_followers();
        sleep(FOLLOW_PAUSE).await;
        while line.exchange.admin().followers_go_on() {
            line.exchange.admin().wake_followers();
            sleep(FOLLOW_PAUSE).await;
        }
    }
}

/// Serves one connection, of whomever it is.
pub(crate) async fn connection(
    line: Arc<InLine>,
    mut stream: impl Stream,
    tls: Option<Server>,
    classic: Classic,
    _room: OwnedSemaphorePermit,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let begins_with_header = |peer: &TaskPeer| line.settings().proxies.begin_with_header(peer.address.ip());
    if !PEER.try_with(begins_with_header).unwrap_or_default() {
        return secured(line, stream, tls, classic, router, stopped).await;
    }
    let header = select! {
        header = timeout(line.settings().request_timeout, read_header(&mut stream)) => header,
        _ = stopped.changed() => return,
    };
    match header {
        Ok(Ok(Some(address))) => {
            let source = TaskPeer { address, is_anybody: false };
            PEER.scope(source, secured(line, stream, tls, classic, router, stopped)).await;
        }
        Ok(Ok(None)) => secured(line, stream, tls, classic, router, stopped).await,
        Ok(Err(error)) => {
            line.counters.proxy_faults.add();
            debug!(%error, "a proxy does not begin with a header of the PROXY protocol");
        }
        Err(_) => line.counters.proxy_faults.add(),
    }
}

/// Serves one connection whose client is known, through TLS or not.
async fn secured(
    line: Arc<InLine>,
    stream: impl Stream,
    tls: Option<Server>,
    classic: Classic,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let Some(server) = tls else { return talk(line, stream, None, classic, router, stopped).await };
    let secured = select! {
        secured = secure(&line, stream, &server) => secured,
        _ = stopped.changed() => return,
    };
    if let Some(SecureStream { stream, key }) = secured {
        talk(line, stream, key, classic, router, stopped).await;
    }
}

/// Serves one connection, in whatever words; told to stop, it answers the request under way and ends. `key` is the
/// one for which the client's certificate stands.
async fn talk(
    line: Arc<InLine>,
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    key: Option<Arc<Key>>,
    classic: Classic,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let _told = dialects::opened(classic);
    let read = match dialects::begin(&line, &mut stream, classic, stopped.clone()).await {
        Opener::Http(read) => fast_path::serve(&line, &mut stream, read, key.as_ref(), &mut stopped).await,
        Opener::Done => None,
    };
    let Some(read) = read else {
        // Through TLS this says that nothing was cut off; whoever does not take it is not waited for.
        let _ = timeout(CLASSIC_LINGER, stream.shutdown()).await;
        return;
    };
    if is_tls(&read) {
        return refuse_tls(&line);
    }
    if http2::begins(&read) == Some(true) {
        line.counters.http2.add();
        return wire::answer(&line, &mut stream, &http2::refusal()).await;
    }
    serve_http(&line, read, stream, key, router, stopped).await;
}

/// Serves HTTP on a connection of which this was read, until it ends or is told to.
async fn serve_http(
    line: &InLine,
    read: Vec<u8>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    key: Option<Arc<Key>>,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let router = match key {
        Some(key) => router.layer(Extension(CertifiedKey(key))),
        None => router,
    };
    let under_way = UnderWay::default();
    let stream = RequestStream::new(read, stream, under_way.clone(), line.settings.clone());
    let service = TowerToHyperService::new(router);
    let counted = under_way.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let fault = counted.fault().map(|problem| transaction::refuse(line, problem));
        let (asked, answered) = (counted.begin(request.body()), counted.hold());
        let serve = || service.call(request.map(|body| Body::new(asked.with(body))));
        let answer = fault.map_or_else(|| ControlFlow::Continue(serve()), ControlFlow::Break);
        async move {
            let answer = match answer {
                ControlFlow::Break(refused) => Ok(refused),
                ControlFlow::Continue(answer) => answer.await,
            };
            answer.map(|answer| answer.map(|body| answered.with(body)))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_LEN_MAX).pipeline_flush(true);
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = loop {
        select! {
            ended = served.as_mut() => break ended,
            () = under_way.over() => {}
            _ = stopped.changed() => {
                served.as_mut().graceful_shutdown();
                break served.await;
            }
        }
    };
    if let Err(error) = ended {
        debug!(%error, "connection ended early");
    }
}
