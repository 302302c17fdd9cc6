//! A request of the WAIT line and what it wants.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use hub::{Stage, Start, excerpt};

use super::context::{Context, method_not_allowed};
use super::credentials::{Credentials, Shown, credentials};
use super::names::{names_in_body, names_in_path};
use super::older;
use super::paths::{PUBLISH, WaitPath};
use super::speech::speech;
use super::subscribe_query::{SubscribeQuery, transport};
use crate::limits::PREFLIGHT_LEN_MAX;
use crate::{Answer, Code, Intent, NO_STORE, Problem, Request, Transport, Wait};

/// What a complete request wants.
pub fn intent(request: &Request<'_>, context: Context<'_>) -> Result<Intent, Problem> {
    let publish = request.path.strip_prefix(PUBLISH).filter(|_| context.publishes);
    if request.method == "OPTIONS" {
        return Ok(Intent::Answer(options(request, publish.is_some())));
    }
    if let Some(list) = publish {
        return speech(request, list, context);
    }
    if let Some((address, list)) = WaitPath::of(request.path) {
        return wait(request, address, list, context);
    }
    if let Some(list) = request.path.strip_prefix(older::PATH) {
        return older::older(request, list, context);
    }
    let answer = match request.path {
        "/healthz" => healthz(context.prefix, context.address),
        "/readyz" => readyz(context.stage),
        "/multiplexor.js" => embedded(&web::CLIENT, request),
        "/" => front(request, context.prefix),
        "" => to_front(context.prefix),
        path => {
            return Err(match WaitPath::without_list(path) {
                Some(address) => no_channel(address.path, context.prefix),
                None => not_found(&format!("{}{path}", context.prefix), context.prefix),
            });
        }
    };
    match request.method {
        "GET" | "HEAD" => Ok(Intent::Answer(answer)),
        method => Ok(Intent::Answer(method_not_allowed(method, "GET, HEAD, OPTIONS"))),
    }
}

/// That the thread answers is the answer. For whoever advises about proxies it is told what stands before our paths, and
/// whom a known proxy's words make of the client; nobody learns the address of a proxy by that.
fn healthz(prefix: &str, address: Option<IpAddr>) -> Answer {
    let mut answer = Answer::ok("text/plain; charset=utf-8", "ok\n");
    if !prefix.is_empty() {
        answer.headers.push(("Multiplexor-Prefix", prefix.to_owned()));
    }
    answer.headers.extend(address.map(|address| ("Multiplexor-Address", address.to_string())));
    answer
}

/// Whether clients may be sent here.
fn readyz(stage: Stage) -> Answer {
    match stage {
        Stage::Serving => Answer::ok("text/plain; charset=utf-8", "ready\n"),
        Stage::Starting => {
            Problem::new(503, Code::Starting, "the server is about to serve; try again soon").into()
        }
        Stage::Ending => {
            Problem::new(503, Code::Ending, "the server is about to end; use another one").into()
        }
    }
}

/// To the front page, from its address without the last stroke.
fn to_front(prefix: &str) -> Answer {
    let headers = vec![("Location", format!("{prefix}/"))];
    Answer { status: 308, content_type: "", cache: NO_STORE, headers, body: Cow::default() }
}

/// A page for whoever looks at it, a few lines for programs.
fn front(request: &Request<'_>, prefix: &str) -> Answer {
    if web::is_browser((request.header)("accept").unwrap_or_default()) {
        return embedded(&web::FRONT, request);
    }
    let mut answer = Answer::ok("text/plain; charset=utf-8", FRONT_LINES);
    if !prefix.is_empty() {
        let (ours, at) = ("http://ADDRESS/", format!("http://ADDRESS{prefix}/"));
        answer.body = FRONT_LINES.replace(ours, &at).into_bytes().into();
    }
    answer.headers.push(("Vary", "Accept".to_owned()));
    answer
}

fn embedded(page: &web::Page, request: &Request<'_>) -> Answer {
    let header = |name| (request.header)(name).unwrap_or_default();
    let asked = web::Asked {
        query: request.query,
        accept_encoding: header("accept-encoding"),
        if_none_match: header("if-none-match"),
    };
    page.answer(&asked).into()
}

fn no_channel(path: &str, prefix: &str) -> Problem {
    let detail = format!("no channel is named; ask for {prefix}{path}NAME or {prefix}{path}NAME,NAME");
    Problem::bad(Code::ChannelList, detail)
}

