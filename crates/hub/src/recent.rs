//! The one order, message by message and change by change, for those who follow all of it. Messages are kept for them only
//! while there is somebody, in a bounded ring beside the histories: whoever is too slow for it is told of the gap.

use std::collections::VecDeque;

use crate::limits::{RECENT_BYTES_MAX, RECENT_MESSAGES_MAX};
use crate::trash::Trash;
use crate::{Hub, Message, OrderItem, OrderPage, Position, Start};

/// The last messages, while somebody follows.
#[derive(Default)]
pub(crate) struct Recent {
    /// How many follow.
    followers: usize,
    /// In order; none where nobody follows.
    messages: VecDeque<Message>,
    /// Of their payloads.
    bytes: usize,
    /// Messages up to here may be missing.
    watermark: Position,
}

impl Recent {
    /// A message was released.
    #[inline]
    pub(crate) fn push(&mut self, message: &Message, trash: &mut Trash) {
        if self.followers > 0 {
            self.keep(message.clone(), trash);
        }
    }

    fn keep(&mut self, message: Message, trash: &mut Trash) {
        self.bytes += message.bytes().len();
        self.messages.push_back(message);
        while self.messages.len() > RECENT_MESSAGES_MAX || self.bytes > RECENT_BYTES_MAX {
            let oldest = self.messages.pop_front().expect("one was put in");
            self.bytes -= oldest.bytes().len();
            self.watermark = oldest.position;
            trash.messages.push(oldest);
        }
    }
}

impl Hub {
    /// Somebody follows the order from now on: what is released from here on is kept for him, as far as there is room. Each
    /// call is followed by one of [`Self::unfollow`].
    pub fn follow(&mut self) {
        if self.recent.followers == 0 {
            self.recent.watermark = self.end;
        }
        self.recent.followers += 1;
    }

    /// Somebody follows no longer.
    pub fn unfollow(&mut self) {
        let recent = &mut self.recent;
        recent.followers -= 1;
        if recent.followers == 0 {
            self.trash.messages.extend(recent.messages.drain(..));
            recent.bytes = 0;
        }
    }

    /// What came after `start` of the whole order, released messages and changes of presence, so many at the most. A start
    /// that is no place stands for all that is kept, and is a gap unless nothing was let go of.
    pub fn read_order(&self, start: Start, limit: usize) -> OrderPage {
        let (after, is_lost) = match start {
            Start::Now => (self.end, false),
            Start::After(place) | Start::Unlisted(place) if place > self.end => (Position::START, true),
            Start::After(place) | Start::Unlisted(place) => (place, false),
            Start::More(resume) => (resume.after(), false),
            Start::Lost => (Position::START, true),
            Start::Everything | Start::Time(_) | Start::Tail(_) => (Position::START, false),
        };
        let changes = self.feed.read(Start::After(after), limit, self.end);
        let gap = is_lost || changes.gap || self.recent.watermark > after;
        let first = self.recent.messages.partition_point(|message| message.position <= after);
        let mut messages = self.recent.messages.range(first..).peekable();
        let mut rest = changes.changes.into_iter().peekable();
        let mut items = Vec::new();
        while items.len() < limit {
            let is_message = match (messages.peek(), rest.peek()) {
                (Some(message), Some(change)) => message.position < change.position,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            items.extend(if is_message {
                messages.next().cloned().map(OrderItem::Message)
            } else {
                rest.next().map(OrderItem::Change)
            });
        }
        let more = changes.more || messages.peek().is_some() || rest.peek().is_some();
        // A page of no length brings nobody further.
        let last = items.last().map_or(after, OrderItem::position);
        OrderPage { position: if more { last } else { self.end }, items, gap, more }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{after, hub, join, say};
    use crate::{Limits, Millis};

    const NOW: Millis = 0;

    /// What is read after a place, page by page of so many: places, and whether the first page told a gap.
    fn read(hub: &Hub, start: Start, limit: usize) -> (Vec<u64>, bool) {
        let mut page = hub.read_order(start, limit);
        let (mut places, gap) = (Vec::new(), page.gap);
        loop {
            places.extend(page.items.iter().map(|item| item.position().to_bits()));
            assert!(page.items.len() <= limit);
            if !page.more {
                assert_eq!(page.position, hub.end());
                return (places, gap);
            }
            page = hub.read_order(Start::After(page.position), limit);
            assert!(!page.gap, "a gap is told once");
        }
    }

    #[test]
    fn messages_and_changes_come_in_their_places() {
        let mut hub = hub(Limits::default());
        hub.follow();
        say(&mut hub, "a", 1, NOW);
        join(&mut hub, "b", NOW);
        join(&mut hub, "c", NOW);
        say(&mut hub, "a,b", 1, NOW);
        for limit in 1..6 {
            assert_eq!(read(&hub, Start::Everything, limit), (vec![1, 2, 3, 4], false));
            assert_eq!(read(&hub, after(2), limit), (vec![3, 4], false));
            assert_eq!(read(&hub, after(9), limit), (vec![1, 2, 3, 4], true));
        }
        assert_eq!(read(&hub, Start::Now, 9), (vec![], false));
        assert!(matches!(hub.read_order(after(3), 9).items[..], [OrderItem::Message(_)]));
    }

    #[test]
    fn what_was_said_while_nobody_followed_is_a_gap() {
        let mut hub = hub(Limits::default());
        say(&mut hub, "a", 1, NOW);
        hub.follow();
        assert_eq!(read(&hub, after(0), 9), (vec![], true));
        assert_eq!(read(&hub, after(1), 9), (vec![], false));
        say(&mut hub, "a", 1, NOW);
        assert_eq!(read(&hub, after(0), 9), (vec![2], true));
        hub.unfollow();
        hub.follow();
        assert_eq!(read(&hub, after(1), 9), (vec![], true));
        assert_eq!(read(&hub, after(2), 9), (vec![], false));
    }

    #[test]
    fn whoever_is_too_slow_for_the_ring_is_told() {
        for (len, kept) in [(1, RECENT_MESSAGES_MAX), (RECENT_BYTES_MAX / 8, 8)] {
            let len = u32::try_from(len).unwrap();
            let mut hub = hub(Limits { history_messages: 0, ..Limits::default() });
            hub.follow();
            for _ in 0..kept {
                say(&mut hub, "a", len, NOW);
            }
            assert!(!read(&hub, after(0), 100).1);
            say(&mut hub, "a", len, NOW);
            let (places, gap) = read(&hub, after(0), 100);
            assert_eq!((places.len(), places[0], gap), (kept, 2, true));
            assert!(!read(&hub, after(1), 100).1);
        }
    }
}
