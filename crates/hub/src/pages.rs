//! Pages of history: what a reader who comes back is owed, in order, and what he must be told is gone.
//!
//! Whether a gap is told must not depend on when `tick` ran, so every channel that is read is rid of
//! what has outlived its time first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::channel::Floor;
use crate::hidden_names::{addressed, listened_count};
use crate::history::History;
use crate::limits::{CHANNELS_MAX, PAGE_BYTES_MAX, PAGE_MESSAGES_MAX};
use crate::movement::presence_of;
use crate::{Guest, Hub, Message, Millis, Next, Page, Position, Refused, Resume, Start, Stay};

impl Hub {
    /// Reads the next page for a reader of these channels (checked names, no repeats). When nothing
    /// more is there, registers the shard of a guest who stays on all of them in the same step. One who does not
    /// leaves nothing behind.
    pub fn subscribe<'g>(
        &mut self,
        guest: impl Into<Guest<'g>>,
        names: &[&str],
        start: Start,
        now: Millis,
    ) -> Result<Page, Refused> {
        let guest = guest.into();
        loop {
            if let Some(page) = self.try_subscribe(guest, names, start, now) {
                return page;
            }
        }
    }

    /// The same for whoever shares the hub. `None`: so much had outlived its time that a step of it was removed, and nothing
    /// else was done; to be called again.
    pub fn try_subscribe(
        &mut self,
        guest: Guest<'_>,
        names: &[&str],
        start: Start,
        now: Millis,
    ) -> Option<Result<Page, Refused>> {
        debug_assert!(listened_count(names) <= CHANNELS_MAX);
        let now = self.advance(now);
        self.totals.looked_up += names.len() as u64;
        let found: Vec<Option<u32>> = names.iter().map(|name| self.names.find(name)).collect();
        let is_ready = start == Start::Now || self.expire_each(&found, now);
        let page = is_ready.then(|| self.subscribe_found(guest, names, &found, start, now));
        self.check();
        page
    }

    /// The same for names that were looked up, and of whose channels nothing has outlived its time.
    fn subscribe_found(
        &mut self,
        guest: Guest<'_>,
        names: &[&str],
        found: &[Option<u32>],
        start: Start,
        now: Millis,
    ) -> Result<Page, Refused> {
        let reading = self.read(names, found, start, PAGE_MESSAGES_MAX);
        let ReadPage { messages, gaps, lists, resume } = reading;
        let stays = match guest.stay {
            Stay::Always => true,
            Stay::IfNothing => messages.is_empty() && gaps.is_empty() && !lists,
            Stay::Never => false,
        };
        // Nobody is registered on what is read only.
        let listened = listened_count(names);
        let (listened, found) = (&names[..listened], &found[..listened]);
        let next = match resume {
            Some(resume) => Next::More(resume),
            None if stays => {
                let channels = self.register(guest, listened, found, now)?;
                Next::Live { position: self.end, channels }
            }
            None => {
                self.pass_by(guest, found, now);
                Next::Live { position: self.end, channels: Vec::new() }
            }
        };
        let present =
            if lists && matches!(next, Next::Live { .. }) { self.present_lists(names) } else { Vec::new() };
        Ok(Page { messages, gaps, present, next })
    }

    /// Reads history without registering: at most `limit` messages after the start. `None` when the
    /// channel is not remembered and nothing is to be told.
    pub fn history(&mut self, name: &str, start: Start, limit: usize, now: Millis) -> Option<Page> {
        let now = self.advance(now);
        let found = self.names.find(name);
        while start != Start::Now && !self.expire_each(&[found], now) {}
        let ReadPage { messages, gaps, resume, .. } = self.read(&[name], &[found], start, limit);
        self.check();
        if found.is_none() && gaps.is_empty() {
            return None;
        }
        let next = match resume {
            Some(resume) => Next::More(resume),
            None => Next::Live { position: self.end, channels: Vec::new() },
        };
        Some(Page { messages, gaps, present: Vec::new(), next })
    }

    /// Reads one page of these channels, merged by place. Who is to get a list of users gets it behind all messages, and no
    /// changes before it.
    fn read(&mut self, names: &[&str], found: &[Option<u32>], start: Start, limit: usize) -> ReadPage {
        let told = if self.rules.now().tells_users() { names } else { &[] };
        let mut hidden =
            (0u16..).zip(told).filter(|(_, name)| presence_of(name).is_some()).map(|(n, _)| n).peekable();
        let has_hidden = hidden.peek().is_some();
        if start == Start::Now {
            return ReadPage { lists: has_hidden, ..ReadPage::default() };
        }
        let from = self.from(found, start);
        let asked = (0u16..).zip(names.iter().zip(found));
        let is_gap = |(_, (name, id)): &(u16, (&&str, &Option<u32>))| self.is_gap(name, **id, &from);
        let mut gaps: Vec<u16> = asked.filter(is_gap).map(|(n, _)| n).collect();
        let mut lists = has_hidden && start.wants_list();
        if has_hidden && gaps.iter().any(|n| presence_of(names[usize::from(*n)]).is_some()) {
            lists = true;
            gaps.extend(hidden);
            gaps.sort_unstable();
            gaps.dedup();
        }
        let histories = self.histories(found).filter(|(id, _)| !lists || !self.names[*id].is_hidden());
        let histories = histories.map(|(id, history)| (history, addressed(&self.names[id].name).is_some()));
        let mut merge = Merge::new(histories, &from);
        let From { after, tail, gaps: gaps_told, addressed_after } = from;
        // What is ordered and was deleted before it is released comes to those who wait, and is gone for a newcomer who reads on.
        let begun = if matches!(gaps_told, Gaps::None) { self.end } else { Position::END };
        let mut resume = Resume { after, trims: self.trims, begun, tail, lists, addressed_after };
        let mut messages: Vec<Message> = Vec::new();
        let mut bytes = 0;
        while let Some((position, message)) = merge.peek() {
            let len = message.bytes().len();
            if messages.len() >= limit || (!messages.is_empty() && bytes + len > PAGE_BYTES_MAX) {
                self.totals.read += messages.len() as u64;
                return ReadPage { messages, gaps, lists, resume: Some(resume) };
            }
            bytes += len;
            messages.push(message.clone());
            resume.after = position;
            merge.pass(position);
        }
        self.totals.read += messages.len() as u64;
        ReadPage { messages, gaps, lists, resume: None }
    }

    /// What a start means for these channels, whose expired messages are gone.
    fn from(&self, found: &[Option<u32>], start: Start) -> From {
        // A newcomer is told what is for its user, and for everybody, from now on.
        let all = From { after: Position::START, tail: None, gaps: Gaps::None, addressed_after: self.end };
        let all_ever = From { gaps: Gaps::All, addressed_after: Position::START, ..all };
        match start {
            Start::Now | Start::Everything => all,
            Start::Lost => all_ever,
            Start::After(place) | Start::Unlisted(place) if place > self.end => all_ever,
            Start::After(place) | Start::Unlisted(place) => {
                From { after: place, gaps: Gaps::ALL_TRIMS, addressed_after: place, ..all }
            }
            Start::Time(time) => {
                let before = self.histories(found).filter_map(|(_, history)| history.last_before(time));
                From { after: before.max().unwrap_or_default(), ..all }
            }
            Start::Tail(count) => From { tail: Some((count, self.end)), ..all },
            Start::More(Resume { after, trims, begun, tail, addressed_after, .. }) => {
                let gaps = Gaps::Untold { trims, begun };
                From { after, tail, gaps, addressed_after: addressed_after.max(after) }
            }
        }
    }

    /// Whether a reader of this channel must be told that something is gone.
    fn is_gap(&self, name: &str, id: Option<u32>, from: &From) -> bool {
        // That all of an order was lost is told of the channels that were asked for.
        let is_unknown = id.is_none() && addressed(name).is_some();
        let (trims_told, begun) = match from.gaps {
            Gaps::None => return false,
            Gaps::All => return !is_unknown,
            Gaps::Untold { trims, begun } => (trims, begun),
        };
        // What a store lost is told with the first page.
        if !is_unknown && trims_told == 0 && from.tail.is_none() && self.lost_of(name) > from.after {
            return true;
        }
        let after = if addressed(name).is_some() { from.addressed_after } else { from.after };
        let channel = id.map(|id| &self.names[id]);
        let Floor { position, trimmed_at } = channel.map_or(self.floor, |channel| Floor {
            position: channel.watermark,
            trimmed_at: channel.trimmed_at,
        });
        if position <= after || (trimmed_at <= trims_told && position <= begun) {
            return false;
        }
        // A tail is owed so many of each channel: while they are there, what was trimmed is older.
        let Some((count, end)) = from.tail else { return true };
        let history = channel.and_then(|channel| channel.history.as_ref());
        !history.map_or(count == 0, |history| history.tail(end, count as usize).1)
    }

    /// The histories of those channels that have one.
    fn histories<'a>(&'a self, found: &'a [Option<u32>]) -> impl Iterator<Item = (u32, &'a History)> {
        found.iter().flatten().filter_map(|id| Some((*id, self.names[*id].history.as_deref()?)))
    }
}

