//! Which proxy stands on the way: by what it says of itself, or by how it refuses a request that is none.

use crate::wire::ProbeAnswer;

/// The proxies whose lines a doctor knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Front {
    Apache,
    Caddy,
    Envoy,
    H2o,
    HaProxy,
    Lighttpd,
    Nginx,
    Squid,
    Traefik,
    Varnish,
}

impl Front {
    /// By the headers `Server` and `Via`, and those that only one of them sets. The one that is nearest to the client counts.
    pub(crate) fn of_headers(answer: &ProbeAnswer) -> Option<Self> {
        let said =
            ["server", "via"].iter().filter_map(|name| answer.header(name)).collect::<Vec<_>>().join(" ");
        let said = said.to_ascii_lowercase();
        let by_word = WORDS.iter().find(|(word, _)| said.contains(word)).map(|&(_, front)| front);
        by_word.or_else(|| {
            let by_header = HEADERS.iter().find(|(name, _)| answer.header(name).is_some());
            by_header.map(|&(_, front)| front)
        })
    }

    /// By the answer to [`BROKEN`], for those who say nothing of themselves while all is well.
    pub(crate) fn of_refusal(answer: &ProbeAnswer) -> Option<Self> {
        if answer.says("<h1>400 Bad request</h1>\nYour browser sent an invalid request.") {
            return Some(Self::HaProxy);
        }
        Self::of_headers(answer)
    }

    /// As its makers write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Apache => "Apache",
            Self::Caddy => "Caddy",
            Self::Envoy => "Envoy",
            Self::H2o => "h2o",
            Self::HaProxy => "HAProxy",
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::Squid => "Squid",
            Self::Traefik => "Traefik",
            Self::Varnish => "Varnish",
        }
    }
}

/// A line of a head without its colon: every proxy answers 400 by itself.
pub(crate) const BROKEN: &str = "no colon\r\n";

/// What stands in `Server` or `Via`, in lower case.
static WORDS: &[(&str, Front)] = &[
    ("varnish", Front::Varnish),
    ("squid", Front::Squid),
    ("caddy", Front::Caddy),
    ("envoy", Front::Envoy),
    ("h2o", Front::H2o),
    ("lighttpd", Front::Lighttpd),
    ("traefik", Front::Traefik),
    ("haproxy", Front::HaProxy),
    ("apache", Front::Apache),
    ("nginx", Front::Nginx),
    ("openresty", Front::Nginx),
];

/// Headers that only one of them adds.
static HEADERS: &[(&str, Front)] = &[
    ("x-varnish", Front::Varnish),
    ("x-envoy-upstream-service-time", Front::Envoy),
    ("x-squid-error", Front::Squid),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Option<Front>) {
        let answer = ProbeAnswer::of(&format!("HTTP/1.1 200 OK\r\n{head}\r\n"), false);
        assert_eq!(Front::of_headers(&answer), expected, "{head}");
    }

    #[test]
    fn a_proxy_gives_its_name() {
        check("Server: nginx/1.22.1\r\n", Some(Front::Nginx));
        check("Server: Apache/2.4.71 (Debian)\r\n", Some(Front::Apache));
        check("Via: 1.1 varnish (Varnish/7.1)\r\n", Some(Front::Varnish));
        check("Via: 1.1 host (squid/5.7)\r\n", Some(Front::Squid));
        check("Via: 1.1 Caddy\r\n", Some(Front::Caddy));
        check("server: envoy\r\n", Some(Front::Envoy));
        check("X-Varnish: 32770\r\n", Some(Front::Varnish));
        check("Server: unheard-of\r\n", None);
        check("", None);
    }

    #[test]
    fn a_silent_one_is_known_by_its_refusal() {
        let page =
            "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n";
        let answer = ProbeAnswer::of(&format!("HTTP/1.1 400 Bad request\r\n\r\n{page}"), true);
        assert_eq!(Front::of_refusal(&answer), Some(Front::HaProxy));
        assert_eq!(Front::of_refusal(&ProbeAnswer::of("HTTP/1.1 400 Bad Request\r\n\r\n{}", true)), None);
    }
}
