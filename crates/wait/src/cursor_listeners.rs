//! From where those listen who do so by external cursors.

use std::borrow::Cow;

use exchange::hub::Decimal;
use transport::dialect::Tag;

use crate::beside::Beside;

/// A shard's listeners, by the index of their connection.
#[derive(Debug, Default)]
pub(crate) struct Listening(Beside<Listener>);

/// What a connection has. Nearly always few bytes hold it.
#[derive(Debug)]
enum Listener {
    Small(Small),
    Other(Box<(Since, Option<Tag>)>),
}

/// One cursor for all channels with as many decimals as ours have, and behind it the tag.
#[derive(Debug, Clone, Copy)]
struct Small([u8; SMALL_LEN]);

/// Of each of its channels only what has a greater cursor is due.
#[derive(Debug)]
enum Since {
    /// In all its channels.
    All(Decimal),
    /// By the channel's key in this shard, for those that it still has.
    Each(Box<[(u32, Decimal)]>),
}

impl Listening {
    /// A connection listens to these channels, by key, from here on; its cursors have this tag.
    pub(crate) fn put(
        &mut self,
        index: usize,
        since: impl Iterator<Item = (u32, Decimal)>,
        tag: Option<Tag>,
    ) {
        let since: Vec<(u32, Decimal)> = since.collect();
        let Some((_, first)) = since.first() else { return };
        let listener = if !since.iter().all(|(_, other)| other == first) {
            Listener::Other(Box::new((Since::Each(since.into()), tag)))
        } else if let Some(small) = Small::of(first, tag) {
            Listener::Small(small)
        } else {
            Listener::Other(Box::new((Since::All(first.clone()), tag)))
        };
        self.0.put(index, listener);
    }

    /// Whether a cursor in a channel is greater than the one from which a connection listens there.
    pub(crate) fn is_due(&self, index: usize, key: u32, cursor: &Decimal) -> bool {
        self.since(index, key).is_some_and(|since| *cursor > *since)
    }

    /// From where a connection listens in a channel.
    pub(crate) fn since(&self, index: usize, key: u32) -> Option<Cow<'_, Decimal>> {
        match self.0.get(index)? {
            Listener::Small(small) => Some(Cow::Owned(small.since())),
            Listener::Other(other) => match &other.0 {
                Since::All(since) => Some(Cow::Borrowed(since)),
                Since::Each(list) => {
                    list.iter().find(|(known, _)| *known == key).map(|(_, since)| Cow::Borrowed(since))
                }
            },
        }
    }

    /// How many connections listen.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The connections that listen.
    pub(crate) fn indices(&self) -> impl Iterator<Item = usize> {
        self.0.indices_from(0)
    }

    /// The tag of a connection's cursors.
    pub(crate) fn tag(&self, index: usize) -> Option<Tag> {
        match self.0.get(index)? {
            Listener::Small(small) => small.tag(),
            Listener::Other(other) => other.1,
        }
    }

    /// The connection listens no longer.
    pub(crate) fn remove(&mut self, index: usize) {
        self.0.remove(index);
    }
}

impl Small {
    fn of(since: &Decimal, tag: Option<Tag>) -> Option<Self> {
        let number = since.steps()?.checked_mul(1 << Tag::BITS)? | u128::from(tag.map_or(0, Tag::to_bits));
        let (small, rest) =
            number.to_le_bytes().split_first_chunk().map(|(small, rest)| (*small, rest == [0]))?;
        rest.then_some(Self(small))
    }

    fn number(self) -> u128 {
        let mut bytes = [0; size_of::<u128>()];
        bytes[..SMALL_LEN].copy_from_slice(&self.0);
        u128::from_le_bytes(bytes)
    }

    fn tag(self) -> Option<Tag> {
        u64::try_from(self.number() & ((1 << Tag::BITS) - 1)).ok().and_then(Tag::of_bits)
    }

    fn since(self) -> Decimal {
        Decimal::of_steps(self.number() >> Tag::BITS).expect("it was made of one")
    }
}

/// A byte less than the record of a listener.
const SMALL_LEN: usize = 15;

const _: () = assert!(size_of::<Option<Listener>>() <= 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_cursor() {
        let decimal = |text: &str| Decimal::read(text).unwrap();
        let mut listening = Listening::default();
        listening.put(3, [(7, decimal("5")), (8, decimal("5.0"))].into_iter(), None);
        listening.put(1, [(7, decimal("5")), (8, decimal("9"))].into_iter(), Tag::of(["a", "b"].into_iter()));
        assert_eq!((listening.tag(3), listening.tag(1).is_some()), (None, true));
        assert!(listening.is_due(3, 8, &decimal("6")) && !listening.is_due(3, 8, &decimal("5")));
        assert!(listening.is_due(1, 7, &decimal("6")) && !listening.is_due(1, 8, &decimal("6")));
        assert!(!listening.is_due(1, 9, &decimal("6")) && !listening.is_due(0, 7, &decimal("6")));
        listening.remove(1);
        assert!(!listening.is_due(1, 7, &decimal("6")) && listening.is_due(3, 7, &decimal("6")));
    }

    #[test]
    fn a_cursor_is_kept_exactly_however_it_is_kept() {
        let several = Tag::of(["a", "b"].into_iter());
        let mut listening = Listening::default();
        for text in ["0", "1795348412.00700000000042", "5.123456789012345678", "9999999999999999999"] {
            let since = Decimal::read(text).unwrap();
            for tag in [None, several] {
                listening.put(0, [(7, since.clone())].into_iter(), tag);
                assert_eq!(listening.tag(0), tag, "{text}");
                let point = if text.contains('.') { "" } else { "." };
                let next = Decimal::read(&format!("{text}{point}0000000001")).unwrap();
                assert!(listening.is_due(0, 7, &next) && !listening.is_due(0, 7, &since), "{text}");
            }
        }
    }
}
