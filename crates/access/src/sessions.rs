//! Sessions of tokens that were checked lately: whoever polls shows the same token again and again.

use std::collections::HashMap;

use hub::{Millis, Session};

use crate::limits::SESSIONS_MAX;
use crate::{Denied, Subject, Tokens};

/// What was found out, by the hash of the token.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<Subject, Session>);

impl Sessions {
    /// The session of a token, as [`Tokens::session`] tells it.
    pub fn session(&mut self, tokens: &Tokens, token: &str, now: Millis) -> Result<Session, Denied> {
        let subject = Subject::of(token);
        let known =
            self.0.get(&subject).filter(|session| session.expires().is_none_or(|expires| now < expires));
        if let Some(session) = known {
            return Ok(session.clone());
        }
        let session = tokens.session(token, now)?;
        if self.0.len() >= SESSIONS_MAX {
            // To forget all is the cheapest, and costs each of them one check.
            self.0.clear();
        }
        self.0.insert(subject, session.clone());
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{TokenSecret, make_token};

    #[test]
    fn a_token_is_known_until_it_ends() {
        let secret = TokenSecret::new(&"x".repeat(32)).unwrap();
        let token = make_token(&secret, r#"{"exp":100}"#);
        let tokens = Tokens { secrets: vec![secret], ..Tokens::default() };
        let mut sessions = Sessions::default();
        let first = sessions.session(&tokens, &token, 0).unwrap();
        // Without the secret it could not be checked again.
        let again = sessions.session(&Tokens::default(), &token, 99_999).unwrap();
        assert_eq!(first, again);
        assert_eq!(sessions.session(&tokens, &token, 100_000).unwrap_err().code, "token-expired");
        assert!(sessions.session(&tokens, &format!("{token}x"), 0).is_err());
    }

    #[test]
    fn not_more_are_remembered_than_the_limit() {
        let secret = TokenSecret::new(&"x".repeat(32)).unwrap();
        let tokens = Tokens { secrets: vec![secret.clone()], ..Tokens::default() };
        let mut sessions = Sessions::default();
        for n in 0..=SESSIONS_MAX {
            let token = make_token(&secret, &format!("{{\"exp\":100,\"sub\":\"{n}\"}}"));
            sessions.session(&tokens, &token, 0).unwrap();
            assert!(sessions.0.len() <= SESSIONS_MAX);
        }
        assert_eq!(sessions.0.len(), 1);
    }
}
