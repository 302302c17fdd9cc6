//! What to change in a proxy against what was found on the way; docs/proxies.md has the whole files.

use crate::finding::{Finding, Level};
use crate::front::Front;

/// What a proxy does to a stream, whichever kind of stream it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PathFault {
    Buffered,
    Compressed,
}

impl PathFault {
    /// The name of the finding.
    pub(crate) fn name(self, kind: &str) -> &'static str {
        match (self, kind) {
            (Self::Buffered, "sse") => "sse-buffered",
            (Self::Buffered, "gzip") => "gzip-buffered",
            (Self::Buffered, _) => "stream-buffered",
            (Self::Compressed, "sse") => "sse-compressed",
            (Self::Compressed, _) => "stream-compressed",
        }
    }
}

/// Adds what to paste for the proxy that is there. Of one that nobody knows it says what must happen.
pub(crate) fn with_advice(finding: Finding, front: Option<Front>) -> Finding {
    if finding.level < Level::Warning {
        return finding;
    }
    let Some(topic) = Topic::of(finding.name) else { return finding };
    match front.map(|front| (place(front), lines(front, topic))) {
        Some((place, lines)) if !lines.is_empty() => finding.remedy(place, lines.iter().copied()),
        _ => finding.remedy("whoever stands in front of the WAIT line must", [topic.wanted()]),
    }
}

/// What a finding is about; several findings may have one cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Buffered,
    Compressed,
    WebSocket,
    LastEventId,
    AllowOrigin,
    Stored,
    Idle,
    Names,
    Host,
    Crowd,
    Leaving,
    LeavingPoll,
    Address,
}

impl Topic {
    fn of(finding: &str) -> Option<Self> {
        Some(match finding {
            "sse-buffered" | "gzip-buffered" | "stream-buffered" => Self::Buffered,
            "sse-compressed" | "stream-compressed" => Self::Compressed,
            "websocket" => Self::WebSocket,
            "last-event-id" => Self::LastEventId,
            "origin" => Self::AllowOrigin,
            "cache-control" | "reached" => Self::Stored,
            "idle" => Self::Idle,
            "names" => Self::Names,
            "host" => Self::Host,
            "crowd" => Self::Crowd,
            "leaving" => Self::Leaving,
            "leaving-poll" => Self::LeavingPoll,
            "address" => Self::Address,
            _ => return None,
        })
    }

    /// What must happen, for a proxy whose lines are not known.
    fn wanted(self) -> &'static str {
        match self {
            Self::Buffered => "pass each piece of an answer on as it comes, and keep none back",
            Self::Compressed => {
                "leave answers as they are: the server compresses by itself for those who take it"
            }
            Self::WebSocket => "pass the headers Upgrade and Connection on, and then bytes both ways",
            Self::LastEventId => "pass the header Last-Event-ID on",
            Self::AllowOrigin => "leave the header Access-Control-Allow-Origin to the server",
            Self::Stored => {
                "speak HTTP/1.1 with both sides, keep no answer, and leave Cache-Control as it is"
            }
            Self::Idle => "let a connection be silent for 75 s, and an answer last for as long as it likes",
            Self::Names => "leave the path as it is: %2F, // and .. are letters of a channel's name",
            Self::Host => "pass the header Host on as the client said it",
            Self::Crowd => "take more connections at once, two open files for each",
            Self::Leaving => {
                "end its own connection when its client's ends; where it cannot, a smaller `heartbeat` of the server tells sooner"
            }
            Self::LeavingPoll => {
                "end its own connection when its client's ends; where it cannot, a smaller `poll_timeout` of the server tells sooner"
            }
            Self::Address => {
                "write the client's address into X-Forwarded-For, behind what is there or in its place"
            }
        }
    }
}

/// Where the lines belong.
fn place(front: Front) -> &'static str {
    match front {
        Front::Apache => "Apache, in the virtual host",
        Front::Caddy => "Caddy, in the site of the WAIT line",
        Front::Envoy => "Envoy",
        Front::H2o => "h2o",
        Front::HaProxy => "HAProxy",
        Front::Lighttpd => "lighttpd",
        Front::Nginx => "nginx, in the location that leads to the WAIT line",
        Front::Squid => "Squid",
        Front::Traefik => "Traefik",
        Front::Varnish => "Varnish, in the VCL",
    }
}

/// The lines of that proxy; none where it has no setting for this.
fn lines(front: Front, topic: Topic) -> &'static [&'static str] {
    match front {
        Front::Nginx => nginx(topic),
        Front::HaProxy => haproxy(topic),
        Front::Apache => apache(topic),
        Front::Varnish => varnish(topic),
        Front::Lighttpd => lighttpd(topic),
        Front::Squid => squid(topic),
        Front::Caddy => caddy(topic),
        Front::Envoy => envoy(topic),
        Front::H2o => h2o(topic),
        Front::Traefik => &[],
    }
}

