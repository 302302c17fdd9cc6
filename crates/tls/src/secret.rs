//! Secrets of a finished handshake: the keys of one direction, and in TLS 1.3 what the next ones come of.
//!
//! rustls hands out keys, and not what renews them, but to whoever logs secrets. So the handshake is told to log, here, in
//! the thread that makes its steps; what it logs is taken behind each step, and goes nowhere else.

use std::cell::Cell;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Algorithm, CHACHA20_POLY1305, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf::{self, HKDF_SHA256, HKDF_SHA384, Prk};
use rustls::{ConnectionTrafficSecrets, KeyLog};
use zeroize::{Zeroize, Zeroizing};

/// What seals and opens records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cipher {
    Aes128Gcm = 1,
    Aes256Gcm = 2,
    Chacha20Poly1305 = 3,
}

/// A key and its vector.
pub(crate) struct CipherSecret {
    pub(crate) cipher: Cipher,
    /// As much of it as the cipher takes.
    key: [u8; KEY_LEN_MAX],
    pub(crate) iv: [u8; NONCE_LEN],
}

/// Of what the keys of one direction come (RFC 8446, section 7).
pub(crate) struct Traffic {
    /// As much of it as the cipher's hash has.
    bytes: [u8; HASH_LEN_MAX],
}

/// What a handshake logs.
#[derive(Default)]
pub(crate) struct Logged {
    pub(crate) client: Option<Traffic>,
    pub(crate) server: Option<Traffic>,
}

/// Takes what a handshake logs.
#[derive(Debug)]
pub(crate) struct SecretLog;

impl Cipher {
    /// That of this number.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        [Self::Aes128Gcm, Self::Aes256Gcm, Self::Chacha20Poly1305]
            .into_iter()
            .find(|one| *one as u8 == number)
    }

    fn algorithm(self) -> &'static Algorithm {
        match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::Aes256Gcm => &AES_256_GCM,
            Self::Chacha20Poly1305 => &CHACHA20_POLY1305,
        }
    }

    /// Bytes of a key.
    pub(crate) fn key_len(self) -> usize {
        self.algorithm().key_len()
    }

    /// Bytes of what keys come of: of the hash that goes with it in TLS 1.3 (RFC 8446, appendix B.4).
    pub(crate) fn hash_len(self) -> usize {
        if self == Self::Aes256Gcm { 48 } else { 32 }
    }
}

impl CipherSecret {
    /// As rustls hands it out.
    pub(crate) fn of_rustls(secrets: &ConnectionTrafficSecrets) -> Option<Self> {
        let (cipher, key, iv) = match secrets {
            ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (Cipher::Aes128Gcm, key, iv),
            ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (Cipher::Aes256Gcm, key, iv),
            ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (Cipher::Chacha20Poly1305, key, iv),
            // rustls may learn further ciphers; they are not offered until they stand here.
            _ => return None,
        };
        Self::new(cipher, key.as_ref(), iv.as_ref())
    }

    /// `None`: these are of another length than those of the cipher.
    pub(crate) fn new(cipher: Cipher, key: &[u8], iv: &[u8]) -> Option<Self> {
        let mut secret = Self { cipher, key: [0; KEY_LEN_MAX], iv: iv.try_into().ok()? };
        let is_whole = key.len() == cipher.key_len();
        is_whole.then(|| secret.key[..key.len()].copy_from_slice(key))?;
        Some(secret)
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..self.cipher.key_len()]
    }

    /// A context of the cipher, for one record; `None`: a fault of ours.
    pub(crate) fn context(&self) -> Option<LessSafeKey> {
        UnboundKey::new(self.cipher.algorithm(), self.key()).ok().map(LessSafeKey::new)
    }
}

impl Traffic {
    /// `None`: no hash has so many bytes.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        let mut traffic = Self { bytes: [0; HASH_LEN_MAX] };
        traffic.bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        Some(traffic)
    }

    pub(crate) fn bytes(&self, cipher: Cipher) -> &[u8] {
        &self.bytes[..cipher.hash_len()]
    }

    /// The next one takes its place; the key that comes of it. `None`: a fault of ours.
    pub(crate) fn renew(&mut self, cipher: Cipher) -> Option<CipherSecret> {
        let mut next = Zeroizing::new([0; HASH_LEN_MAX]);
        self.expand(cipher, b"traffic upd", &mut next[..cipher.hash_len()])?;
        self.bytes = *next;
        self.secret(cipher)
    }

    /// The key that comes of it (RFC 8446, section 7.3).
    fn secret(&self, cipher: Cipher) -> Option<CipherSecret> {
        let (mut key, mut iv) = (Zeroizing::new([0; KEY_LEN_MAX]), [0; NONCE_LEN]);
        self.expand(cipher, b"key", &mut key[..cipher.key_len()])?;
        self.expand(cipher, b"iv", &mut iv)?;
        CipherSecret::new(cipher, &key[..cipher.key_len()], &iv)
    }

    /// HKDF-Expand-Label without a context (RFC 8446, section 7.1).
    fn expand(&self, cipher: Cipher, label: &[u8], out: &mut [u8]) -> Option<()> {
        let hash = if cipher.hash_len() == 48 { HKDF_SHA384 } else { HKDF_SHA256 };
        let [high, low] = u16::try_from(out.len()).ok()?.to_be_bytes();
        let label_len = u8::try_from(PREFIX.len() + label.len()).ok()?;
        let info: &[&[u8]] = &[&[high, low, label_len], PREFIX, label, &[0]];
        let prk = Prk::new_less_safe(hash, self.bytes(cipher));
        prk.expand(info, Len(out.len())).ok()?.fill(out).ok()
    }
}

impl Drop for CipherSecret {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Logged {
    /// What was logged in this thread since it was last taken.
    pub(crate) fn take() -> Self {
        LOGGED.take()
    }

    /// Those of a later step besides.
    pub(crate) fn add(&mut self, later: Self) {
        self.client = later.client.or_else(|| self.client.take());
        self.server = later.server.or_else(|| self.server.take());
    }
}

impl KeyLog for SecretLog {
    fn log(&self, label: &str, _: &[u8], secret: &[u8]) {
        let mut logged = LOGGED.take();
        match label {
            CLIENT => logged.client = Traffic::new(secret),
            SERVER => logged.server = Traffic::new(secret),
            _ => {}
        }
        LOGGED.set(logged);
    }

    fn will_log(&self, label: &str) -> bool {
        matches!(label, CLIENT | SERVER)
    }
}

thread_local! {
    static LOGGED: Cell<Logged> = const { Cell::new(Logged { client: None, server: None }) };
}

/// How many bytes are wanted.
struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// Bytes of a nonce, of all ciphers that there are.
pub(crate) const NONCE_LEN: usize = 12;
const KEY_LEN_MAX: usize = 32;
const HASH_LEN_MAX: usize = 48;
/// What stands in front of each label.
const PREFIX: &[u8] = b"tls13 ";
/// What rustls calls the secrets of both directions.
const CLIENT: &str = "CLIENT_TRAFFIC_SECRET_0";
const SERVER: &str = "SERVER_TRAFFIC_SECRET_0";
