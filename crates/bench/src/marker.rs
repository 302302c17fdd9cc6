//! The mark a message carries: its number and when it was sent.
//!
//! Receivers look for it in the bytes as they come, whatever framing is around them. It has no character
//! that JSON or a URL would write differently.

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The message's number in the whole run, from 0.
    pub(crate) number: u32,
    /// When it was sent, by the monotonic clock.
    pub(crate) sent_ns: u64,
}

/// Bytes of a mark, and so the shortest payload.
pub(crate) const MARK_LEN: usize = BEGIN.len() + 8 + 1 + 16 + 1;

/// Appends a payload of `len` bytes that begins with the mark.
pub(crate) fn write_payload(mark: Stamp, len: usize, out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend_from_slice(BEGIN);
    push_hex(u64::from(mark.number), 8, out);
    out.push(b'-');
    push_hex(mark.sent_ns, 16, out);
    out.push(b'.');
    out.resize((begin + len).max(out.len()), b'x');
}

/// Tells of every whole mark in `bytes`, and returns where an unfinished one at their end begins: what
/// is before that is done with.
pub(crate) fn scan(bytes: &[u8], mut found: impl FnMut(Stamp)) -> usize {
    let mut done = 0;
    for at in memchr::memmem::find_iter(bytes, BEGIN) {
        match bytes.get(at..at + MARK_LEN) {
            Some(mark) => {
                if let Some(mark) = parse(mark) {
                    found(mark);
                }
            }
            None => return at,
        }
        done = at + MARK_LEN;
    }
    let tail = bytes.len().saturating_sub(BEGIN.len() - 1).max(done.min(bytes.len()));
    (tail..bytes.len()).find(|at| BEGIN.starts_with(&bytes[*at..])).unwrap_or(bytes.len())
}

fn parse(mark: &[u8]) -> Option<Stamp> {
    let number = parse_hex(mark.get(BEGIN.len()..BEGIN.len() + 8)?)?;
    let sent_ns = parse_hex(mark.get(BEGIN.len() + 9..MARK_LEN - 1)?)?;
    Some(Stamp { number: u32::try_from(number).ok()?, sent_ns })
}

fn push_hex(value: u64, digits: u32, out: &mut Vec<u8>) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (digit * 4) & 15) as usize]);
    }
}

fn parse_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u64::from(digit))
    })
}

const BEGIN: &[u8] = b"~mark-";

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        write_payload(Stamp { number, sent_ns: 7 + u64::from(number) }, 50, &mut out);
        out
    }

    #[test]
    fn a_payload_has_the_length_asked_for_but_holds_the_mark() {
        assert_eq!(payload(u32::MAX).len(), 50);
        let mut out = b"data: ".to_vec();
        write_payload(Stamp { number: 1, sent_ns: u64::MAX }, 3, &mut out);
        assert_eq!(out.len(), 6 + MARK_LEN);
    }

    /// However the bytes are cut in two, each mark is told once.
    #[test]
    fn marks_are_found_at_every_cut() {
        let mut wire = b"data: ~mar ~mark".to_vec();
        for number in [0, 4711, u32::MAX] {
            wire.extend(payload(number));
            wire.extend(b"\n~\ndata: ");
        }
        for cut in 0..=wire.len() {
            let mut told = Vec::new();
            let done = scan(&wire[..cut], |mark| told.push((mark.number, mark.sent_ns)));
            assert!(cut - done < MARK_LEN, "little is kept");
            scan(&wire[done..], |mark| told.push((mark.number, mark.sent_ns)));
            let expected = [0, 4711, u32::MAX].map(|number| (number, 7 + u64::from(number)));
            assert_eq!(told, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_is_none() {
        let mut wire = payload(1);
        wire[10] = b'g';
        scan(&wire, |mark| panic!("{mark:?}"));
    }
}
