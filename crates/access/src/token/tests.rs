//! Tokens: right ones of every algorithm, and the ways in which a token may be wrong.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA384, RsaEncoding, RsaKeyPair,
};
use base64::engine::general_purpose::STANDARD;

use super::*;

const NOW: WallTime = WallTime::from_millis(1_800_000_000_000);
const GOOD: &str =
    r#"{"sub":"ann","exp":1800000060,"listen":["user.ann","room.*"],"history":"room.1","x":{}}"#;

fn secret(letter: char) -> TokenSecret {
    TokenSecret::new(&letter.to_string().repeat(32)).unwrap()
}

fn tokens() -> Tokens {
    Tokens { secrets: vec![secret('x'), secret('y')], ..Tokens::default() }
}

/// A token of this head and these claims, signed by HMAC-SHA256 whatever the head says.
fn token(head: &str, claims: &str, secret: &TokenSecret) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes())))
}

fn check_denied(tokens: &Tokens, token: &str, code: &str, words: &str) {
    let denied = tokens.session(token, NOW).unwrap_err();
    assert_eq!(denied.code.name(), code, "{denied:?}");
    assert!(denied.detail.contains(words), "{denied:?} says nothing of {words}");
}

fn check_claims(claims: &str, expected: Result<(), (&str, &str)>) {
    let token = make_token(&secret('x'), claims);
    match expected {
        Ok(()) => assert!(tokens().session(&token, NOW).is_ok(), "{claims}"),
        Err((code, words)) => check_denied(&tokens(), &token, code, words),
    }
}

#[test]
fn a_token_gives_what_it_names_until_it_ends() {
    for letter in ['x', 'y'] {
        let session = tokens().session(&make_token(&secret(letter), GOOD), NOW).unwrap();
        assert_eq!((session.user(), session.expires()), (Some("ann"), Some(NOW.after(60_000))));
        for name in ["user.ann", "room.1", "room.2"] {
            assert!(session.may(Right::Listen, name, NOW.after(59_999)), "{name}");
            assert!(!session.may(Right::Listen, name, NOW.after(60_000)), "{name}");
            assert!(!session.may(Right::Publish, name, NOW), "{name}");
            assert_eq!(session.may(Right::History, name, NOW), name == "room.1");
        }
        assert!(!session.may(Right::Listen, "user.bob", NOW));
        assert!(!session.may(Right::Administer, "room.1", NOW));
    }
}

#[test]
fn the_example_of_the_rfc_is_read() {
    // RFC 7515, A.1: its key is no text, so only what comes before the signature is shown by it.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let denied = tokens().session(token, WallTime::from_millis(1_300_819_379_999)).unwrap_err();
    assert_eq!(denied.code, Code::TokenSignature);
    assert!(denied.detail.contains("HS256"), "{denied:?}");
}

