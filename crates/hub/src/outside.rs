//! Reading by outside cursors: of a message and a channel it is what the publisher gave, or else a mark
//! of the message's time and place. The reader is registered first and then reads what there was, in steps that are
//! short however many channels it names; what is released meanwhile comes to its shard.

use crate::history::History;
use crate::limits::{CHANNELS_MAX, DUE_MESSAGES_MAX, OUTSIDE_STEP_MAX};
use crate::{ChannelId, Decimal, Guest, Hub, Message, Millis, Position, Refused, Target};

/// From where somebody listens to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// From now on.
    Now,
    /// From the newest other cursor on, if that was given out lately, else from now on.
    Recent,
    /// What has a greater cursor than this one, which may be a publisher's.
    Cursor(Decimal),
    /// The same for one that reads like ours.
    Mark(Decimal),
}

/// What somebody who listens by outside cursors is owed, and where he waits from now on.
#[derive(Debug)]
pub struct Outside {
    /// Messages with a greater cursor in one of the channels, in the one order, each once.
    pub messages: Vec<Message>,
    /// There are more, whose cursors are greater than this one.
    pub cut: Option<Decimal>,
    /// Per channel: only what has a greater cursor is due.
    pub after: Vec<Decimal>,
    /// All that is published from now on has greater marks than this time and `position`.
    pub time: Millis,
    /// Up to here everything was looked at.
    pub position: Position,
    /// The channels' records, in the order asked for; the shard is registered on each.
    pub channels: Vec<ChannelId>,
}

impl Message {
    /// Its outside cursor in the target of this index.
    pub fn outside(&self, target: usize) -> Decimal {
        let alias = self.targets()[target].alias.as_deref().and_then(Decimal::read);
        alias.unwrap_or_else(|| self.mark())
    }

    /// Appends its outside cursor in the target of this index, as it was given where it was.
    pub fn write_outside(&self, target: usize, out: &mut Vec<u8>) {
        match &self.targets()[target].alias {
            Some(alias) => out.extend_from_slice(alias.as_bytes()),
            None => Decimal::write_mark(self.time, self.position, out),
        }
    }

    /// The cursor where its publisher gave none.
    pub fn mark(&self) -> Decimal {
        Decimal::of_mark(self.time, self.position)
    }

    /// Its outside cursor in the channel of this name. `hint`: which target that was of the message before, since
    /// publishers name many channels in the same order.
    pub(crate) fn outside_in(&self, name: &str, hint: &mut usize) -> Decimal {
        let is_it = |target: &Target| *target.name == *name;
        if !self.targets().get(*hint).is_some_and(is_it) {
            let Some(found) = self.targets().iter().position(is_it) else { return self.mark() };
            *hint = found;
        }
        self.outside(*hint)
    }
}

/// A reading by outside cursors, which takes as many steps as it must.
#[derive(Debug)]
pub struct OutsideReading<'a> {
    names: &'a [&'a str],
    after: &'a [After],
    /// Only cursors from here on say where [`After::Recent`] goes on.
    since: Decimal,
    /// The newest of these so far.
    told: Option<Decimal>,
    /// So many names were looked at for it.
    asked: usize,
    /// Whatever is published from now on has a greater mark.
    end: Decimal,
    due: Due,
    /// What is known of it already; `after` has as many as there are names of which all is read.
    outside: Outside,
}

