//! dklab_multiplexor, 2009: a marker somewhere in the bytes names the channel, and the publisher's bytes
//! are what the waiting client gets.
//!
//! HTTP is not parsed in it. `identifier=` and a list of ids may stand in a URL, in any header, in a body
//! or in no HTTP at all; `docs/classic.md` describes it for those who move over.

use std::ops::Range;

use hub::limits::NAME_LEN_MAX;
use hub::{AudienceKind, Kind, Message, Origin, Payload};
use memchr::{memchr, memmem};

use crate::GUARDS;
use crate::limits::CONTENT_TYPE_LEN_MAX;
use crate::native::kind_of;

/// What a waiting client gets when its time is over.
pub const DISCONNECT: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// Whose words a request is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// A request line for one of our own paths: plain HTTP, never searched for a marker.
    Modern,
    /// Anything else.
    Classic,
}

/// Whose words begin with these bytes; `None` until they tell. Once they told, no further byte changes it.
///
/// `paths` are our own; one that ends in `/` stands for all that begin with it. `/` alone is ours for
/// whoever reads (`GET`, `HEAD`, `OPTIONS`), unless a marker stands in its query. What begins with `prefix`, but for `/`
/// alone, is for an application, which may have a marker of its own anywhere.
pub fn whose(bytes: &[u8], paths: &[impl AsRef<str>], prefix: Option<&str>) -> Option<Words> {
    whose_by(bytes, paths, prefix, |query, ended| ids(query, ended).is_some())
}

/// The same, where `marks` says whether a query has a marker; whether it has ended, too, is told.
pub(crate) fn whose_by(
    bytes: &[u8],
    paths: &[impl AsRef<str>],
    prefix: Option<&str>,
    marks: impl Fn(&[u8], bool) -> bool,
) -> Option<Words> {
    let mut paths = paths.iter().map(AsRef::as_ref);
    let line = skip_line_ends(bytes);
    let Some(space) = line.iter().position(|byte| !is_method(*byte)) else {
        return (line.len() > METHOD_LEN_MAX).then_some(Words::Classic);
    };
    if line[space] != b' ' || space == 0 || space > METHOD_LEN_MAX {
        return Some(Words::Classic);
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
        return Some(Words::Modern);
    }
    let reads = matches!(method, b"GET" | b"HEAD" | b"OPTIONS");
    match end {
        Some(end) if path == b"/" && reads => whose_root(&target[end..], marks),
        Some(_) => Some(Words::Classic),
        // What is there may still become a path of ours.
        None => {
            let may_become = |known: &str| known.as_bytes().starts_with(path);
            (!paths.any(may_become) && !prefix.is_some_and(may_become)).then_some(Words::Classic)
        }
    }
}

/// The ids of the first marker with any, each once; `None` where there is none. A list counts when the
/// byte behind it has come; `ended`: nothing more comes, which ends it too.
pub fn ids(bytes: &[u8], ended: bool) -> Option<Vec<Box<str>>> {
    for at in memmem::find_iter(bytes, MARKER) {
        if at > 0 && is_word(bytes[at - 1]) {
            continue;
        }
        let list = &bytes[at + MARKER.len()..];
        let end = list.iter().position(|byte| !is_word(*byte) && *byte != b',');
        if end.is_none() && !ended {
            return None;
        }
        let mut ids: Vec<Box<str>> = Vec::new();
        for id in list[..end.unwrap_or(list.len())].split(|byte| *byte == b',') {
            let id = str::from_utf8(id).expect("words are ASCII");
            if !id.is_empty() && id.len() <= NAME_LEN_MAX && !ids.iter().any(|known| **known == *id) {
                ids.push(id.into());
            }
        }
        if !ids.is_empty() {
            return Some(ids);
        }
    }
    None
}

/// Whether a channel's name is an id. Channels with other names are invisible here.
pub fn is_id(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_word)
}

/// Whether this, as a whole, asks who is online.
pub fn is_online_command(bytes: &[u8]) -> bool {
    bytes.trim_ascii_end().eq_ignore_ascii_case(b"online")
}

/// Whether bytes begin with the request line of an HTTP request; `false` while the line is not whole.
pub fn is_http(bytes: &[u8]) -> bool {
    let line = skip_line_ends(bytes);
    let Some(end) = memchr(b'\n', line) else { return false };
    let mut words = line[..end].trim_ascii_end().split(|byte| *byte == b' ');
    let method =
        words.next().is_some_and(|method| !method.is_empty() && method.iter().copied().all(is_method));
    method && words.next_back().is_some_and(|version| version.starts_with(b"HTTP/1."))
}

