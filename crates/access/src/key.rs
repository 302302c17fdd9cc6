//! API keys: what an application shows the IN line.
//!
//! A key is 256 bits of chance, so what is kept of it is its SHA-256 and no slow hash for passwords: nobody
//! can try 2^256 keys, however fast a try is, and a fast hash costs a publish nothing. That is also why keys
//! are made here and never chosen by people.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::Session;
use zeroize::Zeroizing;

use crate::limits::KEY_LEN;

/// A key itself, which its owner has and the server does not keep: its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<Box<str>>);

/// What is kept of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

/// A key as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name, for logs and refusals.
    pub name: Box<str>,
    /// What is kept of it; `None`: only a certificate stands for it.
    pub hash: Option<KeyHash>,
    /// The certificate that stands for it.
    pub certificate: Option<Certified>,
    /// What whoever has it may do.
    pub session: Session,
}

/// The certificate of a client that stands for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certified {
    /// The one with this SHA-256.
    Fingerprint([u8; 32]),
    /// Any that has this name: a host's, a mail address, a URI; or as its common name, where it has none of these.
    Name(Box<str>),
}

/// All keys; none: nobody is asked for one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keyring(Vec<Arc<Key>>);

/// Why a text is neither a key nor the hash of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no API key, nor the hash of one; make one with: multiplexor key make")]
pub struct KeyError;

impl Secret {
    /// The key that so much chance makes.
    pub fn new(chance: [u8; KEY_LEN]) -> Self {
        let coded = Zeroizing::new(URL_SAFE_NO_PAD.encode(Zeroizing::new(chance)));
        Self(Zeroizing::new([PREFIX, &coded].concat().into_boxed_str()))
    }

    /// Reads a key. A text that somebody made up is none: it may be one that can be guessed.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let coded = text.strip_prefix(PREFIX).ok_or(KeyError)?;
        let chance = Zeroizing::new(URL_SAFE_NO_PAD.decode(coded).map_err(|_| KeyError)?);
        if chance.len() == KEY_LEN { Ok(Self(Zeroizing::new(text.into()))) } else { Err(KeyError) }
    }

    /// The key, to be shown to its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

/// Never shown by accident.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl KeyHash {
    /// As bytes, for another program of ours.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// What [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key, or the hash of one as it is written.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let Some(hex) = text.strip_prefix(HASH_PREFIX) else {
            return Secret::read(text).map(|secret| secret.hash());
        };
        let mut bytes = [0; 32];
        if hex.len() != 2 * bytes.len() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(KeyError);
        }
        for (byte, digits) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let digits = str::from_utf8(digits).map_err(|_| KeyError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| KeyError)?;
        }
        Ok(Self(bytes))
    }

    /// Of this text.
    pub fn of(key: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
        Self(bytes)
    }
}

/// As it is written in settings.
impl std::fmt::Display for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Keyring {
    /// These keys.
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Whether this key is set, and may do what it may do here.
    pub fn has(&self, key: &Key) -> bool {
        self.0.iter().any(|known| **known == *key)
    }

    /// The key as it is set here for which the same certificate stands.
    pub fn renewed(&self, key: &Arc<Key>) -> Option<Arc<Key>> {
        let is_same = |known: &&Arc<Key>| known.certificate.is_some() && known.certificate == key.certificate;
        self.0.iter().find(is_same).cloned()
    }

    /// Whether nobody is asked for a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key that somebody shows. How long it takes tells nothing of what is kept.
    pub fn find(&self, shown: &str) -> Option<Arc<Key>> {
        let hash = KeyHash::of(shown);
        let mut found = None;
        // All of them are looked at, whichever it is.
        for key in &self.0 {
            if key.hash.is_some_and(|kept| verify_slices_are_equal(&kept.0, &hash.0).is_ok()) {
                found = Some(Arc::clone(key));
            }
        }
        found
    }

    /// The key of which this is kept.
    pub fn of_hash(&self, hash: &KeyHash) -> Option<Arc<Key>> {
        self.0.iter().find(|key| key.hash.as_ref() == Some(hash)).map(Arc::clone)
    }

