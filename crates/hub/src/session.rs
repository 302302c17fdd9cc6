//! Who a connection or a publish is, and what it may do: asked in one place, `may()`.

use triomphe::ThinArc;

use crate::limits::{INFO_LEN_MAX, NAME_LEN_MAX};
use crate::{Glob, Millis, NEVER, WallTime};

/// What somebody may want to do with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Right {
    /// Wait for messages.
    Listen,
    /// Send messages.
    Publish,
    /// Ask who is online.
    Presence,
    /// Read what was said.
    History,
    /// Delete, disconnect, configure.
    Administer,
}

impl Right {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Listen, Self::Publish, Self::Presence, Self::History, Self::Administer];

    /// Its name in settings and tokens.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::Publish => "publish",
            Self::Presence => "presence",
            Self::History => "history",
            Self::Administer => "administer",
        }
    }

    /// The right of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// Every right.
    pub const ALL: Self = Self((1 << Right::ALL.len()) - 1);

    /// Whether it is one of them.
    pub fn has(self, right: Right) -> bool {
        self.0 & 1 << right as u8 != 0
    }

    /// As plain data.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// As it was in plain data.
    pub fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Those of the set, in one order.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | 1 << right as u8))
    }
}

/// Some rights on some channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<T = Box<str>> {
    /// What may be done.
    pub rights: Rights,
    /// On which channels.
    pub names: Glob<T>,
}

/// Which clients may do something with a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Door {
    /// To listen: whoever knows its name, as in 2009. All else: whoever may listen.
    #[default]
    Open,
    /// Who has a grant for it.
    Token,
    /// Nobody.
    Off,
}

/// What a session is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct SessionParts<'a> {
    /// The name that somebody vouched for.
    pub user: Option<&'a str>,
    /// What others may know of the user: JSON of at most [`INFO_LEN_MAX`] bytes; what is longer is left out.
    pub info: Option<&'a str>,
    /// When somebody vouched for it; `None`: it is not known.
    pub issued: Option<WallTime>,
    /// When all grants end; `None`: never.
    pub expires: Option<WallTime>,
    /// What may be done.
    pub grants: &'a [Grant],
    /// Channels that are listened to besides those asked for; that is a grant to listen to them.
    pub joins: &'a [Box<str>],
}

/// Who a connection or a publish is: user, grants, expiry. A reference: cloning it copies nothing.
///
/// One allocation, since a million may wait of whom each is somebody else. In front stands when all grants end; then
/// come these, each as its rights, the length of its names, and the names; behind [`ISSUED`], where that is known of a user,
/// when somebody vouched for it; behind [`INFO`], where there is any, the length of what others may know of the user, and
/// that; and behind [`USER`] the user's name.
#[derive(Clone, PartialEq, Eq)]
pub struct Session(ThinArc<Millis, u8>);

impl Session {
    /// A session with these grants and no others. The user is known when somebody vouched for the name; `expires` is when
    /// all grants end, `None`: never.
    pub fn new(user: Option<&str>, expires: Option<WallTime>, grants: &[Grant]) -> Self {
        Self::of(&SessionParts { user, expires, grants, ..SessionParts::default() })
    }

    /// The same of a user of whom others may know this: JSON of at most [`INFO_LEN_MAX`] bytes; what is longer is left out.
    pub fn with_info(
        user: Option<&str>,
        info: Option<&str>,
        expires: Option<WallTime>,
        grants: &[Grant],
    ) -> Self {
        Self::of(&SessionParts { user, info, expires, grants, ..SessionParts::default() })
    }

