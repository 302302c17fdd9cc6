//! The one order, message by message and change by change, for those who follow all of it. Messages are kept for them only
//! while there is somebody, in a bounded ring beside the histories: whoever is too slow for it is told of the gap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::limits::{RECENT_BYTES_MAX, RECENT_MESSAGES_MAX, RESTORED_BYTES_MAX};
use crate::movement::is_bookmark;
use crate::trash::Trash;
use crate::{Hub, Message, OrderItem, OrderPage, Position, Start};

/// The last messages, while somebody follows.
#[derive(Default)]
pub(crate) struct Recent {
    /// How many follow all of it.
    followers: usize,
    /// How many follow events alone: changes of presence, and messages that say so of users.
    event_followers: usize,
    /// What a store knows of the time before the program was started anew, for those who went behind then; in order, and
    /// before all others.
    restored: VecDeque<Message>,
    /// Somebody may still come for it.
    has_restored: bool,
    /// In order; none where nobody follows.
    messages: VecDeque<Message>,
    /// Of their payloads.
    bytes: usize,
    /// Messages up to here may be missing.
    watermark: Position,
    /// The place of the last message that is an event, of those that were released while somebody followed events.
    last_event: Position,
    /// Somebody has not had what came after this place, should the program be started anew; `None`: nobody.
    awaited: Option<Position>,
    /// The channels of the bookmarks that a store had.
    bookmarked: Vec<Arc<str>>,
}

impl Recent {
    /// A message was released.
    #[inline]
    pub(crate) fn push(&mut self, message: &Message, trash: &mut Trash) {
        let is_event = self.event_followers > 0 && message.is_event();
        if is_event {
            self.last_event = message.position;
        }
        if self.followers > 0 || is_event {
            self.keep(message.clone(), trash);
        }
    }

    /// Whether somebody is still to have this message.
    pub(crate) fn awaits(&self, message: &Message) -> bool {
        message.is_event() && self.awaited.is_some_and(|place| place < message.position)
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

    /// Somebody begins to follow at this end.
    fn begin(&mut self, end: Position) {
        if self.followers + self.event_followers == 0 && !self.has_restored {
            self.watermark = end;
        }
    }

    /// Somebody has ended to.
    fn end(&mut self, trash: &mut Trash) {
        if self.followers + self.event_followers == 0 {
            trash.messages.extend(self.messages.drain(..));
            self.bytes = 0;
        }
    }

    /// All there is behind a place.
    fn behind(&self, place: Position) -> impl Iterator<Item = &Message> {
        let from = |kept: &VecDeque<Message>| kept.partition_point(|message| message.position <= place);
        let (restored, first) = (from(&self.restored), from(&self.messages));
        self.restored.range(restored..).chain(self.messages.range(first..))
    }
}

impl Hub {
    /// Somebody follows the order from now on: what is released from here on is kept for him, as far as there is room. Each
    /// call is followed by one of [`Self::unfollow`].
    pub fn follow(&mut self) {
        self.recent.begin(self.end);
        self.recent.followers += 1;
    }

    /// Somebody follows no longer.
    pub fn unfollow(&mut self) {
        self.recent.followers -= 1;
        self.recent.end(&mut self.trash);
    }

    /// The same as [`Self::follow`], but no other messages are kept than those that are events.
    pub fn follow_events(&mut self) {
        self.recent.begin(self.end);
        self.recent.event_followers += 1;
    }

    /// The same as [`Self::unfollow`].
    pub fn unfollow_events(&mut self) {
        self.recent.event_followers -= 1;
        self.recent.end(&mut self.trash);
    }

    /// The place of the last event that was released while somebody followed events: a message that is one, or a change of presence.
    pub fn last_event(&self) -> Position {
        // A change that is not released is none yet; the end stands for it, up to which all is known.
        self.recent.last_event.max(self.feed.last().min(self.end))
    }

    /// Up to here all who follow have what they were owed, so that nobody will ask for it after a restart; `None`: nobody will
    /// ask for anything. What a store knows of the time before this run is let go of.
    pub fn await_events(&mut self, place: Option<Position>, forget_restored: bool) {
        let recent = &mut self.recent;
        recent.awaited = place;
        if forget_restored && std::mem::take(&mut recent.has_restored) {
            if let Some(last) = recent.restored.back() {
                recent.watermark = recent.watermark.max(last.position);
            }
            self.trash.messages.extend(recent.restored.drain(..));
        }
    }

    /// The channels of the bookmarks that a store had at the start. Those of nobody who follows now are to be deleted: what came
    /// behind them is kept no longer, so they would be believed in vain.
    pub fn take_bookmarked(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.recent.bookmarked)
    }

