//! What a client shows of itself: a token, or a signed URL.

use std::borrow::Cow;

use crate::limits::COOKIE_TOKENS_MAX;
use crate::origin::foreign_origin;
use crate::{Request, Shows};

/// Credentials as they were shown; nobody has looked at them yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// What was shown.
    pub shown: Shown,
    /// Whether a browser sent them by itself, so that the page behind the request need not know them.
    pub ambient: bool,
    /// The origin of the page behind the request, where it is another than ours.
    pub foreign: Option<Box<str>>,
}

/// A token or a signature.
#[derive(Clone, PartialEq, Eq)]
pub enum Shown {
    /// Tokens, any of which will do: one, or those of several cookies of the same name.
    Tokens(Vec<Box<str>>),
    /// Headers for the application to look at, as lines of a head.
    Headers(Box<str>),
    /// A signed URL.
    Signature {
        /// The names as they stand in the path.
        path: Box<str>,
        /// The time of expiry as it stands in the query.
        expires: Box<str>,
        /// Whom the URL is for, and when it was signed, as the query says; empty: it does not.
        user: Box<str>,
        /// See `user`.
        iat: Box<str>,
        /// The signature.
        signature: Box<str>,
    },
}

/// Never shown by accident.
impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tokens(_) => "Tokens(…)",
            Self::Headers(_) => "Headers(…)",
            Self::Signature { .. } => "Signature(…)",
        })
    }
}

/// The credentials of a request, `list` being the names in its path. What somebody put into the URL beats a
/// header, and a header beats the cookie, which may be an old one.
pub(super) fn credentials(request: &Request<'_>, list: &str, shows: &Shows) -> Option<Credentials> {
    let signed = if shows.tokens || shows.headers.is_empty() {
        token_or_signature(request, list, shows)
    } else {
        None
    };
    signed.or_else(|| {
        let shown = Shown::Headers(shows.headers_of(request)?);
        Some(Credentials { shown, ambient: true, foreign: foreign_origin(request).map(Into::into) })
    })
}

/// What the URL of a request alone shows, `list` being the names in its path.
pub fn credentials_in_url(list: &str, query: &str) -> Option<Shown> {
    let (method, path, body, header) = ("GET", "/", &b""[..], &|_: &str| None);
    let request = Request { method, path, query, header, upgrade: false, tls: false, body };
    token_or_signature(&request, list, &Shows::NOTHING).map(|credentials| credentials.shown)
}

fn token_or_signature(request: &Request<'_>, list: &str, shows: &Shows) -> Option<Credentials> {
    let foreign = foreign_origin(request).map(Into::into);
    let (mut token, mut signature) = (None, None);
    let (mut expires, mut user, mut iat) = Default::default();
    if !request.query.is_empty() {
        for (key, value) in form_urlencoded::parse(request.query.as_bytes()) {
            match &*key {
                "token" if !value.is_empty() => token = Some(value),
                "expires" => expires = value,
                "user" => user = value,
                "iat" => iat = value,
                "signature" => signature = Some(value),
                _ => {}
            }
        }
    }
    if let Some(signature) = signature {
        let (path, expires, signature) = (list.into(), expires.into(), signature.into());
        let shown = Shown::Signature { path, expires, user: user.into(), iat: iat.into(), signature };
        return Some(Credentials { shown, ambient: false, foreign });
    }
    let token = token.or_else(|| bearer(request).map(Cow::from)).or_else(|| protocol(request).map(Cow::from));
    let (tokens, ambient) = match token {
        Some(token) => (vec![token.into()], false),
        None => (cookies(request, &shows.token_cookie), true),
    };
    (!tokens.is_empty()).then_some(Credentials { shown: Shown::Tokens(tokens), ambient, foreign })
}

fn text<'a>(request: &Request<'a>, name: &str) -> Option<&'a str> {
    (request.header)(name).and_then(|value| str::from_utf8(value).ok())
}

/// `Authorization: Bearer TOKEN`. What another scheme says is for somebody else, such as a proxy.
fn bearer<'a>(request: &Request<'a>) -> Option<&'a str> {
    let (scheme, token) = text(request, "authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// A WebSocket of a browser can send no header, but names of protocols.
fn protocol<'a>(request: &Request<'a>) -> Option<&'a str> {
    let list = text(request, "sec-websocket-protocol").filter(|_| request.upgrade)?;
    list.split(',').find_map(|name| name.trim().strip_prefix(TOKEN_PROTOCOL))
}

/// The values of all cookies of this name, each once: one may be of another path or domain, and an old one. Cookies
/// that are no text are somebody else's.
fn cookies(request: &Request<'_>, name: &str) -> Vec<Box<str>> {
    let mut found: Vec<Box<str>> = Vec::new();
    let pairs = (request.header)("cookie").unwrap_or_default().split(|byte| *byte == b';');
    for pair in pairs.filter_map(|pair| str::from_utf8(pair).ok()) {
        let value = pair.trim().split_once('=').filter(|(known, _)| *known == name);
        let value = value.map_or("", |(_, value)| value.trim_matches('"'));
        if !value.is_empty()
            && found.len() < COOKIE_TOKENS_MAX
            && !found.iter().any(|known| **known == *value)
        {
            found.push(value.into());
        }
    }
    found
}