    /// The key for which a certificate stands, by its SHA-256 and its names. That it is to be trusted at all must
    /// be known.
    pub fn of_certificate(&self, fingerprint: &[u8; 32], names: &[String]) -> Option<Arc<Key>> {
        let is_meant = |key: &&Arc<Key>| match &key.certificate {
            Some(Certified::Fingerprint(wanted)) => wanted == fingerprint,
            Some(Certified::Name(wanted)) => names.iter().any(|name| name.eq_ignore_ascii_case(wanted)),
            None => false,
        };
        self.0.iter().find(is_meant).map(Arc::clone)
    }
}

impl Certified {
    /// Reads a fingerprint, `sha256:` and 64 hexadecimal digits, colons between them or not; or a name.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix(HASH_PREFIX) {
            let digits = digits.replace(':', "");
            return KeyHash::read(&format!("{HASH_PREFIX}{digits}"))
                .ok()
                .map(|hash| Self::Fingerprint(hash.0));
        }
        let fits = (1..=255).contains(&text.len())
            && text.bytes().all(|byte| (33..127).contains(&byte) && byte != b'"');
        fits.then(|| Self::Name(text.into()))
    }
}

/// As it is written in settings.
impl std::fmt::Display for Certified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(bytes) => KeyHash(*bytes).fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// How every key begins, so that people and scanners of source code know one when they see it.
const PREFIX: &str = "mpx_";
/// How every hash of a key begins.
const HASH_PREFIX: &str = "sha256:";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str, chance: u8) -> (Secret, Key) {
        let secret = Secret::new([chance; KEY_LEN]);
        let key = Key {
            name: name.into(),
            hash: Some(secret.hash()),
            certificate: None,
            session: Session::new(None, None, &[]),
        };
        (secret, key)
    }

    #[test]
    fn a_key_is_known_by_its_hash() {
        let ((one, one_key), (two, two_key)) = (key("one", 1), key("two", 2));
        let ring = Keyring::new(vec![one_key, two_key]);
        let found = |shown: &str| ring.find(shown).map(|key| key.name.to_string());
        assert_eq!(
            (found(one.reveal()), found(two.reveal())),
            (Some("one".to_owned()), Some("two".to_owned()))
        );
        for shown in ["", "mpx_", &one.hash().to_string(), &one.reveal()[..46], &format!("{} ", one.reveal())]
        {
            assert_eq!(found(shown), None, "{shown}");
        }
        assert_eq!(Keyring::default().find(one.reveal()), None);
    }

    #[test]
    fn a_hash_is_that_of_the_standard() {
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(KeyHash::of("abc").to_string(), expected);
    }

    #[test]
    fn keys_and_hashes_are_read_as_they_are_written() {
        let (secret, key) = key("one", 7);
        assert_eq!(Secret::read(secret.reveal()).as_ref(), Ok(&secret));
        assert_eq!(KeyHash::read(secret.reveal()), Ok(key.hash.unwrap()));
        assert_eq!(KeyHash::read(&key.hash.unwrap().to_string()), Ok(key.hash.unwrap()));
        assert_eq!(secret.reveal().len(), 47);
        for bad in ["", "hunter2", "mpx_hunter2", "sha256:00", &format!("sha256:{}", "+f".repeat(32))] {
            assert_eq!(KeyHash::read(bad), Err(KeyError), "{bad}");
        }
    }

    #[test]
    fn a_certificate_stands_for_a_key() {
        let (_, mut named) = key("named", 1);
        named.certificate = Certified::read("app.example");
        let (_, mut pinned) = key("pinned", 2);
        pinned.hash = None;
        pinned.certificate = Certified::read(&format!("sha256:{}", ["AB"; 32].join(":")));
        let ring = Keyring::new(vec![named, pinned]);
        let found = |byte, names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            ring.of_certificate(&[byte; 32], &names).map(|key| key.name.to_string())
        };
        assert_eq!(found(0xab, &[]).as_deref(), Some("pinned"));
        assert_eq!(found(1, &["x", "App.example"]).as_deref(), Some("named"));
        assert_eq!(found(1, &["app.example.evil", "*.example"]), None);
        assert_eq!(ring.find(""), None);
        for bad in ["", "sha256:ab", "two words", "a\"b"] {
            assert_eq!(Certified::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_is_not_shown_by_accident() {
        assert!(!format!("{:?}", key("one", 7).0).contains("Bw"));
    }
}
