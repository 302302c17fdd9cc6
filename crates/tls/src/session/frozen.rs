//! A session as bytes, for whoever goes on with its connection: a byte that says in which version, then what is open, its keys,
//! what renews them where that can be, and what has come of a record.

use super::{NextSecrets, Open, SessionState, TlsSession};
use crate::limits::WIRE_LEN_MAX;
use crate::record::{DirectionKeys, Version};
use crate::secret::{Cipher, CipherSecret, NONCE_LEN, Traffic};

impl TlsSession {
    /// As bytes, which are as secret as keys are. `None`: its handshake is under way, or it failed.
    pub fn freeze(&self) -> Option<Vec<u8>> {
        let SessionState::Open(open) = &self.state else { return None };
        let cipher = open.tx.secret().cipher;
        let mut out = vec![FORMAT, u8::from(open.renewal.is_some()), cipher as u8];
        out.push(
            u8::from(open.is_renewal_due) | u8::from(open.has_ended) << 1 | u8::from(open.is_closed) << 2,
        );
        out.extend_from_slice(&open.hollow.to_le_bytes());
        for keys in [&open.tx, &open.rx] {
            out.extend_from_slice(&keys.seq().to_le_bytes());
            out.extend_from_slice(keys.secret().key());
            out.extend_from_slice(&keys.secret().iv);
        }
        if let Some(renewal) = &open.renewal {
            out.extend_from_slice(renewal.tx.bytes(cipher));
            out.extend_from_slice(renewal.rx.bytes(cipher));
        }
        out.extend_from_slice(&self.kept);
        Some(out)
    }

    /// The session that was frozen; `None`: the bytes are none of ours, or of another version.
    pub fn thaw(bytes: &[u8]) -> Option<Self> {
        let mut bytes = FrozenBytes(bytes);
        let [format, renews, cipher, flags] = bytes.array()?;
        let version = match renews {
            0 => Version::Tls12,
            1 => Version::Tls13,
            _ => return None,
        };
        let cipher = Cipher::of_number(cipher)?;
        if format != FORMAT || flags >= 1 << 3 {
            return None;
        }
        let hollow = u16::from_le_bytes(bytes.array()?);
        let (tx, rx) = (bytes.keys(cipher, version)?, bytes.keys(cipher, version)?);
        let renewal = match version {
            Version::Tls12 => None,
            Version::Tls13 => {
                let (tx, rx) = (bytes.take(cipher.hash_len())?, bytes.take(cipher.hash_len())?);
                Some(Box::new(NextSecrets { tx: Traffic::new(tx)?, rx: Traffic::new(rx)? }))
            }
        };
        let open = Open {
            tx,
            rx,
            renewal,
            renewals: 0,
            hollow,
            is_renewal_due: flags & 1 != 0,
            has_ended: flags & 2 != 0,
            is_closed: flags & 4 != 0,
        };
        let kept = bytes.0.to_vec();
        (kept.len() < WIRE_LEN_MAX).then_some(Self { state: SessionState::Open(open), kept, seen: 0 })
    }
}

/// Bytes that are read from the front.
struct FrozenBytes<'a>(&'a [u8]);

impl<'a> FrozenBytes<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const LEN: usize>(&mut self) -> Option<[u8; LEN]> {
        self.take(LEN)?.try_into().ok()
    }

    fn keys(&mut self, cipher: Cipher, version: Version) -> Option<DirectionKeys> {
        // No connection has that many records behind it.
        let seq = Some(u64::from_le_bytes(self.array()?)).filter(|seq| *seq < 1 << 62)?;
        let (key, iv) = (self.take(cipher.key_len())?, self.take(NONCE_LEN)?);
        Some(DirectionKeys::new(seq, CipherSecret::new(cipher, key, iv)?, version))
    }
}

/// The version of the format; goes up with each change of it.
const FORMAT: u8 = 1;