/// What one page holds, and where the next begins if there is more.
#[derive(Default)]
struct ReadPage {
    messages: Vec<Message>,
    gaps: Vec<u16>,
    /// A list of users is to follow behind the last page.
    lists: bool,
    resume: Option<Resume>,
}

impl Start {
    /// Whether the reader is to be told who is there, of those channels of which it asks that.
    fn wants_list(self) -> bool {
        match self {
            Self::Now | Self::Everything | Self::Unlisted(_) | Self::Lost | Self::Time(_) | Self::Tail(_) => {
                true
            }
            Self::After(_) => false,
            Self::More(resume) => resume.lists,
        }
    }
}

/// A start, worked out.
struct From {
    /// Only what is behind this place.
    after: Position,
    /// Of each channel only so many, counted back from this place, and all behind it.
    tail: Option<(u32, Position)>,
    gaps: Gaps,
    /// Of channels that nobody can name, only what is behind this place.
    addressed_after: Position,
}

/// Of which gaps the reader is to be told.
enum Gaps {
    /// Of none: he was promised nothing.
    None,
    /// Of all channels: nobody knows what he had.
    All,
    /// Where something behind his place was trimmed, unless it was among the first `trims` trims,
    /// which an earlier page told of, and not behind `begun`, which nobody had seen when a newcomer read its first page.
    Untold { trims: u64, begun: Position },
}

