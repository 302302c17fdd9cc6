//! Signed URLs: a few lines in an application, without a library.
//!
//! The signature is `v2.` and, in base64url without padding, HMAC-SHA256 over lines: [`VERSION`], the method, the names
//! without percent-encoding and with a comma between them, the time of expiry, the user, and when it was signed; the
//! last two are empty where the URL does not have them. No name and no user has a line feed, so each line means what it says.
//!
//! One without `v2.` is of old: over the names as they stand in the path, a line feed and the time of expiry.

use std::borrow::Cow;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::{Code, Glob, Grant, Right, Session, SessionParts, WallTime};
use percent_encoding::percent_decode_str;

use crate::user_claim::user_claim;
use crate::{Denied, TokenSecret, Tokens};

/// What a signed URL shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signed<'a> {
    /// The names as they stand in the path, percent-encoded or not.
    pub path: &'a str,
    /// The Unix time in seconds when it ends.
    pub expires: &'a str,
    /// Whom it is for; empty: nobody in particular.
    pub user: &'a str,
    /// The Unix time in seconds when it was signed; empty: it does not say.
    pub iat: &'a str,
    /// The signature.
    pub signature: &'a str,
}

impl Tokens {
    /// The session of whoever comes by a signed URL: it may listen to the `names` it was signed for.
    pub fn session_of_url(
        &self,
        signed: Signed<'_>,
        names: &[Box<str>],
        now: WallTime,
    ) -> Result<Session, Denied> {
        let wrong = |why: &str| Err(Denied::new(Code::UrlSignature, why));
        if self.secrets.is_empty() {
            return wrong(
                "the URL is signed, but the server has no secret to check it with; set token_secret there",
            );
        }
        if signed.path.is_empty() {
            return wrong(
                "a signed URL names its channels in its path, and is good for GET; ask for it as it was signed, or show \
                 a token",
            );
        }
        let Some(expires) = seconds(signed.expires) else {
            return wrong(
                "`expires` of the signed URL is no Unix time; give the second when it ends in digits",
            );
        };
        if !signed.iat.is_empty() && seconds(signed.iat).is_none() {
            return wrong(
                "`iat` of the signed URL is no Unix time; give the second when it was signed in digits",
            );
        }
        let user = match user_claim(Some(signed.user)) {
            Ok(user) => user,
            Err(why) => return wrong(&format!("`user` of the signed URL {why}")),
        };
        self.check_url_signature(signed)?;
        let expires = WallTime::from_seconds(expires);
        if now >= expires {
            let ago = now.since(expires) / 1_000;
            return Err(Denied::new(
                Code::UrlExpired,
                format!("the signed URL ended {ago} s ago; get a new one"),
            ));
        }
        let grant =
            |name: &str| Grant { rights: [Right::Listen].into_iter().collect(), names: Glob::name(name) };
        let grants: Vec<Grant> = names.iter().map(|name| grant(name)).collect();
        Ok(Session::of(&SessionParts {
            user,
            issued: seconds(signed.iat).map(WallTime::from_seconds),
            expires: Some(expires),
            grants: &grants,
            ..SessionParts::default()
        }))
    }

    /// Whether one of the secrets made the signature.
    fn check_url_signature(&self, signed: Signed<'_>) -> Result<(), Denied> {
        let (made, text) = match signed.signature.strip_prefix(MARK) {
            Some(made) => (made, signed.text()),
            // Nothing that it does not cover may be believed.
            None if !signed.user.is_empty() || !signed.iat.is_empty() => {
                let why = "`user` and `iat` are covered by signatures that begin with v2. only; sign this URL as \
                           docs/access.md says";
                return Err(Denied::new(Code::UrlSignature, why));
            }
            None => (signed.signature, format!("{}\n{}", signed.path, signed.expires).into_bytes()),
        };
        let made = URL_SAFE_NO_PAD.decode(made).unwrap_or_default();
        if self.secrets.iter().any(|secret| hmac::verify(&key(secret), &text, &made).is_ok()) {
            return Ok(());
        }
        Err(Denied::new(
            Code::UrlSignature,
            "the signature is not that of this URL; sign multiplexor-url-2, GET, the names without percent-encoding, \
             `expires`, `user` and `iat`, with line feeds between them, with the token_secret of the server",
        ))
    }
}

impl Signed<'_> {
    /// The signature of this URL, as it stands in the query.
    pub fn sign(&self, secret: &TokenSecret) -> String {
        let made = hmac::sign(&key(secret), &self.text());
        format!("{MARK}{}", URL_SAFE_NO_PAD.encode(made))
    }

    /// What is signed. The names are decoded as a whole: a comma in one of them is none of a name.
    fn text(&self) -> Vec<u8> {
        let names = Cow::from(percent_decode_str(self.path));
        let lines: [&[u8]; 6] = [
            VERSION.as_bytes(),
            b"GET",
            &names,
            self.expires.as_bytes(),
            self.user.as_bytes(),
            self.iat.as_bytes(),
        ];
        lines.join(&b'\n')
    }
}

/// A Unix time that is written in digits alone.
fn seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn key(secret: &TokenSecret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.bytes())
}

