//! What of a message is said in bits.

use exchange::hub::{AudienceKind, Kind, Origin};

/// Who may see a message of which that is not said: all, unless a list is in front of its body.
pub(super) fn usual_audience(origin: Origin, head_len: usize) -> AudienceKind {
    if origin == Origin::VerbatimBody && head_len > 0 { AudienceKind::AnyOf } else { AudienceKind::All }
}

pub(super) fn audience(byte: u8) -> Option<AudienceKind> {
    let all = [AudienceKind::All, AudienceKind::AnyOf, AudienceKind::Except, AudienceKind::Only];
    all.into_iter().find(|kind| *kind as u8 == byte)
}

pub(super) fn kind_flags(kind: Kind) -> u8 {
    match kind {
        Kind::Either => 0,
        Kind::Binary => BINARY,
        Kind::Text => TEXT,
        Kind::Json => BINARY | TEXT,
    }
}

pub(super) fn kind(flags: u8) -> Kind {
    match (flags & BINARY != 0, flags & TEXT != 0) {
        (false, false) => Kind::Either,
        (true, false) => Kind::Binary,
        (false, true) => Kind::Text,
        (true, true) => Kind::Json,
    }
}

/// Two of the flags say what the data is: neither, one of them, or both.
const BINARY: u8 = 4;
const TEXT: u8 = 128;
