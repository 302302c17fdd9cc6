//! What may be set about webhooks: where they are, and of what each is told.

use std::time::Duration;

use access::WebhookSecret;
use exchange::hub::Pattern;
use hyper::Uri;

use crate::limits::{WEBHOOK_BACKLOG, WEBHOOK_RETRY, WEBHOOK_TIMEOUT};

/// All webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhooks {
    /// In the order of the settings; no name comes twice.
    pub all: Vec<Webhook>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long an event is tried.
    pub retry: Duration,
    /// Bytes of events that wait, for each.
    pub backlog: usize,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self { all: Vec::new(), timeout: WEBHOOK_TIMEOUT, retry: WEBHOOK_RETRY, backlog: WEBHOOK_BACKLOG }
    }
}

impl Webhooks {
    /// Whether one of them is told which users have any connection at all.
    pub fn follow_users(&self) -> bool {
        let is_one = |kind: &EventType| kind.is_of_all_channels();
        self.all.iter().any(|one| {
            one.is_for_all() && EventType::ALL.iter().any(|kind| is_one(kind) && one.events.has(*kind))
        })
    }
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called; letters, digits, `-` and `_`. How far it has come is kept by it.
    pub name: Box<str>,
    /// Where it is called.
    pub url: Uri,
    /// Of which channels it is told; `None`: of all.
    pub pattern: Option<Pattern>,
    /// Of what it is told.
    pub events: EventTypes,
    /// What calls are signed with; one, or two while one replaces the other.
    pub secrets: Vec<WebhookSecret>,
}

impl Webhook {
    /// Whether it is told of all channels.
    pub fn is_for_all(&self) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.as_str() == "*")
    }

    /// Of what it is told.
    pub(super) fn scope(&self) -> Scope {
        Scope { events: self.events, pattern: self.pattern.clone() }
    }

    /// Whether it is told of something on a channel; `None`: on whatever a user waits.
    pub(super) fn wants(&self, kind: EventType, channel: Option<&str>) -> bool {
        self.events.has(kind)
            && match channel {
                Some(channel) => self.pattern.as_ref().is_none_or(|pattern| pattern.matches(channel)),
                None => self.is_for_all(),
            }
    }
}

/// Which events of which channels a webhook is told of: noted with its place, since whoever is told of more than before lacks what was
/// before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    events: EventTypes,
    pattern: Option<Pattern>,
}

impl Scope {
    /// Whether whoever is told of this is told of all of the other.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let all = Pattern::new("*").expect("a star is a pattern");
        let [own, others] = [self, other].map(|scope| scope.pattern.as_ref().unwrap_or(&all));
        other.events.iter().all(|kind| self.events.has(kind)) && own.covers(others)
    }

    /// Of what whoever is told of both is told in any case: the narrower one; nothing where neither covers the other.
    pub(super) fn common(&self, other: &Self) -> Self {
        match (self.covers(other), other.covers(self)) {
            (true, _) => other.clone(),
            (false, true) => self.clone(),
            (false, false) => Self::nothing(),
        }
    }

    /// That of whoever is told of nothing.
    pub(super) fn nothing() -> Self {
        Self { events: EventTypes::from_iter([]), pattern: None }
    }

    /// As text: names of events, and the pattern behind a blank.
    pub(super) fn text(&self) -> String {
        let events: Vec<&str> = self.events.iter().map(EventType::name).collect();
        format!("{} {}", events.join(","), self.pattern.as_ref().map_or("*", Pattern::as_str))
    }

    /// What a text says. Events that nobody knows any longer are left out.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (events, pattern) = text.split_once(' ')?;
        let events = events.split(',').filter_map(EventType::named).collect();
        Some(Self { events, pattern: Some(Pattern::new(pattern).ok()?) })
    }
}