    /// A session that is made of all this.
    pub fn of(parts: &SessionParts<'_>) -> Self {
        let SessionParts { user, info, issued, expires, grants, joins } = *parts;
        let mut bytes = Vec::new();
        for Grant { rights, names } in grants {
            // No channel has a name that is longer.
            let Ok(len) = u8::try_from(names.as_str().len()) else { continue };
            bytes.extend([rights.to_bits() | if names.is_name() { NAME } else { 0 }, len]);
            bytes.extend_from_slice(names.as_str().as_bytes());
        }
        for name in joins {
            let Ok(len) = u8::try_from(name.len()) else { continue };
            bytes.extend([1 << Right::Listen as u8 | NAME | JOIN, len]);
            bytes.extend_from_slice(name.as_bytes());
        }
        if let Some(issued) = issued.filter(|_| user.is_some()) {
            bytes.push(ISSUED);
            bytes.extend_from_slice(&issued.millis().min(ISSUED_MAX).to_le_bytes()[..ISSUED_LEN]);
        }
        if let Some(info) = info.filter(|info| info.len() <= INFO_LEN_MAX) {
            let len = u16::try_from(info.len()).expect("it is short");
            bytes.push(INFO);
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(info.as_bytes());
        }
        if let Some(user) = user {
            bytes.push(USER);
            bytes.extend_from_slice(user.as_bytes());
        }
        Self(ThinArc::from_header_and_slice(expires.map_or(NEVER, |end| end.millis().min(NEVER - 1)), &bytes))
    }

    /// The user's name, when somebody vouched for it.
    pub fn user(&self) -> Option<&str> {
        Some(self.who()?.0)
    }

    /// The user's name, and what others may know of the user; in one walk past all grants.
    pub(crate) fn who(&self) -> Option<(&str, Option<&str>)> {
        let Behind { info, user, .. } = self.behind_grants();
        Some((user?, info))
    }

    /// What others may know of the user: JSON.
    pub fn info(&self) -> Option<&str> {
        self.behind_grants().info
    }

    /// When somebody vouched for the user; `None`: nobody did, or it is not known.
    pub fn issued(&self) -> Option<WallTime> {
        self.behind_grants().issued
    }

    /// What stands behind the grants.
    fn behind_grants(&self) -> Behind<'_> {
        let mut grants = self.grants();
        grants.by_ref().for_each(drop);
        let (mut bytes, mut behind) = (grants.0, Behind::default());
        loop {
            bytes = match bytes {
                [ISSUED, rest @ ..] => {
                    let (issued, rest) = rest.split_at(ISSUED_LEN);
                    let mut millis = [0; 8];
                    millis[..ISSUED_LEN].copy_from_slice(issued);
                    behind.issued = Some(WallTime::from_millis(u64::from_le_bytes(millis)));
                    rest
                }
                [INFO, low, high, rest @ ..] => {
                    let (info, rest) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])));
                    behind.info = Some(text(info));
                    rest
                }
                [USER, user @ ..] => {
                    behind.user = Some(text(user));
                    return behind;
                }
                _ => return behind,
            }
        }
    }

    /// When all grants end; `None`: never.
    pub fn expires(&self) -> Option<WallTime> {
        Some(self.0.header.header).filter(|expires| *expires != NEVER).map(WallTime::from_millis)
    }

    /// Channels that it listens to besides those it asks for.
    pub fn joins(&self) -> impl Iterator<Item = &str> {
        let mut grants = self.grants();
        std::iter::from_fn(move || {
            loop {
                let is_join = grants.0.first().is_some_and(|bits| *bits < ISSUED && bits & JOIN != 0);
                let grant = grants.next()?;
                if is_join {
                    return Some(grant.names.text);
                }
            }
        })
    }

    /// What it was given.
    pub fn grants(&self) -> Grants<'_> {
        Grants(&self.0.slice)
    }

    /// Whether this session may do `right` on the channel of this name, at `now`.
    pub fn may(&self, right: Right, name: &str, now: WallTime) -> bool {
        self.has(right, now, |names| names.matches(name))
    }

    /// Whether its grants have not ended.
    pub fn is_live(&self, now: WallTime) -> bool {
        self.expires().is_none_or(|end| now < end)
    }

    /// Whether it may do `right` on every channel there can be: for what is about no single one.
    pub fn may_everywhere(&self, right: Right, now: WallTime) -> bool {
        self.has(right, now, |names| names.is_everything())
    }

    /// Whether it may do `right` on some channel.
    pub fn may_somewhere(&self, right: Right, now: WallTime) -> bool {
        self.has(right, now, |_| true)
    }

    fn has(&self, right: Right, now: WallTime, fits: impl Fn(Glob<&str>) -> bool) -> bool {
        self.is_live(now) && self.grants().any(|grant| grant.rights.has(right) && fits(grant.names))
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let grants: Vec<_> = self.grants().collect();
        let mut shown = f.debug_struct("Session");
        shown.field("user", &self.user()).field("expires", &self.expires()).field("grants", &grants).finish()
    }
}

