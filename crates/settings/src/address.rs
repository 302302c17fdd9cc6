//! Where a line listens: an address of the network, or a UNIX socket in the file system.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::names::is_name;

/// Where a line listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Of the network.
    Inet(SocketAddr),
    /// The path of a UNIX socket, which is made there.
    Unix(PathBuf),
}

/// A text is neither an IP address with a port nor `unix:` with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoAddress;

impl Address {
    /// The address of the network; `None`: it is a socket's.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path of a UNIX socket.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Inet(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text.parse().map(Self::Inet).map_err(|_| NoAddress);
        };
        let fits = path.starts_with('/')
            && !path.ends_with('/')
            && path.len() <= PATH_LEN_MAX
            && !path.chars().any(|part| part.is_control() || part == ',');
        if fits { Ok(Self::Unix(path.into())) } else { Err(NoAddress) }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Whether a text is a mode of a file: three octal digits, with a zero before them or not.
pub(crate) fn is_mode(text: &str) -> bool {
    let digits = if text.len() == 4 { text.strip_prefix('0') } else { Some(text) };
    digits
        .is_some_and(|digits| digits.len() == 3 && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit)))
}

/// Whether a text names a user, a group behind a colon, or both; or nobody.
pub(crate) fn is_owner(text: &str) -> bool {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    text.len() <= 64 && text != ":" && is_name(user) && is_name(group)
}

/// How a UNIX socket is written, here and by nginx.
pub const UNIX: &str = "unix:";
/// Bytes of a path that the system takes (unix(7)), without the one behind it.
pub(crate) const PATH_LEN_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_network_or_a_path() {
        for text in ["127.0.0.1:80", "[::1]:80", "unix:/run/multiplexor/in.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let long = format!("unix:/{}", "a".repeat(PATH_LEN_MAX));
        for text in
            ["", "80", "unix:", "unix:in.sock", "unix:/", "unix:/run/", "/run/in.sock", "unix:/a,b", &long]
        {
            assert_eq!(text.parse::<Address>(), Err(NoAddress), "{text}");
        }
    }

    #[test]
    fn modes_and_owners_are_written_as_everywhere() {
        assert!(["0660", "660", "0000", "777"].into_iter().all(is_mode));
        assert!(["", "66", "0888", "1660", "00660", "rw", "+66"].into_iter().all(|text| !is_mode(text)));
        assert!(["", "www-data", "www-data:www-data", ":web"].into_iter().all(is_owner));
        assert!([":", "a b", "a:b:c", "a/b"].into_iter().all(|text| !is_owner(text)));
    }
}