fn wait(
    request: &Request<'_>,
    address: WaitPath,
    list: &str,
    context: Context<'_>,
) -> Result<Intent, Problem> {
    let asked = SubscribeQuery::read(request.query)?;
    let transport = transport(request, address, asked.transport.as_deref())?;
    let credentials = credentials(request, list, context.shows).map(Box::new);
    // A signed URL is for the names that are in it; other credentials may join some.
    let is_signed = |shown: &Credentials| matches!(shown.shown, Shown::Signature { .. });
    let may_join = credentials.as_deref().is_some_and(|shown| !is_signed(shown));
    let names = match request.method {
        "GET" | "HEAD" if list.is_empty() && (transport == Transport::WebSocket || may_join) => Vec::new(),
        "GET" | "HEAD" => names_in_path(list)?,
        "POST" if list.is_empty() => {
            let kind = (request.header)("content-type").unwrap_or_default().to_ascii_lowercase();
            names_in_body(request.body, kind.starts_with(b"application/json"))?
        }
        "POST" => {
            return Err(Problem::bad(
                Code::ChannelList,
                format!("a POST names its channels in the body; send it to {}, or use GET", address.path),
            ));
        }
        method => return Ok(Intent::Answer(method_not_allowed(method, METHODS))),
    };
    let bare = asked.raw || (transport == Transport::Sse && names.len() == 1 && !asked.envelope);
    let start = asked.start(request, context)?;
    if asked.presence && asked.raw {
        return Err(Problem::bad(
            Code::Presence,
            "presence has no place among bare payloads; leave raw out, or presence",
        ));
    }
    let head_only = request.method == "HEAD";
    Ok(Intent::Wait(Box::new(Wait {
        names,
        start,
        older: None,
        speech: None,
        presence: asked.presence,
        transport,
        bare,
        connection: asked.connection,
        patience: asked.wait.map(|seconds| Duration::from_secs(seconds.into())),
        heartbeat: asked.heartbeat,
        compression: !asked.uncompressed,
        head_only,
        hears_refusals: transport == Transport::Sse && !asked.by_status && !head_only,
        credentials,
    })))
}

/// Whether a request, which is not carried out, is told by an event that it is to come again.
pub fn hears_refusals(request: &Request<'_>) -> bool {
    let Some((address, _)) = WaitPath::of(request.path) else { return false };
    matches!(request.method, "GET" | "POST")
        && SubscribeQuery::read(request.query).is_ok_and(|asked| {
            !asked.by_status && transport(request, address, asked.transport.as_deref()) == Ok(Transport::Sse)
        })
}

/// How whoever made a request that is the application's would wait, and from where on. Its query is the
/// application's, too: what is no cursor there is none.
pub fn wait_of_page(request: &Request<'_>, context: Context<'_>) -> Wait {
    let mut asked = SubscribeQuery::read_of_page(request.query);
    asked.last_id = asked.last_id.filter(|id| context.cursors.read(id).is_some());
    let transport = transport(request, WaitPath::ANY, asked.transport.as_deref())
        .or_else(|_| transport(request, WaitPath::ANY, None))
        .unwrap_or(Transport::Poll);
    let start = asked.start(request, context).unwrap_or(Start::Now);
    let head_only = request.method == "HEAD";
    let patience = asked.wait.map(|seconds| Duration::from_secs(seconds.into()));
    Wait {
        transport,
        patience,
        heartbeat: asked.heartbeat,
        compression: !asked.uncompressed,
        head_only,
        ..Wait::of(Vec::new(), start)
    }
}

/// Nothing is at this path.
pub fn not_found(path: &str, prefix: &str) -> Problem {
    let path = excerpt(path);
    Problem::new(
        404,
        Code::NotFound,
        format!(
            "there is nothing at {path}; to wait for messages ask for {prefix}/sub/CHANNEL or {prefix}/sub/CHANNEL,CHANNEL; \
             messages are published on the IN line, not here"
        ),
    )
}