/// What stands behind a session's grants.
#[derive(Default)]
struct Behind<'a> {
    issued: Option<WallTime>,
    info: Option<&'a str>,
    user: Option<&'a str>,
}

/// What a session was given, one after the other.
#[derive(Debug, Clone)]
pub struct Grants<'a>(&'a [u8]);

impl<'a> Iterator for Grants<'a> {
    type Item = Grant<&'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        let [bits, len, behind @ ..] = self.0 else { return None };
        if matches!(*bits, USER | INFO | ISSUED) {
            return None;
        }
        let (names, behind) = behind.split_at(usize::from(*len));
        self.0 = behind;
        let names = Glob { text: text(names), literal: bits & NAME != 0 };
        Some(Grant { rights: Rights::from_bits(*bits), names })
    }
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("it was written as text")
}

/// Beside the rights of a grant: its names are one name as it is.
const NAME: u8 = 1 << Right::ALL.len();
/// The same: the channel of that name is listened to without being asked for.
const JOIN: u8 = NAME << 1;
/// In the place of a grant's rights: what follows is the user's name.
const USER: u8 = u8::MAX;
/// The same: what follows is what others may know of the user.
const INFO: u8 = u8::MAX - 1;
/// The same: what follows is when somebody vouched for the user.
const ISSUED: u8 = u8::MAX - 2;
/// Bytes of that: milliseconds, for 8,000 years.
const ISSUED_LEN: usize = 6;
const ISSUED_MAX: u64 = (1 << (8 * ISSUED_LEN)) - 1;

