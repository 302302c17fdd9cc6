//! Whether something on the way to a WAIT line stops those who wait: what is asked, and how it is judged.
//!
//! A client that comes with a cursor of another order is answered at once, with a gap. So every question has an
//! answer that does not depend on anybody publishing, and whoever drops a header or the query is found out.

use std::path::Path;
use std::thread;
use std::time::Duration;

use exchange::hub::{Cursors, Epoch, Position};
use serde_json::json;

use crate::advice::{PathFault, with_advice};
use crate::crowd::crowd;
use crate::finding::{Diagnosis, Finding, Level, rounded};
use crate::front::{BROKEN, Front};
use crate::idle::{Silent, idle};
use crate::inside::leaving;
use crate::limits::FIRST_WORD_MAX;
use crate::request::{address, host, names};
use crate::wire::{LineAddress, ProbeAnswer, WS_HEADERS};
use cli::InClient;

/// What a doctor is asked for.
#[derive(Clone, Copy)]
pub(crate) struct PathArgs<'a> {
    pub(crate) url: &'a str,
    /// A file of those whose certificates are trusted.
    pub(crate) authorities: Option<&'a Path>,
    /// For how long it is tried what is closed in silence.
    pub(crate) patience: Option<Duration>,
    /// How many are to wait at once.
    pub(crate) crowd: Option<usize>,
    /// The IN line of the server that is behind the URL.
    pub(crate) inside: Option<&'a InClient>,
}

/// Asks in all ways at once.
pub(crate) fn look(args: PathArgs<'_>) -> anyhow::Result<Diagnosis> {
    let place = LineAddress::read(args.url, args.authorities)?;
    let cursor = Cursors::new(Epoch::new(FOREIGN_EPOCH)).text(Position::START);
    let poll = place.ask(&format!("?since={cursor}"), "", FIRST_WORD_MAX, |_| false)?;
    let said = poll.header("server").or_else(|| poll.header("via"));
    let front = Front::of_headers(&poll).or_else(|| Front::of_refusal(&refused(&place)));
    let reached = reached(&poll, args.url)?;
    let is_reached = reached.level < Level::Problem;
    let mut findings = place.tls_findings();
    findings.push(reached);
    if is_reached {
        findings.extend(ways(&place, &cursor, args, front));
        // Last: a server that is full answers no other question.
        findings.extend(args.crowd.map(|count| crowd(&place, count)));
        if args.patience.is_none() {
            findings.push(Finding::new("idle", Level::Note, UNTRIED));
        }
    }
    Ok(report(args.url, said, front, findings))
}

/// All that is looked at beside each other, in the order in which it is told.
fn ways(place: &LineAddress, cursor: &str, args: PathArgs<'_>, front: Option<Front>) -> Vec<Finding> {
    let sse = format!("Accept: text/event-stream\r\nLast-Event-ID: {cursor}\r\n");
    let lines = "Accept: application/x-ndjson\r\n";
    let gzip = "Accept: text/event-stream\r\nAccept-Encoding: gzip, deflate\r\n";
    thread::scope(|scope| {
        let asked = [
            scope.spawn(|| stream(&first_words(place, "", &sse, "event: gap"), &SSE)),
            scope.spawn(|| stream(&first_words(place, "", lines, "cursor"), &LINES)),
            scope.spawn(|| stream(&first_words(place, "", gzip, "\nid"), &GZIP)),
            scope.spawn(|| names(place, cursor)),
            scope.spawn(|| host(place)),
            scope.spawn(|| address(place, front)),
            scope.spawn(|| websocket(&upgrade(place, &format!("?since={cursor}")))),
        ];
        let patience = args.patience;
        let idle =
            patience.map(|patience| Silent::ALL.map(|kind| scope.spawn(move || idle(place, kind, patience))));
        let inside = args.inside.map(|inside| {
            Silent::ALL.map(|kind| scope.spawn(move || leaving(place, inside, kind, patience)))
        });
        let all = asked.into_iter().chain(idle.into_iter().flatten()).chain(inside.into_iter().flatten());
        // A thread that panicked found nothing.
        all.flat_map(|thread| thread.join().unwrap_or_default()).collect()
    })
}

/// How a request that is none is refused: some proxies are known by nothing else.
fn refused(place: &LineAddress) -> ProbeAnswer {
    place.ask("", BROKEN, FIRST_WORD_MAX, |answer| answer.says("</html>")).unwrap_or_default()
}