/// Whether bytes begin as a request of HTTP does, however little of it has come.
pub fn is_like_http(bytes: &[u8]) -> bool {
    let line = skip_line_ends(bytes);
    let method_len = line.iter().take_while(|byte| is_method(**byte)).count();
    method_len > 0 && line[method_len..].starts_with(b" /")
}

/// How long the head of a request is, the blank line and any empty lines before it included; `None` while
/// it is not whole. Line ends may be of either kind.
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    let line = skip_line_ends(bytes);
    behind_blank_line(line).map(|len| bytes.len() - line.len() + len)
}

/// What follows the first blank line, where there is one: line ends may be of either kind.
pub fn behind_blank_line(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(end) = memchr(b'\n', &bytes[at..]) {
        let line = &bytes[at..at + end];
        at += end + 1;
        if matches!(line, [] | [b'\r']) {
            return Some(at);
        }
    }
    None
}

/// The value of the first header of this name in a head whose line ends are of either kind.
pub fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    headers(head).find(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
}

/// Name and value of each line of a head that has both, the first line left out.
pub fn headers(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.split(|byte| *byte == b'\n').skip(1).filter_map(|line| {
        let colon = memchr(b':', line)?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}

/// The publisher's whole input as a payload: all of it for those who wait in this dialect, and the data in
/// it for all others.
pub fn payload(bytes: Vec<u8>) -> Payload {
    let start = behind_blank_line(&bytes);
    let head = &bytes[..start.unwrap_or(0)];
    let content_type =
        header(head, "content-type").filter(|_| head.starts_with(b"HTTP/")).and_then(content_type);
    let data = range(start.unwrap_or(0), bytes.len());
    let text = simdutf8::basic::from_utf8(&bytes[data.start as usize..]).ok();
    // What is said to be JSON and is none was never refused here: it is taken as if nothing were said.
    let kind = kind_of(content_type.as_deref(), text).unwrap_or(Kind::Either);
    Payload { data, origin: Origin::Dklab, content_type, ..Payload::new(bytes, kind) }
}

/// Appends a message for a client that waits for the target of this index: what was published in this
/// dialect goes as it came, everything else behind a head of HTTP.
pub fn write(message: &Message, matched: usize, out: &mut Vec<u8>) {
    let payload = message.payload();
    // What is for some stands in front of the data, in the same bytes.
    if payload.origin == Origin::Dklab && payload.audience == AudienceKind::All {
        out.extend_from_slice(payload.bytes);
        return;
    }
    let usual =
        if payload.kind == Kind::Binary { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    let kind = payload.content_type.unwrap_or(usual);
    let (len, id) = (payload.data().len(), &message.targets()[matched].name);
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    out.extend_from_slice(format!("Content-Type: {kind}\r\nContent-Length: {len}\r\n").as_bytes());
    out.extend_from_slice(b"Connection: close\r\n");
    for (name, value) in GUARDS {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    out.extend_from_slice(format!("X-Multiplexor: identifier={id}\r\n\r\n").as_bytes());
    out.extend_from_slice(payload.data());
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

/// Whose a request for `/` is, by what follows the path. Only a marker in the query makes it classic: in
/// a header it may be no more than the address of the page before.
fn whose_root(rest: &[u8], marks: impl Fn(&[u8], bool) -> bool) -> Option<Words> {
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    let query = &rest[..end.unwrap_or(rest.len())];
    if marks(query, end.is_some()) {
        return Some(Words::Classic);
    }
    end.map(|_| Words::Modern)
}

/// What may be said of data to others, if the publisher's words are clean.
fn content_type(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).ok()?;
    let clean = !text.is_empty() && text.len() <= CONTENT_TYPE_LEN_MAX && !text.chars().any(char::is_control);
    clean.then(|| text.into())
}

/// Empty lines before a request are nobody's words (RFC 9112, 2.2).
fn skip_line_ends(mut bytes: &[u8]) -> &[u8] {
    while let [b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

fn range(start: usize, end: usize) -> Range<u32> {
    let number = |n: usize| u32::try_from(n).expect("the IN line's limit is far below 4 GiB");
    number(start)..number(end)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What methods are made of, more or less; `=` and `:` are not.
fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

const MARKER: &[u8] = b"identifier=";
/// A longer word at the front is no method.
const METHOD_LEN_MAX: usize = 32;
