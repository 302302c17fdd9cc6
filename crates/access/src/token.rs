//! Tokens: what an application signed, so that its client may show it to the WAIT line. JWT (RFC 7519),
//! signed as RFC 7515 and RFC 7518 have it.
//!
//! An algorithm belongs to a key, never to a token: a token that names another one than its key has, or
//! none, is refused. The time is an argument, so no clock is read here.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::{Code, Glob, Grant, Right, Session, SessionParts, WallTime, check_name, excerpt, excerpt_of_fault};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::info::info;
use crate::limits::{GRANTS_MAX, JOINS_MAX, NBF_EARLY_MS_MAX, TOKEN_LEN_MAX};
use crate::user_claim::user_claim;
use crate::{Denied, PublicKey, TokenSecret};

/// With what tokens and URLs may be signed, and for whom tokens must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Shared with the application: HS256, HS384, HS512, and URLs.
    pub secrets: Vec<TokenSecret>,
    /// Of the application: all other algorithms.
    pub keys: Vec<PublicKey>,
    /// Whether there may be more keys than these, found at a URL.
    pub finds_keys: bool,
    /// What `aud` must name one of; none: tokens must not be for anybody in particular.
    pub audiences: Vec<String>,
}

impl Tokens {
    /// Whether nothing could be signed.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.keys.is_empty() && !self.finds_keys
    }

    /// The session that a token stands for, at `now`.
    pub fn session(&self, token: &str, now: WallTime) -> Result<Session, Denied> {
        self.session_within(token, now, &mut || true)
    }

    /// The same, where it is asked before a signature is checked by public keys whether there may be one more such check. Where
    /// there may be none, it is not known what the token is: the error has the code [`Code::TokenBusy`].
    pub fn session_within(
        &self,
        token: &str,
        now: WallTime,
        may_check: &mut dyn FnMut() -> bool,
    ) -> Result<Session, Denied> {
        let OpenedToken { head, claims, signed, signature } = OpenedToken::read(token)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|error| {
            Denied::new(
                Code::TokenClaims,
                format!("the token's claims cannot be read: {}", excerpt_of_fault(&error.to_string())),
            )
        })?;
        // A crowd that comes back with tokens that have ended is told so, and costs no check of a signature.
        let expires = claims.check_times(now)?;
        self.check_signature(&head, signed.as_bytes(), &signature, may_check)?;
        self.check_audience(&claims)?;
        let user = user_claim(claims.sub.as_deref())
            .map_err(|why| Denied::new(Code::TokenClaims, format!("the token's `sub` {why}")))?;
        let info = info(claims.info.as_deref())
            .map_err(|why| Denied::new(Code::TokenClaims, format!("the token's {why}")))?;
        let grants = claims.grants()?;
        let joins = joins(claims.join.as_ref())
            .map_err(|why| Denied::new(Code::TokenClaims, format!("the token's {why}")))?;
        Ok(Session::of(&SessionParts {
            user,
            info: info.as_deref(),
            issued: claims.issued(),
            expires: Some(expires),
            grants: &grants,
            joins: &joins,
        }))
    }

    fn check_signature(
        &self,
        head: &TokenHead,
        signed: &[u8],
        signature: &[u8],
        may_check: &mut dyn FnMut() -> bool,
    ) -> Result<(), Denied> {
        let mut fitting = 0;
        if let Some(algorithm) = hmac_algorithm(&head.alg) {
            for secret in &self.secrets {
                fitting += 1;
                let key = hmac::Key::new(algorithm, secret.bytes());
                if hmac::verify(&key, signed, signature).is_ok() {
                    return Ok(());
                }
            }
        }
        let named = |key: &PublicKey| key.kid().is_some() && key.kid() == head.kid.as_deref();
        let is_known = self.keys.iter().any(named);
        // A key that is named is the one; a name that nobody has here may be for a key that has none.
        let fits = |key: &&PublicKey| match &head.kid {
            None => true,
            Some(_) if is_known => named(key),
            Some(_) => key.kid().is_none(),
        };
        let has_algorithm = |key: &&PublicKey| key.algorithms().any(|algorithm| algorithm == head.alg);
        let mut fitting_keys = self.keys.iter().filter(fits).filter(has_algorithm).peekable();
        if fitting_keys.peek().is_some() && !may_check() {
            return Err(Denied::new(
                Code::TokenBusy,
                "too many tokens with wrong signatures come at this moment; try again soon",
            ));
        }
        for key in fitting_keys {
            fitting += 1;
            if key.verify(&head.alg, signed, signature) {
                return Ok(());
            }
        }
        Err(self.no_key_for(head, is_known, fitting))
    }

    /// Why a token of this head is refused, which none of so many keys has signed. `is_known`: it names one of ours.
    fn no_key_for(&self, head: &TokenHead, is_known: bool, fitting: usize) -> Denied {
        if let Some(kid) = head
            .kid
            .as_deref()
            .filter(|_| self.finds_keys && !is_known && hmac_algorithm(&head.alg).is_none())
        {
            let kid = excerpt(kid);
            let why = format!(
                "the token names the key {kid:?}, which this server has not found at its token_keys_url"
            );
            return Denied::new(Code::TokenKey, why);
        }
        let alg = excerpt(&head.alg);
        if fitting == 0 {
            let why = format!(
                "the token is signed by {alg:?}, for which this server has no key; sign it by {}",
                self.algorithms()
            );
            return Denied::new(Code::TokenAlgorithm, why);
        }
        let kid = head.kid.as_deref().map(excerpt);
        let named = kid.map_or_else(String::new, |kid| format!(", though it names the key {kid:?}"));
        let why = format!(
            "no key of this server made the token's signature by {alg}{named}; sign it with a key that is set there"
        );
        Denied::new(Code::TokenSignature, why)
    }

    /// The algorithms that are taken.
    fn algorithms(&self) -> String {
        let secret = if self.secrets.is_empty() { &[][..] } else { &["HS256"] };
        let mut names: Vec<&str> = secret.to_vec();
        for key in &self.keys {
            names.extend(key.algorithms().filter(|name| !names.contains(name)).collect::<Vec<_>>());
        }
        names.join(", ")
    }

    fn check_audience(&self, claims: &Claims) -> Result<(), Denied> {
        let named: &[String] = claims.aud.as_ref().map_or(&[], NamePatterns::list);
        if named.iter().any(|name| self.audiences.contains(name))
            || (named.is_empty() && self.audiences.is_empty())
        {
            return Ok(());
        }
        let why = match (named.first(), self.audiences.first()) {
            (Some(named), None) => {
                let named = excerpt(named);
                format!(
                    "the token is for {named:?} by its `aud`, which is nobody here; leave `aud` out, or set token_audience"
                )
            }
            (_, audience) => {
                let audience = audience.map_or("", String::as_str);
                format!("the token is not for this server; its `aud` must name {audience:?}")
            }
        };
        Err(Denied::new(Code::TokenAudience, why))
    }
}

