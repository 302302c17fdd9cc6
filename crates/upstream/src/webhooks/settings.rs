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

    /// Whether it is told of something on a channel; `None`: on whatever a user waits.
    pub(super) fn wants(&self, kind: EventType, channel: Option<&str>) -> bool {
        self.events.has(kind)
            && match channel {
                Some(channel) => self.pattern.as_ref().is_none_or(|pattern| pattern.matches(channel)),
                None => self.is_for_all(),
            }
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
