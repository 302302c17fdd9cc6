//! Records: what protects them, in one direction, with the keys of a finished handshake.
//!
//! A cipher's context is half a kilobyte; a key is 32 bytes. So keys are kept, and a context is made for each
//! record, which costs a small part of the system call that carries it.

use aws_lc_rs::aead::{Aad, Nonce};

use crate::Failure;
use crate::limits::{HEADER_LEN, RECORD_LEN_MAX};
use crate::secret::{Cipher, CipherSecret, NONCE_LEN};

/// What is in a record (RFC 8446, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordKind(pub(crate) u8);

impl RecordKind {
    pub(crate) const ALERT: Self = Self(21);
    pub(crate) const HANDSHAKE: Self = Self(22);
    pub(crate) const DATA: Self = Self(23);
}

/// Which of the two ways to protect a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Tls12,
    Tls13,
}

/// The keys of one direction.
pub(crate) struct DirectionKeys {
    secret: CipherSecret,
    /// The number of the next record.
    seq: u64,
    version: Version,
}

/// Never shown by accident.
impl std::fmt::Debug for DirectionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys(… at record {})", self.seq)
    }
}

impl DirectionKeys {
    pub(crate) fn new(seq: u64, secret: CipherSecret, version: Version) -> Self {
        Self { secret, seq, version }
    }

    pub(crate) fn secret(&self) -> &CipherSecret {
        &self.secret
    }

    /// Records sealed or opened so far.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    /// Appends a record with this payload, of at most [`RECORD_LEN_MAX`] bytes, to `out`; nothing where it fails.
    pub(crate) fn seal<'a>(
        &mut self,
        kind: RecordKind,
        payload: impl IntoIterator<Item = &'a [u8]>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let cipher = self.secret.context().ok_or(Failure::Internal)?;
        let nonce = self.nonce();
        let start = out.len();
        out.extend_from_slice(&[0; HEADER_LEN]);
        out.extend_from_slice(&nonce[NONCE_LEN - self.explicit_len()..]);
        let begin = out.len();
        payload.into_iter().for_each(|part| out.extend_from_slice(part));
        let plain_len = out.len() - begin;
        if self.version == Version::Tls13 {
            out.push(kind.0);
        }
        let outer = if self.version == Version::Tls13 { RecordKind::DATA } else { kind };
        let len = out.len() - start - HEADER_LEN + TAG_LEN;
        out[start..start + HEADER_LEN].copy_from_slice(&header(outer, len));
        let aad = self.aad(outer, len, plain_len);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad.as_slice()), &mut out[begin..]);
        let Ok(tag) = sealed else {
            // What stands there was not encrypted.
            out.truncate(start);
            return Err(Failure::Internal);
        };
        out.extend_from_slice(tag.as_ref());
        self.seq += 1;
        Ok(())
    }

    /// Opens a whole record in its place: what it is, and where in it the payload stands.
    pub(crate) fn open(
        &mut self,
        record: &mut [u8],
    ) -> Result<(RecordKind, std::ops::Range<usize>), Failure> {
        let outer = RecordKind(record[0]);
        if self.version == Version::Tls13 && outer != RecordKind::DATA {
            return Err(Failure::Malformed(UNEXPECTED_MESSAGE));
        }
        let cipher = self.secret.context().ok_or(Failure::Internal)?;
        let begin = HEADER_LEN + self.explicit_len();
        let len = record.len() - HEADER_LEN;
        let plain_len =
            len.checked_sub(self.explicit_len() + TAG_LEN).ok_or(Failure::Malformed(BAD_RECORD))?;
        let mut nonce = self.nonce();
        let said = NONCE_LEN - self.explicit_len();
        nonce[said..].copy_from_slice(&record[HEADER_LEN..begin]);
        let aad = self.aad(outer, len, plain_len);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = cipher
            .open_in_place(nonce, Aad::from(aad.as_slice()), &mut record[begin..])
            .map_err(|_| Failure::Malformed(BAD_RECORD))?;
        self.seq += 1;
        let (kind, len) = match self.version {
            Version::Tls12 => (outer, plain.len()),
            // Padding is zeros behind the type (RFC 8446, section 5.4).
            Version::Tls13 => {
                let at = plain
                    .iter()
                    .rposition(|byte| *byte != 0)
                    .ok_or(Failure::Malformed(UNEXPECTED_MESSAGE))?;
                (RecordKind(plain[at]), at)
            }
        };
        if len > RECORD_LEN_MAX {
            return Err(Failure::Malformed(RECORD_OVERFLOW));
        }
        Ok((kind, begin..begin + len))
    }

    /// The number of the record, laid over the vector (RFC 8446, section 5.3; RFC 7905, section 2; for AES-GCM
    /// in TLS 1.2 any number that does not repeat will do: RFC 5288, section 3).
    fn nonce(&self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.seq.to_be_bytes());
        nonce.iter_mut().zip(self.secret.iv).for_each(|(byte, iv)| *byte ^= iv);
        nonce
    }

    /// Bytes of the nonce that stand in the record itself (RFC 5288, section 3).
    fn explicit_len(&self) -> usize {
        let is_chacha = self.secret.cipher == Cipher::Chacha20Poly1305;
        if self.version == Version::Tls12 && !is_chacha { 8 } else { 0 }
    }

    /// What is protected, but not hidden (RFC 8446, section 5.2; RFC 5246, section 6.2.3.3).
    fn aad(&self, outer: RecordKind, len: usize, plain_len: usize) -> Associated {
        let mut bytes = [0; 13];
        if self.version == Version::Tls13 {
            bytes[..HEADER_LEN].copy_from_slice(&header(outer, len));
            return Associated { bytes, len: HEADER_LEN };
        }
        bytes[..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..].copy_from_slice(&header(outer, plain_len));
        Associated { bytes, len: 13 }
    }
}

/// Bytes beside the payload that a cipher protects.
struct Associated {
    bytes: [u8; 13],
    len: usize,
}

impl Associated {
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn header(kind: RecordKind, len: usize) -> [u8; HEADER_LEN] {
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    [kind.0, 3, 3, high, low]
}

/// Bytes that show that a record is whole.
const TAG_LEN: usize = 16;

/// Alerts (RFC 8446, section 6).
pub(crate) const CLOSE_NOTIFY: u8 = 0;
pub(crate) const UNEXPECTED_MESSAGE: u8 = 10;
pub(crate) const BAD_RECORD: u8 = 20;
pub(crate) const RECORD_OVERFLOW: u8 = 22;
pub(crate) const DECODE_ERROR: u8 = 50;
pub(crate) const USER_CANCELED: u8 = 90;
pub(crate) const NO_RENEGOTIATION: u8 = 100;
