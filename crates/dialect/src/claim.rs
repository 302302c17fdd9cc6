//! Whose words the first bytes of a request are in: one judgement for both lines and all dialects.

use codec::http::loose::{is_method, skip_line_ends};

/// Whose words a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// A request line for one of our own paths: plain HTTP, never searched for a marker.
    Ours,
    /// Anything else.
    Theirs,
}

/// Whose words begin with these bytes; `None` until they tell. Once they told, no further byte changes it.
///
/// `paths` are our own; one that ends in `/` stands for all that begin with it. `/` alone is ours for
/// whoever reads (`GET`, `HEAD`, `OPTIONS`), unless `marks` finds a marker in its query, of which it is also told whether it has
/// ended. What begins with `prefix`, but for `/` alone, is for an application, which may have a marker of its own anywhere.
pub(crate) fn claim(
    bytes: &[u8],
    paths: &[impl AsRef<str>],
    prefix: Option<&str>,
    marks: impl Fn(&[u8], bool) -> bool,
) -> Option<Claim> {
    let mut paths = paths.iter().map(AsRef::as_ref);
    let line = skip_line_ends(bytes);
    let Some(space) = line.iter().position(|byte| !is_method(*byte)) else {
        return (line.len() > METHOD_LEN_MAX).then_some(Claim::Theirs);
    };
    if line[space] != b' ' || space == 0 || space > METHOD_LEN_MAX {
        return Some(Claim::Theirs);
    }
    let (method, target) = (&line[..space], &line[space + 1..]);
    // What an application gets is found where HTTP finds it.
    let target = if prefix.is_some() { local(target)? } else { target };
    let end = target.iter().position(|byte| matches!(byte, b'?' | b' ' | b'\r' | b'\n'));
    let path = &target[..end.unwrap_or(target.len())];
    let ours = |known: &str| match known.strip_suffix('/') {
        Some(_) => path.starts_with(known.as_bytes()),
        None => end.is_some() && path == known.as_bytes(),
    };
    let is_applications = prefix.is_some_and(|prefix| path.len() > 1 && path.starts_with(prefix.as_bytes()));
    if is_applications || paths.clone().any(ours) {
        return Some(Claim::Ours);
    }
    let reads = matches!(method, b"GET" | b"HEAD" | b"OPTIONS");
    match end {
        Some(end) if path == b"/" && reads => whose_root(&target[end..], marks),
        Some(_) => Some(Claim::Theirs),
        // What is there may still become a path of ours.
        None => {
            let may_become = |known: &str| known.as_bytes().starts_with(path);
            (!paths.any(may_become) && !prefix.is_some_and(may_become)).then_some(Claim::Theirs)
        }
    }
}

/// A target without scheme and host, where it begins with them; `None` while that is not known.
fn local(target: &[u8]) -> Option<&[u8]> {
    for scheme in [&b"http://"[..], b"https://"] {
        let len = target.len().min(scheme.len());
        if target[..len].eq_ignore_ascii_case(&scheme[..len]) {
            let behind = target.get(scheme.len()..)?;
            let end = behind.iter().position(|byte| matches!(byte, b'/' | b'?' | b' ' | b'\r' | b'\n'))?;
            return Some(&behind[end..]);
        }
    }
    Some(target)
}

/// Whose a request for `/` is, by what follows the path. Only a marker in the query makes it theirs: in
/// a header it may be no more than the address of the page before.
fn whose_root(rest: &[u8], marks: impl Fn(&[u8], bool) -> bool) -> Option<Claim> {
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let query = &rest[..end.unwrap_or(rest.len())];
    if marks(query, end.is_some()) {
        return Some(Claim::Theirs);
    }
    end.map(|_| Claim::Ours)
}

/// A longer word at the front is no method.
const METHOD_LEN_MAX: usize = 32;
