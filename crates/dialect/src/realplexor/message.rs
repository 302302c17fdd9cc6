//! What a publisher says: the bytes behind the first blank line, and who may see them.

use hub::{Audience, Kind, Origin, Payload};
use memchr::memchr_iter;

/// What follows the first blank line behind a line, whatever the line ends.
pub fn behind_blank_line(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|end| match bytes[end + 1..] {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// A message as a payload, for those who wait on one of these ids, where there are any.
pub fn payload(limiters: &[&str], data: &[u8]) -> Payload {
    let kind = if simdutf8::basic::from_utf8(data).is_ok() { Kind::Either } else { Kind::Binary };
    let payload = Payload { origin: Origin::VerbatimBody, ..Payload::new(data, kind) };
    if limiters.is_empty() { payload } else { payload.limited_to(Audience::AnyOf(&limiters.join(","))) }
}
