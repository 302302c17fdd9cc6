//! Who a connection is, as plain data.

use exchange::hub::{Glob, Grant, Right, Rights, Session, SessionParts, WallTime};
use serde::{Deserialize, Serialize};

/// A session.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FrozenSession {
    user: Option<String>,
    info: Option<String>,
    issued: Option<u64>,
    expires: Option<u64>,
    /// Rights, on which channels, and whether these are a name as it is.
    grants: Vec<(u8, String, bool)>,
    joins: Vec<String>,
}

impl FrozenSession {
    pub(crate) fn freeze(session: &Session) -> Self {
        let grant = |grant: Grant<&str>| {
            (grant.rights.to_bits(), grant.names.as_str().to_owned(), grant.names.is_name())
        };
        let joins: Vec<&str> = session.joins().collect();
        // To join a channel is a grant, too, to listen to it.
        let listen: Rights = [Right::Listen].into_iter().collect();
        let is_join = |grant: &Grant<&str>| {
            grant.rights == listen && grant.names.is_name() && joins.contains(&grant.names.as_str())
        };
        Self {
            user: session.user().map(str::to_owned),
            info: session.info().map(str::to_owned),
            issued: session.issued().map(WallTime::millis),
            expires: session.expires().map(WallTime::millis),
            grants: session.grants().filter(|grant| !is_join(grant)).map(grant).collect(),
            joins: session.joins().map(str::to_owned).collect(),
        }
    }

    /// `None`: the data are none of ours.
    pub(crate) fn thaw(self) -> Option<Session> {
        let thawed = self.grants.into_iter().map(|(rights, text, is_name)| {
            let names = if is_name { Glob::name(&text) } else { Glob::new(&text).ok()? };
            Some(Grant { rights: Rights::from_bits(rights), names })
        });
        let grants = thawed.collect::<Option<Vec<_>>>()?;
        Some(Session::of(&SessionParts {
            user: self.user.as_deref(),
            info: self.info.as_deref(),
            issued: self.issued.map(WallTime::from_millis),
            expires: self.expires.map(WallTime::from_millis),
            grants: &grants,
            joins: &self.joins.into_iter().map(Box::from).collect::<Vec<Box<str>>>(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_on_with_its_connection() {
        let grant = |rights: &[Right], names| Grant { rights: rights.iter().copied().collect(), names };
        let grants = [
            grant(&[Right::Listen], Glob::name("a*b")),
            grant(&[Right::Listen, Right::History], Glob::new("room.*").unwrap()),
            grant(&[Right::Publish], Glob::name("user.1")),
        ];
        let joins = ["user.1".into(), "b".into()];
        let parts = [
            SessionParts {
                user: Some("ann"),
                expires: Some(WallTime::from_millis(17)),
                grants: &grants,
                ..SessionParts::default()
            },
            SessionParts {
                user: Some("bob"),
                info: Some("{}"),
                issued: Some(WallTime::from_millis(7_000)),
                joins: &joins,
                ..SessionParts::default()
            },
            SessionParts { grants: &grants, joins: &joins, ..SessionParts::default() },
            SessionParts::default(),
        ];
        for parts in parts {
            let session = Session::of(&parts);
            let thawed = FrozenSession::freeze(&session).thaw();
            assert_eq!(thawed.as_ref(), Some(&session));
            assert_eq!(thawed.unwrap().joins().collect::<Vec<_>>(), session.joins().collect::<Vec<_>>());
        }
    }
}
