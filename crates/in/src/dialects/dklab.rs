//! The lines of 2009 on this listener: a message is whatever a publisher sends before it ends the
//! connection, and names its channels by a marker somewhere in it.
//!
//! The first bytes of a connection decide whose words they are, once. HTTP for a path of ours goes to the
//! ordinary service with all that was read; so does a whole request of HTTP in which there is no marker.
//! What is classic gets no answer, as ever, with one exception: a browser is told that it must not publish.

use axum::http::Version;
use codec::http::loose::{head_len, header, is_http, is_like_http};
use codec::http2;
use dialect::dklab::{self, is_id, whose};
use dialect::hub::Publish;
use dialect::hub::limits::TARGETS_MAX;
use dialect::{Claim, Problem};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::admission::{self, Patience};
use crate::guard;
use crate::placement;
use crate::proxy::on_behalf;
use crate::routes::PREFIXES;
use crate::state::InLine;
use crate::wire::{answer, is_tls, linger, read, refusal};

use super::{Opener, header_map};

/// Reads until it is known whose words they are, and serves those of 2009. Told to stop, it serves whoever
/// has begun to speak.
pub(super) async fn begin(
    line: &InLine,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut stopped: watch::Receiver<()>,
) -> Opener {
    let started = Instant::now();
    let mut bytes = Vec::new();
    loop {
        if is_tls(&bytes) {
            return Opener::Http(bytes);
        }
        let is_over = bytes.len() > line.settings().classic_limit;
        let classic = match judge(&bytes, &line.settings().hosts) {
            Judgement::Http => return Opener::Http(bytes),
            // What is too long for a message may be something else: the service knows its own limits.
            Judgement::More if is_over => return Opener::Http(bytes),
            Judgement::Classic if is_over => {
                line.counters.classic_overflows.add();
                debug!(bytes = bytes.len(), "classic message was too long");
                linger(stream).await;
                return Opener::Done;
            }
            Judgement::Online => {
                answer(line, stream, &online(line)).await;
                return Opener::Done;
            }
            Judgement::Refused(problem) => {
                line.counters.requests.add();
                line.counters.refused(problem.code);
                answer(line, stream, &refusal(&problem)).await;
                return Opener::Done;
            }
            Judgement::Classic => true,
            Judgement::More => false,
        };
        let patience =
            if classic { line.settings().classic_timeout } else { line.settings().request_timeout };
        let more = select! {
            more = timeout_at(started + patience, read(stream, &mut bytes)) => more,
            _ = stopped.changed(), if bytes.is_empty() => return Opener::Done,
        };
        match more {
            Ok(Some(0)) => break,
            Ok(Some(_)) => {}
            Ok(None) => return Opener::Done,
            Err(_) => {
                if classic {
                    line.counters.classic_timeouts.add();
                }
                return Opener::Done;
            }
        }
    }
    if !bytes.is_empty() {
        let headers = header_map(&bytes[..head_len(&bytes).unwrap_or(0)]);
        on_behalf(line, &headers, publish(line, bytes)).await;
    }
    Opener::Done
}

/// What bytes tell, before the end of all.
enum Judgement {
    /// Nothing yet.
    More,
    /// The service's.
    Http,
    /// A message, or the beginning of one.
    Classic,
    /// The question who is online.
    Online,
    /// A message from where none may come.
    Refused(Problem),
}

fn judge(bytes: &[u8], hosts: &[String]) -> Judgement {
    match http2::begins(bytes) {
        None => return Judgement::More,
        Some(true) => return Judgement::Http,
        Some(false) => {}
    }
    if dklab::is_online_command(bytes) {
        return Judgement::Online;
    }
    match whose(bytes, &PREFIXES, None) {
        None => return Judgement::More,
        Some(Claim::Ours) => return Judgement::Http,
        Some(Claim::Theirs) if !is_http(bytes) => return Judgement::Classic,
        Some(Claim::Theirs) => {}
    }
    let Some(head_len) = head_len(bytes) else { return Judgement::Classic };
    let head = &bytes[..head_len];
    let Some(request_len) = request_len(head) else {
        return if has_marker(bytes) { guarded(head, hosts) } else { Judgement::Http };
    };
    match (has_marker(&bytes[..request_len.min(bytes.len())]), bytes.len() >= request_len) {
        (false, true) => Judgement::Http,
        _ => guarded(head, hosts),
    }
}

/// How long a request with this head is; `None` where only a reader of HTTP can tell.
fn request_len(head: &[u8]) -> Option<usize> {
    if header(head, "transfer-encoding").is_some() {
        return None;
    }
    let Some(length) = header(head, "content-length") else { return Some(head.len()) };
    str::from_utf8(length).ok()?.parse::<usize>().ok()?.checked_add(head.len())
}

fn has_marker(bytes: &[u8]) -> bool {
    dklab::ids(bytes, true).is_some()
}

/// A message in the form of an HTTP request, unless a web page sent it. A page's request always has the
/// headers that tell; a publisher of old may have none at all, not even `Host`.
fn guarded(head: &[u8], hosts: &[String]) -> Judgement {
    let map = header_map(head);
    let may = guard::check(Version::HTTP_10, None, &map, hosts, false).and_then(|()| guard::check_page(&map));
    may.map_or_else(Judgement::Refused, |()| Judgement::Classic)
}

/// Publishes a whole message to those of its channels that are online.
async fn publish(line: &InLine, bytes: Vec<u8>) {
    let Some(ids) = dklab::ids(&bytes, false) else {
        line.counters.classic_unnamed.add();
        debug!(bytes = bytes.len(), "classic message named no channel");
        return;
    };
    // What would tell that a web page sent it may be missing: a page can break its request off.
    if is_like_http(&bytes) && head_len(&bytes).is_none() {
        line.counters.classic_lost.add();
        debug!(bytes = bytes.len(), "classic message broke off in its head");
        return;
    }
    let payload = dklab::payload(bytes);
    for ids in ids.chunks(TARGETS_MAX) {
        if let Err(refusal) = admission::message(line, None) {
            line.counters.refused(refusal.problem().code);
            line.counters.classic_lost.add();
            debug!(why = refusal.problem().code.name(), "classic message was lost");
            return;
        }
        let publish = Publish {
            channels: ids.iter().cloned().collect(),
            aliases: Default::default(),
            payload: payload.clone(),
            ttl: None,
        };
        let place = |publish| line.exchange.publisher().publish_online(publish);
        let placed = admission::room(line, publish, &mut Patience::default(), place).await;
        let published = match placed {
            Ok(Some(receipt)) => placement::released(receipt).await.map(Some),
            Ok(None) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        match published {
            Ok(Some(_)) => line.counters.published.add(),
            Ok(None) => line.counters.classic_dropped.add(),
            Err(refusal) => {
                line.counters.classic_lost.add();
                debug!(why = refusal.problem().code.name(), "classic message was lost");
            }
        }
    }
}

/// All ids online, joined by commas, and the mark of the end.
fn online(line: &InLine) -> Vec<u8> {
    let mut list = Vec::new();
    line.exchange.admin().channels(&|name, online| online && is_id(name), |found| {
        for channel in found.drain(..) {
            if !list.is_empty() {
                list.push(b',');
            }
            list.extend_from_slice(channel.name.as_bytes());
        }
    });
    list.extend_from_slice(b"\n.");
    list
}

#[cfg(test)]
mod tests;
