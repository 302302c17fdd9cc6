//! Sessions of tokens that were checked lately: whoever polls shows the same token again and again.

use std::collections::HashMap;

use hub::{Session, WallTime};

use crate::Subject;
use crate::limits::SESSIONS_MAX;

/// What was found out, by the hash of the token.
#[derive(Debug, Default)]
pub struct Sessions(HashMap<Subject, Session>);

impl Sessions {
    /// The session of a token that was checked, if it has not ended.
    pub fn known(&self, token: Subject, now: WallTime) -> Option<&Session> {
        self.0.get(&token).filter(|session| session.expires().is_none_or(|expires| now < expires))
    }

    /// Remembers what a token was found to be.
    pub fn put(&mut self, token: Subject, session: Session) {
        if self.0.len() >= SESSIONS_MAX {
            // To forget all is the cheapest, and costs each of them one check.
            self.0.clear();
        }
        self.0.insert(token, session);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: &str) -> Session {
        Session::new(Some(user), Some(WallTime::from_millis(100_000)), &[])
    }

    #[test]
    fn a_token_is_known_until_it_ends() {
        let mut sessions = Sessions::default();
        let (one, other) = (Subject::of("one"), Subject::of("other"));
        assert_eq!(sessions.known(one, WallTime::PAST), None);
        sessions.put(one, session("ann"));
        assert_eq!(sessions.known(one, WallTime::from_millis(99_999)), Some(&session("ann")));
        assert_eq!(
            (sessions.known(one, WallTime::from_millis(100_000)), sessions.known(other, WallTime::PAST)),
            (None, None)
        );
    }

    #[test]
    fn not_more_are_remembered_than_the_limit() {
        let mut sessions = Sessions::default();
        for n in 0..=SESSIONS_MAX {
            sessions.put(Subject::of(&n.to_string()), session("ann"));
            assert!(sessions.0.len() <= SESSIONS_MAX);
        }
        assert_eq!(sessions.0.len(), 1);
    }
}
