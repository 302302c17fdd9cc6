//! The lines of Realplexor on this listener: a message is what stands behind the first blank line of whatever
//! a publisher sends before it ends the connection; a marker somewhere in it names the ids.
//!
//! A publisher who speaks HTTP and says how long the body is need not end anything: what is counted is
//! published as soon as it is whole, and answered. Questions are answered on the same line.

mod connection_log;
mod password_checks;
mod replies;
mod settings;
mod stats;

use std::sync::Arc;

use axum::http::{HeaderValue, Version, header as names};
use codec::http::loose::{head_len, header};
use codec::http2;
use dialect::hub::Publish;
use dialect::hub::limits::TARGETS_MAX;
use dialect::realplexor::{self, Command, Found, Item, List, Reading, RequestForm, behind_blank_line};
use dialect::{Claim, Code, Problem};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::select;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

pub(super) use settings::RealplexorState;

pub(crate) use connection_log::ConnectionLog;
pub use settings::RealplexorIn;

use crate::admission::{self, Patience};
use crate::proxy::on_behalf;
use crate::routes::PREFIXES;
use crate::state::InLine;
use crate::wire::{answer, linger, read, refusal};
use crate::{guard, placement};

use super::{Opener, header_map};
use connection_log::tell;

/// Reads until it is known whose words they are, and serves those of Realplexor. Told to stop, it serves
/// whoever has begun to speak.
pub(super) async fn begin(
    line: &InLine,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut stopped: watch::Receiver<()>,
) -> Opener {
    let started = Instant::now();
    let settings = Arc::clone(&line.dialects.settings.borrow().realplexor);
    let mut talk =
        RawTalk { settings: Arc::clone(&settings), bytes: Vec::new(), classic: false, admitted: false };
    let (mut ended, mut continued) = (false, false);
    loop {
        if http2::begins(&talk.bytes) == Some(true) {
            return Opener::Http(talk.bytes);
        }
        let is_over = talk.bytes.len() > settings.limit;
        let step = match talk.step(line, ended).await {
            NextStep::More if is_over => NextStep::Overflow,
            NextStep::More if ended => NextStep::Say(Vec::new()),
            step => step,
        };
        match step {
            NextStep::More => {}
            NextStep::Continue if continued => {}
            NextStep::Continue => {
                continued = true;
                if stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
                    return Opener::Done;
                }
            }
            NextStep::Http => return Opener::Http(talk.bytes),
            NextStep::Overflow => {
                overflow(line, stream, &talk).await;
                return Opener::Done;
            }
            NextStep::Say(bytes) => {
                answer(line, stream, &bytes).await;
                return Opener::Done;
            }
        }
        let patience = if talk.classic { settings.timeout } else { line.settings().request_timeout };
        let more = select! {
            more = timeout_at(started + patience, read(stream, &mut talk.bytes)) => more,
            _ = stopped.changed(), if talk.bytes.is_empty() => return Opener::Done,
        };
        match more {
            Ok(Some(0)) if talk.bytes.is_empty() => return Opener::Done,
            Ok(Some(0)) => ended = true,
            Ok(Some(len)) => tell(|| format!("DEBUG: read {len} bytes")),
            Ok(None) => return Opener::Done,
            Err(_) => {
                tell(|| "DEBUG: timeout".to_owned());
                if talk.classic {
                    line.counters.classic_timeouts.add();
                }
                return Opener::Done;
            }
        }
    }
}

/// Says that it is too long, to whoever takes an answer.
async fn overflow(line: &InLine, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), talk: &RawTalk) {
    let (bytes, limit) = (&talk.bytes, talk.settings.limit);
    line.counters.classic_overflows.add();
    debug!(bytes = bytes.len(), "classic message was too long");
    tell(|| format!("ERROR: overflow (received {} bytes total)", bytes.len()));
    if RequestForm::of(bytes, limit).is_http() {
        answer(line, stream, &refusal(&too_long(limit))).await;
    } else {
        linger(stream).await;
    }
}

/// A connection in the words of Realplexor.
struct RawTalk {
    /// What was set when it came.
    settings: Arc<RealplexorIn>,
    bytes: Vec<u8>,
    /// Its words are known to be classic ones.
    classic: bool,
    /// Its credentials, or that it has none, were looked at.
    admitted: bool,
}

/// What is to be done next.
enum NextStep {
    /// Nothing: more has to come.
    More,
    /// Nothing, but the publisher waits to be told to go on.
    Continue,
    /// Hand it to the service.
    Http,
    /// It is too long.
    Overflow,
    /// Say this, and end the connection.
    Say(Vec<u8>),
}

