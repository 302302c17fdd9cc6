//! A message: one payload for one or more channels; immutable, shared by all who hold it.
//!
//! Histories hold millions of them, so a message is one allocation: its place, its time and its bytes. What is
//! said about it beside them (names, event, media type) mostly is the same as for the message before it in
//! its channel, and then shared with that.

use std::ops::{Deref, Range};
use std::sync::Arc;

use smallvec::SmallVec;
use triomphe::ThinArc;

use crate::kind::{Kind, Origin};
use crate::movement::Movement;
use crate::{Audience, AudienceKind, Millis, Position};

/// One payload with its place in the order. A reference: cloning it copies nothing.
#[derive(Clone)]
pub struct Message(ThinArc<MessageHead, u8>);

/// What every message has of its own, beside its bytes.
#[derive(Debug, Clone)]
pub struct MessageHead {
    /// Its place in the one order.
    pub position: Position,
    /// When it was ordered.
    pub time: Millis,
    /// There from its place on.
    about: Option<Arc<SharedHead>>,
}

/// What is said about a message: shared by those of which the same is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SharedHead {
    targets: SmallVec<[Target; 1]>,
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
    ttl: Option<Millis>,
    /// Bytes before and behind the data.
    around: (u32, u32),
    origin: Origin,
    audience: AudienceKind,
    kind: Kind,
}

/// One channel a message went to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, shared with the channel's record.
    pub name: Arc<str>,
    /// An outside cursor, kept verbatim: a [`crate::Decimal`] (Realplexor).
    pub alias: Option<Box<str>>,
}

/// What a publisher said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// All bytes the publisher sent, its head included where the dialect keeps it.
    pub bytes: Bytes,
    /// The range of `bytes` that is data.
    pub data: Range<u32>,
    /// In whose words it came.
    pub origin: Origin,
    /// Who may see it. Where that is not all, more is said in front of the data: [`Self::limited_to`].
    pub audience: AudienceKind,
    /// The publisher's name for this kind of event.
    pub event: Option<Box<str>>,
    /// The publisher's media type.
    pub content_type: Option<Box<str>>,
    /// What the data is.
    pub kind: Kind,
}

/// The same, of a message that has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said<'a> {
    /// All bytes the publisher sent.
    pub bytes: &'a [u8],
    /// How many of them stand before the data.
    pub head_len: usize,
    data_end: usize,
    /// In whose words it came.
    pub origin: Origin,
    /// Who may see it.
    pub audience: AudienceKind,
    /// The publisher's name for this kind of event.
    pub event: Option<&'a str>,
    /// The publisher's media type.
    pub content_type: Option<&'a str>,
    /// What the data is.
    pub kind: Kind,
}

/// The bytes of a message to be: they are copied here once, and stay where they are.
pub struct Bytes(ThinArc<MessageHead, u8>);

/// Which message was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removal {
    /// Its place.
    pub position: Position,
}

impl Message {
    /// A message at its place. `targets` is never empty, and has each channel once, in the publisher's order.
    pub fn new(
        position: Position,
        time: Millis,
        ttl: Option<Millis>,
        targets: SmallVec<[Target; 1]>,
        payload: Payload,
    ) -> Self {
        debug_assert!(!targets.is_empty());
        let around = payload.around();
        let Payload { bytes, data: _, origin, audience, event, content_type, kind } = payload;
        let about = SharedHead { targets, event, content_type, ttl, around, origin, audience, kind };
        Self::of(bytes, position, time, Arc::new(about))
    }

    /// The same, which shares what is said of it with the message before it in its only channel, where it is the same;
    /// and what then is not needed of the payload.
    pub(crate) fn like(
        before: Option<&Arc<SharedHead>>,
        position: Position,
        time: Millis,
        ttl: Option<Millis>,
        targets: SmallVec<[Target; 1]>,
        payload: Payload,
    ) -> (Self, [Option<Box<str>>; 2]) {
        match before.filter(|about| about.is_of(&targets, ttl, &payload)) {
            Some(about) => {
                let Payload { bytes, event, content_type, .. } = payload;
                (Self::of(bytes, position, time, Arc::clone(about)), [event, content_type])
            }
            None => (Self::new(position, time, ttl, targets, payload), [None, None]),
        }
    }

