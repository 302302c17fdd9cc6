//! Decimals of any length, compared exactly: the outside cursors of publishers who bring their own.
//!
//! Those of this server are decimals too: [`Decimal::of_mark`] makes one of a message's time and place, so
//! that they ascend as the one order does, also from one run of the server to the next.

use std::cmp::Ordering;
use std::fmt;

use crate::{Millis, Position};

/// A number that is not negative: digits, and perhaps a point and more digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(Form);

/// What fits is short, so that two equal numbers have one form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Short {
        whole: u64,
        /// In units of the 18th decimal.
        fraction: u64,
    },
    /// Without zeros in front that say nothing, nor any at the end behind the point; no point without decimals.
    Long(Box<str>),
}

impl Decimal {
    /// Nothing is less.
    pub const ZERO: Self = Self(Form::Short { whole: 0, fraction: 0 });

    /// Reads `1*DIGIT ["." 1*DIGIT]` of at most [`DECIMAL_LEN_MAX`] characters.
    pub fn read(text: &str) -> Option<Self> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (text, ""),
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if text.len() > DECIMAL_LEN_MAX || whole.is_empty() || !digits(whole) || !digits(fraction) {
            return None;
        }
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() <= WHOLE_DIGITS && fraction.len() <= FRACTION_DIGITS {
            let number = |text: &str| text.bytes().fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
            let missing = u32::try_from(FRACTION_DIGITS - fraction.len()).unwrap_or_default();
            return Some(Self(Form::Short {
                whole: number(whole),
                fraction: number(fraction) * 10_u64.pow(missing),
            }));
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        let point = if fraction.is_empty() { "" } else { "." };
        Some(Self(Form::Long(format!("{whole}{point}{fraction}").into())))
    }

    /// The cursor that stands for a place at this time. Times that never run back and places that ascend
    /// make cursors that do: seconds with 14 decimals, of which three are the time's and the rest the
    /// place's, carried over where they do not suffice.
    pub fn of_mark(time: Millis, position: Position) -> Self {
        let mark = u128::from(time) * 10_u128.pow(MARK_PLACE_DIGITS) + u128::from(position.to_bits());
        Self::of_steps(mark).expect("a time has far fewer digits")
    }

    /// The cursor of so many steps of the last decimal that ours have, if its seconds fit 64 bits.
    pub fn of_steps(steps: u128) -> Option<Self> {
        let second = 10_u128.pow(MARK_DIGITS);
        let fraction = u64::try_from(steps % second).ok()? * MARK_UNIT;
        Some(Self(Form::Short { whole: u64::try_from(steps / second).ok()?, fraction }))
    }

    /// How many such steps it is; `None`: no whole number of them, or a long one.
    pub fn steps(&self) -> Option<u128> {
        match self.0 {
            Form::Short { whole, fraction } if fraction.is_multiple_of(MARK_UNIT) => {
                Some(u128::from(whole) * 10_u128.pow(MARK_DIGITS) + u128::from(fraction / MARK_UNIT))
            }
            _ => None,
        }
    }

    /// Appends the text of a cursor that [`Self::of_mark`] made: always 14 decimals.
    pub fn write_mark(time: Millis, position: Position, out: &mut Vec<u8>) {
        let Self(Form::Short { whole, fraction }) = Self::of_mark(time, position) else { return };
        out.extend_from_slice(format!("{whole}.{:014}", fraction / MARK_UNIT).as_bytes());
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Form::Short { whole: a, fraction: x }, Form::Short { whole: b, fraction: y }) =
            (&self.0, &other.0)
        {
            return (a, x).cmp(&(b, y));
        }
        let (one, other) = (self.to_string(), other.to_string());
        let parts = |text: &str| {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let whole = whole.trim_start_matches('0');
            (whole.len(), whole.to_owned(), fraction.to_owned())
        };
        parts(&one).cmp(&parts(&other))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The shortest way to write it.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Short { whole, fraction: 0 } => write!(f, "{whole}"),
            Form::Short { whole, fraction } => {
                write!(f, "{whole}.{}", format!("{fraction:018}").trim_end_matches('0'))
            }
            Form::Long(text) => f.write_str(text),
        }
    }
}

/// Characters of a decimal.
pub const DECIMAL_LEN_MAX: usize = 1_000;
/// So many digits always fit a u64.
const WHOLE_DIGITS: usize = 19;
const FRACTION_DIGITS: usize = 18;
/// Decimals of a cursor of this server.
const MARK_DIGITS: u32 = 14;
/// Of these, those behind the milliseconds.
const MARK_PLACE_DIGITS: u32 = 11;
/// Its last decimal, in units of the 18th.
const MARK_UNIT: u64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(time: Millis, place: u64) -> String {
        let mut text = Vec::new();
        Decimal::write_mark(time, Position::from_bits(place), &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn digits_and_a_point_are_a_decimal() {
        for good in ["0", "007", "5.10", "1795348412.87874000100000", "99999999999999999999.1"] {
            assert!(Decimal::read(good).is_some(), "{good}");
        }
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.2.3", " 1", "1,5", "\u{663}"] {
            assert!(Decimal::read(bad).is_none(), "{bad}");
        }
        assert!(Decimal::read(&"9".repeat(DECIMAL_LEN_MAX)).is_some());
        assert!(Decimal::read(&"9".repeat(DECIMAL_LEN_MAX + 1)).is_none());
    }

    #[test]
    fn zeros_that_say_nothing_change_nothing() {
        for (one, other) in [("007", "7"), ("5.10", "5.1"), ("0", "000.000"), ("1.0", "1")] {
            assert_eq!(Decimal::read(one), Decimal::read(other));
        }
        let long = "1".repeat(30);
        assert_eq!(Decimal::read(&format!("00{long}.500")), Decimal::read(&format!("{long}.5")));
    }

    #[test]
    fn what_has_few_decimals_is_a_number_of_steps() {
        for text in ["0", "7", "5.1", "1795348412.00700000000042", "18446744073709551615", "0.00000000000001"]
        {
            let decimal = Decimal::read(text).unwrap();
            match decimal.steps() {
                Some(steps) => assert_eq!(Decimal::of_steps(steps), Some(decimal), "{text}"),
                // Whole numbers of 20 digits are kept as text.
                None => assert_eq!(text.len(), 20),
            }
        }
        assert_eq!(Decimal::read("0.000000000000001").unwrap().steps(), None);
        assert_eq!(Decimal::of_steps(u128::MAX), None);
    }

    #[test]
    fn a_mark_ascends_with_time_and_place() {
        assert_eq!(mark(1_795_348_412_007, 42), "1795348412.00700000000042");
        let marks = [(5, 1), (5, 2), (6, 3), (6, 99_999_999_999), (6, 100_000_000_000), (7, 100_000_000_001)];
        let marks = marks.map(|(time, place)| Decimal::of_mark(time, Position::from_bits(place)));
        assert!(marks.is_sorted_by(|a, b| a < b), "{marks:?}");
        assert_eq!(Decimal::read(&mark(7, 3)), Some(Decimal::of_mark(7, Position::from_bits(3))));
        assert_eq!(mark(u64::from(u32::MAX), Position::END.to_bits()).split_once('.').unwrap().1.len(), 14);
    }
}
