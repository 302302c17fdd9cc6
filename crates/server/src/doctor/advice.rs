//! What to put into nginx and HAProxy against what was found on the way.

use super::finding::{Finding, Level};

/// What a proxy does to a stream, whichever kind of stream it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    Buffered,
    Compressed,
}

impl Fault {
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

/// Adds what to paste, for the proxy that gave its name, or for both.
pub(crate) fn with_advice(mut finding: Finding, front: Option<&str>) -> Finding {
    if finding.level < Level::Warning {
        return finding;
    }
    let Some((_, nginx, haproxy)) = ADVICE.iter().find(|(name, ..)| *name == finding.name) else {
        return finding;
    };
    let front = front.unwrap_or_default().to_ascii_lowercase();
    if !front.contains("haproxy") && !nginx.is_empty() {
        finding = finding.remedy("nginx, in the location that leads to the WAIT line", nginx.iter().copied());
    }
    if !front.contains("nginx") && !haproxy.is_empty() {
        finding = finding.remedy("HAProxy", haproxy.iter().copied());
    }
    finding
}

/// By the name of a finding: lines for nginx, lines for HAProxy.
static ADVICE: &[(&str, &[&str], &[&str])] = &[
    ("sse-buffered", UNBUFFERED, HAPROXY_UNBUFFERED),
    ("gzip-buffered", UNBUFFERED, HAPROXY_UNBUFFERED),
    ("stream-buffered", UNBUFFERED, HAPROXY_UNBUFFERED),
    ("sse-compressed", &["gzip off;"], UNCOMPRESSED),
    ("stream-compressed", &["gzip off;"], UNCOMPRESSED),
    (
        "websocket",
        &[
            "proxy_http_version 1.1;",
            "proxy_set_header Upgrade $http_upgrade;",
            "proxy_set_header Connection $http_connection;",
        ],
        &["# remove what deletes or sets Upgrade and Connection: http-request del-header Upgrade"],
    ),
    (
        "last-event-id",
        &["proxy_pass_request_headers on;", "proxy_set_header Last-Event-ID $http_last_event_id;"],
        &["# remove: http-request del-header Last-Event-ID"],
    ),
    (
        "origin",
        &["# remove: add_header Access-Control-Allow-Origin …"],
        &["# remove: http-response … Access-Control-Allow-Origin"],
    ),
    ("cache-control", &["proxy_cache off;", "expires off;"], &["# remove: http-response … Cache-Control"]),
    ("reached", &["proxy_http_version 1.1;", "proxy_buffering off;", "proxy_cache off;"], &[]),
    (
        "idle",
        &[
            "proxy_read_timeout 75s;",
            "# or let the server say more often that it lives: multiplexor --heartbeat 10s --poll-timeout 10s",
        ],
        &["timeout client 75s", "timeout server 75s", "timeout tunnel 75s"],
    ),
];

const UNBUFFERED: &[&str] = &[
    "proxy_buffering off;",
    "proxy_cache off;",
    "gzip off;",
    "# remove: proxy_ignore_headers X-Accel-Buffering",
];
const HAPROXY_UNBUFFERED: &[&str] = &["# remove: http-response wait-for-body …, filter compression"];
const UNCOMPRESSED: &[&str] = &["# remove: filter compression, compression …"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_for_who_is_there() {
        let places = |level, front: Option<&str>| -> Vec<&str> {
            let finding = with_advice(Finding::new("websocket", level, "x"), front);
            finding.remedies.iter().map(|remedy| remedy.place.split(',').next().unwrap()).collect()
        };
        assert_eq!(places(Level::Problem, None), ["nginx", "HAProxy"]);
        assert_eq!(places(Level::Problem, Some("nginx/1.22.1")), ["nginx"]);
        assert_eq!(places(Level::Problem, Some("HAProxy")), ["HAProxy"]);
        assert!(places(Level::Ok, None).is_empty());
    }
}