impl RawTalk {
    /// Looks at all that came; `ended`: nothing more does.
    async fn step(&mut self, line: &InLine, ended: bool) -> NextStep {
        let settings = &self.settings;
        match realplexor::whose(&self.bytes, &PREFIXES, None, &settings.marker) {
            Some(Claim::Ours) => return NextStep::Http,
            None if !ended => return NextStep::More,
            None | Some(Claim::Theirs) => {}
        }
        match RequestForm::of(&self.bytes, settings.limit) {
            RequestForm::Open if !ended => NextStep::More,
            RequestForm::Http(method) => {
                let posts = method == b"POST";
                self.step_http(line, ended, posts).await
            }
            RequestForm::Open | RequestForm::Raw => self.step_raw(line, ended).await,
        }
    }

    async fn step_raw(&mut self, line: &InLine, ended: bool) -> NextStep {
        self.classic = true;
        let found = self.settings.marker.find(&self.bytes, Reading { ended, ..Reading::RAW });
        let list = match found {
            Found::List(list) => Some(list),
            Found::None => None,
            Found::More => return NextStep::More,
        };
        if let Some(list) = &list
            && let Err(refusal) = self.admit(line, Some(list)).await
        {
            return NextStep::Say(refusal);
        }
        if let Some(command) = realplexor::command(&self.bytes, ended) {
            return self.run(line, &command, list.as_ref()).await;
        }
        if !ended {
            return NextStep::More;
        }
        let start = behind_blank_line(&self.bytes).unwrap_or(self.bytes.len());
        // A publisher of old learns nothing but that the connection ends.
        if let Err(problem) = publish(line, list.as_ref(), &self.bytes[start..]).await {
            debug!(why = problem.code.name(), "classic message was not published");
        }
        NextStep::Say(Vec::new())
    }

    async fn step_http(&mut self, line: &InLine, ended: bool, posts: bool) -> NextStep {
        let Some(head_len) = head_len(&self.bytes) else {
            if ended {
                line.counters.classic_lost.add();
            }
            return NextStep::More;
        };
        let (head, body) = self.bytes.split_at(head_len);
        let length = match length(head) {
            Ok(length) => length,
            Err(problem) => return refused(line, &problem),
        };
        let whole = length.is_some_and(|length| body.len() >= length);
        let body = &body[..length.unwrap_or(body.len()).min(body.len())];
        let reading = Reading { ended: whole || ended, decodes: true, query: false };
        let marker = &self.settings.marker;
        let list = match marker.find(&self.bytes[..head_len + body.len()], reading) {
            Found::List(list) => Some(list),
            // Whoever asks for something else is told by the service what there is.
            Found::None if !posts && length.unwrap_or(0) == 0 => return NextStep::Http,
            Found::None | Found::More => None,
        };
        self.classic = true;
        if let Err(problem) = guarded(head, &line.settings().hosts) {
            return refused(line, &problem);
        }
        if length.is_some_and(|length| head_len.saturating_add(length) > self.settings.limit) {
            return NextStep::Overflow;
        }
        let names_ids = list.as_ref().is_some_and(|list| !list.items.is_empty());
        let over = whole || ended;
        let command = if names_ids { None } else { realplexor::command(body, over) };
        let wants_more = !over && command.is_none();
        let goes_on = wants_more && body.is_empty() && expects(head);
        let body = head_len..head_len + body.len();
        if (list.is_some() || !wants_more)
            && let Err(refusal) = self.admit(line, list.as_ref()).await
        {
            return NextStep::Say(refusal);
        }
        if wants_more {
            return if goes_on { NextStep::Continue } else { NextStep::More };
        }
        if let Some(command) = command {
            return self.run(line, &command, list.as_ref()).await;
        }
        if ended && !whole && length.is_some() && !self.settings.partial {
            line.counters.classic_lost.add();
            let problem = Problem::bad(Code::Body, "the connection ended before the whole body came");
            return refused(line, &problem);
        }
        let published = publish(line, list.as_ref(), &self.bytes[body]);
        match on_behalf(line, &header_map(&self.bytes[..head_len]), published).await {
            Ok(()) => NextStep::Say(replies::PUBLISHED.to_vec()),
            Err(problem) => refused(line, &problem),
        }
    }

    /// Checks the credentials, or that there are none, once.
    async fn admit(&mut self, line: &InLine, list: Option<&List>) -> Result<(), Vec<u8>> {
        if self.admitted {
            return Ok(());
        }
        self.admitted = true;
        if let Some(list) = list {
            tell(|| format!("DEBUG: {}", connection_log::parsed(list)));
        }
        let users = &self.settings.users;
        let allowed = match list.and_then(|list| list.credentials.clone()) {
            None => users.guest(),
            Some(credentials) => match users.known(&credentials.login, &credentials.password) {
                Some(known) => known,
                None => {
                    // Some hashes are made to take long, which others must not wait for.
                    let Some(turn) =
                        line.dialects.realplexor.password_checks.turn(line.settings().address_prefix).await
                    else {
                        line.counters.refused(BUSY.0);
                        return Err(refusal(&Problem::new(503, BUSY.0, BUSY.1)));
                    };
                    let users = Arc::clone(users);
                    // The turn lasts until it is checked, even if the client does not.
                    let check = move || (users.check(&credentials.login, &credentials.password), turn);
                    let (checked, _turn) = spawn_blocking(check).await.map_err(|_| Vec::new())?;
                    checked
                }
            },
        };
        allowed.map_err(|why| {
            line.counters.refused(Code::Credentials);
            tell(|| format!("ERROR: {why}"));
            replies::denied(&why.to_string())
        })
    }

