//! What of a request counts as credentials, beside tokens and signatures: headers that the application knows.

use std::borrow::Cow;

use crate::Request;

/// What of a request counts as credentials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shows {
    /// Whether tokens and signatures do. Where nothing does, they are read all the same, and nobody looks at them.
    pub tokens: bool,
    /// Headers, by their names in lower case, that the application looks at.
    pub headers: Vec<Box<str>>,
    /// Of the header `cookie`, only cookies of these names; none: all.
    pub cookies: Vec<Box<str>>,
    /// The cookie that may hold a token.
    pub token_cookie: Cow<'static, str>,
}

impl Shows {
    /// Nothing.
    pub const NOTHING: Self = Self {
        tokens: false,
        headers: Vec::new(),
        cookies: Vec::new(),
        token_cookie: Cow::Borrowed(Self::TOKEN_COOKIE),
    };
    /// The usual name of [`Self::token_cookie`].
    pub const TOKEN_COOKIE: &str = "multiplexor_token";

    /// The headers of a request that count, as lines of a head; `None`: it has none of them.
    pub(crate) fn headers_of(&self, request: &Request<'_>) -> Option<Box<str>> {
        let mut lines = String::new();
        for name in &self.headers {
            // Somebody else's cookie that is no text takes nothing from those that count.
            let value = String::from_utf8_lossy((request.header)(name).unwrap_or_default());
            let counted = if **name == *"cookie" && !self.cookies.is_empty() {
                self.counted(&value)
            } else {
                value.into_owned()
            };
            if !counted.is_empty() {
                lines.extend([&**name, ": ", &counted, "\r\n"]);
            }
        }
        (!lines.is_empty()).then(|| lines.into())
    }

    /// The cookies that count.
    fn counted(&self, cookies: &str) -> String {
        let counts = |pair: &&str| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            self.cookies.iter().any(|counted| **counted == *name)
        };
        cookies.split(';').map(str::trim).filter(counts).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_application_looks_at_counts() {
        let header = |name: &str| match name {
            "cookie" => Some(&b"a=1; sid=x=y;_ga=2; sid2=3; b=\xff"[..]),
            "x-empty" => Some(&b""[..]),
            "authorization" => Some(&b"Basic eDp5"[..]),
            _ => None,
        };
        let request = Request::with(&header);
        let check = |headers: &[&str], cookies: &[&str], expected: Option<&str>| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
            let cookies = list(cookies);
            let shows = Shows { tokens: true, headers: list(headers), cookies, ..Shows::NOTHING };
            assert_eq!(shows.headers_of(&request).as_deref(), expected, "{shows:?}");
        };
        check(&[], &[], None);
        check(&["cookie"], &[], Some("cookie: a=1; sid=x=y;_ga=2; sid2=3; b=\u{fffd}\r\n"));
        check(&["cookie"], &["sid"], Some("cookie: sid=x=y\r\n"));
        check(&["cookie"], &["_ga", "a"], Some("cookie: a=1; _ga=2\r\n"));
        check(&["cookie"], &["other"], None);
        check(&["x-empty", "x-none"], &[], None);
        check(
            &["cookie", "authorization"],
            &["sid"],
            Some("cookie: sid=x=y\r\nauthorization: Basic eDp5\r\n"),
        );
    }
}