fn nginx(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Buffered => &[
            "proxy_http_version 1.1;",
            "proxy_buffering off;",
            "proxy_cache off;",
            "gzip off;",
            "# remove: proxy_ignore_headers X-Accel-Buffering",
        ],
        Topic::Compressed => &["gzip off;"],
        Topic::WebSocket => &[
            "proxy_http_version 1.1;",
            "proxy_set_header Upgrade $http_upgrade;",
            "proxy_set_header Connection $http_connection;",
        ],
        Topic::LastEventId => {
            &["proxy_pass_request_headers on;", "proxy_set_header Last-Event-ID $http_last_event_id;"]
        }
        Topic::AllowOrigin => &["# remove: add_header Access-Control-Allow-Origin …"],
        Topic::Stored => &["proxy_http_version 1.1;", "proxy_cache off;", "expires off;"],
        Topic::Idle => &["proxy_read_timeout 75s;"],
        Topic::Names => &[
            "# in http, where the WAIT line is behind /push/:",
            "map $request_uri $push_uri { ~^/push(?<rest>/.*)$ $rest; }",
            "# in the location, in place of a proxy_pass that ends with a slash:",
            "proxy_pass http://127.0.0.1:8088$push_uri;",
        ],
        Topic::Host => &["proxy_set_header Host $http_host;"],
        Topic::Leaving | Topic::LeavingPoll => &["proxy_ignore_client_abort off;"],
        Topic::Address => &["proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"],
        Topic::Crowd => &[
            "# at the top of the file:",
            "worker_rlimit_nofile 40000;",
            "events { worker_connections 20000; }   # two for each client",
        ],
    }
}

fn haproxy(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Buffered => &["# remove: http-response wait-for-body …, filter compression"],
        Topic::Compressed => &["# remove: filter compression, compression …"],
        Topic::WebSocket => {
            &["# remove what deletes or sets Upgrade and Connection: http-request del-header Upgrade"]
        }
        Topic::LastEventId => &["# remove: http-request del-header Last-Event-ID"],
        Topic::AllowOrigin => &["# remove: http-response … Access-Control-Allow-Origin"],
        Topic::Stored => &["# remove: http-response … Cache-Control, http-request cache-use"],
        Topic::Idle => &["timeout client 75s", "timeout server 75s", "timeout tunnel 75s"],
        Topic::Names => &["# remove: http-request normalize-uri …"],
        Topic::Host => &["# remove: http-request set-header Host …"],
        Topic::Leaving | Topic::LeavingPoll => &["option abortonclose"],
        Topic::Address => &["option forwardfor"],
        Topic::Crowd => &[
            "# in global and in defaults, two open files for each client:",
            "maxconn 9000",
            "# on the server's line: no maxconn",
        ],
    }
}

fn apache(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Buffered => &["# remove: SetOutputFilter, mod_buffer, ProxyPass … flushpackets=off"],
        Topic::Compressed => &["SetEnv no-gzip 1"],
        Topic::WebSocket => &["ProxyPass \"/\" \"http://127.0.0.1:8088/\" nocanon upgrade=websocket"],
        Topic::LastEventId => &["# remove: RequestHeader unset Last-Event-ID"],
        Topic::AllowOrigin => &["# remove: Header … Access-Control-Allow-Origin"],
        Topic::Stored => {
            &["CacheDisable \"/\"", "# remove: Header … Cache-Control, SetEnv force-response-1.0"]
        }
        Topic::Idle => &["ProxyTimeout 75"],
        Topic::Names => &[
            "AllowEncodedSlashes NoDecode",
            "ProxyPass \"/\" \"http://127.0.0.1:8088/\" nocanon upgrade=websocket",
        ],
        Topic::Host => &["ProxyPreserveHost On"],
        // It has no line for it.
        Topic::Leaving | Topic::LeavingPoll => &[],
        Topic::Address => &["ProxyAddHeaders On"],
        Topic::Crowd => &[
            "# in the server's own file, with the event MPM; a thread for each client:",
            "ServerLimit 32",
            "ThreadLimit 64",
            "ThreadsPerChild 64",
            "MaxRequestWorkers 2048",
        ],
    }
}

fn varnish(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Buffered | Topic::WebSocket | Topic::Leaving => &[
            "sub vcl_recv {",
            "    if (req.http.upgrade ~ \"(?i)websocket\" || req.http.accept ~ \"event-stream|ndjson\"",
            "        || req.url ~ \"[?&]transport=(sse|stream|ws)(&|$)\") { return (pipe); }",
            "}",
            "sub vcl_pipe {",
            "    if (req.http.upgrade) {",
            "        set bereq.http.upgrade = req.http.upgrade;",
            "        set bereq.http.connection = req.http.connection;",
            "    }",
            "}",
        ],
        Topic::Compressed => &["# remove: set beresp.do_gzip = true;"],
        Topic::Stored => &["sub vcl_recv { return (pass); }"],
        Topic::Idle => &[
            "# of the backend:",
            ".first_byte_timeout = 75s;",
            "# of the program: varnishd -p pipe_timeout=75",
        ],
        Topic::Crowd => &["# of the program, a thread for each client: varnishd -p thread_pool_max=5000"],
        Topic::LastEventId => &["# remove: unset req.http.Last-Event-ID;"],
        Topic::AllowOrigin => &["# remove: set resp.http.Access-Control-Allow-Origin"],
        Topic::Names => &["# remove what changes req.url"],
        Topic::LeavingPoll => &[],
        Topic::Address => &["# remove: unset req.http.X-Forwarded-For;"],
        Topic::Host => &["# remove: set req.http.host, .host_header"],
    }
}