    fn of(Bytes(mut bytes): Bytes, position: Position, time: Millis, about: Arc<SharedHead>) -> Self {
        set(&mut bytes, MessageHead { position, time, about: Some(about) });
        Self(bytes)
    }

    /// Where it went, each channel once, in the publisher's order. Never empty.
    #[inline]
    pub fn targets(&self) -> &[Target] {
        &self.about().targets
    }

    /// From when on it may no longer be given to anybody who comes back; `None`: as long as it is kept.
    pub fn expires(&self) -> Option<Millis> {
        self.about().ttl.map(|ttl| self.time.saturating_add(ttl))
    }

    /// How long its publisher lets it be kept.
    pub fn ttl(&self) -> Option<Millis> {
        self.about().ttl
    }

    /// All bytes its publisher sent: what limits count.
    pub fn bytes(&self) -> &[u8] {
        &self.0.slice
    }

    /// What was said.
    #[inline]
    pub fn payload(&self) -> Said<'_> {
        let (bytes, about) = (self.bytes(), self.about());
        Said {
            bytes,
            head_len: about.around.0 as usize,
            data_end: bytes.len() - about.around.1 as usize,
            origin: about.origin,
            audience: about.audience,
            event: about.event.as_deref(),
            content_type: about.content_type.as_deref(),
            kind: about.kind,
        }
    }

    /// Who may see it, of those who wait on its channels.
    #[inline]
    pub fn audience(&self) -> Audience<'_> {
        match self.about().audience {
            AudienceKind::All => Audience::All,
            kind => Audience::read(kind, &self.bytes()[..self.about().around.0 as usize]),
        }
    }

    /// Which message was taken back, where this says so and is no message itself.
    pub fn removal(&self) -> Option<Removal> {
        if self.about().origin != Origin::Removal {
            return None;
        }
        // A store of an earlier release may hold a byte more.
        let place = self.bytes().first_chunk().expect("a removal is made of a place");
        Some(Removal { position: Position::from_bits(u64::from_le_bytes(*place)) })
    }

    /// Who joined or left, where this says so.
    pub fn movement(&self) -> Option<Movement<'_>> {
        if self.about().origin != Origin::Presence {
            return None;
        }
        let said = self.payload();
        Movement::read(&said.bytes[..said.head_len], said.data())
    }

    /// What is said about it.
    pub(crate) fn about(&self) -> &Arc<SharedHead> {
        self.0.header.header.about.as_ref().expect("a message has its place")
    }

    /// The same message, that never went to the channel of this name. It must have gone to another one, too. Copies the bytes.
    pub(crate) fn without(&self, name: &str) -> Self {
        let targets = self.targets().iter().filter(|target| *target.name != *name).cloned().collect();
        let MessageHead { position, time, .. } = **self;
        let about = SharedHead { targets, ..SharedHead::clone(self.about()) };
        Self::of(Bytes::from(self.bytes()), position, time, Arc::new(about))
    }

    /// Shares what is said about it with another message, of which the same is said, where nobody else holds it.
    pub(crate) fn share(&mut self, about: &Arc<SharedHead>) {
        if !Arc::ptr_eq(self.about(), about) && **self.about() == **about {
            let MessageHead { position, time, .. } = **self;
            set(&mut self.0, MessageHead { position, time, about: Some(Arc::clone(about)) });
        }
    }
}

impl Deref for Message {
    type Target = MessageHead;

    fn deref(&self) -> &MessageHead {
        &self.0.header.header
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let MessageHead { position, time, about } = &**self;
        write!(f, "Message({position:?}, {time}, {:?}, {about:?})", self.bytes().escape_ascii())
    }
}

