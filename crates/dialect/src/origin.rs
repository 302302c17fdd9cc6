//! Whose page is behind a request, and what browsers are told about it: `Origin` and CORS (Fetch, section 3).

use crate::Request;

/// The origins of pages that may show credentials; none: whoever knows a token may show it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<Box<str>>);

/// Whose page is behind a request. One byte, since a waiting connection keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOrigin(u8);

/// What browsers are told of an answer: whose pages may read it, and whether credentials may come with the request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cors<'a> {
    /// The page's origin, where it is listed; otherwise all pages may read the answer, without credentials.
    pub listed: Option<&'a str>,
    /// Whether the answer would be another one for another page.
    pub varies: bool,
}

/// Why a text is no origin, or there are too many. The message says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is a scheme and a host, and a port where it is not the usual one: https://shop.example, or https://*.shop.example for all hosts below it"
)]
pub struct OriginError;

impl PageOrigin {
    /// No page, as far as is told, or one of the host that the request was sent to.
    pub const OURS: Self = Self(0);
    /// A page of an origin that is not listed.
    pub const FOREIGN: Self = Self(u8::MAX);
    /// A page of another origin, which its browser does not name: it may not read the answer, but the browser sends its
    /// cookies (Fetch Metadata, section 2.4).
    pub const CROSS_SITE: Self = Self(u8::MAX - 1);

    /// As plain data.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// As it was in plain data.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl Origins {
    /// Origins at the most: their numbers fit a [`PageOrigin`].
    pub const COUNT_MAX: usize = 253;
    /// No origins.
    pub const NONE: Self = Self(Vec::new());

    /// These origins, each as [`Self::read`] wrote it; at most [`Self::COUNT_MAX`] of them count.
    pub fn new(origins: impl IntoIterator<Item = String>) -> Self {
        Self(origins.into_iter().take(Self::COUNT_MAX).map(String::into_boxed_str).collect())
    }

    /// Reads an origin as somebody writes it, and gives it as browsers do (RFC 6454, section 6.2). The host may begin with
    /// `*.`, which stands for one label or more.
    pub fn read(text: &str) -> Result<String, OriginError> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://").ok_or(OriginError)?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let usual = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => "",
        };
        let host = if usual.is_empty() { rest } else { rest.strip_suffix(usual).unwrap_or(rest) };
        // A star is for whole labels in front of a host that has one itself.
        let named = host.strip_prefix(ANY_LABELS).unwrap_or(host);
        let is_named = named.len() == host.len() || !named.starts_with(['.', ':', '[']);
        let is_host = is_named
            && !named.is_empty()
            && named.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
        if is_scheme && is_host { Ok(format!("{scheme}://{host}")) } else { Err(OriginError) }
    }

    /// Whether none is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose page is behind a request.
    pub fn page(&self, request: &Request<'_>) -> PageOrigin {
        let Some(origin) = (request.header)("origin") else {
            return if is_same_site(request) { PageOrigin::OURS } else { PageOrigin::CROSS_SITE };
        };
        let listed = self.0.iter().position(|listed| matches(listed, origin));
        match listed.and_then(|number| u8::try_from(number + 1).ok()) {
            Some(number) => PageOrigin(number),
            None if foreign_origin(request).is_none() => PageOrigin::OURS,
            None => PageOrigin::FOREIGN,
        }
    }

    /// What browsers are told of an answer for this page; of one that is listed by a pattern, [`Self::by_pattern`] says more.
    pub fn cors(&self, page: PageOrigin) -> Cors<'_> {
        let number = usize::from(page.0).checked_sub(1);
        let listed = number.and_then(|number| self.0.get(number)).map(|origin| &**origin);
        Cors { listed: listed.filter(|origin| !origin.contains(ANY_LABELS)), varies: !self.is_empty() }
    }

    /// The origin of a page that is listed by a pattern, which alone does not tell it.
    pub fn by_pattern<'a>(&self, page: PageOrigin, request: &Request<'a>) -> Option<&'a str> {
        let listed = self.0.get(usize::from(page.0).checked_sub(1)?)?;
        let origin = (request.header)("origin").filter(|_| listed.contains(ANY_LABELS))?;
        str::from_utf8(origin).ok()
    }
}

