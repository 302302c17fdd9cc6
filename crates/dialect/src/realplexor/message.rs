//! What a publisher says: the bytes behind the first blank line, and who may see them.

use hub::{Kind, Message, Origin, Payload, Said};
use memchr::memchr_iter;

/// What follows the first blank line behind a line, whatever the line ends.
pub fn behind_blank_line(bytes: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', bytes).find_map(|end| match bytes[end + 1..] {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// A message as a payload. The ids it is limited to stand in front of its data, separated by commas.
pub fn payload(limiters: &[&str], data: &[u8]) -> Payload {
    let limiters = limiters.join(",");
    let number = |n: usize| u32::try_from(n).expect("the IN line's limit is far below 4 GiB");
    let range = number(limiters.len())..number(limiters.len() + data.len());
    Payload {
        kind: if simdutf8::basic::from_utf8(data).is_ok() { Kind::Either } else { Kind::Binary },
        bytes: [limiters.as_bytes(), data].concat().into(),
        data: range,
        origin: Origin::Realplexor,
        event: None,
        content_type: None,
    }
}

/// Whether who listens to the target of this index, and nothing else, may see a message.
pub fn is_seen(message: &Message, target: usize) -> bool {
    let id = &message.targets()[target].name;
    limiters(message.payload()).is_none_or(|mut ids| ids.any(|known| *known == **id))
}

/// The ids of which a client must listen to one to see this, where there are any.
pub fn limiters(said: Said<'_>) -> Option<impl Iterator<Item = &str>> {
    let limited = said.origin == Origin::Realplexor && said.head_len > 0;
    let list = limited.then(|| str::from_utf8(&said.bytes[..said.head_len]).ok())??;
    Some(list.split(','))
}
