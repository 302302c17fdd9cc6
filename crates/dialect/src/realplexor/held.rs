//! What a listener has, as bytes: a byte that says in which version, and then text: the number of its tag, 0 for none, and the
//! cursors from which on it listens, each behind a space.

use hub::Decimal;

use super::Tag;
use crate::{Held, HeldError};

pub(super) fn freeze(held: &Held) -> Vec<u8> {
    if held.since.is_empty() {
        return Vec::new();
    }
    let tag = held.tag.map_or(0, Tag::to_bits);
    let since: String = held.since.iter().map(|since| format!(" {since}")).collect();
    [&[VERSION], format!("{tag}{since}").as_bytes()].concat()
}

pub(super) fn thaw(bytes: &[u8]) -> Result<Held, HeldError> {
    let Some((version, text)) = bytes.split_first() else { return Ok(Held::default()) };
    if *version != VERSION {
        return Err(HeldError::Version(*version, VERSION));
    }
    read(text).ok_or(HeldError::Malformed)
}

fn read(text: &[u8]) -> Option<Held> {
    let mut words = str::from_utf8(text).ok()?.split(' ');
    let bits: u64 = words.next()?.parse().ok()?;
    let tag = Tag::of_bits(bits);
    let since: Vec<Decimal> = words.map(Decimal::read).collect::<Option<_>>()?;
    (tag.is_some() == (bits > 0) && !since.is_empty()).then_some(Held { since, tag })
}

/// Of the format; goes up with each change of it.
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_frozen_is_read() {
        let since = |text: &str| Decimal::read(text).unwrap();
        let several = Tag::of(["a", "b"].into_iter());
        for tag in [None, several] {
            for list in [&["0"][..], &["1795348412.00700000000042", "5.123456789012345678123", "7"]] {
                let held = Held { since: list.iter().map(|text| since(text)).collect(), tag };
                assert_eq!(thaw(&freeze(&held)), Ok(held));
            }
        }
        assert_eq!((freeze(&Held::default()), thaw(b"")), (Vec::new(), Ok(Held::default())));
    }

    #[test]
    fn what_is_none_of_ours_is_refused() {
        assert_eq!(thaw(b"\x020 5"), Err(HeldError::Version(2, 1)));
        for wrong in
            [&b"\x01"[..], b"\x010", b"\x010 ", b"\x010 x", b"\x01-1 5", b"\x0199999999999999 5", b"\x01\xff"]
        {
            assert_eq!(thaw(wrong), Err(HeldError::Malformed), "{}", wrong.escape_ascii());
        }
    }
}
