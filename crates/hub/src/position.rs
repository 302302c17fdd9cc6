//! Places in the one order, and how a client carries one away: position, epoch, cursor.
//!
//! Everything outside the hub sees a [`Position`]: opaque and ordered. Only here is it known that it
//! is a number that counts messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A place in the one order. Ordered; says nothing else.
///
/// Today the low 53 bits are the seq (JavaScript holds such an integer exactly), and the bits above
/// are free for the ordinal of an epoch within this process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Position(u64);

impl Position {
    /// Before the first message.
    pub const START: Self = Self(0);
    /// After every message there can ever be.
    pub const END: Self = Self(SEQ_MAX);

    /// The last place a message is given. Behind it is room for changes, which cannot be refused.
    pub(crate) const LAST_ORDERED: Self = Self(SEQ_MAX - (1 << 40));

    /// The position as plain bits, for atomics and for handing a connection over.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The position that [`Self::to_bits`] gave.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The place right before this one; the start has none before it.
    #[must_use]
    pub const fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The place right behind this one.
    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// The identity of an order. Changes only when the order was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Epoch(u64);

impl Epoch {
    /// Makes an epoch of a random number.
    pub const fn new(random: u64) -> Self {
        Self(random % EPOCHS)
    }
}

/// Writes and reads cursors of one epoch. Copied to whoever renders, so that no lock is needed.
///
/// A cursor is `a`, six digits of the epoch, then the seq, both in base 62: at most 16 characters,
/// letters and digits only. The first letter is the version; it is no digit, so that a cursor can
/// never be taken for an age or a time. In its place a `p` says that its client is owed a list of users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursors {
    epoch: Epoch,
    unlisted: bool,
}

/// What a string that looks like a cursor turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// A place in this order.
    Here(Position),
    /// The same, of a client that was to be told who is there, and has not been.
    Unlisted(Position),
    /// A place in an order that was lost.
    Elsewhere,
}

impl Cursors {
    /// Cursors of this epoch.
    pub const fn new(epoch: Epoch) -> Self {
        Self { epoch, unlisted: false }
    }

    /// Whose cursors they are.
    pub(crate) const fn epoch(self) -> Epoch {
        self.epoch
    }

    /// The same for a client that is still to be told who is there: should it come back with such a cursor, it is told.
    #[must_use]
    pub const fn unlisted(self) -> Self {
        Self { unlisted: true, ..self }
    }

    /// Appends the cursor of `position` to `out`.
    pub fn write(self, position: Position, out: &mut Vec<u8>) {
        out.push(if self.unlisted { UNLISTED } else { VERSION });
        let mut epoch = [b'0'; EPOCH_DIGITS];
        let mut rest = self.epoch.0;
        for digit in epoch.iter_mut().rev() {
            *digit = DIGITS[(rest % BASE) as usize];
            rest /= BASE;
        }
        out.extend_from_slice(&epoch);
        let mut seq = [0u8; SEQ_DIGITS_MAX];
        let mut start = seq.len();
        let mut rest = position.0;
        loop {
            start -= 1;
            seq[start] = DIGITS[(rest % BASE) as usize];
            rest /= BASE;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&seq[start..]);
    }

    /// The cursor of `position` as a string.
    pub fn text(self, position: Position) -> String {
        let mut out = Vec::with_capacity(1 + EPOCH_DIGITS + SEQ_DIGITS_MAX);
        self.write(position, &mut out);
        String::from_utf8(out).expect("digits are ASCII")
    }

    /// Reads a cursor; `None` when the text is no cursor of any epoch.
    pub fn read(self, text: &str) -> Option<Read> {
        let (kind, rest) = text.split_at_checked(1)?;
        let unlisted = match kind.as_bytes() {
            [VERSION] => false,
            [UNLISTED] => true,
            _ => return None,
        };
        let (epoch, seq) = rest.split_at_checked(EPOCH_DIGITS)?;
        if seq.len() > SEQ_DIGITS_MAX {
            return None;
        }
        let (epoch, seq) = (number(epoch)?, number(seq)?);
        if seq > SEQ_MAX {
            return None;
        }
        Some(match (epoch == self.epoch.0, unlisted) {
            (false, _) => Read::Elsewhere,
            (true, false) => Read::Here(Position(seq)),
            (true, true) => Read::Unlisted(Position(seq)),
        })
    }
}

/// The value of base-62 digits; `None` when empty or when a byte is no digit.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.bytes().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(BASE)?.checked_add(u64::from(digit))
    })
}

const VERSION: u8 = b'a';
/// In its place: who was to be told who is there has not been.
const UNLISTED: u8 = b'p';
const BASE: u64 = 62;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const EPOCH_DIGITS: usize = 6;
#[allow(clippy::cast_possible_truncation, reason = "a handful of digits")]
const EPOCHS: u64 = BASE.pow(EPOCH_DIGITS as u32);
const SEQ_DIGITS_MAX: usize = 9;
const SEQ_MAX: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_as_it_was_written() {
        let cursors = Cursors::new(Epoch::new(0xdead_beef));
        for seq in [0, 1, 61, 62, 12345, SEQ_MAX] {
            let text = cursors.text(Position(seq));
            assert!(text.len() <= 16, "{text}");
            assert_eq!(cursors.read(&text), Some(Read::Here(Position(seq))), "{text}");
            let text = cursors.unlisted().text(Position(seq));
            assert_eq!(cursors.read(&text), Some(Read::Unlisted(Position(seq))), "{text}");
        }
    }

    #[test]
    fn a_cursor_of_another_epoch_is_told_apart() {
        let text = Cursors::new(Epoch::new(1)).text(Position(7));
        assert_eq!(Cursors::new(Epoch::new(2)).read(&text), Some(Read::Elsewhere));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let cursors = Cursors::new(Epoch::new(1));
        for text in ["", "a", "0", "10m", "a000001", "b0000017", "a00000 7", "a000001zzzzzzzzzz", "aé00001"]
        {
            assert_eq!(cursors.read(text), None, "{text}");
        }
    }
}
