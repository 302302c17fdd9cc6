//! What a row of the table of routes says: an address, who may ask there, and what is done by which method.
//!
//! The table itself stands in `routes.rs`, above those who answer; here is what those below need of it.

use axum::http::Method;
use axum::routing::MethodRouter;
use dialect::hub::Right;

/// One address of the line. `S` is what those who answer get.
pub(crate) struct Route<S: 'static> {
    /// As the router reads it: `{name}` is one part of a path, `{*names}` all that is left of it.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) operations: &'static [Operation<S>],
}

/// Who may ask at an address, where API keys are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: it tells no more than that there is a server.
    Open,
    /// Anybody, there and at all that is beneath it, though there be nothing.
    OpenBeneath,
    /// Anybody, as often as he likes.
    Probe,
    /// Whoever has a key. What it must grant for the channels that are named, the operation says.
    Key,
    /// Whoever has this right for any channel.
    Somewhere(Right),
    /// Whoever has this right for all channels.
    Everywhere(Right),
}

/// What is done at an address by one method.
pub(crate) struct Operation<S: 'static> {
    pub(crate) method: Method,
    /// What a key must grant for each channel that is named; at an address about all channels, for all, instead of what is asked
    /// for there by other methods.
    pub(crate) right: Option<Right>,
    /// Who answers.
    pub(crate) handler: fn() -> MethodRouter<S>,
    /// The parameters that a query may have; `None`: it is a page, whose address may say what it likes.
    pub(crate) query: Option<&'static [&'static str]>,
}

impl<S> Operation<S> {
    /// `GET` of something that takes no parameters, and for which the right to the address is enough.
    pub(crate) const fn get(handler: fn() -> MethodRouter<S>) -> Self {
        Self { method: Method::GET, right: None, handler, query: Some(&[]) }
    }
}

impl<S> Route<S> {
    /// What is done there by this method. Whoever asks for a head is answered as by `GET`.
    pub(crate) fn operation(&self, method: &Method) -> Option<&Operation<S>> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.operations.iter().find(|operation| operation.method == method)
    }

    /// The methods, in words: `GET, HEAD or DELETE`.
    pub(crate) fn methods(&self) -> String {
        let with_head = |method: &'static Operation<S>| {
            let head = (method.method == Method::GET).then_some("HEAD");
            std::iter::once(method.method.as_str()).chain(head)
        };
        let mut methods: Vec<&str> = self.operations.iter().flat_map(with_head).collect();
        let last = methods.pop().unwrap_or_default();
        if methods.is_empty() { last.to_owned() } else { format!("{} or {last}", methods.join(", ")) }
    }

    /// The address, and where more stands behind its first part, that part and a stroke: what begins so is ours.
    pub(crate) fn prefix(&self) -> &'static str {
        match self.path[1..].find('/') {
            Some(end) => &self.path[..end + 2],
            None => self.path,
        }
    }

    fn matches(&self, path: &str) -> bool {
        let (mut pattern, mut path) = (self.path, path);
        loop {
            let Some(open) = pattern.find('{') else { return pattern == path };
            let Some(rest) = path.strip_prefix(&pattern[..open]) else { return false };
            if pattern[open..].starts_with("{*") {
                return !rest.is_empty();
            }
            let part = rest.find('/').unwrap_or(rest.len());
            if part == 0 {
                return false;
            }
            let close = pattern[open..].find('}').map_or(pattern.len(), |at| open + at + 1);
            (pattern, path) = (&pattern[close..], &rest[part..]);
        }
    }
}

/// The row of an address, if there is anything at it.
pub(crate) fn find<S>(routes: &'static [Route<S>], path: &str) -> Option<&'static Route<S>> {
    routes.iter().find(|route| route.matches(path))
}

/// Who may ask at an address, though there may be nothing at it.
pub(crate) fn access<S>(routes: &'static [Route<S>], path: &str, method: &Method) -> Access {
    let is_beneath = |route: &&Route<S>| {
        route.access == Access::OpenBeneath
            && path.strip_prefix(route.path).is_some_and(|rest| rest.starts_with('/'))
    };
    let found = find(routes, path).or_else(|| routes.iter().find(is_beneath));
    let Some(route) = found else { return Access::Key };
    match (route.access, route.operation(method).and_then(|operation| operation.right)) {
        (Access::Everywhere(_), Some(right)) => Access::Everywhere(right),
        (access, _) => access,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &'static str, matched: &[&str], others: &[&str]) {
        let route: Route<()> = Route { path: pattern, access: Access::Key, operations: &[] };
        for (path, expected) in
            matched.iter().map(|path| (path, true)).chain(others.iter().map(|path| (path, false)))
        {
            assert_eq!(route.matches(path), expected, "{path} at {pattern}");
        }
    }

    #[test]
    fn an_address_is_found_part_by_part() {
        check("/stats", &["/stats"], &["/stats/", "/", "/stat", "/statss"]);
        check("/pub/{*names}", &["/pub/a", "/pub/a/b", "/pub//"], &["/pub/", "/pub", "/pubs/a"]);
        check(
            "/channels/{name}",
            &["/channels/a", "/channels/history"],
            &["/channels/", "/channels/a/b", "/channels/a/"],
        );
        check(
            "/channels/{name}/history/{cursor}",
            &["/channels/a/history/1", "/channels/history/history/1"],
            &[
                "/channels/a/history",
                "/channels/a/history/",
                "/channels//history/1",
                "/channels/a/histories/1",
            ],
        );
    }
}