fn report(url: &str, said: Option<String>, front: Option<Front>, mut findings: Vec<Finding>) -> Diagnosis {
    let name = said.as_deref().or_else(|| front.map(Front::name)).unwrap_or("nobody gives a name");
    findings.insert(0, Finding::new("front", Level::Note, format!("who answers: {name}")));
    let count = findings.iter().filter(|finding| finding.level == Level::Problem).count();
    let outcome = match count {
        0 => "Nothing on the way stops those who wait.".to_owned(),
        1 => "1 problem on the way.".to_owned(),
        _ => format!("{count} problems on the way."),
    };
    let findings = findings.into_iter().map(|finding| with_advice(finding, front)).collect();
    Diagnosis {
        about: format!("Does the way to {url} let clients wait?"),
        findings,
        outcome,
        more: json!({ "url": url, "front": said, "proxy": front.map(Front::name) }),
    }
}

/// Whether a WAIT line answers at all, and with what it was asked. An error: what answers is none.
fn reached(poll: &ProbeAnswer, url: &str) -> anyhow::Result<Finding> {
    let problem = |text: String| Ok(Finding::new("reached", Level::Problem, text));
    match poll.status {
        0 if poll.ended => problem("long poll: the connection was closed without an answer".to_owned()),
        0 => problem(format!(
            "long poll: no answer within {FIRST_WORD_MAX:?}; it is held back, or came without its query"
        )),
        200 if !poll.body.starts_with(b"{\"cursor\":") && poll.header("content-encoding").is_none() => {
            anyhow::bail!("what answers at {url} is no WAIT line; give the URL before /sub/")
        }
        200 if !poll.modern => Ok(Finding::new(
            "reached",
            Level::Warning,
            "long poll: answered in HTTP/1.0, so each takes a connection of its own",
        )),
        200 => Ok(stored(poll)),
        301..=399 => {
            let place = poll.header("location").unwrap_or_default();
            problem(format!(
                "long poll: sent on to {place} ({}); not every client follows, give that URL",
                poll.status
            ))
        }
        404 => match poll.problem() {
            Some(said) => anyhow::bail!("who answers at {url} says (404): {said}"),
            None => anyhow::bail!("what answers at {url} knows no /sub/ (404); give the URL before /sub/"),
        },
        502..=504 => {
            problem(format!("long poll: {}, so who answers does not reach the WAIT line", poll.status))
        }
        400 if poll.says("HTTPS port") => {
            anyhow::bail!("who answers at {url} speaks TLS; give an https:// URL")
        }
        status => {
            let said = poll.problem().map_or_else(String::new, |said| format!(": {said}"));
            problem(format!("long poll: refused with {status}{said}"))
        }
    }
}

/// What is said about storing a long poll's answer.
fn stored(poll: &ProbeAnswer) -> Finding {
    let control = poll.header("cache-control").unwrap_or_default();
    if !control.contains("no-store") {
        let text = format!(
            "long poll: Cache-Control is {control:?} and not \"no-store\", so answers may come out of a cache"
        );
        return Finding::new("reached", Level::Problem, text);
    }
    // RFC 9111, section 5.1: a cache says how old its answer is; 0 is one that it fetched just now.
    let age = poll.header("age").and_then(|age| age.parse::<u64>().ok()).unwrap_or_default();
    if age > 0 {
        let text = format!("long poll: it came out of a cache, {age} s old, although it says \"no-store\"");
        return Finding::new("reached", Level::Warning, text);
    }
    Finding::new("reached", Level::Ok, format!("long poll: answered at once, after {:?}", rounded(poll.time)))
}

/// A kind of stream, and what its answer is like.
struct StreamKind {
    name: &'static str,
    words: &'static str,
    content_type: &'static str,
    /// Stands in the answer only if the client's `Last-Event-ID` came.
    resumed: Option<&'static str>,
    /// Whether it may come compressed: the server does so itself, for those who take it.
    gzip: bool,
}

fn first_words(place: &LineAddress, query: &str, headers: &str, word: &str) -> ProbeAnswer {
    let enough = |answer: &ProbeAnswer| {
        answer.says(word) || answer.header("content-encoding").is_some() && answer.body.len() > GZIP_BEGIN_LEN
    };
    place.ask(query, headers, FIRST_WORD_MAX, enough).unwrap_or_default()
}