impl Hub {
    /// Registers the shard on all of these channels (checked names, no repeats), and begins to read what is due in them:
    /// from now on all that is released comes to the shard, and what there was comes by [`Self::read_outside`].
    ///
    /// `memory`: how long ago [`After::Recent`] means.
    pub fn begin_outside<'a, 'g>(
        &mut self,
        guest: impl Into<Guest<'g>>,
        names: &'a [&'a str],
        after: &'a [After],
        memory: Millis,
        now: Millis,
    ) -> Result<OutsideReading<'a>, Refused> {
        debug_assert!(names.len() == after.len() && names.len() <= CHANNELS_MAX);
        let now = self.advance(now);
        self.totals.looked_up += names.len() as u64;
        let found: Vec<Option<u32>> = names.iter().map(|name| self.names.find(name)).collect();
        // What is ordered and not released comes later, but has its time already.
        let time = self.ordered.front().map_or(now, |ordered| ordered.time().min(now));
        let channels = self.register(guest.into(), names, &found, now)?;
        self.check();
        let (messages, resolved) = (Vec::new(), Vec::with_capacity(names.len()));
        Ok(OutsideReading {
            names,
            after,
            since: Decimal::of_mark(now.saturating_sub(memory), Position::START),
            told: None,
            asked: if after.contains(&After::Recent) { 0 } else { names.len() },
            end: Decimal::of_mark(time, self.end),
            due: Due { step: (DUE_MESSAGES_MAX / names.len().max(1)).max(1), ..Due::default() },
            outside: Outside { messages, cut: None, after: resolved, time, position: self.end, channels },
        })
    }

    /// Looks at [`OUTSIDE_STEP_MAX`] messages more, and at no more than all of one channel beyond. False: all is read.
    pub fn read_outside(&mut self, reading: &mut OutsideReading<'_>, now: Millis) -> bool {
        let now = self.advance(now);
        let (mut looked, mut is_more) = (0, true);
        while is_more && looked < OUTSIDE_STEP_MAX {
            if let Some(name) = reading.names.get(reading.asked) {
                looked += self.look_for_told(name, reading);
            } else if let Some(name) = reading.names.get(reading.outside.after.len()) {
                looked += self.read_due(name, reading, now);
            } else {
                is_more = false;
            }
        }
        self.totals.read += looked as u64;
        self.check();
        is_more
    }

    /// Both in one step, for whoever has the hub alone.
    pub fn subscribe_outside<'g>(
        &mut self,
        guest: impl Into<Guest<'g>>,
        names: &[&str],
        after: &[After],
        memory: Millis,
        now: Millis,
    ) -> Result<Outside, Refused> {
        let mut reading = self.begin_outside(guest, names, after, memory, now)?;
        while self.read_outside(&mut reading, now) {}
        Ok(reading.finish())
    }

    /// Looks whether the next name's cursor is the newest that was given out lately; so many messages were looked at.
    fn look_for_told(&self, name: &str, reading: &mut OutsideReading<'_>) -> usize {
        let mut looked = 1;
        let told = match &reading.after[reading.asked] {
            After::Now | After::Recent => None,
            After::Mark(mark) => Some(mark.clone()),
            // A publisher's cursor says nothing of time, but its message does.
            After::Cursor(cursor) => self.history_of(name).and_then(|history| {
                let (seen, found) = history.find_cursor(name, cursor);
                looked += seen;
                Some(found?.mark())
            }),
        };
        reading.asked += 1;
        let told = told.filter(|told| *told >= reading.since);
        reading.told = reading.told.take().max(told);
        looked
    }

    /// Adds what the next channel has behind its cursor; so many messages were looked at.
    fn read_due(&mut self, name: &str, reading: &mut OutsideReading<'_>, now: Millis) -> usize {
        let mut steps = OUTSIDE_STEP_MAX;
        if let Some(id) = self.names.find(name) {
            self.expire(id, now, &mut steps);
            self.schedule(id);
        }
        if steps == 0 {
            return OUTSIDE_STEP_MAX;
        }
        let (due, end) = (&mut reading.due, reading.outside.position);
        let after = match &reading.after[reading.outside.after.len()] {
            After::Now => reading.end.clone(),
            After::Recent => reading
                .told
                .clone()
                .filter(|told| *told <= reading.end)
                .unwrap_or_else(|| reading.end.clone()),
            After::Cursor(cursor) | After::Mark(cursor) => cursor.clone(),
        };
        let looked = self.history_of(name).map_or(0, |history| due.read(history, name, &after, end));
        reading.outside.after.push(after);
        1 + looked + OUTSIDE_STEP_MAX - steps
    }

    fn history_of(&self, name: &str) -> Option<&History> {
        self.names[self.names.find(name)?].history.as_deref()
    }
}

impl OutsideReading<'_> {
    /// What was read. Without the hub, since it takes a while for many messages.
    pub fn finish(self) -> Outside {
        let Due { mut messages, cut, .. } = self.due;
        messages.sort_unstable_by_key(|message| message.position);
        messages.dedup_by_key(|message| message.position);
        Outside { messages, cut, ..self.outside }
    }
}

