//! dklab_multiplexor, 2009: a marker somewhere in the bytes names the channel, and the publisher's bytes
//! are what the waiting client gets.
//!
//! HTTP is not parsed in it. `identifier=` and a list of ids may stand in a URL, in any header, in a body
//! or in no HTTP at all; `docs/classic.md` describes it for those who move over.

mod wait;

pub use wait::Dklab;

use std::ops::Range;

use codec::http::loose::{behind_blank_line, header};
use hub::limits::NAME_LEN_MAX;
use hub::{AudienceKind, Kind, Message, Origin, Payload};
use memchr::memmem;

use crate::GUARDS;
use crate::claim::{Claim, claim};
use crate::limits::CONTENT_TYPE_LEN_MAX;
use crate::native::kind_of;

/// What a waiting client gets when its time is over.
pub const DISCONNECT: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// Whose words begin with these bytes, of which a marker of this dialect may be in a query; `None` until they tell.
pub fn whose(bytes: &[u8], paths: &[impl AsRef<str>], prefix: Option<&str>) -> Option<Claim> {
    claim(bytes, paths, prefix, |query, ended| ids(query, ended).is_some())
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
    Payload { data, origin: Origin::WholeInput, content_type, ..Payload::new(bytes, kind) }
}

/// Appends a message for a client that waits for the target of this index: what was published in this
/// dialect goes as it came, everything else behind a head of HTTP.
pub fn write(message: &Message, matched: usize, out: &mut Vec<u8>) {
    let payload = message.payload();
    // What is for some stands in front of the data, in the same bytes.
    if payload.origin == Origin::WholeInput && payload.audience == AudienceKind::All {
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

/// What may be said of data to others, if the publisher's words are clean.
fn content_type(value: &[u8]) -> Option<Box<str>> {
    let text = str::from_utf8(value).ok()?;
    let clean = !text.is_empty() && text.len() <= CONTENT_TYPE_LEN_MAX && !text.chars().any(char::is_control);
    clean.then(|| text.into())
}

fn range(start: usize, end: usize) -> Range<u32> {
    let number = |n: usize| u32::try_from(n).expect("the IN line's limit is far below 4 GiB");
    number(start)..number(end)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const MARKER: &[u8] = b"identifier=";
