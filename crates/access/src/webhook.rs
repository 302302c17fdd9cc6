//! Signatures of what the program sends to an application: Standard Webhooks 1.0.0, the symmetric scheme.
//!
//! Signed is `ID.SECONDS.BODY` by HMAC-SHA256; the header `webhook-signature` holds `v1,` and that in base64, once for each
//! secret, with blanks between them. So a receiver with either of two secrets finds its own while one replaces the other.

use std::fmt::Write;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::limits::WEBHOOK_SECRET_LEN;

/// What a webhook is signed with. It is not shown by accident, and its memory is wiped.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(Zeroizing<Box<[u8]>>);

/// Why a text is no secret; the text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a webhook's secret is whsec_ and 24 to 64 bytes in base64; make one with: echo whsec_$(openssl rand -base64 32)"
)]
pub struct WebhookSecretError;

impl WebhookSecret {
    /// Reads a secret as it is given to receivers: `whsec_` and base64.
    pub fn new(text: &str) -> Result<Self, WebhookSecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(WebhookSecretError)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| WebhookSecretError)?);
        if !WEBHOOK_SECRET_LEN.contains(&bytes.len()) {
            return Err(WebhookSecretError);
        }
        Ok(Self(Zeroizing::new(bytes.as_slice().into())))
    }

    /// The secret as text, for those who write it into settings.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&*self.0))
    }

    fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.0));
        context.update(format!("{id}.{seconds}.").as_bytes());
        context.update(body);
        context.sign()
    }
}

/// The value of `webhook-signature` for a body that is sent with this `webhook-id` and `webhook-timestamp` (Unix time in
/// seconds). The id must hold no full stop, or one text could be signed for another.
pub fn webhook_signature(secrets: &[WebhookSecret], id: &str, seconds: u64, body: &[u8]) -> String {
    debug_assert!(!id.contains('.'), "what is signed must be read in one way");
    let mut value = String::new();
    for secret in secrets {
        let blank = if value.is_empty() { "" } else { " " };
        let signature = STANDARD.encode(secret.sign(id, seconds, body));
        write!(value, "{blank}{VERSION},{signature}").expect("a string takes everything");
    }
    value
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

const PREFIX: &str = "whsec_";
/// The symmetric scheme.
const VERSION: &str = "v1";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test")]
mod tests {
    use super::*;

    /// The vector that the specification's own libraries are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(text).unwrap()
    }

    #[test]
    fn the_specifications_vector_is_signed_alike() {
        assert_eq!(webhook_signature(&[secret(SECRET)], ID, 1_614_265_330, BODY), SIGNATURE);
    }

    #[test]
    fn each_of_two_secrets_signs() {
        let other = secret(&format!("{PREFIX}{}", STANDARD.encode([7; 24])));
        let both = webhook_signature(&[other.clone(), secret(SECRET)], ID, 1_614_265_330, BODY);
        let alone = webhook_signature(&[other], ID, 1_614_265_330, BODY);
        assert_eq!(both, format!("{alone} {SIGNATURE}"));
    }

    #[test]
    fn every_part_is_signed() {
        let sign = |id, seconds, body| webhook_signature(&[secret(SECRET)], id, seconds, body);
        let usual = sign(ID, 1, BODY);
        for other in [sign("msg", 1, BODY), sign(ID, 2, BODY), sign(ID, 1, b"{}")] {
            assert_ne!(other, usual);
        }
    }

    #[test]
    fn a_secret_has_its_prefix_and_24_to_64_bytes() {
        let of = |len| format!("{PREFIX}{}", STANDARD.encode(vec![7; len]));
        for (text, is_one) in [
            (of(24), true),
            (of(64), true),
            (of(23), false),
            (of(65), false),
            (of(24).replacen(PREFIX, "whsk_", 1), false),
            (format!("{}!", of(24)), false),
            (String::new(), false),
        ] {
            assert_eq!(WebhookSecret::new(&text).map(|secret| secret.reveal()).ok(), is_one.then_some(text));
        }
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", secret(SECRET)), "WebhookSecret(…)");
    }
}