    /// Answers a question.
    async fn run(&mut self, line: &InLine, command: &Command, list: Option<&List>) -> NextStep {
        if let Err(refusal) = self.admit(line, list).await {
            return NextStep::Say(refusal);
        }
        let login = list.and_then(|list| list.credentials.as_ref()).map(|credentials| &*credentials.login);
        tell(|| format!("DEBUG: received aux command: {}", command.name()));
        NextStep::Say(replies::run(line, command, login).await.unwrap_or_default())
    }
}

/// Publishes a message to those ids of a list that its login owns.
async fn publish(line: &InLine, list: Option<&List>, data: &[u8]) -> Result<(), Problem> {
    let Some(list) = list else {
        line.counters.classic_unnamed.add();
        return Err(Problem::bad(
            Code::ChannelList,
            "the request names no id; put identifier=ID into a header",
        ));
    };
    if data.is_empty() {
        line.counters.classic_lost.add();
        tell(|| "DEBUG: passed empty HTTP body, ignored".to_owned());
        return Err(Problem::bad(Code::Body, "the message is empty, which no client could read; send JSON"));
    }
    let own = list.credentials.as_ref().map(|credentials| format!("{}_", credentials.login));
    let limiters: Vec<&str> = list.items.iter().filter(|item| item.star).map(|item| &*item.id).collect();
    let payload = realplexor::payload(&limiters, data);
    let owned = |id: &str| own.as_ref().is_none_or(|own| id.starts_with(&**own));
    let (items, others): (Vec<_>, Vec<_>) =
        list.items.iter().filter(|item| !item.star).partition(|item| owned(&item.id));
    if let Some(credentials) = &list.credentials {
        for Item { id, .. } in others {
            tell(|| format!("DEBUG: skipping not owned [{id}] for login {}", credentials.login));
        }
    }
    for items in items.chunks(TARGETS_MAX) {
        admission::message(line, None).map_err(|refusal| refusal.problem().clone())?;
        let publish = Publish {
            channels: items.iter().map(|item| item.id.clone()).collect(),
            aliases: items.iter().map(|item| item.cursor.clone().unwrap_or_default()).collect(),
            payload: payload.clone(),
            ttl: None,
        };
        let published = match placement::quietly(line, publish, None, &mut Patience::default()).await {
            Ok(receipt) => placement::released(receipt).await,
            Err(refusal) => Err(refusal),
        };
        match published {
            Ok(_) => {
                line.counters.published.add();
                let ids = || items.iter().map(|item| &*item.id).collect::<Vec<_>>().join(",");
                tell(|| format!("DEBUG: added data for [{}]", ids()));
            }
            Err(refusal) => {
                line.counters.classic_lost.add();
                return Err(refusal.problem().clone());
            }
        }
    }
    Ok(())
}

fn refused(line: &InLine, problem: &Problem) -> NextStep {
    line.counters.requests.add();
    line.counters.refused(problem.code);
    NextStep::Say(refusal(problem))
}

/// How long the body is said to be.
fn length(head: &[u8]) -> Result<Option<usize>, Problem> {
    if header(head, "transfer-encoding").is_some() {
        let why = "a body in chunks is not understood here; send Content-Length";
        return Err(Problem::new(411, Code::Body, why));
    }
    let Some(text) = header(head, "content-length") else { return Ok(None) };
    let length = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Problem::bad(Code::Body, "Content-Length is no number of bytes"))
}

/// Whether the publisher waits to be told to go on.
fn expects(head: &[u8]) -> bool {
    header(head, "expect").is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"))
}

/// A web page must not publish. One is known by what its browser adds; publishers of old call this line by
/// whatever name it has, and say nothing else of themselves.
fn guarded(head: &[u8], hosts: &[String]) -> Result<(), Problem> {
    let map = header_map(head);
    let agent = map.get(names::USER_AGENT).map(HeaderValue::as_bytes).unwrap_or_default();
    let pages = ["origin", "referer", "sec-fetch-site", "sec-fetch-mode"];
    if pages.iter().any(|name| map.contains_key(*name)) || guard::is_browser(agent) {
        guard::check(Version::HTTP_10, None, &map, hosts, false)?;
    }
    guard::check_page(&map)
}

/// What somebody is told whose password could not be looked at in time.
const BUSY: (Code, &str) = (
    Code::PasswordBusy,
    "passwords that come from one address are checked one after the other, and too many wait; try again soon",
);

fn too_long(limit: usize) -> Problem {
    Problem::new(
        413,
        Code::Payload,
        format!("the request has more than {limit} bytes; send less, or set more"),
    )
}

#[cfg(test)]
mod tests;