fn lighttpd(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::Buffered | Topic::Leaving => &["server.stream-response-body = 2"],
        Topic::Compressed => &["# remove text/event-stream and application/x-ndjson from deflate.mimetypes"],
        Topic::WebSocket => &["proxy.header = ( \"upgrade\" => \"enable\" )"],
        Topic::Names => &[
            "server.http-parseopts = (",
            "    \"url-path-2f-decode\" => \"disable\",",
            "    \"url-path-dotseg-remove\" => \"disable\",",
            ")",
        ],
        Topic::Idle => &["server.max-read-idle = 3600"],
        Topic::Crowd => &["server.max-fds = 16384"],
        _ => &[],
    }
}

fn squid(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::WebSocket => &["http_upgrade_request_protocols websocket allow all"],
        Topic::Stored => &["cache deny all"],
        Topic::Idle => &["read_timeout 15 minutes"],
        Topic::Crowd => &["max_filedescriptors 16384"],
        _ => &[],
    }
}

fn caddy(topic: Topic) -> &'static [&'static str] {
    match topic {
        // By itself it asks for gzip where its client did not, and inflates in lots.
        Topic::Buffered => &[
            "reverse_proxy 127.0.0.1:8088 {",
            "    flush_interval -1",
            "    transport http {",
            "        compression off",
            "    }",
            "}",
        ],
        Topic::Compressed => &["# remove: encode"],
        Topic::Host => &["# remove: header_up Host"],
        _ => &[],
    }
}

fn envoy(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::WebSocket => &[
            "# in HttpConnectionManager, without allow_connect:",
            "upgrade_configs: [ { upgrade_type: websocket } ]",
        ],
        Topic::Idle => &[
            "# in the route; 15 s by itself, for the whole answer:",
            "timeout: 0s",
            "# in HttpConnectionManager:",
            "stream_idle_timeout: 75s",
        ],
        Topic::Names => &[
            "# in HttpConnectionManager, remove: normalize_path, merge_slashes, path_with_escaped_slashes_action",
        ],
        Topic::Host => &["# in the route, remove: host_rewrite_…, auto_host_rewrite"],
        Topic::Address => &["# in HttpConnectionManager:", "use_remote_address: true"],
        Topic::Crowd => &[
            "# in the cluster:",
            "circuit_breakers:",
            "  thresholds: [ { max_connections: 100000, max_pending_requests: 100000, max_requests: 100000 } ]",
        ],
        _ => &[],
    }
}

fn h2o(topic: Topic) -> &'static [&'static str] {
    match topic {
        Topic::WebSocket => &["proxy.websocket: ON"],
        Topic::Idle => &["proxy.timeout.io: 75000"],
        Topic::Host => &["proxy.preserve-host: ON"],
        Topic::Compressed => &["compress: OFF"],
        Topic::Crowd => &["max-connections: 16000"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_for_who_is_there() {
        let place = |level, front| {
            let finding = with_advice(Finding::new("websocket", level, "x"), front);
            finding.remedies.first().map(|remedy| remedy.place.split([',', ' ']).next().unwrap())
        };
        assert_eq!(place(Level::Problem, None), Some("whoever"));
        assert_eq!(place(Level::Problem, Some(Front::Nginx)), Some("nginx"));
        assert_eq!(place(Level::Problem, Some(Front::HaProxy)), Some("HAProxy"));
        assert_eq!(place(Level::Problem, Some(Front::Traefik)), Some("whoever"), "no line of it is known");
        assert_eq!(place(Level::Ok, None), None);
    }

    #[test]
    fn no_proxy_gets_the_lines_of_another() {
        let all = [
            Front::Apache,
            Front::Caddy,
            Front::Envoy,
            Front::H2o,
            Front::Lighttpd,
            Front::Squid,
            Front::Varnish,
        ];
        for front in all {
            for name in [
                "sse-buffered",
                "websocket",
                "idle",
                "names",
                "host",
                "crowd",
                "sse-compressed",
                "leaving",
                "address",
            ] {
                let finding = with_advice(Finding::new(name, Level::Problem, "x"), Some(front));
                let text = format!("{:?}", finding.remedies);
                assert!(
                    !text.contains("proxy_") && !text.contains("timeout tunnel"),
                    "{front:?} {name}: {text}"
                );
                assert_eq!(finding.remedies.len(), 1, "{front:?} {name}");
            }
        }
    }
}