/// Whether an origin is the listed one, or falls under it where that is a pattern.
fn matches(listed: &str, origin: &[u8]) -> bool {
    let Some((scheme, host)) = listed.split_once(ANY_LABELS) else {
        return listed.as_bytes().eq_ignore_ascii_case(origin);
    };
    // `https://` before the labels, and `.shop.example:8080` behind them.
    let Some(labels_len) = origin.len().checked_sub(scheme.len() + 1 + host.len()) else { return false };
    let (begin, rest) = origin.split_at(scheme.len());
    let (labels, end) = rest.split_at(labels_len);
    begin.eq_ignore_ascii_case(scheme.as_bytes())
        && end[0] == b'.'
        && end[1..].eq_ignore_ascii_case(host.as_bytes())
        && labels.split(|byte| *byte == b'.').all(is_label)
}

/// Whether this may be a label of a host's name (RFC 1123, section 2.1, and `_`, which browsers take).
fn is_label(label: &[u8]) -> bool {
    !label.is_empty() && label.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
}

/// In front of a host: any labels, one at least.
const ANY_LABELS: &str = "*.";

/// The origin of a request, unless it is that of the host it was sent to.
pub(crate) fn foreign_origin<'a>(request: &Request<'a>) -> Option<&'a str> {
    let origin = (request.header)("origin")?;
    let origin = str::from_utf8(origin).unwrap_or("(not readable)");
    let host = (request.header)("host").and_then(|host| str::from_utf8(host).ok());
    let proto = (request.header)("x-forwarded-proto");
    let is_ours = host.is_some_and(|host| is_same_origin(origin, host, request.tls, proto));
    // The handshake of a WebSocket always has an origin, and not every browser says the right thing besides.
    (!is_ours || !(request.upgrade || is_same_site(request))).then_some(origin)
}

/// Whether a page of this origin was served by the host that was called. The scheme is that of the connection; where that
/// is plain, `proto` of a proxy in front says it (`X-Forwarded-Proto`), and where nothing does, it may be either.
pub fn is_same_origin(origin: &str, host: &str, tls: bool, proto: Option<&[u8]>) -> bool {
    let Some((scheme, ours)) = origin.split_once("://") else { return false };
    // Each proxy appends what it knows; only the last one speaks of the way to us.
    let said = proto.and_then(|list| list.rsplit(|byte| *byte == b',').next()).map(<[u8]>::trim_ascii);
    let is_scheme = match (scheme, tls, said) {
        ("https", true, _) => true,
        ("http" | "https", false, None | Some(b"")) => true,
        ("http" | "https", false, Some(said)) => said.eq_ignore_ascii_case(scheme.as_bytes()),
        _ => false,
    };
    is_scheme && ours.eq_ignore_ascii_case(host)
}