/// What is due, so far.
#[derive(Debug, Default)]
struct Due {
    messages: Vec<Message>,
    /// Where a channel has more than a step.
    cut: Option<Decimal>,
    /// Messages of one channel.
    step: usize,
}

impl Due {
    /// Adds what a channel has behind a cursor and up to a place; so many messages were looked at.
    fn read(&mut self, history: &History, name: &str, after: &Decimal, end: Position) -> usize {
        let (mut looked, greater) = history.greater(name, after);
        let (mut found, mut cut, mut hint) = (0, None, 0);
        for message in greater.inspect(|_| looked += 1) {
            if message.position > end || message.removal().is_some() {
                continue;
            }
            if found >= self.step {
                let last = self.messages.last().expect("a step is not empty");
                let cut = &*cut.get_or_insert_with(|| last.outside_in(name, &mut 0));
                // Those with one cursor are due together.
                if message.outside_in(name, &mut hint) != *cut {
                    self.cut_at(cut.clone());
                    break;
                }
            }
            self.messages.push(message.clone());
            found += 1;
        }
        looked
    }

    fn cut_at(&mut self, cursor: Decimal) {
        if self.cut.as_ref().is_none_or(|cut| cursor < *cut) {
            self.cut = Some(cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{SHARD, hub, places, publish, release, say};
    use crate::{Leave, Limits};

    /// A cursor as somebody brings it: `?` none, `@` before ours.
    fn after(text: &str) -> After {
        match text {
            "?" => After::Recent,
            "!" => After::Now,
            text => match text.strip_prefix('@') {
                Some(mark) => After::Mark(Decimal::read(mark).unwrap()),
                None => After::Cursor(Decimal::read(text).unwrap()),
            },
        }
    }

    fn say_as(hub: &mut Hub, names: &str, aliases: &[&str], now: Millis) {
        let mut publish = publish(names, 1, None);
        publish.aliases = aliases.iter().copied().map(Box::from).collect();
        hub.order(publish, now).unwrap();
        release(hub, now);
    }

    fn mark(hub: &Hub, time: Millis) -> String {
        let mut text = b"@".to_vec();
        Decimal::write_mark(time, hub.end(), &mut text);
        String::from_utf8(text).unwrap()
    }

    /// Reads as in `5:a,b`, with a memory of 100; checks which places are due.
    fn check(hub: &mut Hub, wish: &str, now: Millis, expected: &[u64]) {
        let pairs: Vec<(&str, &str)> =
            wish.split(',').map(|item| item.rsplit_once(':').unwrap_or(("?", item))).collect();
        let names: Vec<&str> = pairs.iter().map(|(_, name)| *name).collect();
        let wishes: Vec<After> = pairs.iter().map(|(cursor, _)| after(cursor)).collect();
        let outside = hub.subscribe_outside(SHARD, &names, &wishes, 100, now).unwrap();
        assert_eq!(places(&outside.messages), expected, "{wish}");
        hub.audit();
        for channel in outside.channels {
            hub.leave(SHARD, Leave::waiting(channel, 1), 1_000, now);
        }
    }

    #[test]
    fn what_has_a_greater_cursor_is_due() {
        let mut hub = hub(Limits::default());
        say_as(&mut hub, "a,b", &["7.5", ""], 100_005);
        say_as(&mut hub, "a", &["007"], 100_005);
        say(&mut hub, "b", 1, 100_006);
        check(&mut hub, "0:a", 100_006, &[1, 2]);
        check(&mut hub, "7:a", 100_006, &[1]);
        check(&mut hub, "7.50:a", 100_006, &[]);
        check(&mut hub, "0:b", 100_006, &[1, 3]);
        check(&mut hub, "0:a,0:b,0:nobody", 100_006, &[1, 2, 3]);
        check(&mut hub, "a,b", 100_006, &[]);
        assert!(hub.is_online("nobody"), "whoever asks is there");
    }

    #[test]
    fn a_channel_without_a_cursor_is_read_from_the_newest_one_given() {
        let mut hub = hub(Limits::default());
        say(&mut hub, "a", 1, 1_000);
        let (old, first) = (mark(&hub, 990), mark(&hub, 1_000));
        say(&mut hub, "b", 1, 1_000);
        check(&mut hub, &format!("{first}:a,b"), 1_000, &[2]);
        check(&mut hub, &format!("{old}:c,{first}:a,b"), 1_000, &[2]);
        check(&mut hub, &format!("{first}:a,b"), 1_100, &[2]);
        check(&mut hub, &format!("{first}:a,!:b"), 1_100, &[]);
        check(&mut hub, &format!("{first}:a,b"), 1_101, &[]);
        let ahead = mark(&hub, 5_000);
        check(&mut hub, &format!("{ahead}:c,b"), 1_101, &[]);
        check(&mut hub, "0:c,b", 1_101, &[]);
    }

    #[test]
    fn a_publishers_cursor_says_where_its_message_was() {
        let mut hub = hub(Limits::default());
        say_as(&mut hub, "a", &["7"], 100_000);
        say(&mut hub, "b", 1, 100_000);
        check(&mut hub, "7:a,b", 100_000, &[2]);
        check(&mut hub, "8:a,b", 100_000, &[]);
        check(&mut hub, "7:a,b", 100_101, &[]);
    }

    #[test]
    fn the_least_cursors_go_first() {
        let mut hub = hub(Limits { history_messages: 2, ..Limits::default() });
        for alias in ["9", "10", "3"] {
            say_as(&mut hub, "a", &[alias], 5);
        }
        check(&mut hub, "0:a", 5, &[1, 2]);
        say_as(&mut hub, "a", &["9"], 5);
        check(&mut hub, "0:a", 5, &[2, 5]);
        say(&mut hub, "a", 1, 20_000);
        check(&mut hub, "0:a", 20_000, &[2, 6]);
    }

    #[test]
    fn what_is_too_much_at_once_is_cut_and_due_the_next_time() {
        // Under Miri a share is small: the channel is one of many.
        let names = if cfg!(miri) { &["a", "b", "c", "d", "e", "f", "g", "h"][..] } else { &["a"] };
        let share = DUE_MESSAGES_MAX / names.len();
        let mut hub = hub(Limits { history_messages: 10_000, ..Limits::default() });
        for _ in 0..share + 2 {
            hub.order(publish("a", 1, None), 0).unwrap();
        }
        release(&mut hub, 0);
        let wish = vec![after("0"); names.len()];
        let first = hub.subscribe_outside(SHARD, names, &wish, 0, 0).unwrap();
        assert_eq!(first.messages.len(), share);
        let cut = first.cut.unwrap();
        assert_eq!(cut, first.messages.last().unwrap().mark());
        let rest = hub.subscribe_outside(SHARD, &["a"], &[After::Mark(cut)], 0, 0).unwrap();
        assert_eq!((rest.messages.len(), rest.cut), (2, None));
    }

    #[test]
    fn a_reading_of_many_channels_takes_many_short_steps() {
        let names: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut hub = hub(Limits::default());
        for n in 1..=100 {
            say_as(&mut hub, &names.join(","), &vec![&*n.to_string(); 100], 5);
        }
        let wish = vec![after("90"); 100];
        let mut reading = hub.begin_outside(SHARD, &names, &wish, 0, 5).unwrap();
        let mut steps = 1;
        while hub.read_outside(&mut reading, 5) {
            steps += 1;
            // Comes between two steps, and to the shard: it is not read besides.
            say_as(&mut hub, "c1,c99", &["1000", "1000"], 5);
        }
        // Of each channel what is due, and some to find it.
        let looked = usize::try_from(hub.totals().read).unwrap();
        assert!(
            (100 * 10..100 * 20).contains(&looked) && steps == looked.div_ceil(OUTSIDE_STEP_MAX),
            "{looked}"
        );
        let outside = reading.finish();
        assert_eq!(places(&outside.messages), Vec::from_iter(91..=100));
        // The messages before, and that each of the channels came online.
        assert_eq!((outside.position, outside.after.len()), (Position::from_bits(200), 100));
        hub.audit();
    }

    #[test]
    fn each_message_renews_the_time_of_all_where_that_is_set() {
        let mut hub = hub(Limits { history_age: 50, history_renew: true, ..Limits::default() });
        for time in [0, 40, 80] {
            say(&mut hub, "a", 1, time);
        }
        check(&mut hub, "0:a", 129, &[1, 2, 3]);
        check(&mut hub, "0:a", 130, &[]);
    }
}
