//! What of a request counts as credentials, beside tokens and signatures: headers that the application knows.

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
}

impl Shows {
    /// Nothing.
    pub const NOTHING: Self = Self { tokens: false, headers: Vec::new(), cookies: Vec::new() };

    /// The headers of a request that count, as lines of a head; `None`: it has none of them.
    pub(crate) fn headers_of(&self, request: &Request<'_>) -> Option<Box<str>> {
        let mut lines = String::new();
        for name in &self.headers {
            let value = (request.header)(name).and_then(|value| str::from_utf8(value).ok());
            let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
            let counted = if **name == *"cookie" && !self.cookies.is_empty() {
                self.counted(value)
            } else {
                value.to_owned()
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
            "cookie" => Some(&b"a=1; sid=x=y;_ga=2; sid2=3"[..]),
            "x-empty" => Some(&b""[..]),
            "authorization" => Some(&b"Basic eDp5"[..]),
            _ => None,
        };
        let request =
            Request { method: "GET", path: "/sub/a", query: "", header: &header, upgrade: false, body: b"" };
        let check = |headers: &[&str], cookies: &[&str], expected: Option<&str>| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
            let shows = Shows { tokens: true, headers: list(headers), cookies: list(cookies) };
            assert_eq!(shows.headers_of(&request).as_deref(), expected, "{headers:?} {cookies:?}");
        };
        check(&[], &[], None);
        check(&["cookie"], &[], Some("cookie: a=1; sid=x=y;_ga=2; sid2=3\r\n"));
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
