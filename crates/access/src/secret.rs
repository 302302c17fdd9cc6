//! A secret that the server shares with the application, to check what it signed.

use zeroize::Zeroizing;

use crate::limits::TOKEN_SECRET_LEN;

/// The secret. It is not shown by accident, and its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenSecret(Zeroizing<Box<str>>);

/// Why a text is no secret; the text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret has 32 to 512 printable characters, no comma and no blank; make one with: openssl rand -hex 32"
)]
pub struct SecretError;

impl TokenSecret {
    /// Reads a secret.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let fits = TOKEN_SECRET_LEN.contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        if fits { Ok(Self(Zeroizing::new(text.into()))) } else { Err(SecretError) }
    }

    /// The secret, for those who sign or write it into settings.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(…)")
    }
}
