//! `GET /watch`: who comes online and who goes, as it happens, and which users join and leave; as SSE, one object a line, or a long
//! poll.
//!
//! It is a view of the hub's order, so a watcher resumes by cursor like any other reader, and is told when not all it missed is
//! there.

mod encoding;
mod source;

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use dialect::hub::{Position, Start};
use dialect::native::{heartbeat, is_last_event_id, last_event_id, since};
use dialect::{Code, Problem};
use hyper::body::Frame;
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::caller::Requester;
use crate::limits::{WATCH_CHUNKS_MAX, WATCH_PAGE, WATCH_RETRY};
use crate::query::read_number;
use crate::response::{ErrorResponse, excerpt, json_text};
use crate::state::InLine;
use encoding::WatchEncoding;
use source::{WatchPage, WatchSource};

/// Tells the changes after the start that is asked for, and those to come.
pub(crate) async fn watch(
    State(line): State<Arc<InLine>>,
    request: Request,
) -> Result<Response, ErrorResponse> {
    let asked = WatchQuery::read(&line, request.uri().query().unwrap_or_default(), request.headers())?;
    let caller = Requester::of(&line, request.extensions())?;
    let most = line.settings().heartbeat;
    let heartbeat = asked.heartbeat.map_or(most, |time| time.min(most));
    let source = WatchSource::new(&line, asked.users, asked.start);
    let watcher = Watcher { line, caller, heartbeat, prefix: asked.prefix, source };
    let Some(encoding) = asked.encoding else {
        return Ok(json_text(poll(watcher).await));
    };
    let (sender, chunks) = mpsc::channel(WATCH_CHUNKS_MAX);
    tokio::spawn(async move {
        let ended = sender.clone();
        // The watcher that is gone needs no more.
        select! {
            _ = talk(watcher, encoding, sender) => {}
            () = ended.closed() => {}
        }
    });
    let headers = [(header::CONTENT_TYPE.as_str(), encoding.content_type()), ("x-accel-buffering", "no")];
    Ok((headers, Body::new(Fed(chunks))).into_response())
}

/// What is asked of the watch.
struct WatchQuery {
    prefix: String,
    /// Of users, too.
    users: bool,
    start: Start,
    /// How long a stream is silent at most, where the watcher says it.
    heartbeat: Option<Duration>,
    /// `None`: a long poll.
    encoding: Option<WatchEncoding>,
}

impl WatchQuery {
    fn read(line: &InLine, query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let cursors = line.exchange.cursors();
        let (mut prefix, mut transport, mut from, mut tail) = (String::new(), None, None, None);
        let (mut asked_id, mut beats, mut users) = (None, None, false);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "prefix" => prefix = value.into_owned(),
                "transport" => transport = Some(value),
                // A client's template has nothing to put there before its first answer.
                "since" | "tail" | "heartbeat" if value.is_empty() => {}
                "since" => from = Some(since(&value, cursors, line.exchange.now())?),
                name if is_last_event_id(name) && !value.is_empty() => {
                    asked_id = Some(last_event_id(value.as_bytes(), cursors));
                }
                "heartbeat" => beats = Some(heartbeat(&value)?),
                "users" => users = read_number("users", &value, 0, 1)? == 1,
                "tail" => tail = Some(Start::Tail(read_number("tail", &value, 0, u32::MAX)?)),
                _ => {}
            }
        }
        let last_id = headers.get("last-event-id").filter(|id| !id.is_empty());
        let last_id = last_id.map(|id| last_event_id(id.as_bytes(), cursors));
        let start = last_id.or(asked_id).or(from).or(tail).unwrap_or(Start::Now);
        Ok(Self {
            prefix,
            users,
            start,
            heartbeat: beats,
            encoding: encoding(transport.as_deref(), headers)?,
        })
    }
}

