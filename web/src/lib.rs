//! What browsers load: the pages and the client, embedded, and what is answered to whoever asks for one.
//!
//! This crate knows no line and no socket: an [`Asked`] comes in, an [`Answer`] with static bytes goes out.
//! The pages are made from `pages/` by `build.rs`: one request each, no address outside.

/// Something a browser loads.
#[derive(Debug)]
pub struct Page {
    content_type: &'static str,
    bytes: &'static [u8],
    /// The same bytes, compressed.
    gzip: &'static [u8],
    /// Stands for these bytes, compressed or not.
    etag: &'static str,
    /// The part of its Content-Security-Policy that allows its own styles and scripts; empty: it is no page.
    policy: &'static str,
    /// What the rest of that policy allows by itself.
    connect: &'static str,
}

/// What a request says that the answer depends on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// What follows `?`.
    pub query: &'a str,
    /// `Accept-Encoding`, or nothing.
    pub accept_encoding: &'a [u8],
    /// `If-None-Match`, or nothing.
    pub if_none_match: &'a [u8],
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, or 304 for whoever has it already.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// `Cache-Control`.
    pub cache: &'static str,
    /// All other headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body; nothing with 304.
    pub body: &'static [u8],
}

/// The client library: `<script src="/multiplexor.js">`.
pub static CLIENT: Page = embedded!("multiplexor.js", "text/javascript; charset=utf-8", "");
/// What stands at `/` of the WAIT line. It checks whatever address somebody types in.
pub static FRONT: Page = embedded!("front.html", HTML, "*");
/// What stands at `/` of the IN line.
pub static IN: Page = embedded!("in.html", HTML, "'none'");
/// Where people show their API key to the IN line.
pub static SIGN_IN: Page = embedded!("sign_in.html", HTML, "'self'");
/// The demo. It reaches the line that serves it; [`Page::answer_reaching`] adds the one where it waits.
pub static DEMO: Page = embedded!("demo.html", HTML, "'self'");

impl Page {
    /// The answer to a request for it.
    pub fn answer(&self, asked: &Asked<'_>) -> Answer {
        self.answer_reaching(asked, "")
    }

    /// The same, where the page may also connect to these sources, as a Content-Security-Policy names them.
    pub fn answer_reaching(&self, asked: &Asked<'_>, sources: &str) -> Answer {
        let has_it = has_tag(asked.if_none_match, self.etag);
        let mut headers = vec![("ETag", self.etag.to_owned()), ("Vary", self.vary().to_owned())];
        let zips = takes_gzip(asked.accept_encoding);
        if zips && !has_it {
            headers.push(("Content-Encoding", "gzip".to_owned()));
        }
        headers.push(("X-Content-Type-Options", "nosniff".to_owned()));
        if !self.policy.is_empty() {
            headers.push(("Referrer-Policy", "no-referrer".to_owned()));
            headers.push(("Content-Security-Policy", self.policy(sources)));
        }
        Answer {
            status: if has_it { 304 } else { 200 },
            content_type: self.content_type,
            cache: self.cache(asked.query),
            headers,
            body: match (has_it, zips) {
                (true, _) => &[],
                (false, true) => self.gzip,
                (false, false) => self.bytes,
            },
        }
    }