/// The first line of what is signed, so that no signature is good for anything else.
const VERSION: &str = "multiplexor-url-2";
/// How a signature of that version begins.
const MARK: &str = "v2.";

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_millis(1_800_000_000_000);
    const LATER: &str = "1800000001";

    fn session(signed: Signed<'_>) -> Result<Session, Denied> {
        let tokens = Tokens { secrets: vec![secret(b'x'), secret(b'y')], ..Tokens::default() };
        let decoded = percent_decode_str(signed.path).decode_utf8().unwrap();
        let names: Vec<Box<str>> = decoded.split(',').map(Into::into).collect();
        tokens.session_of_url(signed, &names, NOW)
    }

    /// What one URL was signed for, and how it comes.
    fn check(signed: Signed<'_>, by: u8, comes: Signed<'_>, expected: Result<&str, &str>) {
        let signature = signed.sign(&secret(by));
        check_signature(Signed { signature: &signature, ..comes }, expected);
    }

    fn check_signature(comes: Signed<'_>, expected: Result<&str, &str>) {
        match (session(comes), expected) {
            (Ok(session), Ok(name)) => {
                assert!(session.may(Right::Listen, name, NOW), "{comes:?}");
                assert_eq!(session.user().unwrap_or_default(), comes.user);
                assert_eq!(session.issued(), seconds(comes.iat).map(WallTime::from_seconds));
            }
            (Err(denied), Err(code)) => assert_eq!(denied.code.name(), code, "{comes:?}: {denied:?}"),
            (session, _) => panic!("{comes:?}: {session:?}"),
        }
    }

    fn secret(letter: u8) -> TokenSecret {
        TokenSecret::new(&char::from(letter).to_string().repeat(32)).unwrap()
    }

    fn url<'a>(path: &'a str, expires: &'a str) -> Signed<'a> {
        Signed { path, expires, ..Signed::default() }
    }

    #[test]
    fn a_signature_is_good_for_its_names_and_its_time() {
        let signed = url("a,b", LATER);
        check(signed, b'y', signed, Ok("b"));
        check(signed, b'z', signed, Err("url-signature"));
        check(signed, b'y', url("a", LATER), Err("url-signature"));
        check(signed, b'y', url("b,a", LATER), Err("url-signature"));
        check(signed, b'y', url("a,b,b", LATER), Err("url-signature"));
        check(signed, b'y', url("a,b", "1800000002"), Err("url-signature"));
        check(signed, b'y', url("a,b", "+1800000001"), Err("url-signature"));
        check(signed, b'y', url("a,b", ""), Err("url-signature"));
        check(url("a,b", "1800000000"), b'x', url("a,b", "1800000000"), Err("url-expired"));
        let signature = signed.sign(&secret(b'y'));
        for wrong in ["", "v2.", &signature[..9], &signature[3..], &signature.replace("v2.", "v3.")] {
            check_signature(Signed { signature: wrong, ..signed }, Err("url-signature"));
        }
    }

    #[test]
    fn names_are_signed_as_they_are_and_sent_in_any_encoding() {
        let raw = url("user.\u{e9},a b", LATER);
        check(raw, b'x', url("user.%C3%A9,a%20b", LATER), Ok("user.\u{e9}"));
        check(raw, b'x', url("user.%c3%a9,%61%20b", LATER), Ok("a b"));
        check(url("user.%C3%A9", LATER), b'x', url("user.\u{e9}", LATER), Ok("user.\u{e9}"));
    }

    #[test]
    fn a_url_of_no_names_is_good_for_nothing() {
        let none = url("", LATER);
        check(none, b'x', none, Err("url-signature"));
        let old = old_signature("", LATER);
        check_signature(Signed { signature: &old, ..none }, Err("url-signature"));
    }

    #[test]
    fn user_and_time_are_signed() {
        let ann = Signed { user: "ann", iat: "1799999999", ..url("a", LATER) };
        check(ann, b'x', ann, Ok("a"));
        check(ann, b'x', Signed { user: "bob", ..ann }, Err("url-signature"));
        check(ann, b'x', Signed { user: "", ..ann }, Err("url-signature"));
        check(ann, b'x', Signed { iat: "", ..ann }, Err("url-signature"));
        check(ann, b'x', Signed { user: "ann\n1799999999", iat: "", ..ann }, Err("url-signature"));
        for wrong in [Signed { iat: "soon", ..ann }, Signed { user: "an\nn", ..ann }] {
            check(wrong, b'x', wrong, Err("url-signature"));
        }
    }

    fn old_signature(path: &str, expires: &str) -> String {
        let text = format!("{path}\n{expires}");
        URL_SAFE_NO_PAD.encode(hmac::sign(&key(&secret(b'x')), text.as_bytes()))
    }

    #[test]
    fn a_signature_of_old_is_good_for_names_as_they_stand_and_nobody_in_particular() {
        let signature = old_signature("a%20b", LATER);
        let old = Signed { signature: &signature, ..url("a%20b", LATER) };
        check_signature(old, Ok("a b"));
        check_signature(Signed { path: "a b", ..old }, Err("url-signature"));
        check_signature(Signed { user: "ann", ..old }, Err("url-signature"));
        check_signature(Signed { iat: LATER, ..old }, Err("url-signature"));
    }

    #[test]
    fn a_star_in_a_name_that_was_signed_is_a_star() {
        let signature = url("*", LATER).sign(&secret(b'x'));
        let session = session(Signed { signature: &signature, ..url("*", LATER) }).unwrap();
        assert!(session.may(Right::Listen, "*", NOW) && !session.may(Right::Listen, "a", NOW));
        assert!(!session.may(Right::Listen, "*", NOW.after(1_000)));
    }
}
