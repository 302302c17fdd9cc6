//! From where those listen who do so by outside cursors (Realplexor). Beside the connections' records, so
//! that nobody else pays for it.

use exchange::hub::Decimal;
use transport::dialect::realplexor::Tag;

/// A shard's listeners, by the index of their connection.
#[derive(Debug, Default)]
pub(crate) struct Listening(Vec<Option<(Since, Option<Tag>)>>);

/// What a connection has: of each of its channels only what has a greater cursor is due.
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
        let since = if since.iter().all(|(_, other)| other == first) {
            Since::All(first.clone())
        } else {
            Since::Each(since.into())
        };
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index] = Some((since, tag));
    }

    /// Whether a cursor in a channel is greater than the one from which a connection listens there.
    pub(crate) fn is_due(&self, index: usize, key: u32, cursor: &Decimal) -> bool {
        match self.0.get(index) {
            Some(Some((Since::All(since), _))) => cursor > since,
            Some(Some((Since::Each(list), _))) => {
                list.iter().any(|(known, since)| *known == key && cursor > since)
            }
            _ => false,
        }
    }

    /// The tag of a connection's cursors.
    pub(crate) fn tag(&self, index: usize) -> Option<Tag> {
        self.0.get(index)?.as_ref()?.1
    }

    /// The connection listens no longer.
    pub(crate) fn remove(&mut self, index: usize) {
        if let Some(since) = self.0.get_mut(index) {
            *since = None;
        }
    }
}

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
}
