//! What a token says of itself, for somebody who asks why it is refused. Nothing of it is proven.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::excerpt;
use serde_json::{Map, Value};

use crate::limits::TOKEN_LEN_MAX;

/// The claims that the server looks at, as JSON, each cut short; `None`: they cannot be read. Of `info`, which is about a person, only
/// that it is there.
pub fn claims_said(token: &str) -> Option<String> {
    if token.len() > TOKEN_LEN_MAX {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(token.trim().split('.').nth(1)?).ok()?;
    let claims: Map<String, Value> = serde_json::from_slice(&claims).ok()?;
    let told = LOOKED_AT.iter().filter_map(|name| {
        let value = claims.get(*name)?;
        Some(if *name == "info" {
            "info …".to_owned()
        } else {
            format!("{name} {}", excerpt(&value.to_string()))
        })
    });
    let told: Vec<String> = told.collect();
    Some(if told.is_empty() { "nothing that the server looks at".to_owned() } else { told.join(", ") })
}

const LOOKED_AT: [&str; 11] =
    ["sub", "exp", "nbf", "iat", "aud", "listen", "publish", "presence", "history", "join", "info"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_told_and_people_are_not() {
        let token = |claims: &str| format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
        let said = claims_said(&token(
            r#"{"sub":"ann","exp":5,"info":{"name":"Ann B"},"listen":["a","b.*"],"z":1}"#,
        ));
        assert_eq!(said.as_deref(), Some(r#"sub "ann", exp 5, listen ["a","b.*"], info …"#));
        assert_eq!(claims_said(&token("{}")).as_deref(), Some("nothing that the server looks at"));
        for none in ["", "a.b.c", &token("[1]"), &token("{"), &"x".repeat(TOKEN_LEN_MAX + 1)] {
            assert_eq!(claims_said(none), None, "{none}");
        }
    }
}
