//! The small file that says what store this is: version, epoch, which places may have been given, how it ended.
//!
//! It is text, so that people can read it, with a checksum in its last line. It is replaced whole.

use std::collections::BTreeMap;
use std::fmt::Write;

use exchange::hub::Position;

/// What is known of a store as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// The identity of the order.
    pub epoch: u64,
    /// No place behind this one was given.
    pub reserved: Position,
    /// Up to here anything may be missing.
    pub lost: Position,
    /// Up to here changes of presence may be missing.
    pub changes_lost: Position,
    /// Which run of the kernel wrote it; empty where that is not known.
    pub boot: String,
    /// Whether everything that was answered was synced before.
    pub synced: bool,
    /// Which channels were not durable; see [`volatile_mark`](exchange::hub::volatile_mark).
    pub volatile: u32,
    /// How it ended, if it did in good order.
    pub ended: Option<Ended>,
    /// Damage that clients were told of: no more of these segments than so many bytes is good.
    pub damaged: Vec<(u64, u64)>,
}

/// The end in good order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The last place given.
    pub last: Position,
    /// The last segment, 0 where there is none, and its bytes.
    pub segment: u64,
    /// Bytes of that segment.
    pub len: u64,
}

/// Why the file says nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum MetaError {
    /// A store, but of a version that this program does not know.
    Version(String),
    /// It is damaged.
    Damaged,
}

impl Meta {
    /// As text.
    pub fn write(&self) -> Vec<u8> {
        let mut text = format!("{BEGINNING}{VERSION}\n");
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            writeln!(text, "{name} {value}").expect("a string takes everything");
        };
        line("epoch", &self.epoch);
        line("reserved", &self.reserved.to_bits());
        line("lost", &self.lost.to_bits());
        line("changes_lost", &self.changes_lost.to_bits());
        line("boot", &self.boot);
        line("synced", &self.synced);
        line("volatile", &self.volatile);
        if let Some(Ended { last, segment, len }) = self.ended {
            line("last", &last.to_bits());
            line("segment", &segment);
            line("len", &len);
        }
        for (segment, good) in &self.damaged {
            text += &format!("damaged_{segment} {good}\n");
        }
        text += &format!("sum {}\n", crc32fast::hash(text.as_bytes()));
        text.into_bytes()
    }

    /// Reads the text.
    pub fn read(bytes: &[u8]) -> Result<Self, MetaError> {
        let text = std::str::from_utf8(bytes).map_err(|_| MetaError::Damaged)?;
        let rest = text.strip_prefix(BEGINNING).ok_or(MetaError::Damaged)?;
        let version = rest.lines().next().unwrap_or_default();
        if version != VERSION && !EARLIER.contains(&version) {
            let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
            return Err(if is_number { MetaError::Version(version.into()) } else { MetaError::Damaged });
        }
        Self::read_lines(text).ok_or(MetaError::Damaged)
    }

    fn read_lines(text: &str) -> Option<Self> {
        let (body, sum) = text.split_at(text.rfind("sum ")?);
        if sum.strip_prefix("sum ")?.strip_suffix('\n')?.parse() != Ok(crc32fast::hash(body.as_bytes())) {
            return None;
        }
        let lines: BTreeMap<&str, &str> = body.lines().filter_map(|line| line.split_once(' ')).collect();
        let number = |name: &str| lines.get(name)?.parse::<u64>().ok();
        let place = |name: &str| number(name).map(Position::from_bits);
        let ended =
            place("last").map(|last| Some(Ended { last, segment: number("segment")?, len: number("len")? }));
        let damaged = lines.iter().filter_map(|(name, good)| Some((name.strip_prefix("damaged_")?, good)));
        let damaged = damaged.map(|(segment, good)| Some((segment.parse().ok()?, good.parse().ok()?)));
        Some(Self {
            damaged: damaged.collect::<Option<_>>()?,
            epoch: number("epoch")?,
            reserved: place("reserved")?,
            lost: place("lost")?,
            changes_lost: place("changes_lost")?,
            boot: (*lines.get("boot")?).into(),
            synced: lines.get("synced")?.parse().ok()?,
            volatile: lines.get("volatile").map_or(Some(0), |mark| mark.parse().ok())?,
            ended: ended.unwrap_or_default(),
        })
    }
}

/// Its name.
pub const NAME: &str = "store";
/// How it begins, in every version.
const BEGINNING: &str = "multiplexor store ";
/// The version of everything in the folder.
pub(crate) const VERSION: &str = "2";
/// Versions before it that are read; what is then written is of this one.
const EARLIER: &[&str] = &["1"];

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(ended: Option<Ended>) -> Meta {
        let place = Position::from_bits;
        Meta {
            epoch: 77,
            reserved: place(1 << 24),
            lost: place(5),
            changes_lost: place(0),
            boot: "a-b".into(),
            synced: true,
            volatile: 7,
            ended,
            damaged: if ended.is_some() { vec![(2, 70), (3, 0)] } else { Vec::new() },
        }
    }

    #[test]
    fn it_reads_as_it_was_written() {
        let ended = Ended { last: Position::from_bits(9), segment: 3, len: 4_000 };
        for meta in [meta(None), meta(Some(ended)), Meta { boot: String::new(), ..meta(None) }] {
            assert_eq!(Meta::read(&meta.write()), Ok(meta));
        }
    }

    #[test]
    fn what_is_damaged_is_never_read() {
        let bytes = meta(None).write();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Meta::read(&bytes).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(Meta::read(&bytes[..len]), Err(MetaError::Damaged), "{len} bytes");
        }
    }

    #[test]
    fn an_earlier_version_is_read() {
        let text = String::from_utf8(meta(None).write()).unwrap().replacen("store 2", "store 1", 1);
        let body = &text[..text.rfind("sum ").unwrap()];
        let text = format!("{body}sum {}\n", crc32fast::hash(body.as_bytes()));
        assert_eq!(Meta::read(text.as_bytes()), Ok(meta(None)));
    }

    #[test]
    fn another_version_is_told_apart_from_damage() {
        assert_eq!(Meta::read(b"multiplexor store 3\nanything"), Err(MetaError::Version("3".into())));
        assert_eq!(Meta::read(b"multiplexor store x\n"), Err(MetaError::Damaged));
    }
}