    /// A page is asked about each time. The client is kept for an hour, or for ever under a version of its own.
    fn cache(&self, query: &str) -> &'static str {
        let version = query.split('&').any(|pair| pair.strip_prefix("v=").is_some_and(|v| !v.is_empty()));
        match (self.policy.is_empty(), version) {
            (false, _) => "no-cache",
            (true, false) => "public, max-age=3600, stale-while-revalidate=86400",
            (true, true) => "public, max-age=31536000, immutable",
        }
    }

    /// Of the headers of a request: what another answer may come for at the same address.
    fn vary(&self) -> &'static str {
        if self.policy.is_empty() { "Accept-Encoding" } else { "Accept, Accept-Encoding" }
    }

    fn policy(&self, sources: &str) -> String {
        let Self { policy, connect, .. } = self;
        format!(
            "default-src 'none'; {policy}; img-src data:; connect-src {connect} {sources}; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    }
}

/// Whether somebody looks at it in a browser; programs take anything and get a few plain lines.
pub fn is_browser(accept: &[u8]) -> bool {
    parts(accept).any(|part| name_of(part).eq_ignore_ascii_case("text/html"))
}

/// RFC 9110, 12.5.3: named, and not with a weight of zero.
fn takes_gzip(accept_encoding: &[u8]) -> bool {
    parts(accept_encoding).any(|part| {
        let weight = part.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
        name_of(part).eq_ignore_ascii_case("gzip")
            && weight.is_none_or(|q| q.bytes().any(|b| matches!(b, b'1'..=b'9')))
    })
}

/// RFC 9110, 13.1.2: tags are compared weakly.
fn has_tag(if_none_match: &[u8], etag: &str) -> bool {
    let opaque = |tag: &'_ str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    parts(if_none_match).any(|tag| tag == "*" || opaque(tag) == opaque(etag))
}

/// The members of a header that is a list; none of one that is no text.
fn parts(header: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(header).unwrap_or_default().split(',').map(str::trim)
}

/// A member of a list without its parameters.
fn name_of(part: &str) -> &str {
    part.split(';').next().unwrap_or_default().trim_end()
}

const HTML: &str = "text/html; charset=utf-8";

/// The files that `build.rs` made for a name.
macro_rules! embedded {
    ($name:literal, $content_type:expr, $connect:literal) => {
        Page {
            content_type: $content_type,
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            gzip: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
            etag: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".tag")),
            policy: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".policy")),
            connect: $connect,
        }
    };
}
use embedded;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(
        query: &'static str,
        accept_encoding: &'static str,
        if_none_match: &'static str,
    ) -> Asked<'static> {
        let (accept_encoding, if_none_match) = (accept_encoding.as_bytes(), if_none_match.as_bytes());
        Asked { query, accept_encoding, if_none_match }
    }

    /// Whether a request with this `Accept-Encoding` gets it compressed.
    fn check_zips(accept_encoding: &'static str, expected: bool) {
        let answer = CLIENT.answer(&asked("", accept_encoding, ""));
        assert_eq!(answer.body == CLIENT.gzip, expected, "{accept_encoding}");
        let said = answer.headers.contains(&("Content-Encoding", "gzip".to_owned()));
        assert_eq!(said, expected, "{accept_encoding}");
    }

    #[test]
    fn it_is_compressed_for_those_who_take_that() {
        for takes in ["gzip", "deflate, gzip;q=0.5, br", "GZIP ;q=1.0", "identity;q=0,gzip"] {
            check_zips(takes, true);
        }
        for takes_not in ["", "br", "gzip;q=0", "gzip; q=0.000", "x-gzip", "*"] {
            check_zips(takes_not, false);
        }
    }

    #[test]
    fn whoever_has_it_gets_no_bytes() {
        let tag = CLIENT.etag;
        let strong = tag.trim_start_matches("W/");
        for has in [tag.to_owned(), strong.to_owned(), "*".to_owned(), format!("\"x\", {tag}")] {
            let answer = CLIENT.answer(&Asked { if_none_match: has.as_bytes(), ..asked("", "gzip", "") });
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{has}");
            assert!(answer.headers.contains(&("ETag", tag.to_owned())));
        }
        for has_not in ["", "\"\"", "\"x\"", "W/\"x\"", &strong[1..]] {
            let answer = CLIENT.answer(&Asked { if_none_match: has_not.as_bytes(), ..asked("", "", "") });
            assert_eq!((answer.status, answer.body), (200, CLIENT.bytes), "{has_not}");
        }
    }

    #[test]
    fn the_client_is_kept_for_ever_under_a_version_only() {
        let cache = |page: &Page, query| page.answer(&asked(query, "", "")).cache;
        assert!(cache(&CLIENT, "x=1&v=2").contains("immutable"));
        assert!(cache(&CLIENT, "").contains("max-age=3600,"));
        assert!(cache(&CLIENT, "v=").contains("max-age=3600,"));
        assert_eq!(cache(&FRONT, "v=2"), "no-cache");
    }

    #[test]
    fn a_page_loads_nothing_from_elsewhere() {
        for page in [&FRONT, &IN, &SIGN_IN, &DEMO] {
            let text = std::str::from_utf8(page.bytes).unwrap();
            let answer = page.answer(&asked("", "", ""));
            let (_, policy) = answer.headers.last().unwrap();
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            for mark in ["src=\"http", "url(http", "@import", " style=\"", " onclick="] {
                assert!(!text.contains(mark), "{mark}");
            }
        }
    }

    #[test]
    fn browsers_say_that_they_take_html() {
        assert!(is_browser(b"text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(is_browser(b"*/*, Text/HTML;q=0.5"));
        assert!(!is_browser(b"*/*"));
        assert!(!is_browser(b""));
    }
}