/// `?transport=` overrides what `Accept` says.
fn encoding(transport: Option<&str>, headers: &HeaderMap) -> Result<Option<WatchEncoding>, Problem> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let accept = accept.to_ascii_lowercase();
    match transport {
        Some("sse") => Ok(Some(WatchEncoding::Sse)),
        Some("stream") => Ok(Some(WatchEncoding::Lines)),
        Some("poll") => Ok(None),
        Some(other) => {
            let other = excerpt(other);
            Err(Problem::bad(Code::Transport, format!("transport is {other:?}; give sse, stream or poll")))
        }
        None if accept.contains("text/event-stream") => Ok(Some(WatchEncoding::Sse)),
        None if accept.contains("application/x-ndjson") => Ok(Some(WatchEncoding::Lines)),
        None => Ok(None),
    }
}

/// Somebody who watches.
struct Watcher {
    line: Arc<InLine>,
    caller: Requester,
    heartbeat: Duration,
    prefix: String,
    source: WatchSource,
}

impl Watcher {
    /// What comes next, by whatever name.
    fn read(&mut self) -> WatchPage {
        self.source.read(WATCH_PAGE)
    }

    fn keep_wanted(&self, page: &mut WatchPage) {
        let is_live = self.caller.is_live(&self.line);
        let is_wanted =
            |name: &str| is_live && name.starts_with(&*self.prefix) && self.caller.sees(&self.line, name);
        page.items.retain(|item| source::channel_of(item).is_some_and(is_wanted));
    }

    /// Whether there is no more to be told: the program ends, or whoever watches has signed out.
    fn ends(&self) -> bool {
        self.line.connections.are_draining() || !self.caller.is_live(&self.line)
    }

    /// Done when something changed after `position`, or at the deadline, or when it may be that there is no more to be
    /// told.
    async fn changed(&self, position: Position, deadline: Instant) {
        if self.ends() {
            return;
        }
        let ends = self.caller.lasts(&self.line).and_then(|lasts| Instant::now().checked_add(lasts));
        let until = ends.map_or(deadline, |ends| ends.min(deadline));
        // What it is done for is seen by whoever looks again.
        let _ = timeout_at(until, self.source.more(position)).await;
    }
}

/// Waits until there is something to tell, or time is over, and tells it as one document.
async fn poll(mut watcher: Watcher) -> Vec<u8> {
    let deadline = Instant::now() + watcher.line.settings().poll_timeout;
    loop {
        let mut page = watcher.read();
        watcher.keep_wanted(&mut page);
        let tells = !page.items.is_empty() || page.gap;
        if tells || Instant::now() >= deadline || watcher.ends() {
            return encoding::document(&page, watcher.line.exchange.cursors());
        }
        if page.more {
            yield_now().await;
        } else {
            watcher.changed(page.position, deadline).await;
        }
    }
}

/// Tells everything as it comes, until the program ends or nobody takes it any more.
async fn talk(
    mut watcher: Watcher,
    encoding: WatchEncoding,
    sender: mpsc::Sender<Bytes>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    let cursors = watcher.line.exchange.cursors();
    let mut page = watcher.read();
    let begin = page.items.first().map_or(page.position, |first| first.position().before());
    let mut out = Vec::new();
    encoding.open(begin, page.gap, spread(WATCH_RETRY), cursors, &mut out);
    page.gap = false;
    let mut silent_until = Instant::now() + spread(watcher.heartbeat);
    loop {
        watcher.keep_wanted(&mut page);
        encoding.page(&page, cursors, &mut out);
        // Changes that are not wanted, or not for whoever watches, are no sign of life.
        if out.is_empty() && Instant::now() >= silent_until {
            encoding.cursor(page.position, cursors, &mut out);
        }
        if !out.is_empty() {
            sender.send(std::mem::take(&mut out).into()).await?;
            silent_until = Instant::now() + spread(watcher.heartbeat);
        }
        if watcher.ends() {
            return Ok(());
        }
        if page.more {
            yield_now().await;
        } else {
            watcher.changed(page.position, silent_until).await;
        }
        page = watcher.read();
    }
}

/// Somewhat less than this time, at random, so that watchers do not move in step.
fn spread(time: Duration) -> Duration {
    // Whoever makes a table gets keys of his own; they are random enough for this.
    let share = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or(u32::MAX);
    time - time.mul_f64(f64::from(share) / f64::from(u32::MAX) / 4.0)
}

/// A body that is fed chunk by chunk.
struct Fed(mpsc::Receiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.get_mut().0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