impl Gaps {
    /// Of all that was trimmed.
    const ALL_TRIMS: Self = Self::Untold { trims: 0, begun: Position::END };
}

/// Several histories as one, in the order of places, each message once.
struct Merge<'a> {
    histories: Vec<&'a History>,
    /// What the reader had before.
    after: Position,
    /// The next place of each history that has one, which history, and its index in there.
    heads: BinaryHeap<Reverse<(Position, usize, usize)>>,
}

impl<'a> Merge<'a> {
    /// Of histories, each with whether its channel is one that nobody can name.
    fn new(histories: impl Iterator<Item = (&'a History, bool)>, from: &From) -> Self {
        let histories: Vec<(&History, bool)> = histories.collect();
        let heads = histories.iter().enumerate().filter_map(|(which, (history, is_addressed))| {
            let after = if *is_addressed { from.addressed_after } else { from.after };
            let mut first = history.behind(after);
            if let Some((count, end)) = from.tail.filter(|_| !is_addressed) {
                first = first.max(history.tail(end, count as usize).0);
            }
            first = history.told_from(first, after);
            let (position, _) = history.at(first)?;
            Some(Reverse((position, which, first)))
        });
        let heads = heads.collect();
        let histories = histories.into_iter().map(|(history, _)| history).collect();
        Self { heads, after: from.after, histories }
    }

    /// The next message.
    fn peek(&self) -> Option<(Position, &'a Message)> {
        let Reverse((_, which, index)) = self.heads.peek()?;
        self.histories[*which].at(*index)
    }

    /// Goes past a message in all histories that hold it.
    fn pass(&mut self, place: Position) {
        while let Some(mut head) = self.heads.peek_mut() {
            let Reverse((position, which, index)) = *head;
            if position > place {
                return;
            }
            let index = self.histories[which].told_from(index + 1, self.after);
            match self.histories[which].at(index) {
                Some((next, _)) => *head = Reverse((next, which, index)),
                None => drop(PeekMut::pop(head)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::trial::{after, hub, page, places, publish, release, say};

    fn resume(page: &Page) -> Start {
        match page.next {
            Next::More(resume) => Start::More(resume),
            Next::Live { .. } => panic!("there is more"),
        }
    }

    /// Says something at places 1 to 8, times 10 to 80, to the channels of `said`; three messages a
    /// channel are kept. Checks which places and gaps a page of `asked` has.
    fn check(said: &[&str], asked: &str, start: Start, expected: &[u64], gaps: &[u16]) {
        let mut hub = hub(Limits { history_messages: 3, ..Limits::default() });
        for (n, names) in (1..).zip(said) {
            say(&mut hub, names, 1, n * 10);
        }
        let page = page(&mut hub, asked, start, 100);
        assert_eq!((places(&page.messages), &page.gaps[..]), (expected.to_vec(), gaps), "{start:?}");
        assert!(
            matches!(page.next, Next::Live { position, .. } if position >= Position::from_bits(said.len() as u64))
        );
    }

    #[test]
    fn a_reader_gets_what_followed_its_cursor() {
        let said = ["a", "b", "a", "a,b", "a"];
        check(&said, "a", after(3), &[4, 5], &[]);
        check(&said, "a,b", after(1), &[2, 3, 4, 5], &[]);
        check(&said, "b,a", after(4), &[5], &[]);
        check(&said, "b,a", after(5), &[], &[]);
        check(&said, "nobody", after(3), &[], &[]);
    }

    #[test]
    fn what_is_for_everybody_is_read_from_the_reader_s_place_on_and_nobody_is_registered_on_it() {
        for (start, expected) in [
            (after(1), vec![2, 3, 4]),
            (Start::Lost, vec![1, 2, 3, 4]),
            (Start::Everything, vec![1, 3]),
            (Start::Tail(5), vec![1, 3]),
            (Start::Tail(0), vec![]),
            (Start::Time(10), vec![1, 3]),
        ] {
            let mut hub = hub(Limits::default());
            for (n, names) in (1..).zip(["a", "$all", "a", "$user:ann"]) {
                assert_eq!(say(&mut hub, names, 1, n * 10).is_for_all_shards, names != "a");
            }
            let page = page(&mut hub, "a,$user:ann,$all", start, 100);
            assert_eq!((places(&page.messages), hub.totals().subscriptions), (expected, 1), "{start:?}");
        }
    }

    #[test]
    fn who_reads_a_long_past_is_told_what_comes_for_everybody_meanwhile() {
        let mut hub = hub(Limits::default());
        (1..=70).for_each(|n| drop(say(&mut hub, "a", 1, n * 10)));
        say(&mut hub, "$all", 1, 705);
        let first = page(&mut hub, "a,$all", Start::Everything, 710);
        say(&mut hub, "$all", 1, 720);
        let second = page(&mut hub, "a,$all", resume(&first), 730);
        assert_eq!(places(&second.messages), [65, 66, 67, 68, 69, 70, 72], "and not what was before it came");
    }

    #[test]
    fn a_gap_is_told_where_something_was_trimmed() {
        let said = ["a", "b", "a", "a,b", "a"];
        check(&said, "a,b", after(0), &[2, 3, 4, 5], &[0]);
        check(&said, "b,a", after(0), &[2, 3, 4, 5], &[1]);
    }

    #[test]
    fn a_cursor_of_nowhere_gets_all_and_the_mark() {
        let said = ["a", "b", "a"];
        check(&said, "a,b", after(4), &[1, 2, 3], &[0, 1]);
        check(&said, "a,b", Start::Lost, &[1, 2, 3], &[0, 1]);
    }

    #[test]
    fn who_has_no_cursor_is_told_of_no_gap() {
        let said = ["a", "b", "a", "a,b", "a", "b"];
        check(&said, "a,b", Start::Now, &[], &[]);
        check(&said, "a,b", Start::Everything, &[2, 3, 4, 5, 6], &[]);
        check(&said, "a,b", Start::Time(40), &[4, 5, 6], &[]);
        check(&said, "a,b", Start::Time(41), &[5, 6], &[]);
        check(&said, "a,b", Start::Tail(1), &[5, 6], &[]);
        check(&said, "a,b", Start::Tail(2), &[4, 5, 6], &[]);
        check(&said, "a,b", Start::Tail(0), &[], &[]);
    }

    #[test]
    fn a_page_has_its_limits() {
        let mut hub = hub(Limits::default());
        for n in 0..70 {
            say(&mut hub, "many", 1, n);
        }
        let first = page(&mut hub, "many", Start::Everything, 100);
        assert_eq!(places(&first.messages), (1..=64).collect::<Vec<u64>>());
        let second = page(&mut hub, "many", resume(&first), 100);
        assert_eq!(places(&second.messages), (65..=70).collect::<Vec<u64>>());
        for _ in 0..3 {
            say(&mut hub, "big", 100 << 10, 100);
        }
        let first = page(&mut hub, "big", Start::Everything, 100);
        assert_eq!(first.messages.len(), 2);
        assert_eq!(page(&mut hub, "big", resume(&first), 100).messages.len(), 1);
        say(&mut hub, "huge", 300 << 10, 100);
        assert_eq!(page(&mut hub, "huge", Start::Everything, 100).messages.len(), 1);
    }

    #[test]
    fn what_is_deleted_before_it_is_released_is_told_to_a_newcomer_who_reads_on() {
        let mut hub = hub(Limits::default());
        (1..=4).for_each(|n| drop(say(&mut hub, "a", 200 << 10, n)));
        hub.order(publish("b", 1, None), 150).unwrap();
        hub.delete("b", false, 150);
        let first = page(&mut hub, "a,b", Start::Everything, 150);
        release(&mut hub, 150);
        let second = page(&mut hub, "a,b", resume(&first), 150);
        let third = page(&mut hub, "a,b", resume(&second), 150);
        let gaps = [first, second, third].map(|page| page.gaps.to_vec());
        assert_eq!(gaps, [vec![], vec![1], vec![]]);
    }

    #[test]
    fn what_is_trimmed_between_two_pages_is_told_once() {
        let mut hub = hub(Limits { history_messages: 2, ..Limits::default() });
        let big = 200 << 10;
        for _ in 0..3 {
            say(&mut hub, "a", big, 0);
        }
        let first = page(&mut hub, "a", after(0), 0);
        assert_eq!((places(&first.messages), &first.gaps[..]), (vec![2], &[0][..]));
        let second = page(&mut hub, "a", resume(&first), 0);
        assert_eq!((places(&second.messages), &second.gaps[..]), (vec![3], &[][..]));
        for _ in 0..2 {
            say(&mut hub, "a", big, 0);
        }
        let second = page(&mut hub, "a", resume(&first), 0);
        assert_eq!((places(&second.messages), &second.gaps[..]), (vec![5], &[0][..]));
    }

    /// A tail of two is owed two: that older ones are trimmed meanwhile is nobody's loss.
    #[test]
    fn a_tail_is_whole_while_enough_is_left() {
        let mut hub = hub(Limits { history_messages: 3, ..Limits::default() });
        let big = 200 << 10;
        for names in ["b", "b", "a", "a", "a"] {
            say(&mut hub, names, big, 0);
        }
        let first = page(&mut hub, "b,a", Start::Tail(2), 0);
        assert_eq!(places(&first.messages), [1]);
        say(&mut hub, "a", 1, 0);
        assert!(page(&mut hub, "b,a", resume(&first), 0).gaps.is_empty());
        say(&mut hub, "a", 1, 0);
        assert_eq!(page(&mut hub, "b,a", resume(&first), 0).gaps, [1]);
    }

    #[test]
    fn what_outlived_its_time_is_not_shown_before_any_tick() {
        let mut hub = hub(Limits { history_age: 50, ..Limits::default() });
        say(&mut hub, "a", 1, 0);
        hub.order(publish("a", 1, Some(5)), 40).unwrap();
        release(&mut hub, 40);
        let read = hub.history("a", after(0), 9, 45).expect("it is remembered");
        assert_eq!((places(&read.messages), &read.gaps[..]), (vec![1], &[][..]));
        let read = hub.history("a", after(0), 9, 50).expect("it is remembered");
        assert_eq!((places(&read.messages), &read.gaps[..]), (vec![], &[0][..]));
    }

    #[test]
    fn history_of_an_unknown_channel_is_none_unless_something_is_to_be_told() {
        let mut hub = hub(Limits::default());
        assert!(hub.history("a", Start::Everything, 9, 0).is_none());
        assert!(hub.history("a", after(0), 9, 0).is_none());
        assert_eq!(hub.history("a", after(1), 9, 0).expect("it is ahead of the end").gaps, [0]);
        assert_eq!(hub.history("a", Start::Lost, 9, 0).expect("it is of elsewhere").gaps, [0]);
    }
}