const _: () = assert!(Rights::ALL.0 | NAME | JOIN < ISSUED && NAME_LEN_MAX <= u8::MAX as usize);

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(rights: &[Right], names: &str) -> Grant {
        Grant { rights: rights.iter().copied().collect(), names: Glob::new(names).unwrap() }
    }

    #[test]
    fn a_session_may_what_it_was_given_and_no_more() {
        let session = Session::new(
            None,
            Some(WallTime::from_millis(100)),
            &[grant(&[Right::Listen, Right::History], "user.*"), grant(&[Right::Publish], "chat")],
        );
        let table = [
            (Right::Listen, "user.1", 99, true),
            (Right::History, "user.1", 0, true),
            (Right::Publish, "user.1", 0, false),
            (Right::Publish, "chat", 0, true),
            (Right::Listen, "chat", 0, false),
            (Right::Administer, "user.1", 0, false),
            (Right::Listen, "users", 0, false),
            (Right::Listen, "user.1", 100, false),
        ];
        let at = WallTime::from_millis;
        for (right, name, now, expected) in table {
            assert_eq!(session.may(right, name, at(now)), expected, "{right:?} {name} {now}");
        }
        assert!(session.may_somewhere(Right::Listen, at(0)) && !session.may_everywhere(Right::Listen, at(0)));
        assert!(!session.may_somewhere(Right::Listen, at(100)));
    }

    fn told<T: AsRef<str>>(grant: &Grant<T>) -> (Rights, String, bool) {
        (grant.rights, grant.names.as_str().to_owned(), grant.names.is_name())
    }

    #[test]
    fn a_session_is_what_it_was_made_of() {
        let stars = Grant { rights: Rights::ALL, names: Glob::name("a*b") };
        let name_of = |len| Grant { rights: Rights::ALL, names: Glob::name(&"x".repeat(len)) };
        let grants =
            [grant(&[Right::Listen], "Käse.*"), stars, name_of(NAME_LEN_MAX), name_of(NAME_LEN_MAX + 1)];
        for user in [None, Some(""), Some("\u{7f}ann, of length")] {
            for expires in [None, Some(0), Some(NEVER - 1)].map(|end| end.map(WallTime::from_millis)) {
                let session = Session::new(user, expires, &grants);
                assert_eq!((session.user(), session.expires()), (user, expires));
                let (kept, given) =
                    (session.grants().map(|grant| told(&grant)), grants[..3].iter().map(told));
                assert!(kept.eq(given), "a name that no channel can have is left out");
            }
        }
    }

    #[test]
    fn what_others_may_know_of_a_user_stands_beside_its_name() {
        let grants = [grant(&[Right::Listen], "a"), grant(&Right::ALL, "b*")];
        let long = "x".repeat(INFO_LEN_MAX);
        for user in [None, Some(""), Some("ann")] {
            for info in [None, Some(""), Some("{\"name\":\"\u{ff}\"}"), Some(&*long)] {
                for grants in [&grants[..], &[]] {
                    let session = Session::with_info(user, info, None, grants);
                    assert_eq!((session.user(), session.info()), (user, info));
                    assert_eq!(session.grants().count(), grants.len());
                    assert!(!format!("{session:?}").contains(&long), "it is in no log");
                }
            }
        }
        assert_eq!(Session::with_info(Some("ann"), Some(&format!("{long}x")), None, &[]).info(), None);
    }

    #[test]
    fn when_somebody_vouched_for_a_user_is_known_of_users() {
        let at = |millis| Some(WallTime::from_millis(millis));
        let grants = [grant(&Right::ALL, "b*")];
        for (user, issued, expected) in [
            (Some("ann"), at(0), at(0)),
            (Some("ann"), at(1_800_000_000_123), at(1_800_000_000_123)),
            (Some(""), at(u64::MAX), at(ISSUED_MAX)),
            (Some("ann"), None, None),
            (None, at(5), None),
        ] {
            for info in [None, Some("{}")] {
                let session = Session::of(&SessionParts {
                    user,
                    info,
                    issued,
                    grants: &grants,
                    ..SessionParts::default()
                });
                assert_eq!((session.user(), session.info(), session.issued()), (user, info, expected));
                assert!(session.may(Right::Listen, "b1", WallTime::PAST));
            }
        }
    }

    #[test]
    fn what_is_joined_may_be_listened_to_and_is_told_apart() {
        let joins = ["user.1", "a*b"].map(Box::from);
        let grants = [grant(&[Right::Listen], "room.*")];
        let parts =
            SessionParts { user: Some("ann"), grants: &grants, joins: &joins, ..SessionParts::default() };
        let session = Session::of(&parts);
        assert!(session.joins().eq(["user.1", "a*b"]) && session.user() == Some("ann"));
        for (name, may) in
            [("user.1", true), ("room.2", true), ("a*b", true), ("a1b", false), ("user.2", false)]
        {
            assert_eq!(session.may(Right::Listen, name, WallTime::PAST), may, "{name}");
        }
        assert!(!session.may(Right::History, "user.1", WallTime::PAST));
        assert_eq!(Session::new(Some("ann"), None, &grants).joins().count(), 0);
    }

    #[test]
    fn whoever_was_given_nothing_may_nothing() {
        let nobody = Session::new(Some("ann"), None, &[]);
        for right in Right::ALL {
            assert!(!nobody.may(right, "a", WallTime::PAST) && !nobody.may_somewhere(right, WallTime::PAST));
            assert_eq!(Right::named(right.name()), Some(right));
        }
    }

    #[test]
    fn all_channels_are_a_star_and_nothing_less() {
        let session = |names| Session::new(None, None, &[grant(&Right::ALL, names)]);
        assert!(session("*").may_everywhere(Right::Administer, WallTime::PAST));
        assert!(!session("a*").may_everywhere(Right::Administer, WallTime::PAST));
        assert!(Rights::ALL.iter().eq(Right::ALL));
    }
}
