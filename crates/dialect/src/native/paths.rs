//! The paths of the WAIT line, and what stands before them all.

use crate::Transport;

/// The paths that are ours on the WAIT line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    prefix: Box<str>,
    all: Box<[Box<str>]>,
    /// How many of them, the last ones, are left to an application that wants them.
    yielded: usize,
}

impl Paths {
    /// Our paths behind this prefix: nothing, or a path that does not end in `/`. What is behind a prefix is all ours.
    pub fn under(prefix: &str) -> Self {
        let all = PATHS.iter().chain(YIELDED).map(|path| format!("{prefix}{path}").into_boxed_str());
        let yielded = if prefix.is_empty() { YIELDED.len() } else { 0 };
        Self { prefix: prefix.into(), all: all.collect(), yielded }
    }

    /// The same, where clients may publish, or may not.
    #[must_use]
    pub fn publishing(self, publishes: bool) -> Self {
        if !publishes || self.publishes() {
            return self;
        }
        // The last ones are those that an application may have.
        let path = format!("{}{PUBLISH}", self.prefix).into_boxed_str();
        let yielded = self.yielded + usize::from(self.prefix.is_empty());
        Self { all: self.all.into_iter().chain([path]).collect(), yielded, ..self }
    }

    /// Whether clients may publish.
    pub fn publishes(&self) -> bool {
        self.all.last().is_some_and(|last| last.ends_with(PUBLISH))
    }

    /// What stands before them.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// All of them but the root, with the prefix. One that ends in `/` stands for all that begin with it.
    pub fn all(&self) -> &[Box<str>] {
        &self.all
    }

    /// What of a path is behind the prefix: nothing, or a path; `None`: it does not begin so.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        if self.prefix.is_empty() {
            return Some(path);
        }
        path.strip_prefix(&*self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether a path is answered here, also where an application has all others.
    pub fn hold(&self, path: &str) -> bool {
        let is_ours = |ours: &str| if ours.ends_with('/') { path.starts_with(ours) } else { path == ours };
        self.all[..self.all.len() - self.yielded].iter().any(|ours| is_ours(ours))
            || self.strip(path).is_some_and(|rest| rest == "/" || rest.is_empty())
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self::under("")
    }
}

/// An address where clients wait; the names of channels stand behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitPath {
    /// How its paths begin, with the last slash.
    pub path: &'static str,
    /// The transport that it is for; `None`: the client says which one it wants.
    pub transport: Option<Transport>,
}

impl WaitPath {
    /// The address for all transports.
    pub const ANY: Self = Self { path: "/sub/", transport: None };

    /// All of them. Those for one transport cannot be had wrong, whatever a library says in `Accept`.
    pub const ALL: [Self; 5] = [
        Self::ANY,
        Self { path: "/sse/", transport: Some(Transport::Sse) },
        Self { path: "/stream/", transport: Some(Transport::Stream) },
        Self { path: "/poll/", transport: Some(Transport::Poll) },
        Self { path: "/ws/", transport: Some(Transport::WebSocket) },
    ];

    /// The address that a path begins with, and the names behind it.
    pub fn of(path: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|address| Some((address, path.strip_prefix(address.path)?)))
    }

    /// The address that a path is but for its last slash.
    pub fn without_list(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|address| address.path.strip_suffix('/') == Some(path))
    }
}

/// The paths of the WAIT line that are answered here; `/` besides. One that ends in `/` stands for all that
/// begin with it.
const PATHS: &[&str] =
    &["/sub", "/sub/", "/sse/", "/stream/", "/poll/", "/ws/", "/healthz", "/readyz", "/multiplexor.js"];

/// The address to which clients publish, where they may; names of channels stand behind it. An application's as those below.
pub(super) const PUBLISH: &str = "/pub/";

/// The same of those that came later, and are an application's where it has all paths that begin so.
const YIELDED: &[&str] = &["/history/"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_behind_the_prefix_is_ours() {
        let paths = Paths::under("/push");
        for (path, rest, ours) in [
            ("/push/sub/a", Some("/sub/a"), true),
            ("/push/healthz", Some("/healthz"), true),
            ("/push/", Some("/"), true),
            ("/push", Some(""), true),
            ("/push/other", Some("/other"), false),
            ("/pushed/sub/a", None, false),
            ("/sub/a", None, false),
            ("/", None, false),
        ] {
            assert_eq!((paths.strip(path), paths.hold(path)), (rest, ours), "{path}");
        }
        assert!(paths.hold("/push/history/a"), "nothing behind the prefix is an application's");
        let paths = Paths::default();
        assert!(!paths.hold("/history/a") && paths.all().iter().any(|path| **path == *"/history/"));
        let paths = Paths::default().publishing(true);
        assert!(
            paths.publishes() && !paths.hold("/pub/a") && !paths.hold("/history/a") && paths.hold("/sub/a")
        );
        assert!(Paths::under("/push").publishing(true).hold("/push/pub/a"));
        assert!(!Paths::under("/push").publishing(false).hold("/push/pub/a"));
        let paths = Paths::default();
        for address in WaitPath::ALL {
            assert_eq!(WaitPath::of(&format!("{}a,b", address.path)), Some((address, "a,b")));
            assert!(paths.hold(&format!("{}a", address.path)), "{}", address.path);
        }
        assert!(!paths.hold("/ws") && !paths.hold("/streams/a"), "they may be an application's");
        assert!(
            paths.hold("/") && paths.hold("/sub/a") && !paths.hold("/suburb") && !paths.hold("/push/sub/a")
        );
    }
}
