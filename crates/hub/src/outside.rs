//! Reading by outside cursors: of a message and a channel it is what the publisher gave, or else a mark
//! of the message's time and place. What is due is read, and the reader registered, in one step.

use crate::limits::DUE_MESSAGES_MAX;
use crate::{ChannelId, Decimal, Guest, Hub, Message, Millis, Position, Refused};

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

    /// Its outside cursor in the channel of this name.
    pub(crate) fn outside_in(&self, name: &str) -> Decimal {
        let target = self.targets().iter().position(|target| *target.name == *name);
        target.map_or_else(|| self.mark(), |target| self.outside(target))
    }
}

impl Hub {
    /// Reads what is due in these channels (checked names, no repeats), and registers the shard on all
    /// of them, whatever was found.
    ///
    /// `memory`: how long ago [`After::Recent`] means.
    pub fn subscribe_outside(
        &mut self,
        guest: impl Into<Guest>,
        names: &[&str],
        after: &[After],
        memory: Millis,
        now: Millis,
    ) -> Result<Outside, Refused> {
        let now = self.advance(now);
        let found: Vec<Option<u32>> = names.iter().map(|name| self.names.find(name)).collect();
        for id in found.iter().flatten() {
            self.expire(*id, now);
            self.schedule(*id);
        }
        // What is ordered and not released comes later, but has its time already.
        let time = self.ordered.front().map_or(now, |ordered| ordered.time().min(now));
        let end = Decimal::of_mark(time, self.end);
        let told =
            self.told(names, &found, after, Decimal::of_mark(now.saturating_sub(memory), Position::START));
        let told = told.filter(|told| *told <= end).unwrap_or_else(|| end.clone());
        let mut due = Due { step: (DUE_MESSAGES_MAX / names.len().max(1)).max(1), ..Due::default() };
        let mut resolved = Vec::with_capacity(after.len());
        for ((name, id), after) in names.iter().zip(&found).zip(after) {
            let after = match after {
                After::Now => end.clone(),
                After::Recent => told.clone(),
                After::Cursor(cursor) | After::Mark(cursor) => cursor.clone(),
            };
            if let Some(id) = id {
                self.read_due(*id, name, &after, &mut due);
            }
            resolved.push(after);
        }
        let Due { mut messages, cut, .. } = due;
        messages.sort_unstable_by_key(|message| message.position);
        messages.dedup_by_key(|message| message.position);
        let channels = self.register(guest.into(), names, &found, now)?;
        self.check();
        Ok(Outside { messages, cut, after: resolved, time, position: self.end, channels })
    }

    /// The newest cursor among these that was given out not before `since`, as a mark.
    fn told(
        &self,
        names: &[&str],
        found: &[Option<u32>],
        after: &[After],
        since: Decimal,
    ) -> Option<Decimal> {
        if !after.contains(&After::Recent) {
            return None;
        }
        let told = names.iter().zip(found).zip(after).filter_map(|((name, id), after)| match after {
            After::Now | After::Recent => None,
            After::Mark(mark) => Some(mark.clone()),
            // A publisher's cursor says nothing of time, but its message does.
            After::Cursor(cursor) => {
                let history = self.names[(*id)?].history.as_ref()?;
                let found = history.aliased()?.find(|message| message.outside_in(name) == *cursor)?;
                Some(found.mark())
            }
        });
        told.filter(|told| *told >= since).max()
    }

    /// Adds what a channel has behind a cursor.
    fn read_due(&self, id: u32, name: &str, after: &Decimal, due: &mut Due) {
        let Some(history) = &self.names[id].history else { return };
        match history.aliased() {
            None => {
                let entries = (history.behind_mark(after)..).map_while(|index| Some(history.at(index)?.1));
                let mut said = entries.filter(|message| message.removal().is_none());
                due.messages.extend(said.by_ref().take(due.step).cloned());
                if said.next().is_some() {
                    due.cut_at(due.messages.last().expect("a step is not empty").mark());
                }
            }
            Some(messages) => {
                let mut found: Vec<(Decimal, &Message)> = messages
                    .filter(|message| message.removal().is_none())
                    .map(|message| (message.outside_in(name), message))
                    .filter(|(cursor, _)| cursor > after)
                    .collect();
                if found.len() > due.step {
                    found.sort_by(|(a, _), (b, _)| a.cmp(b));
                    due.cut_at(found[due.step - 1].0.clone());
                    found.retain(|(cursor, _)| due.cut.as_ref().is_some_and(|cut| cursor <= cut));
                }
                due.messages.extend(found.into_iter().map(|(_, message)| message.clone()));
            }
        }
    }
}

/// What is due, so far.
#[derive(Default)]
struct Due {
    messages: Vec<Message>,
    /// Where a channel has more than a step.
    cut: Option<Decimal>,
    /// Messages of one channel.
    step: usize,
}

impl Due {
    fn cut_at(&mut self, cursor: Decimal) {
        if self.cut.as_ref().is_none_or(|cut| cursor < *cut) {
            self.cut = Some(cursor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::trial::{SHARD, hub, places, publish, release, say};

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
            hub.leave(SHARD, channel, 1, 1_000, now);
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
    fn each_message_renews_the_time_of_all_where_that_is_set() {
        let mut hub = hub(Limits { history_age: 50, history_renew: true, ..Limits::default() });
        for time in [0, 40, 80] {
            say(&mut hub, "a", 1, time);
        }
        check(&mut hub, "0:a", 129, &[1, 2, 3]);
        check(&mut hub, "0:a", 130, &[]);
    }
}
