//! The paths of the WAIT line, and what stands before them all.

/// The paths that are ours on the WAIT line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    prefix: Box<str>,
    all: Box<[Box<str>]>,
}

impl Paths {
    /// Our paths behind this prefix: nothing, or a path that does not end in `/`.
    pub fn under(prefix: &str) -> Self {
        let all = PATHS.iter().map(|path| format!("{prefix}{path}").into_boxed_str());
        Self { prefix: prefix.into(), all: all.collect() }
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

    /// Whether a path is answered here.
    pub fn hold(&self, path: &str) -> bool {
        let is_ours = |ours: &str| if ours.ends_with('/') { path.starts_with(ours) } else { path == ours };
        self.all.iter().any(|ours| is_ours(ours))
            || self.strip(path).is_some_and(|rest| rest == "/" || rest.is_empty())
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self::under("")
    }
}

/// The paths of the WAIT line that are answered here; `/` besides. One that ends in `/` stands for all that
/// begin with it.
const PATHS: &[&str] = &["/sub", "/sub/", "/healthz", "/readyz", "/multiplexor.js"];

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
        let paths = Paths::default();
        assert!(
            paths.hold("/") && paths.hold("/sub/a") && !paths.hold("/suburb") && !paths.hold("/push/sub/a")
        );
    }
}
