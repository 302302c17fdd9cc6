//! What goes into the hub and what comes out of it: plain data, no behaviour.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::{ChannelId, Message, Millis, Payload, Position, PresentPage, ShardId};

/// What is to be published, before it has its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Channels by name, already checked by [`crate::check_name`]; repeated names count once.
    pub channels: SmallVec<[Box<str>; 1]>,
    /// An outside cursor per channel, an empty one where the publisher gave none; as long as `channels`, or empty.
    pub aliases: SmallVec<[Box<str>; 0]>,
    /// What is said.
    pub payload: Payload,
    /// How long it is kept for those who come back; `Some(0)`: not at all; `None`: by each channel's rule
    /// and the limits.
    pub ttl: Option<Millis>,
}

/// Why the hub refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All the room for records is taken by channels that somebody waits on or that hold history.
    #[error("the room for names of channels (channels_budget) is taken by those that are in use")]
    Records,
    /// There is little room for records, and whoever asks has as much of it as is left for all others.
    #[error(
        "the room for names of channels (channels_budget) is scarce, and whoever asks has as much of it as is left \
         for all others"
    )]
    Share,
    /// The payload is too long for one of the channels; so many bytes are allowed.
    #[error("the message has more than the {0} bytes that are set for one of its channels")]
    Payload(u64),
    /// The order has no numbers left (2^53 messages).
    #[error("the order is exhausted")]
    Exhausted,
}

/// A message that is now visible to clients, with what its publisher is told.
#[derive(Debug)]
pub struct Released {
    /// The message; its targets name the channels.
    pub message: Message,
    /// Per target: the channel's record, or [`ChannelId::NONE`]. Valid as long as anybody is registered on it.
    pub channels: SmallVec<[ChannelId; 1]>,
    /// Per target: what the publisher learns.
    pub seen: SmallVec<[Seen; 1]>,
    /// Shards with at least one connection registered on one of the targets, each once.
    pub shards: SmallVec<[ShardId; 4]>,
    /// It is for all shards: nobody is registered on its channel, and each of them knows who is to get it.
    pub is_for_all_shards: bool,
}

/// What a publisher learns of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Connections waiting on it now.
    pub waiting: u32,
    /// Whether it is online: somebody waits, or did within the grace.
    pub online: bool,
}

/// From where a reader wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From now on.
    Now,
    /// All history kept.
    Everything,
    /// What came after this place; told if some of it was trimmed.
    After(Position),
    /// The same, of a reader who was to be told who is there, and has not been: the list follows.
    Unlisted(Position),
    /// A place of a lost order: what history holds, and the mark.
    Lost,
    /// What came at or after this time.
    Time(Millis),
    /// The last so many of each channel.
    Tail(u32),
    /// Goes on where the last page ended.
    More(Resume),
}

/// From where back somebody wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// From the end.
    End,
    /// What came before this place.
    Place(Position),
    /// A place of a lost order, before which there is nothing in this one.
    Lost,
}

/// A page of what was said before.
#[derive(Debug)]
pub struct OlderPage {
    /// In order, the youngest last.
    pub messages: Vec<Message>,
    /// Up to here it was read back; further back the next page goes on.
    pub first: Position,
    /// Something is left further back.
    pub more: bool,
    /// Something that would stand on this page may be gone.
    pub gap: bool,
}

/// Where the next page begins. Opaque; plain data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The place behind the last message given.
    pub(crate) after: Position,
    /// The hub's count of trims when the last page was read: what was trimmed before is told already.
    pub(crate) trims: u64,
    /// What is gone from behind this place is told, whenever it was trimmed: of a newcomer's first page the end of what was released;
    /// else [`Position::END`].
    pub(crate) begun: Position,
    /// A tail in progress: how many of each channel, counted back from which place.
    pub(crate) tail: Option<(u32, Position)>,
    /// A list of users is to follow.
    pub(crate) lists: bool,
    /// The place behind which channels are read that nobody can name.
    pub(crate) addressed_after: Position,
}

impl Resume {
    /// The place behind the last message given.
    pub fn after(self) -> Position {
        self.after
    }

    /// Whether a list of users is to follow.
    pub fn lists(self) -> bool {
        self.lists
    }

    /// It as numbers, for a connection that is handed over together with this order.
    pub fn to_numbers(self) -> [u64; 7] {
        let Self { after, trims, begun, tail, lists, addressed_after } = self;
        let (tail, end) = tail.map_or((0, Position::START), |(count, end)| (1 + u64::from(count), end));
        [
            after.to_bits(),
            trims,
            tail,
            end.to_bits(),
            lists.into(),
            addressed_after.to_bits(),
            begun.to_bits(),
        ]
    }

    /// What [`Self::to_numbers`] gave; `None`: these are none of its.
    pub fn of_numbers(numbers: [u64; 7]) -> Option<Self> {
        let [after, trims, tail, end, lists, addressed_after, begun] = numbers;
        let count = tail.checked_sub(1).map(u32::try_from).transpose().ok()?;
        Some(Self {
            after: Position::from_bits(after),
            trims,
            begun: Position::from_bits(begun),
            tail: count.map(|count| (count, Position::from_bits(end))),
            lists: (lists <= 1).then_some(lists == 1)?,
            addressed_after: Position::from_bits(addressed_after),
        })
    }
}