/// A token of these claims, which are JSON, signed by HS256.
pub fn make_token(secret: &TokenSecret, claims: &str) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A token whose signature was not looked at yet.
struct OpenedToken<'a> {
    head: TokenHead,
    /// As JSON.
    claims: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> OpenedToken<'a> {
    fn read(token: &'a str) -> Result<Self, Denied> {
        if token.len() > TOKEN_LEN_MAX {
            let why = format!("the token has {} bytes; at most {TOKEN_LEN_MAX} are allowed", token.len());
            return Err(Denied::new(Code::Token, why));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(no_jwt)?;
        let (head, claims) = signed.split_once('.').ok_or_else(no_jwt)?;
        let head: TokenHead = serde_json::from_slice(&decode(head)?).map_err(|_| no_jwt())?;
        let (claims, signature) = (decode(claims)?, decode(signature)?);
        if head.crit.is_some() {
            return Err(Denied::new(
                Code::Token,
                "the token's head has `crit`, of which this server understands nothing; leave it out",
            ));
        }
        Ok(Self { head, claims, signed, signature })
    }
}

/// What the head of a token says. `typ` and all else says nothing to us.
#[derive(Deserialize)]
struct TokenHead {
    alg: String,
    kid: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
}

/// What a token says. Claims of other names are left alone.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    info: Option<Box<RawValue>>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<Issued>,
    aud: Option<NamePatterns>,
    listen: Option<NamePatterns>,
    publish: Option<NamePatterns>,
    presence: Option<NamePatterns>,
    history: Option<NamePatterns>,
    join: Option<NamePatterns>,
}