impl SharedHead {
    /// Whether this is what is to be said of a payload that goes to this one channel. The very same name, not only
    /// the same text: what a store brought back is let go of by and by.
    fn is_of(&self, targets: &[Target], ttl: Option<Millis>, payload: &Payload) -> bool {
        let ([own], [target]) = (&self.targets[..], targets) else { return false };
        Arc::ptr_eq(&own.name, &target.name)
            && own.alias.is_none()
            && target.alias.is_none()
            && self.ttl == ttl
            && self.around == payload.around()
            && (self.origin, self.audience, self.kind) == (payload.origin, payload.audience, payload.kind)
            && self.event == payload.event
            && self.content_type == payload.content_type
    }

    /// Whether it came with a cursor of its publisher's.
    pub(crate) fn is_aliased(&self) -> bool {
        self.targets.iter().any(|target| target.alias.is_some())
    }
}

impl Removal {
    /// As what stands in the order and in histories.
    pub(crate) fn payload(self) -> Payload {
        let place = self.position.to_bits().to_le_bytes();
        Payload { data: 0..0, origin: Origin::Removal, ..Payload::new(&place[..], Kind::Binary) }
    }
}

impl Payload {
    /// Bytes that are all data, in our own words, for all, without an event's name or a media type. Panics at 4 GiB or more.
    pub fn new(bytes: impl Into<Bytes>, kind: Kind) -> Self {
        let bytes = bytes.into();
        let end = u32::try_from(bytes.len()).expect("the lines' limits are far below 4 GiB");
        let (origin, audience) = (Origin::Native, AudienceKind::All);
        Self { bytes, data: 0..end, origin, audience, event: None, content_type: None, kind }
    }

    /// The bytes that are data.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.said().data()
    }

    /// The same by reference, as a message tells it.
    pub fn said(&self) -> Said<'_> {
        Said {
            bytes: &self.bytes,
            head_len: self.data.start as usize,
            data_end: self.data.end as usize,
            origin: self.origin,
            audience: self.audience,
            event: self.event.as_deref(),
            content_type: self.content_type.as_deref(),
            kind: self.kind,
        }
    }

    /// How many bytes its publisher sent: of our own words the data, without what the server says beside it.
    pub(crate) fn sent_len(&self) -> u64 {
        let sent = if self.origin == Origin::Native { self.data() } else { &self.bytes };
        sent.len() as u64
    }

    /// How many bytes stand before the data, and how many behind.
    fn around(&self) -> (u32, u32) {
        let len = u32::try_from(self.bytes.len()).expect("ranges in a payload are 32 bits");
        (self.data.start, len - self.data.end)
    }
}

impl<'a> Said<'a> {
    /// The bytes that are data.
    #[inline]
    pub fn data(self) -> &'a [u8] {
        &self.bytes[self.head_len..self.data_end]
    }

    /// The bytes behind it.
    #[inline]
    pub(crate) fn behind(self) -> &'a [u8] {
        &self.bytes[self.data_end..]
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        let head = MessageHead { position: Position::START, time: 0, about: None };
        Self(ThinArc::from_header_and_slice(head, bytes))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0.slice
    }
}

/// A copy: each is to become a message of its own.
impl Clone for Bytes {
    fn clone(&self) -> Self {
        (**self).into()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Bytes {}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.escape_ascii())
    }
}

/// Sets the head, in place where nobody else holds the message.
fn set(message: &mut ThinArc<MessageHead, u8>, head: MessageHead) {
    let head = message.with_arc_mut(|arc| match triomphe::Arc::get_mut(arc) {
        Some(own) => {
            *own.header_mut() = head;
            None
        }
        None => Some(head),
    });
    if let Some(head) = head {
        *message = ThinArc::from_header_and_slice(head, &message.slice);
    }
}

/// Millions of messages are as many references to messages, and as many heads.
const _: () = assert!(size_of::<Message>() == 8 && size_of::<MessageHead>() == 24);