    /// A store knows these messages, and may lack any up to a place. What somebody who followed the order had not had by then is
    /// kept for him to ask.
    pub(crate) fn restore_recent(&mut self, messages: &[Message], lost: Position) {
        let bookmarks = messages.iter().filter(|message| message.is_bookmark());
        let bookmarks =
            bookmarks.filter_map(|message| Some((&message.targets()[0].name, bookmark_of(message)?)));
        // Of each name the last one counts.
        let bookmarks: BTreeMap<_, _> = bookmarks.collect();
        self.recent.bookmarked = bookmarks.keys().map(|name| Arc::clone(name)).collect();
        let Some(first) = bookmarks.into_values().min() else { return };
        let recent = &mut self.recent;
        (recent.has_restored, recent.watermark, recent.awaited) = (true, lost.max(first), Some(first));
        let mut bytes = 0;
        for message in messages.iter().filter(|one| one.is_event() && one.position > first) {
            bytes += message.bytes().len() + RESTORED_COST;
            recent.restored.push_back(message.clone());
            while bytes > RESTORED_BYTES_MAX {
                let oldest = recent.restored.pop_front().expect("one was put in");
                bytes -= oldest.bytes().len() + RESTORED_COST;
                recent.watermark = oldest.position;
            }
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
        let (gap, changes_gap) = (is_lost || self.recent.watermark > after, is_lost || changes.gap);
        let mut messages = self.recent.behind(after).peekable();
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
        OrderPage { position: if more { last } else { self.end }, items, gap, changes_gap, more }
    }
}

impl Message {
    /// Whether it says how far somebody has come who follows the order.
    pub fn is_bookmark(&self) -> bool {
        is_bookmark(&self.targets()[0].name)
    }
}

/// Up to which place somebody has come, by his bookmark: digits, and what else he notes behind a blank.
fn bookmark_of(message: &Message) -> Option<Position> {
    let text = str::from_utf8(message.payload().data()).ok()?;
    text.split(' ').next()?.parse().ok().map(Position::from_bits)
}

/// Bytes that a restored message counts beside its payload.
const RESTORED_COST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{after, hub, join, say};
    use crate::{Fact, Kind, Limits, Millis, Past, Payload, Publish, Session, bookmark_name};

    const NOW: Millis = 0;

    /// What is read after a place, page by page of so many: places, and whether the first page told a gap.
    fn read(hub: &Hub, start: Start, limit: usize) -> (Vec<u64>, bool) {
        let mut page = hub.read_order(start, limit);
        let (mut places, gap) = (Vec::new(), page.gap || page.changes_gap);
        loop {
            places.extend(page.items.iter().map(|item| item.position().to_bits()));
            assert!(page.items.len() <= limit);
            if !page.more {
                assert_eq!(page.position, hub.end());
                return (places, gap);
            }
            page = hub.read_order(Start::After(page.position), limit);
            assert!(!page.gap && !page.changes_gap, "a gap is told once");
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

    /// What a store has of a hub: all messages that it was told of.
    fn past_of(hub: &mut Hub) -> Past {
        let messages = hub.facts().drain(..).filter_map(|fact| match fact {
            Fact::Message { message, .. } => Some(message),
            _ => None,
        });
        let messages = messages.collect();
        Past { last: hub.last(), messages, ..Past::default() }
    }

    #[test]
    fn what_somebody_had_not_had_is_there_after_a_restart_until_it_is_forgotten() {
        let limits = || Limits { follow_users: true, presence_history: 0, ..Limits::default() };
        let session = |user: &str| Session::new(Some(user), None, &[]);
        let mut before = hub(limits());
        before.keep_facts(Position::END);
        assert!(before.user_arrives(&session("ann"), NOW));
        for text in ["0 0 0", "1 2 0"] {
            let name = bookmark_name("app");
            let payload = Payload::new(text.as_bytes(), Kind::Text);
            let channels = [name].into_iter().collect();
            let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
            before.order(publish, NOW).unwrap();
        }
        say(&mut before, "a", 1, NOW);
        assert!(before.user_arrives(&session("bob"), NOW));
        let mut hub = hub(limits());
        hub.restore(past_of(&mut before), NOW);
        hub.follow_events();
        assert_eq!(hub.history(&bookmark_name("app"), Start::Tail(1), 1, NOW).unwrap().messages.len(), 1);
        assert_eq!((read(&hub, after(1), 9), read(&hub, after(0), 9)), ((vec![5], false), (vec![5], true)));
        let bob = hub.recent.restored[0].clone();
        assert!(hub.is_awaited(&bob), "no history has it, and a store keeps it all the same");
        hub.await_events(Some(bob.position), true);
        assert_eq!((read(&hub, after(1), 9), read(&hub, after(5), 9)), ((vec![], true), (vec![], false)));
    }

    #[test]
    fn who_follows_events_is_no_reason_to_keep_messages() {
        let mut hub = hub(Limits::default());
        hub.follow_events();
        join(&mut hub, "b", NOW);
        for _ in 0..2 * RECENT_MESSAGES_MAX {
            say(&mut hub, "a", 1, NOW);
        }
        assert_eq!((hub.recent.messages.len(), read(&hub, after(0), 9)), (0, (vec![1], false)));
        assert_eq!(hub.last_event().to_bits(), 1, "no message that was said is an event");
        hub.unfollow_events();
    }
}