/// When a token was issued.
#[derive(Deserialize)]
#[serde(untagged)]
enum Issued {
    At(f64),
    /// Something that is no time says nothing.
    Unsaid(serde::de::IgnoredAny),
}

/// One text, or several.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "aud, listen, publish, presence, history and join are a text or a list of texts each"
)]
pub(crate) enum NamePatterns {
    One(String),
    Many(Vec<String>),
}

impl NamePatterns {
    pub(crate) fn list(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(list) => list,
        }
    }
}

/// The names of channels to join: each one of a channel, as it is.
pub(crate) fn joins(names: Option<&NamePatterns>) -> Result<Vec<Box<str>>, String> {
    let names = names.map_or(&[][..], NamePatterns::list);
    if names.len() > JOINS_MAX {
        return Err(format!("`join` names {} channels; at most {JOINS_MAX} are allowed", names.len()));
    }
    let name = |name: &String| match check_name(name.as_bytes()) {
        Ok(name) if !name.contains('*') => Ok(name.into()),
        Ok(_) => Err(format!("`join` has {:?}; it takes names as they are, without *", excerpt(name))),
        Err(error) => Err(format!("`join` has {:?}: {error}", excerpt(name))),
    };
    names.iter().map(name).collect()
}

impl Claims {
    /// When the token ends, if it holds now.
    fn check_times(&self, now: WallTime) -> Result<WallTime, Denied> {
        let Some(exp) = self.exp else {
            return Err(Denied::new(
                Code::TokenClaims,
                "the token has no `exp`, so it would never end; give the Unix time in seconds when it ends",
            ));
        };
        let expires = wall_time(exp);
        if now >= expires {
            let ago = now.since(expires) / 1_000;
            return Err(Denied::new(
                Code::TokenExpired,
                format!("the token ended {ago} s ago by its `exp`; get a new one"),
            ));
        }
        let begins = self.nbf.map_or(WallTime::PAST, wall_time);
        if now.after(NBF_EARLY_MS_MAX) < begins {
            let ahead = begins.since(now) / 1_000;
            let why = format!("the token begins in {ahead} s by its `nbf`; wait, or set the clocks right");
            return Err(Denied::new(Code::TokenEarly, why));
        }
        Ok(expires)
    }

    /// The second in which the token was issued, if it says so.
    fn issued(&self) -> Option<WallTime> {
        match self.iat {
            Some(Issued::At(iat)) => Some(wall_time(iat.floor())),
            Some(Issued::Unsaid(_)) | None => None,
        }
    }

    fn grants(&self) -> Result<Vec<Grant>, Denied> {
        let said = [
            (Right::Listen, &self.listen),
            (Right::Publish, &self.publish),
            (Right::Presence, &self.presence),
            (Right::History, &self.history),
        ];
        let mut grants = Vec::new();
        for (right, names) in said {
            for name in names.as_ref().map_or(&[][..], NamePatterns::list) {
                let names = Glob::new(name).map_err(|error| {
                    Denied::new(Code::TokenClaims, format!("in the token's `{}` {error}", right.name()))
                })?;
                grants.push(Grant { rights: [right].into_iter().collect(), names });
            }
        }
        if grants.len() > GRANTS_MAX {
            let why = format!("the token grants {} times; at most {GRANTS_MAX} are allowed", grants.len());
            return Err(Denied::new(Code::TokenClaims, why));
        }
        Ok(grants)
    }
}

/// Seconds, as milliseconds; what is before 1970 is its beginning.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cut to what fits")]
fn wall_time(seconds: f64) -> WallTime {
    WallTime::from_millis((seconds * 1_000.0) as u64)
}

fn hmac_algorithm(name: &str) -> Option<hmac::Algorithm> {
    match name {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Denied> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| no_jwt())
}

fn no_jwt() -> Denied {
    Denied::new(
        Code::Token,
        "the token is no JWT: give three parts in base64url, the first of which names `alg`",
    )
}

#[cfg(test)]
mod tests;
