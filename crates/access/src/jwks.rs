//! Keys as they are published at a URL: a JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::limits::FOUND_KEYS_MAX;
use crate::public::PublicKey;

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys of a set that are for signatures of a kind we know. Others are left alone, as RFC 7517, section 5
/// wants it; a set without any is an error, and so is what is no set. The error says what is wrong.
pub fn read_jwks(json: &[u8]) -> Result<Vec<PublicKey>, String> {
    let set: Set = serde_json::from_slice(json).map_err(|error| format!("this is no JWK set: {error}"))?;
    if set.keys.len() > FOUND_KEYS_MAX {
        return Err(format!("the set has {} keys; at most {FOUND_KEYS_MAX} are allowed", set.keys.len()));
    }
    let keys: Vec<PublicKey> = set.keys.into_iter().filter_map(key).collect();
    if keys.is_empty() {
        return Err("the set has no key for signatures by RSA, ECDSA or Ed25519".to_owned());
    }
    Ok(keys)
}

fn key(value: serde_json::Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?.trim_end_matches('=')).ok();
    let (bytes, fits): (Vec<u8>, fn(&str) -> bool) = match (&*jwk.kty, jwk.crv.as_deref()) {
        ("RSA", _) => {
            let of_rsa = |name: &str| name.starts_with("RS") || name.starts_with("PS");
            (rsa_public_key(&bytes(&jwk.n)?, &bytes(&jwk.e)?), of_rsa)
        }
        ("EC", Some("P-256")) => (point(&bytes(&jwk.x)?, &bytes(&jwk.y)?, 32)?, |name| name == "ES256"),
        ("EC", Some("P-384")) => (point(&bytes(&jwk.x)?, &bytes(&jwk.y)?, 48)?, |name| name == "ES384"),
        ("EC", Some("P-521")) => (point(&bytes(&jwk.x)?, &bytes(&jwk.y)?, 66)?, |name| name == "ES512"),
        ("OKP", Some("Ed25519")) => (bytes(&jwk.x)?, |name| name == "EdDSA"),
        _ => return None,
    };
    let wanted = jwk.alg.as_deref();
    PublicKey::of(&bytes, jwk.kid, &|name| fits(name) && wanted.is_none_or(|wanted| wanted == name))
}

/// An uncompressed point (SEC 1, section 2.3.3), of two numbers that must have their full length.
fn point(x: &[u8], y: &[u8], len: usize) -> Option<Vec<u8>> {
    (x.len() == len && y.len() == len).then(|| [&[4], x, y].concat())
}

/// An RSA key as PKCS #1 has it (RFC 8017, appendix A.1.1): a sequence of two integers in DER.
fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    let integers = [integer(n), integer(e)].concat();
    [length(0x30, integers.len()), integers].concat()
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    // The first bit is the sign.
    let sign: &[u8] = if bytes.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
    [&length(2, sign.len() + bytes.len()), sign, bytes].concat()
}

/// A tag and a length.
fn length(tag: u8, len: usize) -> Vec<u8> {
    let bytes = len.to_be_bytes();
    let short = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match (u8::try_from(len), u8::try_from(short.len())) {
        (Ok(len), _) if len < 0x80 => vec![tag, len],
        (_, Ok(count)) => [&[tag, 0x80 | count], short].concat(),
        _ => unreachable!("a length has eight bytes at the most"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: Result<&str, &str>) {
        match (read_jwks(json.as_bytes()), expected) {
            (Ok(keys), Ok(expected)) => {
                let told: Vec<String> = keys
                    .iter()
                    .map(|key| {
                        let names: Vec<_> = key.algorithms().collect();
                        format!("{}:{}", key.kid().unwrap_or("-"), names.join("+"))
                    })
                    .collect();
                assert_eq!(told.join(" "), expected, "{json}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{json}: {error}"),
            (got, _) => panic!("{json}: {got:?}"),
        }
    }

    /// RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
    const SET: &str = r#"{"keys":[
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"},
        {"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
         "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"ec"},
        {"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
         "e":"AQAB","alg":"RS256","kid":"2011-04-29"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"},
        {"kty":"EC","crv":"P-256","x":"AA","y":"AA"},
        "nonsense"
    ]}"#;

    #[test]
    fn keys_of_kinds_we_know_are_taken() {
        check(SET, Ok("ec:ES256 2011-04-29:RS256 -:EdDSA"));
        let without = SET.replace(r#""alg":"RS256","#, "");
        check(&without, Ok("ec:ES256 2011-04-29:RS256+RS384+RS512+PS256+PS384+PS512 -:EdDSA"));
    }

    #[test]
    fn what_is_no_set_of_keys_is_told() {
        check("", Err("no JWK set"));
        check("<html>", Err("no JWK set"));
        check(r#"{"keys":[]}"#, Err("no key for signatures"));
        check(r#"{"keys":[{"kty":"oct","k":"x"}]}"#, Err("no key for signatures"));
        let many = vec!["{}"; FOUND_KEYS_MAX + 1].join(",");
        check(&format!("{{\"keys\":[{many}]}}"), Err("at most"));
    }

    #[test]
    fn lengths_are_written_as_der_has_them() {
        assert_eq!(length(2, 127), [2, 127]);
        assert_eq!(length(2, 128), [2, 0x81, 128]);
        assert_eq!(length(0x30, 266), [0x30, 0x82, 1, 10]);
        assert_eq!(integer(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[1, 0, 1]), [2, 3, 1, 0, 1]);
    }
}
