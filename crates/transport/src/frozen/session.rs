//! Who a connection is, as plain data.

use dialect::hub::{Glob, Grant, Rights, Session, WallTime};
use serde::{Deserialize, Serialize};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FrozenSession {
    user: Option<String>,
    info: Option<String>,
    expires: Option<u64>,
    /// Rights, on which channels, and whether these are a name as it is.
    grants: Vec<(u8, String, bool)>,
}

impl FrozenSession {
    pub(super) fn freeze(session: &Session) -> Self {
        let grant = |grant: Grant<&str>| {
            (grant.rights.to_bits(), grant.names.as_str().to_owned(), grant.names.is_name())
        };
        Self {
            user: session.user().map(str::to_owned),
            info: session.info().map(str::to_owned),
            expires: session.expires().map(WallTime::millis),
            grants: session.grants().map(grant).collect(),
        }
    }

    /// `None`: the data are none of ours.
    pub(super) fn thaw(self) -> Option<Session> {
        let thawed = self.grants.into_iter().map(|(rights, text, is_name)| {
            let names = if is_name { Glob::name(&text) } else { Glob::new(&text).ok()? };
            Some(Grant { rights: Rights::from_bits(rights), names })
        });
        let expires = self.expires.map(WallTime::from_millis);
        let (user, info) = (self.user.as_deref(), self.info.as_deref());
        Some(Session::with_info(user, info, expires, &thawed.collect::<Option<Vec<_>>>()?))
    }
}
