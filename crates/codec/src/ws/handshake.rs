//! The one computation of the opening handshake.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};

/// The value of `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`; `None` if the key is not
/// 16 bytes in base64.
pub fn accept_key(key: &[u8]) -> Option<String> {
    let nonce = LENIENT.decode(key).ok()?;
    if nonce.len() != NONCE_BYTES {
        return None;
    }
    let mut hash = sha1_smol::Sha1::new();
    hash.update(key);
    hash.update(GUID);
    Some(LENIENT.encode(hash.digest().bytes()))
}

/// Padding is asked for; the unused bits of the last character may be anything, as some clients send it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

const NONCE_BYTES: usize = 16;

/// RFC 6455, section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_answered() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ==").unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_not_sixteen_bytes_is_no_key() {
        assert!(accept_key(b"AAAAAAAAAAAAAAAAAAAAAA==").is_some());
        assert!(accept_key(b"AAAAAAAAAAAAAAAAAAAAAB==").is_some(), "unused bits may be set");
        assert_eq!(accept_key(b""), None);
        assert_eq!(accept_key(b"AAAAAAAAAAAAAAAAAAAAAA"), None, "without padding");
        assert_eq!(accept_key(b"AAAAAAAAAAAAAAAAAAAA"), None, "15 bytes");
        assert_eq!(accept_key(b"AAAAAAAAAAAAAAAAAAAAAAA="), None, "17 bytes");
        assert_eq!(accept_key(b"AAAAAAAAAA AAAAAAAAAAA=="), None, "a space");
        assert_eq!(accept_key(b"__________AAAAAAAAAAAA=="), None, "the other alphabet");
        assert_eq!(accept_key(&[b'A'; 10_000]), None);
    }
}
