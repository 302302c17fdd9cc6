//! Who a connection is, as plain data.

use dialect::hub::{Glob, Grant, Rights, Session, SessionParts, WallTime};
use serde::{Deserialize, Serialize};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrozenSession {
    user: Option<String>,
    info: Option<String>,
    issued: Option<u64>,
    expires: Option<u64>,
    /// Rights, on which channels, and whether these are a name as it is.
    grants: Vec<(u8, String, bool)>,
    joins: Vec<String>,
}

impl FrozenSession {
    pub(super) fn freeze(session: &Session) -> Self {
        let grant = |grant: Grant<&str>| {
            (grant.rights.to_bits(), grant.names.as_str().to_owned(), grant.names.is_name())
        };
        let joins: Vec<&str> = session.joins().collect();
        let is_join = |grant: &Grant<&str>| grant.names.is_name() && joins.contains(&grant.names.as_str());
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
    pub(super) fn thaw(self) -> Option<Session> {
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
