//! A segment: a file of the log. It begins with a header that says which one it is, up to where the one before
//! is good, and which is the oldest that is needed.

/// What a segment begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// The number of the one before; 0: there was none.
    pub before: u64,
    /// So many bytes of the one before are good; what is behind them was never answered.
    pub before_len: u64,
    /// Older segments are not needed.
    pub oldest: u64,
}

impl Header {
    /// As bytes.
    pub fn write(self) -> Vec<u8> {
        let numbers = [self.number, self.before, self.before_len, self.oldest];
        let mut bytes = MAGIC.to_vec();
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    /// Reads it; `None`: it is damaged, or not whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (body, rest) = bytes.split_at_checked(HEADER_LEN - 4)?;
        let sum = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?);
        let numbers = body.strip_prefix(MAGIC).filter(|_| crc32fast::hash(body) == sum)?;
        let number = |n: usize| numbers[n * 8..n * 8 + 8].try_into().map(u64::from_le_bytes).ok();
        Some(Self { number: number(0)?, before: number(1)?, before_len: number(2)?, oldest: number(3)? })
    }
}

/// The name of a segment's file.
pub fn name(number: u64) -> String {
    format!("{number:012}{SUFFIX}")
}

/// The number of the segment of this name.
pub fn number(file: &str) -> Option<u64> {
    let digits = file.strip_suffix(SUFFIX)?;
    let is_plain = digits.len() >= 12 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_plain && *number > 0)
}

/// Bytes of a header.
pub const HEADER_LEN: usize = 8 + 4 * 8 + 4;
const MAGIC: &[u8] = b"mpxlog1\n";
const SUFFIX: &str = ".log";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_as_it_was_written_and_not_when_damaged() {
        let header = Header { number: 3, before: 2, before_len: 70_000, oldest: 2 };
        let bytes = header.write();
        assert_eq!(bytes.len(), HEADER_LEN);
        assert_eq!(Header::read(&[&bytes[..], b"more"].concat()), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&bytes), None);
        }
        for len in 0..bytes.len() {
            assert_eq!(Header::read(&bytes[..len]), None);
        }
    }

    #[test]
    fn only_names_of_segments_have_numbers() {
        assert_eq!(name(7), "000000000007.log");
        assert_eq!(number(&name(7)), Some(7));
        for other in ["store", "7.log", "000000000000.log", "00000000000x.log", "000000000007.log.new"] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
