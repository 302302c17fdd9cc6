//! Signed URLs: three lines in an application, without a library.
//!
//! The signature is HMAC-SHA256, in base64url without padding, over the names as they stand in the path, a
//! line feed, and the time of expiry as it stands in the query.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::{Glob, Grant, Millis, Right, Session};

use crate::{Denied, TokenSecret, Tokens};

/// What a signed URL shows.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The names as they stand in the path, percent-encoded or not.
    pub path: &'a str,
    /// The Unix time in seconds when it ends.
    pub expires: &'a str,
    /// The signature.
    pub signature: &'a str,
}

impl Tokens {
    /// The session of whoever comes by a signed URL: it may listen to the `names` it was signed for.
    pub fn session_of_url(
        &self,
        signed: Signed<'_>,
        names: &[Box<str>],
        now: Millis,
    ) -> Result<Session, Denied> {
        if self.secrets.is_empty() {
            return Err(Denied::new(
                "url-signature",
                "the URL is signed, but the server has no secret to check it with; set token_secret there",
            ));
        }
        let digits = !signed.expires.is_empty() && signed.expires.bytes().all(|byte| byte.is_ascii_digit());
        let Some(seconds) = signed.expires.parse::<u64>().ok().filter(|_| digits) else {
            return Err(Denied::new(
                "url-signature",
                "`expires` of the signed URL is no Unix time; give the second when it ends in digits",
            ));
        };
        let made = URL_SAFE_NO_PAD.decode(signed.signature).unwrap_or_default();
        let text = text(signed.path, signed.expires);
        let is_right = |secret: &TokenSecret| hmac::verify(&key(secret), text.as_bytes(), &made).is_ok();
        if !self.secrets.iter().any(is_right) {
            return Err(Denied::new(
                "url-signature",
                "the signature is not that of this URL; sign the names as they stand in the path, a line feed and \
                 `expires` with the token_secret of the server",
            ));
        }
        let expires = seconds.saturating_mul(1_000);
        if now >= expires {
            let ago = (now - expires) / 1_000;
            return Err(Denied::new(
                "url-expired",
                format!("the signed URL ended {ago} s ago; get a new one"),
            ));
        }
        let grant =
            |name: &str| Grant { rights: [Right::Listen].into_iter().collect(), names: Glob::name(name) };
        Ok(Session::new(None, Some(expires), &names.iter().map(|name| grant(name)).collect::<Vec<_>>()))
    }
}

/// The signature of a URL with these names in its path.
pub fn sign_url(secret: &TokenSecret, path: &str, expires: u64) -> String {
    URL_SAFE_NO_PAD.encode(hmac::sign(&key(secret), text(path, &expires.to_string()).as_bytes()))
}

fn text(path: &str, expires: &str) -> String {
    format!("{path}\n{expires}")
}

fn key(secret: &TokenSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn check(path: &str, expires: &str, signature: &str, expected: Result<&str, &str>) {
        let tokens = Tokens { secrets: vec![secret(b'x'), secret(b'y')], ..Tokens::default() };
        let names: Vec<Box<str>> = path.split(',').map(Into::into).collect();
        let session = tokens.session_of_url(Signed { path, expires, signature }, &names, NOW);
        match (session, expected) {
            (Ok(session), Ok(name)) => assert!(session.may(Right::Listen, name, NOW), "{path}"),
            (Err(denied), Err(code)) => assert_eq!(denied.code, code, "{path}: {denied:?}"),
            (session, _) => panic!("{path} {expires}: {session:?}"),
        }
    }

    fn secret(letter: u8) -> TokenSecret {
        TokenSecret::new(&char::from(letter).to_string().repeat(32)).unwrap()
    }

    #[test]
    fn a_signature_is_good_for_its_names_and_its_time() {
        let signature = sign_url(&secret(b'y'), "a,b", 1_800_000_001);
        check("a,b", "1800000001", &signature, Ok("b"));
        check("a", "1800000001", &signature, Err("url-signature"));
        check("b,a", "1800000001", &signature, Err("url-signature"));
        check("a,b", "1800000002", &signature, Err("url-signature"));
        check("a,b", "+1800000001", &signature, Err("url-signature"));
        check("a,b", "", &signature, Err("url-signature"));
        check("a,b", "1800000001", "", Err("url-signature"));
        check("a,b", "1800000001", &signature[1..], Err("url-signature"));
        check("a,b", "1800000000", &sign_url(&secret(b'x'), "a,b", 1_800_000_000), Err("url-expired"));
        check("a,b", "1800000001", &sign_url(&secret(b'z'), "a,b", 1_800_000_001), Err("url-signature"));
    }

    #[test]
    fn a_star_in_a_name_that_was_signed_is_a_star() {
        let tokens = Tokens { secrets: vec![secret(b'x')], ..Tokens::default() };
        let signature = sign_url(&secret(b'x'), "*", 1_800_000_001);
        let signed = Signed { path: "*", expires: "1800000001", signature: &signature };
        let session = tokens.session_of_url(signed, &["*".into()], NOW).unwrap();
        assert!(session.may(Right::Listen, "*", NOW) && !session.may(Right::Listen, "a", NOW));
        assert!(!session.may(Right::Listen, "*", NOW + 1_000));
    }
}