/// How the name of a WebSocket's protocol begins that is a token.
pub const TOKEN_PROTOCOL: &str = "bearer.";

#[cfg(test)]
mod tests {
    use super::*;

    /// `headers` as `name: value` separated by `; ` behind a blank; the expected as `token from-where`.
    fn check(query: &str, headers: &[(&str, &str)], expected: Option<(&str, bool)>) {
        let header =
            |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        let upgrade = header("sec-websocket-protocol").is_some();
        let request = Request { query, upgrade, ..Request::with(&header) };
        let found = credentials(&request, "a", &Shows::NOTHING).map(|found| (found.shown, found.ambient));
        let tokens = |list: &str| Shown::Tokens(list.split(' ').map(Into::into).collect());
        let expected = expected.map(|(list, ambient)| (tokens(list), ambient));
        assert_eq!(found, expected, "{query} {headers:?}");
    }

    #[test]
    fn a_token_may_stand_in_several_places() {
        check("", &[], None);
        check("since=0", &[("accept", "*/*")], None);
        check("a=b&token=t.o.k", &[], Some(("t.o.k", false)));
        check("", &[("authorization", "bearer  t.o.k")], Some(("t.o.k", false)));
        check("", &[("sec-websocket-protocol", "multiplexor, bearer.t.o.k")], Some(("t.o.k", false)));
        check("", &[("cookie", "a=b; multiplexor_token=\"t.o.k\"; c=d")], Some(("t.o.k", true)));
        check("token=", &[("cookie", "x_multiplexor_token=t")], None);
        let several =
            "multiplexor_token=old; multiplexor_token=; a=b;multiplexor_token=new; multiplexor_token=old";
        check("", &[("cookie", several)], Some(("old new", true)));
        let many = (0..20).map(|n| format!("multiplexor_token={n};")).collect::<String>();
        check("", &[("cookie", &many)], Some(("0 1 2 3", true)));
        check("", &[("authorization", "Basic eDp5")], None);
        check("", &[("authorization", "Basic eDp5"), ("cookie", "multiplexor_token=c")], Some(("c", true)));
        check(
            "token=q",
            &[("authorization", "Bearer h"), ("cookie", "multiplexor_token=c")],
            Some(("q", false)),
        );
    }

    #[test]
    fn a_page_of_another_host_is_foreign() {
        for (origin, expected) in [
            ("https://a.example:8088", None),
            ("http://A.example:8088", None),
            ("https://a.example", Some("https://a.example")),
            ("https://b.example:8088", Some("https://b.example:8088")),
            ("null", Some("null")),
        ] {
            let header = |name: &str| match name {
                "origin" => Some(origin.as_bytes()),
                "host" => Some(&b"a.example:8088"[..]),
                _ => None,
            };
            let request = Request { query: "token=t", ..Request::with(&header) };
            assert_eq!(
                credentials(&request, "a", &Shows::NOTHING).unwrap().foreign.as_deref(),
                expected,
                "{origin}"
            );
        }
    }

    #[test]
    fn a_signature_beats_a_token() {
        let request = Request {
            path: "/sub/a%20b",
            query: "token=t&expires=17&signature=S-_&user=ann+b&iat=7",
            ..Request::with(&|_| None)
        };
        let signature = Shown::Signature {
            path: "a%20b".into(),
            expires: "17".into(),
            user: "ann b".into(),
            iat: "7".into(),
            signature: "S-_".into(),
        };
        assert_eq!(credentials(&request, "a%20b", &Shows::NOTHING).map(|found| found.shown), Some(signature));
    }

    #[test]
    fn a_token_beats_headers_for_the_application() {
        let header = |name: &str| (name == "cookie").then_some(&b"multiplexor_token=t; sid=s"[..]);
        let request = Request::with(&header);
        let shown = |tokens, names: &[&str]| {
            let headers = names.iter().map(|name| (*name).into()).collect();
            let shows = Shows { tokens, headers, ..Shows::NOTHING };
            credentials(&request, "a", &shows).map(|found| (found.shown, found.ambient))
        };
        let token = Some((Shown::Tokens(vec!["t".into()]), true));
        let headers = Some((Shown::Headers("cookie: multiplexor_token=t; sid=s\r\n".into()), true));
        assert_eq!((shown(true, &["cookie"]), shown(false, &["cookie"])), (token.clone(), headers));
        assert_eq!((shown(true, &[]), shown(false, &["authorization"])), (token, None));
    }

    #[test]
    fn credentials_are_not_shown_by_accident() {
        assert_eq!(format!("{:?}", Shown::Tokens(vec!["secret".into()])), "Tokens(…)");
    }
}
