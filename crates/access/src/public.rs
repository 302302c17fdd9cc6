//! Public keys, with which an application's signatures are checked: RSA, ECDSA and Ed25519, read from PEM.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A public key, and the algorithms that go with it.
#[derive(Clone)]
pub struct PublicKey {
    /// As it was read, to tell one from another.
    bytes: Vec<u8>,
    /// How tokens name it, if they do.
    kid: Option<Box<str>>,
    /// By the names that tokens have for them; at least one.
    algorithms: Vec<(&'static str, ParsedPublicKey)>,
}

/// Why a text is no public key. The message says what would be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// No PEM, or of something else.
    #[error("this is no public key in PEM; make one of a private key with: openssl pkey -in KEY -pubout")]
    Form,
    /// A private key.
    #[error(
        "this is a private key, which the server must not have; give the public one, made with: \
         openssl pkey -in KEY -pubout"
    )]
    Private,
    /// A key of another kind or size.
    #[error(
        "this key is of no kind that is taken; give RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"
    )]
    Kind,
}

impl PublicKey {
    /// Reads the first key of a PEM file.
    pub fn read(pem: &str) -> Result<Self, PublicKeyError> {
        let (_, rest) = pem.split_once("-----BEGIN ").ok_or(PublicKeyError::Form)?;
        let (label, rest) = rest.split_once("-----").ok_or(PublicKeyError::Form)?;
        if label.ends_with("PRIVATE KEY") {
            return Err(PublicKeyError::Private);
        }
        if label != "PUBLIC KEY" {
            return Err(PublicKeyError::Form);
        }
        let (base64, _) = rest.split_once("-----END ").ok_or(PublicKeyError::Form)?;
        let base64: String = base64.split_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| PublicKeyError::Form)?;
        Self::of(&der, None, &|_| true).ok_or(PublicKeyError::Kind)
    }

    /// A key in one of the forms the library reads, for those of its algorithms that are wanted.
    pub(crate) fn of(bytes: &[u8], kid: Option<String>, wanted: &dyn Fn(&str) -> bool) -> Option<Self> {
        let parsed = ALGORITHMS.iter().filter(|(name, _)| wanted(name)).filter_map(|(name, algorithm)| {
            ParsedPublicKey::new(*algorithm, bytes).ok().map(|key| (*name, key))
        });
        let algorithms: Vec<_> = parsed.collect();
        let kid = kid.map(String::into_boxed_str);
        (!algorithms.is_empty()).then(|| Self { bytes: bytes.to_vec(), kid, algorithms })
    }

    /// How tokens name it.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it made this signature by the algorithm of this name.
    pub(crate) fn verify(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let of_it = self.algorithms.iter().find(|(name, _)| *name == algorithm);
        of_it.is_some_and(|(_, key)| key.verify_sig(signed, signature).is_ok())
    }

    /// The algorithms it is a key for.
    pub fn algorithms(&self) -> impl Iterator<Item = &'static str> {
        self.algorithms.iter().map(|(name, _)| *name)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.bytes, &self.kid) == (&other.bytes, &other.kid)
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.algorithms()).finish()
    }
}

static ALGORITHMS: &[(&str, &'static dyn VerificationAlgorithm)] = &[
    ("RS256", &RSA_PKCS1_2048_8192_SHA256),
    ("RS384", &RSA_PKCS1_2048_8192_SHA384),
    ("RS512", &RSA_PKCS1_2048_8192_SHA512),
    ("PS256", &RSA_PSS_2048_8192_SHA256),
    ("PS384", &RSA_PSS_2048_8192_SHA384),
    ("PS512", &RSA_PSS_2048_8192_SHA512),
    ("ES256", &ECDSA_P256_SHA256_FIXED),
    ("ES384", &ECDSA_P384_SHA384_FIXED),
    ("ES512", &ECDSA_P521_SHA512_FIXED),
    ("EdDSA", &ED25519),
];