/// What a webhook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// Somebody waits on a channel.
    ChannelOnline,
    /// Nobody does any longer.
    ChannelOffline,
    /// A user joined a channel.
    UserJoined,
    /// A user left it.
    UserLeft,
    /// A user has a connection, whatever it waits on.
    UserOnline,
    /// It has none any longer.
    UserOffline,
    /// A client published a message.
    MessageClient,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ChannelOnline,
        Self::ChannelOffline,
        Self::UserJoined,
        Self::UserLeft,
        Self::UserOnline,
        Self::UserOffline,
        Self::MessageClient,
    ];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChannelOnline => "channel.online",
            Self::ChannelOffline => "channel.offline",
            Self::UserJoined => "user.joined",
            Self::UserLeft => "user.left",
            Self::UserOnline => "user.online",
            Self::UserOffline => "user.offline",
            Self::MessageClient => "message.client",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is about no single channel.
    pub const fn is_of_all_channels(self) -> bool {
        matches!(self, Self::UserOnline | Self::UserOffline)
    }

    /// Whether it is one of the changes that `/watch` tells; all others are messages in the order.
    pub(super) const fn is_change(self) -> bool {
        matches!(self, Self::ChannelOnline | Self::ChannelOffline)
    }
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTypes(u8);

impl EventTypes {
    /// All of them.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether this is among them.
    pub const fn has(self, kind: EventType) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Those that are among them.
    pub fn iter(self) -> impl Iterator<Item = EventType> {
        EventType::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

impl FromIterator<EventType> for EventTypes {
    fn from_iter<I: IntoIterator<Item = EventType>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |all, kind| all | 1 << kind as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(events: &[EventType], pattern: Option<&str>) -> Scope {
        let pattern = pattern.map(|text| Pattern::new(text).expect("a pattern"));
        Scope { events: events.iter().copied().collect(), pattern }
    }

    #[test]
    fn who_is_told_of_more_than_before_is_known() {
        use EventType::{ChannelOnline, UserJoined};
        let before = scope(&[UserJoined], Some("room.*"));
        for (events, pattern, covers) in [
            (&[UserJoined][..], Some("room.*"), true),
            (&[UserJoined], Some("room.1"), true),
            (&[UserJoined], Some("room.1*"), true),
            (&[UserJoined], Some("room*"), false),
            (&[UserJoined], Some("*"), false),
            (&[UserJoined], None, false),
            (&[UserJoined, ChannelOnline], Some("room.*"), false),
            (&[ChannelOnline], Some("room.*"), false),
        ] {
            let after = scope(events, pattern);
            assert_eq!(before.covers(&after), covers, "{events:?} of {pattern:?}");
            assert!(scope(events, None).covers(&after) && scope(events, Some("*")).covers(&after));
        }
        let all = Scope { events: EventTypes::ALL, pattern: None };
        assert!(all.covers(&before) && !before.covers(&all));
    }

    #[test]
    fn what_two_have_in_common_is_covered_by_both() {
        use EventType::{UserJoined, UserLeft};
        let narrow = scope(&[UserJoined], Some("room.*"));
        let wide = scope(&[UserJoined, UserLeft], None);
        assert_eq!((narrow.common(&wide), wide.common(&narrow)), (narrow.clone(), narrow.clone()));
        let other = scope(&[UserLeft], Some("*"));
        assert_eq!(narrow.common(&other), Scope::nothing());
        let noted = Scope::read(&Scope::nothing().text()).expect("it is one");
        assert_eq!((noted.covers(&narrow), narrow.common(&noted)), (false, Scope::nothing()));
    }

    #[test]
    fn what_is_noted_of_it_is_read() {
        for pattern in [Some("room.*"), Some("one two"), Some("*"), None] {
            let noted = scope(&EventType::ALL, pattern);
            let read = Scope::read(&noted.text()).expect("it is one");
            assert!(read.covers(&noted) && noted.covers(&read), "{pattern:?}");
        }
        let partly = Scope::read("user.joined,user.danced a").expect("it is one");
        assert_eq!(partly, scope(&[EventType::UserJoined], Some("a")));
        for nonsense in ["", "user.joined", "user.joined a*b"] {
            assert_eq!(Scope::read(nonsense), None, "{nonsense}");
        }
    }
}