/// Whether a browser says that the request is of a page of this very origin, or of the person in front of it; what is
/// old, or no browser, says nothing.
fn is_same_site(request: &Request<'_>) -> bool {
    matches!((request.header)("sec-fetch-site"), None | Some(b"same-origin" | b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_do() {
        for (text, expected) in [
            ("https://Shop.example", Some("https://shop.example")),
            ("https://shop.example:443", Some("https://shop.example")),
            ("http://shop.example:8080", Some("http://shop.example:8080")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("capacitor://localhost", Some("capacitor://localhost")),
            ("shop.example", None),
            ("https://", None),
            ("https://shop.example/", None),
            ("https://*.Shop.example:443", Some("https://*.shop.example")),
            ("https://*.shop.example:8443", Some("https://*.shop.example:8443")),
            ("https://*.localhost", Some("https://*.localhost")),
            ("https://*", None),
            ("https://*.", None),
            ("https://*.:8443", None),
            ("https://*.*.example", None),
            ("https://a.*.example", None),
            ("https://*shop.example", None),
            ("*://shop.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(Origins::read(text).ok().as_deref(), expected, "{text}");
        }
    }

    /// Whose page it is by these origins, whose request comes from that one; and what it may read.
    fn check(origins: &Origins, origin: Option<&'static str>) -> (PageOrigin, Option<String>) {
        let header = move |name: &str| match name {
            "origin" => origin.map(str::as_bytes),
            "host" => Some(&b"push.example:8088"[..]),
            _ => None,
        };
        let request = Request::with(&header);
        let page = origins.page(&request);
        let listed = origins.by_pattern(page, &request).or_else(|| origins.cors(page).listed);
        (page, listed.map(str::to_owned))
    }

    #[test]
    fn a_page_is_ours_or_listed_or_foreign() {
        let origins = Origins::new(["https://a.example".to_owned(), "https://b.example".to_owned()]);
        assert_eq!(check(&origins, None), (PageOrigin::OURS, None));
        assert_eq!(check(&origins, Some("https://push.example:8088")), (PageOrigin::OURS, None));
        assert_eq!(check(&origins, Some("https://B.example")).1.as_deref(), Some("https://b.example"));
        for origin in ["null", "https://b.example.evil", "http://b.example", "https://b.example:1", ""] {
            assert_eq!(check(&origins, Some(origin)), (PageOrigin::FOREIGN, None), "{origin}");
        }
    }

    #[test]
    fn a_pattern_is_for_hosts_below_its_own_alone() {
        let origins =
            Origins::new(["https://*.shop.example".to_owned(), "http://*.shop.example:81".to_owned()]);
        for origin in ["https://a.shop.example", "https://A.b-1.Shop.example", "http://x_y.shop.example:81"] {
            let (page, listed) = check(&origins, Some(origin));
            assert_eq!(listed.as_deref(), Some(origin));
            assert_eq!(origins.cors(page).listed, None, "the pattern itself is told to nobody");
        }
        for origin in [
            "https://shop.example",
            "https://.shop.example",
            "https://a..shop.example",
            "https://ashop.example",
            "https://a.shop.example.evil",
            "https://evil.example/.shop.example",
            "https://evil.example:1.shop.example",
            "https://evil@a.shop.example",
            "https://a.shop.example:443",
            "https://a.shop.example:81",
            "http://a.shop.example",
            "http://a.shop.example:80",
            "https://\u{e9}.shop.example",
            "null",
            "",
        ] {
            assert_eq!(check(&origins, Some(origin)), (PageOrigin::FOREIGN, None), "{origin}");
        }
    }

    #[test]
    fn schemes_count_where_they_are_known() {
        let check = |origin, tls, proto: Option<&'static [u8]>, expected| {
            assert_eq!(is_same_origin(origin, "a.example", tls, proto), expected, "{origin} {tls} {proto:?}");
        };
        check("https://A.example", true, None, true);
        check("http://a.example", true, None, false);
        check("http://a.example", true, Some(b"http"), false);
        for origin in ["https://a.example", "http://a.example"] {
            check(origin, false, None, true);
            check(origin, false, Some(b""), true);
        }
        check("http://a.example", false, Some(b"https"), false);
        check("https://a.example", false, Some(b"http, HTTPS"), true);
        check("https://a.example", false, Some(b"https, http"), false);
        for origin in ["ws://a.example", "a.example", "null", "https://a.example:1", "https://a.example."] {
            check(origin, false, None, false);
        }
    }

    #[test]
    fn a_browser_says_that_a_page_is_foreign_also_without_its_origin() {
        let check = |origin: Option<&'static str>, site: Option<&'static str>, upgrade, expected| {
            let header = move |name: &str| match name {
                "origin" => origin.map(str::as_bytes),
                "sec-fetch-site" => site.map(str::as_bytes),
                "host" => Some(&b"push.example"[..]),
                _ => None,
            };
            let request = Request { upgrade, ..Request::with(&header) };
            assert_eq!(Origins::NONE.page(&request), expected, "{origin:?} {site:?}");
        };
        let ours = Some("https://push.example");
        for site in [None, Some("same-origin"), Some("none")] {
            check(None, site, false, PageOrigin::OURS);
            check(ours, site, false, PageOrigin::OURS);
        }
        for site in [Some("cross-site"), Some("same-site"), Some(""), Some("same-origin, none")] {
            check(None, site, false, PageOrigin::CROSS_SITE);
            check(ours, site, false, PageOrigin::FOREIGN);
            check(ours, site, true, PageOrigin::OURS);
        }
    }
}