/// Judges a stream by its first words.
fn stream(answer: &ProbeAnswer, kind: &StreamKind) -> Vec<Finding> {
    let one = |level, text: &str| Finding::new(kind.name, level, format!("{}: {text}", kind.words));
    let problem = |fault: PathFault, text: &str| {
        vec![Finding::new(fault.name(kind.name), Level::Problem, format!("{}: {text}", kind.words))]
    };
    let content_type = answer.header("content-type").unwrap_or_default();
    if answer.status == 0 && answer.ended {
        return vec![one(Level::Problem, "the connection was closed without an answer")];
    }
    let coding = answer.header("content-encoding");
    let nothing = if coding.is_some() { GZIP_BEGIN_LEN } else { 0 };
    if answer.body.len() <= nothing && matches!(answer.status, 0 | 200) {
        let what = if answer.ended {
            "it ended without a word"
        } else {
            "nothing came, although a stream begins at once: it is buffered"
        };
        return problem(PathFault::Buffered, what);
    }
    if answer.status != 200 {
        return vec![one(Level::Problem, &format!("refused with {}", answer.status))];
    }
    if !content_type.starts_with(kind.content_type) {
        let text = format!(
            "the answer is {content_type:?} and no {}: the header Accept was not passed on",
            kind.content_type
        );
        return vec![one(Level::Problem, &text)];
    }
    if let Some(coding) = coding.filter(|_| !kind.gzip) {
        let text = format!("it is compressed on the way ({coding}), although the client did not ask for it");
        return problem(PathFault::Compressed, &text);
    }
    let mut findings = vec![one(Level::Ok, &format!("begins at once, after {:?}", rounded(answer.time)))];
    findings.extend(kind.resumed.filter(|word| !answer.says(word)).map(|_| {
        let text = "resuming: the header Last-Event-ID was not passed on, so an EventSource misses what was said while it was away";
        Finding::new("last-event-id", Level::Problem, text)
    }));
    findings.extend(headers(answer, kind));
    findings
}

/// What was changed in the head of a stream.
fn headers(answer: &ProbeAnswer, kind: &StreamKind) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |name, level, text: String| {
        findings.push(Finding::new(name, level, format!("{}: {text}", kind.words)))
    };
    let origin = answer.header("access-control-allow-origin");
    if origin.as_deref() != Some("*") {
        let origin = origin.map_or_else(|| "missing".to_owned(), |value| format!("{value:?}"));
        add(
            "origin",
            Level::Problem,
            format!(
                "Access-Control-Allow-Origin is {origin} and not \"*\", so pages of other addresses may not read it"
            ),
        );
    }
    let control = answer.header("cache-control").unwrap_or_default();
    if !control.contains("no-cache") && !control.contains("no-store") {
        add(
            "cache-control",
            Level::Warning,
            format!("Cache-Control is {control:?}, so it may be stored on the way"),
        );
    }
    if !answer.modern {
        add("version", Level::Warning, "answered in HTTP/1.0".to_owned());
    }
    findings
}

/// Asks for a WebSocket, and there for an echo.
fn upgrade(place: &LineAddress, query: &str) -> ProbeAnswer {
    let Ok(mut dialogue) = place.begin(query, WS_HEADERS) else { return ProbeAnswer::default() };
    dialogue.read(FIRST_WORD_MAX, |answer| answer.says("cursor"));
    if dialogue.answer.status == 101 {
        // A masked text frame; the mask is of zeros.
        dialogue.say(
            &[&[0x81, 0x80 | u8::try_from(WS_PING.len()).unwrap_or_default(), 0, 0, 0, 0], WS_PING].concat(),
        );
        dialogue.read(FIRST_WORD_MAX, |answer| answer.says("pong"));
    }
    dialogue.answer
}

fn websocket(answer: &ProbeAnswer) -> Vec<Finding> {
    let text = match answer.status {
        101 if answer.header("sec-websocket-accept").as_deref() != Some(WS_ACCEPT) => {
            "somebody else took the upgrade".to_owned()
        }
        101 if !answer.says("cursor") => "upgraded, but then nothing came".to_owned(),
        101 if !answer.says("pong") => "upgraded, but what a client says does not get through".to_owned(),
        101 => {
            let text = format!("WebSocket: upgraded, and an echo came back after {:?}", rounded(answer.time));
            return vec![Finding::new("websocket", Level::Ok, text)];
        }
        200 | 426 => "the headers Upgrade and Connection were not passed on".to_owned(),
        0 if answer.ended => "the connection was closed without an answer".to_owned(),
        0 => "no answer".to_owned(),
        status => format!("refused with {status}"),
    };
    vec![Finding::new("websocket", Level::Problem, format!("WebSocket: {text}"))]
}

const SSE: StreamKind = StreamKind {
    name: "sse",
    words: "event stream",
    content_type: "text/event-stream",
    resumed: Some("event: gap"),
    gzip: false,
};
const LINES: StreamKind = StreamKind {
    name: "stream",
    words: "stream of lines",
    content_type: "application/x-ndjson",
    resumed: None,
    gzip: false,
};

const GZIP: StreamKind =
    StreamKind { name: "gzip", words: "event stream, compressed", resumed: None, gzip: true, ..SSE };

/// At most so many bytes begin a stream in gzip that has not said anything yet: its head, and an empty block.
const GZIP_BEGIN_LEN: usize = 15;
/// The answer to the key of `WS_HEADERS` (RFC 6455, section 1.3).
const WS_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const WS_PING: &[u8] = b"{\"ping\":1}";
/// The epoch of an order that is nobody's, but by a chance of one in 56 billion.
const FOREIGN_EPOCH: u64 = 1;
const UNTRIED: &str = "how long one may be silent was not tried; --patience 60s tries it";

#[cfg(test)]
mod tests;