/// One page of a backlog.
#[derive(Debug)]
pub struct Page {
    /// In order, each once, none newer than what is released.
    pub messages: Vec<Message>,
    /// Which of the asked names lost something the reader was owed: indices into the names, ascending.
    pub gaps: Vec<u16>,
    /// Who is on the channels whose hidden ones were asked for, where the reader is to be told: true at the place of
    /// [`Next::Live`], behind all messages.
    pub present: Vec<PresentList>,
    /// What comes next.
    pub next: Next,
}

/// What follows a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// There is more: ask again with [`Start::More`] when this page was written.
    More(Resume),
    /// Nothing more: the shard is registered if the reader stays, and will be handed all that is released after
    /// `position`.
    Live {
        /// Up to here the reader has everything.
        position: Position,
        /// The channels' records, one per asked name, in that order; none where the reader does not stay.
        channels: Vec<ChannelId>,
    },
}

/// What a one-shot taker gets.
#[derive(Debug)]
pub enum Take {
    /// The next message of the channel's queue.
    Message(Message),
    /// Nothing yet: registered; all who wait now get the next one released after `position`.
    Waiting {
        /// The channel's record.
        channel: ChannelId,
        /// Up to here the taker is owed nothing.
        position: Position,
    },
}

/// A channel as others may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Connections waiting on it now.
    pub waiting: u32,
    /// Whether it is online.
    pub online: bool,
    /// Messages kept.
    pub messages: u32,
    /// Bytes of payload kept.
    pub bytes: u64,
    /// Place of the oldest and of the newest message kept.
    pub kept: Option<(Position, Position)>,
}

/// Who no longer waits on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave<'a> {
    /// The channel's record.
    pub channel: ChannelId,
    /// How many registrations of a shard are taken back.
    pub count: u32,
    /// How they waited.
    pub kind: LeaveKind,
    /// The user whose they were, where it is known; it then has the grace for users to come back.
    pub who: Option<&'a str>,
    /// That user has no grace to come back.
    pub at_once: bool,
}

impl Leave<'_> {
    /// So many who wait for all that comes.
    pub const fn waiting(channel: ChannelId, count: u32) -> Self {
        Self { channel, count, kind: LeaveKind::Waiting, who: None, at_once: false }
    }

    /// A taker that is [`Take::Waiting`] since this place.
    pub const fn taker(channel: ChannelId, since: Position) -> Self {
        Self { channel, count: 1, kind: LeaveKind::Taker { since }, who: None, at_once: false }
    }
}

/// How somebody who leaves has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveKind {
    /// For all that comes.
    Waiting,
    /// For one message, since this place. One that was served meanwhile, though its shard may not know it yet, has left
    /// already.
    Taker {
        /// Up to here the taker was owed nothing.
        since: Position,
    },
}

/// A change of presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place in the one order.
    pub position: Position,
    /// The channel.
    pub name: Arc<str>,
    /// What became of it.
    pub what: ChangeKind,
    /// When.
    pub time: Millis,
}

/// What a change of presence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// Somebody waits on the channel from now on.
    Online,
    /// Nobody does any longer, and the grace is over.
    Offline,
}

impl ChangeKind {
    /// A channel came online, or went.
    pub const fn of_channel(is_online: bool) -> Self {
        if is_online { Self::Online } else { Self::Offline }
    }

    /// Whether the channel is online from now on.
    pub const fn is_online(self) -> bool {
        matches!(self, Self::Online)
    }
}

/// A page of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In order.
    pub changes: Vec<Change>,
    /// Whether some that the asker was owed are gone.
    pub gap: bool,
    /// Ask again after this place.
    pub position: Position,
    /// Whether there is more right now.
    pub more: bool,
}

/// Something in the one order.
#[derive(Debug, Clone)]
pub enum OrderItem {
    /// A message was released, or the word that one was taken back.
    Message(Message),
    /// A change of presence.
    Change(Change),
}

impl OrderItem {
    /// Its place.
    pub fn position(&self) -> Position {
        match self {
            Self::Message(message) => message.position,
            Self::Change(change) => change.position,
        }
    }
}

/// A page of the one order.
#[derive(Debug)]
pub struct OrderPage {
    /// In order.
    pub items: Vec<OrderItem>,
    /// Whether some messages that the asker was owed are gone.
    pub gap: bool,
    /// The same of changes of online and offline.
    pub changes_gap: bool,
    /// Ask again after this place.
    pub position: Position,
    /// Whether there is more right now.
    pub more: bool,
}

/// A channel's users, for somebody who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentList {
    /// The channel.
    pub channel: Box<str>,
    /// Who is there.
    pub page: PresentPage,
}

/// Sums over all channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Records of channels.
    pub channels: u64,
    /// Bytes they take, as they are counted.
    pub channels_bytes: u64,
    /// Of these, bytes of records that nobody waits on and nobody ever published to.
    pub channels_passing_bytes: u64,
    /// Records that went before their grace was over, to make room, since start.
    pub hurried: u64,
    /// How often somebody got no record, since start.
    pub crowded: u64,
    /// Channels online.
    pub online: u64,
    /// Registrations: one per connection and channel.
    pub subscriptions: u64,
    /// Channels of which messages are kept.
    pub histories: u64,
    /// Messages kept.
    pub history_messages: u64,
    /// Bytes of payload kept.
    pub history_bytes: u64,
    /// Messages evicted by count, age, byte limits or the budget, since start.
    pub evicted: u64,
    /// Messages ordered since start.
    pub published: u64,
    /// Names looked up for those who wait, or wait no longer, since start.
    pub looked_up: u64,
    /// Messages looked at in histories for those who wait, since start.
    pub read: u64,
}