#[test]
fn claims_are_checked_one_by_one() {
    check_claims(r#"{"exp":1800000000.001}"#, Ok(()));
    check_claims(r#"{"sub":"","exp":1800000060}"#, Ok(()));
    check_claims(
        r#"{"sub":"a\nb","exp":1800000060}"#,
        Err(("token-claims", "`sub` holds a control character")),
    );
    check_claims(r#"{"exp":1800000000}"#, Err(("token-expired", "0 s ago")));
    check_claims(r#"{"exp":-1}"#, Err(("token-expired", "`exp`")));
    check_claims(r#"{"exp":1e300}"#, Ok(()));
    check_claims(r#"{}"#, Err(("token-claims", "`exp`")));
    check_claims(r#"{"exp":null}"#, Err(("token-claims", "`exp`")));
    check_claims(r#"{"exp":"1900000000"}"#, Err(("token-claims", "string")));
    check_claims(r#"{"exp":1900000000,"exp":1900000001}"#, Err(("token-claims", "duplicate")));
    check_claims(r#"{"exp":1900000000,"nbf":1800000060}"#, Ok(()));
    check_claims(r#"{"exp":1900000000,"nbf":1800000061}"#, Err(("token-early", "61 s")));
    check_claims(r#"{"exp":1900000000,"aud":"us"}"#, Err(("token-audience", "\"us\"")));
    check_claims(r#"{"exp":1900000000,"aud":[]}"#, Ok(()));
    check_claims(r#"{"exp":1900000000,"listen":7}"#, Err(("token-claims", "list of texts")));
    check_claims(r#"{"exp":1900000000,"listen":["a","b,c"]}"#, Err(("token-claims", "`listen`")));
    check_claims(r#"{"exp":1900000000,"listen":[]}"#, Ok(()));
    check_claims("[]", Err(("token-claims", "invalid")));
    check_claims("", Err(("token-claims", "EOF")));
}

#[test]
fn a_token_must_be_for_us_where_we_have_a_name() {
    let tokens = Tokens { audiences: vec!["us".into(), "push".into()], ..tokens() };
    for (aud, is_ours) in
        [("\"us\"", true), ("[\"them\",\"push\"]", true), ("\"them\"", false), ("[]", false)]
    {
        let token = make_token(&secret('x'), &format!("{{\"exp\":1900000000,\"aud\":{aud}}}"));
        assert_eq!(tokens.session(&token, NOW).is_ok(), is_ours, "{aud}");
    }
    check_denied(&tokens, &make_token(&secret('x'), r#"{"exp":1900000000}"#), "token-audience", "\"us\"");
}

#[test]
fn forged_tokens_are_refused() {
    let good = make_token(&secret('x'), GOOD);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = URL_SAFE_NO_PAD.encode(GOOD.replace("ann", "bob"));
    let (head, _) = signed.split_once('.').unwrap();
    for (token, code) in [
        (make_token(&secret('z'), GOOD), "token-signature"),
        (format!("{head}.{other}.{signature}"), "token-signature"),
        (format!("{signed}."), "token-signature"),
        (format!("{signed}.{}", &signature[4..]), "token-signature"),
        (format!("{good}="), "token"),
        (format!("{good}.x"), "token"),
        (signed.to_owned(), "token"),
        (String::new(), "token"),
        ("a.b.c".to_owned(), "token"),
        ("x".repeat(TOKEN_LEN_MAX + 1), "token"),
        (token(r#"{"alg":"HS256","crit":["b64"]}"#, GOOD, &secret('x')), "token"),
        (token(r#"{"typ":"JWT"}"#, GOOD, &secret('x')), "token"),
        (token(r#"{"alg":"HS256","kid":"old"}"#, GOOD, &secret('z')), "token-signature"),
    ] {
        check_denied(&tokens(), &token, code, "");
    }
    let named = token(r#"{"alg":"HS256","kid":"old"}"#, GOOD, &secret('z'));
    check_denied(&tokens(), &named, "token-signature", "\"old\"");
}

#[test]
fn a_token_does_not_choose_its_algorithm() {
    for alg in ["none", "None", "NONE", "", "hs256", "RS256", "HS1"] {
        let head = format!("{{\"alg\":{alg:?}}}");
        check_denied(&tokens(), &token(&head, GOOD, &secret('x')), "token-algorithm", "HS256");
        let bare = format!("{}.{}.", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(GOOD));
        check_denied(&tokens(), &bare, "token-algorithm", "");
    }
    // A public key is known to everybody, and must not serve as the secret of an HMAC.
    let (key, pem, _) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let tokens = Tokens { keys: vec![key], ..Tokens::default() };
    for stolen in [pem.as_str(), pem.trim()] {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(GOOD));
        let made = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, stolen.as_bytes()), signed.as_bytes());
        check_denied(
            &tokens,
            &format!("{signed}.{}", URL_SAFE_NO_PAD.encode(made)),
            "token-algorithm",
            "ES256",
        );
    }
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn public(key: &impl AsDer<PublicKeyX509Der<'static>>) -> (PublicKey, String) {
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(key.as_der().unwrap().as_ref())
    );
    (PublicKey::read(&pem).unwrap(), pem)
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (PublicKey, String, Sign) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let (key, pem) = public(pair.public_key());
    (key, pem, Box::new(move |text| pair.sign(&SystemRandom::new(), text).unwrap().as_ref().to_vec()))
}

fn check_key(key: PublicKey, algorithms: &str, sign: &[(&str, Sign)]) {
    assert_eq!(key.algorithms().collect::<Vec<_>>().join(" "), algorithms);
    let tokens = Tokens { keys: vec![key], ..Tokens::default() };
    for (alg, sign) in sign {
        let head = format!("{{\"alg\":\"{alg}\"}}");
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(&head), URL_SAFE_NO_PAD.encode(GOOD));
        let mut made = sign(signed.as_bytes());
        let good = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&made));
        assert!(tokens.session(&good, NOW).is_ok(), "{alg}");
        made[7] ^= 1;
        let bad = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&made));
        check_denied(&tokens, &bad, "token-signature", alg);
        check_denied(&tokens, &token(&head, GOOD, &secret('x')), "token-signature", alg);
        check_denied(&self::tokens(), &good, "token-algorithm", alg);
    }
}

#[test]
fn every_algorithm_has_its_keys() {
    for (alg, algorithm) in [
        ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
        ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
        ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
    ] {
        let (key, _, sign) = ecdsa(algorithm);
        check_key(key, alg, &[(alg, sign)]);
    }
    let pair = Ed25519KeyPair::generate().unwrap();
    let (key, _) = public(pair.public_key());
    check_key(key, "EdDSA", &[("EdDSA", Box::new(move |text| pair.sign(text).as_ref().to_vec()))]);
    let pair = std::sync::Arc::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
    let (key, _) = public(pair.public_key());
    let sign = |padding: &'static dyn RsaEncoding| -> Sign {
        let pair = std::sync::Arc::clone(&pair);
        Box::new(move |text| {
            let mut made = vec![0; pair.public_modulus_len()];
            pair.sign(padding, &SystemRandom::new(), text, &mut made).unwrap();
            made
        })
    };
    let signs = [
        ("RS256", sign(&RSA_PKCS1_SHA256)),
        ("RS512", sign(&RSA_PKCS1_SHA512)),
        ("PS384", sign(&RSA_PSS_SHA384)),
    ];
    check_key(key, "RS256 RS384 RS512 PS256 PS384 PS512", &signs);
}

#[test]
fn whether_a_signature_may_be_checked_by_public_keys_is_asked_once() {
    let (one, _, _) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (two, _, sign) = ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let (other, _, _) = ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING);
    let tokens = Tokens { keys: vec![one, other, two], ..tokens() };
    let es256 = |claims: &str| {
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(signed.as_bytes())))
    };
    let asked = |token: &str, most| {
        let mut asked = 0;
        let mut may_check = || {
            asked += 1;
            asked <= most
        };
        let found = tokens.session_within(token, NOW, &mut may_check);
        (found.map_err(|denied| denied.code.name()).map(|session| session.user().map(str::to_owned)), asked)
    };
    let good = es256(GOOD);
    assert_eq!(asked(&good, 1), (Ok(Some("ann".to_owned())), 1), "though the second key is the one");
    assert_eq!(asked(&good, 0), (Err("token-busy"), 1));
    assert_eq!(asked(&format!("{good}AAAA"), 1), (Err("token-signature"), 1));
    assert_eq!(asked(&make_token(&secret('x'), GOOD), 0).1, 0, "a secret's costs little");
    assert_eq!(asked(&es256(r#"{"exp":17}"#), 0), (Err("token-expired"), 0), "what has ended costs none");
}

#[test]
fn what_is_no_public_key_is_told() {
    use crate::PublicKeyError::{Form, Kind, Private};
    let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    for (text, error) in [
        (String::new(), Form),
        (pem("CERTIFICATE", "AAAA"), Form),
        (pem("PUBLIC KEY", "?"), Form),
        (pem("PUBLIC KEY", "AAAA"), Kind),
        (pem("PRIVATE KEY", "AAAA"), Private),
        (pem("EC PRIVATE KEY", "AAAA"), Private),
    ] {
        assert_eq!(PublicKey::read(&text), Err(error), "{text}");
    }
}

#[test]
fn a_secret_is_long_and_is_not_shown() {
    for bad in
        ["", "short", &"x".repeat(31), &"x".repeat(513), &format!("{} ", "x".repeat(40)), &"é".repeat(20)]
    {
        assert!(TokenSecret::new(bad).is_err(), "{bad}");
    }
    assert!(!format!("{:?}", tokens()).contains("xxx"));
}
