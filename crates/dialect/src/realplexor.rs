//! Dklab_Realplexor, 2009 to 2014: a marker somewhere in the bytes, and behind it a list of ids, each with the
//! cursor from which on its messages are wanted, or its message is published.
//!
//! HTTP is not parsed in it, as in the dialect of 2009, whose reading of first bytes is shared. What differs
//! from the servers of old, and why, stands in `docs/realplexor.md`.

mod command;
mod held;
mod list;
mod message;
mod page;
pub mod pages;
mod reply;
mod settings;
mod told;
mod wait;

pub use command::{Command, command, event_line, online_line, watch_from};
pub use list::{Credentials, Found, Item, List, MARKER_LEN_MAX, Marker, Reading};
pub use message::{behind_blank_line, payload};
pub use page::{OPTIONS, PageFacts, replaced};
pub use reply::write_one;
pub use settings::{Realplexor, StaticPage};
pub use told::Tag;

pub use crate::dklab::is_id;

use memchr::memchr;

use codec::http::loose::{is_http, is_like_http};

use crate::claim::{Claim, claim};

/// The target of events that tell what single connections do, in the words of the old log.
pub const TOLD: &str = "realplexor";

/// Whose words begin with these bytes; `None` until they tell.
pub fn whose(
    bytes: &[u8],
    paths: &[impl AsRef<str>],
    prefix: Option<&str>,
    marker: &Marker,
) -> Option<Claim> {
    claim(bytes, paths, prefix, |query, ended| {
        !matches!(marker.find(query, Reading::query(ended)), Found::None)
    })
}

/// Whether a request is HTTP, of which more may be said than to whoever writes to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestForm<'a> {
    /// The first line is not whole, and may be one of HTTP.
    Open,
    /// Any bytes.
    Raw,
    /// HTTP, with this method.
    Http(&'a [u8]),
}

impl<'a> RequestForm<'a> {
    /// What these bytes are; a line longer than `limit` is none of HTTP.
    pub fn of(bytes: &'a [u8], limit: usize) -> Self {
        let line = bytes.trim_ascii_start();
        if !is_like_http(bytes) {
            return Self::Raw;
        }
        if is_http(bytes) {
            return Self::Http(line.split(|byte| *byte == b' ').next().unwrap_or_default());
        }
        if memchr(b'\n', line).is_none() && bytes.len() <= limit { Self::Open } else { Self::Raw }
    }

    /// Whether it is HTTP.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http(_))
    }
}

/// FNV-1a: the same in every run of the server, and no secret.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// An id, or the beginning of one: nothing else is ever part of a name here.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}