/// The answer to a preflight, or to whoever asks what is possible.
fn options(request: &Request<'_>, publishes: bool) -> Answer {
    let preflight = (request.header)("access-control-request-method").is_some();
    let methods = if publishes { "POST, OPTIONS" } else { METHODS };
    let mut headers = vec![("Allow", methods.to_owned())];
    if preflight {
        headers.push(("Access-Control-Allow-Methods", methods.to_owned()));
        // A browser names the headers a page wants to send; any of them may come, none is trusted.
        let asked = (request.header)("access-control-request-headers")
            .and_then(|list| std::str::from_utf8(list).ok());
        let asked = asked.filter(|list| list.len() <= PREFLIGHT_LEN_MAX);
        let clean =
            asked.filter(|list| list.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_, ".contains(&b)));
        let usual = if publishes { PUBLISH_HEADERS } else { "Last-Event-ID, Content-Type" };
        headers
            .push(("Access-Control-Allow-Headers", clean.filter(|_| !publishes).unwrap_or(usual).to_owned()));
        headers.push(("Access-Control-Max-Age", "86400".to_owned()));
    }
    Answer { status: 204, content_type: "", cache: NO_STORE, headers, body: Cow::default() }
}

const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// The headers that a page may send with what it publishes.
const PUBLISH_HEADERS: &str =
    "Content-Type, Authorization, Idempotency-Key, Multiplexor-Except, Multiplexor-Event, Multiplexor-TTL";

const FRONT_LINES: &str =
    "This is the WAIT line of Multiplexor, a push server: browsers wait here for messages.
To listen:   curl -N -H 'Accept: text/event-stream' http://ADDRESS/sub/CHANNEL
In a page:   <script src=\"http://ADDRESS/multiplexor.js\"></script>\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shows;
    use hub::{Cursors, Epoch};

    /// `line` is method, target, then headers as `name: value` separated by `; `.
    fn check(line: &str, expected: &str) {
        let mut parts = line.splitn(3, ' ');
        let (method, target, headers) =
            (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap_or(""));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: Vec<(&str, &str)> =
            headers.split("; ").filter_map(|header| header.split_once(": ")).collect();
        let header =
            |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        let upgrade = header("upgrade").is_some();
        let request = Request { method, path, query, upgrade, body: b"x,y", ..Request::with(&header) };
        let context = Context {
            cursors: Cursors::new(Epoch::new(0)),
            now: 1_000_000,
            shows: &Shows::NOTHING,
            stage: Stage::Serving,
            publishes: false,
            prefix: "",
            address: None,
        };
        let got = match intent(&request, context) {
            Ok(Intent::Wait(wait)) => {
                let Wait { names, start, transport, bare, patience, hears_refusals, .. } = *wait;
                let heartbeat = wait.heartbeat.map(|time| format!(" beats {time:?}")).unwrap_or_default();
                let plain = if wait.compression { "" } else { " plain" };
                let bare = if bare { " bare" } else { "" };
                let told = if hears_refusals { " told" } else { "" };
                assert_eq!(hears_refusals, super::hears_refusals(&request), "{line}");
                let patience = patience.map(|patience| format!(" {patience:?}")).unwrap_or_default();
                format!("{transport:?} {} {start:?}{bare}{patience}{heartbeat}{plain}{told}", names.join(","))
            }
            Ok(Intent::Answer(answer)) => format!("{}", answer.status),
            Err(problem) => format!("{} {}", problem.status, problem.code),
        };
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn transports_are_negotiated() {
        check("GET /sub/a", "Poll a Now");
        check("GET /sub/a accept: text/event-stream", "Sse a Now bare told");
        check("GET /sub/a,b accept: text/event-stream", "Sse a,b Now told");
        check("GET /sub/a?envelope=1 accept: text/event-stream", "Sse a Now told");
        check("GET /sub/a accept: application/x-ndjson", "Stream a Now");
        check("GET /sub/a upgrade: websocket", "WebSocket a Now");
        check("GET /sub/ upgrade: websocket", "WebSocket  Now");
        check("GET /sub/a?transport=poll accept: text/event-stream", "Poll a Now");
        check("GET /sub/a?transport=ws", "426 upgrade");
        check("GET /sub/a?transport=ws upgrade: websocket", "WebSocket a Now");
        check("GET /sub/a?transport=x", "400 transport");
        check("GET /sub/a?raw=1", "Poll a Now bare");
        check("GET /sub/a?raw=x", "400 flag");
        check("POST /sub/", "Poll x,y Now");
    }

    #[test]
    fn an_address_for_one_transport_cannot_be_had_wrong() {
        for accept in ["", " accept: */*", " accept: text/event-stream", " accept: application/x-ndjson"] {
            check(&format!("GET /sse/a{accept}"), "Sse a Now bare told");
            check(&format!("GET /stream/a{accept}"), "Stream a Now");
            check(&format!("GET /poll/a{accept}"), "Poll a Now");
            check(&format!("GET /ws/a{accept}"), "426 upgrade");
        }
        check("GET /sse/a,b?tail=3", "Sse a,b Tail(3) told");
        check("GET /ws/a upgrade: websocket; sec-websocket-key: k", "WebSocket a Now");
        check("GET /ws/ upgrade: websocket", "WebSocket  Now");
        check("POST /stream/", "Stream x,y Now");
        check("POST /ws/", "426 upgrade");
        check("HEAD /sse/a", "Sse a Now bare");
        check("DELETE /sse/a", "405");
        check("GET /sse/", "400 channel-list");
        for path in ["/sub", "/sse", "/stream", "/poll", "/ws"] {
            check(&format!("GET {path}"), "400 channel-list");
        }
        check("GET /streams/a", "404 not-found");
    }

    #[test]
    fn an_address_and_a_transport_that_contradict_are_refused() {
        check("GET /sse/a?transport=sse", "Sse a Now bare told");
        check("GET /sse/a?transport=poll", "400 transport");
        check("GET /poll/a?transport=sse", "400 transport");
        check("GET /ws/a?transport=stream upgrade: websocket", "400 transport");
        check("GET /ws/a?transport=ws upgrade: websocket", "WebSocket a Now");
        check("GET /sse/a?transport=x", "400 transport");
        check("GET /sse/a upgrade: websocket; sec-websocket-key: k", "400 transport");
        // Some proxies say it of every request.
        check("GET /sse/a upgrade: websocket", "Sse a Now bare told");
    }

    #[test]
    fn a_handshake_whose_upgrade_was_dropped_is_told_so() {
        check("GET /sub/a sec-websocket-key: k; accept: */*", "426 upgrade");
        check("GET /sub/ sec-websocket-key: k", "426 upgrade");
        check("GET /sub/a?transport=ws sec-websocket-key: k", "426 upgrade");
        check("GET /ws/a sec-websocket-key: k", "426 upgrade");
        check("GET /sub/a?transport=sse sec-websocket-key: k", "Sse a Now bare told");
        check("GET /poll/a sec-websocket-key: k", "Poll a Now");
    }

    #[test]
    fn event_streams_hear_refusals_unless_they_want_the_status() {
        check("GET /sub/a?transport=sse", "Sse a Now bare told");
        check("POST /sub/?transport=sse", "Sse x,y Now told");
        check("GET /sub/a?transport=sse&errors=event", "Sse a Now bare told");
        check("GET /sub/a?transport=sse&errors=status", "Sse a Now bare");
        check("HEAD /sub/a?transport=sse", "Sse a Now bare");
        check("GET /sub/a?transport=stream", "Stream a Now");
        check("GET /sub/a?errors=status", "Poll a Now");
        check("GET /sub/a?errors=x", "400 errors");
    }

    #[test]
    fn starts_have_an_order_of_precedence() {
        check("GET /sub/a?tail=3", "Poll a Tail(3)");
        check("GET /sub/a?tail=3&since=0", "Poll a Everything");
        check("GET /sub/a?tail=3&since=0 last-event-id: a0000005", "Poll a After(@5)");
        check("GET /sub/a last-event-id: nonsense", "Poll a Lost");
        for name in ["lastEventId", "last-event-id", "last_event_id"] {
            check(&format!("GET /sub/a?{name}=a0000005&since=0&tail=3"), "Poll a After(@5)");
            check(&format!("GET /sub/a?{name}=a0000005 last-event-id: a0000006"), "Poll a After(@6)");
            check(&format!("GET /sub/a?{name}=a0000005 last-event-id: "), "Poll a After(@5)");
            check(&format!("GET /sub/a?{name}=nonsense"), "Poll a Lost");
            check(&format!("GET /sub/a?{name}=&since=0"), "Poll a Everything");
        }
        check("GET /sub/a?since=", "Poll a Now");
        check("GET /sub/a?since=nonsense", "400 since");
        check("GET /sub/a?tail=-1", "400 number");
    }

    #[test]
    fn a_client_says_how_long_it_would_wait() {
        check("GET /sub/a?wait=0", "Poll a Now 0ns");
        check("GET /sub/a?wait=7&since=0", "Poll a Everything 7s");
        check("GET /sub/a?wait=", "Poll a Now");
        check("GET /sub/a?wait=soon", "400 number");
        check("GET /sub/a?wait=-1", "400 number");
    }

    #[test]
    fn a_client_says_how_often_it_would_hear_of_the_server() {
        check("GET /sse/a?heartbeat=5", "Sse a Now bare beats 5s told");
        check("GET /stream/a?heartbeat=86400", "Stream a Now beats 86400s");
        check("GET /stream/a?heartbeat=99999999999", "Stream a Now beats 4294967295s");
        check("GET /stream/a?heartbeat=", "Stream a Now");
        for bad in ["0", "-1", "1.5", "5s", "soon"] {
            check(&format!("GET /stream/a?heartbeat={bad}"), "400 heartbeat");
        }
    }

    #[test]
    fn a_client_that_reads_raw_bytes_may_have_them_so() {
        check("GET /stream/a?compression=off", "Stream a Now plain");
        check("GET /poll/a?compression=off", "Poll a Now plain");
        check("GET /stream/a?compression=on", "Stream a Now");
        check("GET /stream/a?compression=", "Stream a Now");
        check("GET /stream/a?compression=0", "400 compression");
    }

    #[test]
    fn other_requests_are_answered() {
        check("GET /healthz", "200");
        check("GET /readyz", "200");
        check("HEAD /", "200");
        check("POST /healthz", "405");
        check("DELETE /sub/a", "405");
        check("POST /sub/a", "400 channel-list");
        check("GET /sub/", "400 channel-list");
        check("GET /pub/a", "404 not-found");
        check("OPTIONS /sub/a", "204");
    }
}
