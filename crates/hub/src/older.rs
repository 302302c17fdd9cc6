//! Pages of history backwards: what was said before a place, for who scrolls up.

use crate::limits::{OLDER_LOOK_MAX, PAGE_BYTES_MAX};
use crate::{Before, Hub, Millis, OlderPage, Position};

impl Hub {
    /// Reads the last messages of a channel from before a place, `limit` at the most. Nothing is registered. `None`: so much
    /// had outlived its time that a step of it was removed, and nothing else was done; to be called again.
    pub fn try_older(&mut self, name: &str, before: Before, limit: usize, now: Millis) -> Option<OlderPage> {
        let now = self.advance(now);
        let found = self.names.find(name);
        let page = self.expire_each(&[found], now).then(|| self.read_older(name, found, before, limit));
        self.check();
        page
    }

    /// The same for a name that was looked up, and of whose channel nothing has outlived its time.
    fn read_older(&mut self, name: &str, found: Option<u32>, before: Before, limit: usize) -> OlderPage {
        let channel = found.map(|id| &self.names[id]);
        let history = channel.and_then(|channel| channel.history.as_ref());
        let end = self.end.next();
        let (place, is_of_nowhere) = match before {
            Before::Place(place) => (place.min(end), place > end),
            Before::End => (end, false),
            Before::Lost => (Position::START, true),
        };
        let mut page = OlderPage { messages: Vec::new(), first: place, more: false, gap: false };
        let (mut index, mut bytes, mut looked) = (0, 0, 0);
        if let Some(history) = history.filter(|_| place > Position::START) {
            index = history.behind(place.before());
            while looked < OLDER_LOOK_MAX
                && let Some((position, message)) = index.checked_sub(1).and_then(|index| history.at(index))
            {
                if message.removal().is_none() {
                    let len = message.bytes().len();
                    if page.messages.len() >= limit
                        || (!page.messages.is_empty() && bytes + len > PAGE_BYTES_MAX)
                    {
                        break;
                    }
                    bytes += len;
                    page.messages.push(message.clone());
                }
                (index, looked) = (index - 1, looked + 1);
                page.first = position;
            }
        }
        page.messages.reverse();
        page.more = index > 0;
        let trimmed = channel.map_or(self.floor.position, |channel| channel.watermark);
        let gone = trimmed.max(self.lost_of(name));
        page.gap = is_of_nowhere || gone > if page.more { page.first } else { Position::START };
        self.totals.read += looked as u64;
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use crate::trial::{hub, places, publish, release, say};

    fn older(hub: &mut Hub, name: &str, before: Before, limit: usize) -> (Vec<u64>, bool, bool) {
        let page = hub.try_older(name, before, limit, 0).expect("little has outlived its time");
        assert_eq!(page.messages.first().map(|message| message.position), {
            let given = page.messages.first();
            given.map(|_| page.first)
        });
        (places(&page.messages), page.more, page.gap)
    }

    fn at(place: u64) -> Before {
        Before::Place(Position::from_bits(place))
    }

    #[test]
    fn one_goes_back_page_by_page_from_the_end_to_the_beginning() {
        let mut hub = hub(Limits::default());
        for names in ["a", "b", "a", "a,b", "a"] {
            say(&mut hub, names, 1, 0);
        }
        assert_eq!(older(&mut hub, "a", Before::End, 2), (vec![4, 5], true, false));
        assert_eq!(older(&mut hub, "a", at(4), 2), (vec![1, 3], false, false));
        assert_eq!(older(&mut hub, "a", at(1), 2), (vec![], false, false));
        assert_eq!(older(&mut hub, "a", at(0), 2), (vec![], false, false));
        assert_eq!(older(&mut hub, "b", at(3), 2), (vec![2], false, false));
        assert_eq!(older(&mut hub, "nobody", Before::End, 2), (vec![], false, false));
    }

    #[test]
    fn what_is_gone_is_told_with_the_oldest_page() {
        let mut hub = hub(Limits { history_messages: 3, ..Limits::default() });
        for _ in 0..5 {
            say(&mut hub, "a", 1, 0);
        }
        assert_eq!(older(&mut hub, "a", Before::End, 2), (vec![4, 5], true, false));
        assert_eq!(older(&mut hub, "a", at(4), 2), (vec![3], false, true));
        assert_eq!(older(&mut hub, "a", at(2), 2), (vec![], false, true));
    }

    #[test]
    fn a_place_of_nowhere_is_told() {
        let mut hub = hub(Limits::default());
        say(&mut hub, "a", 1, 0);
        assert_eq!(older(&mut hub, "a", Before::Lost, 2), (vec![], false, true), "all is younger");
        assert_eq!(older(&mut hub, "a", at(2), 2), (vec![1], false, false), "the place that comes next");
        assert_eq!(older(&mut hub, "a", at(3), 2), (vec![1], false, true));
    }

    #[test]
    fn a_page_has_its_limits_and_none_is_without_a_message() {
        let mut hub = hub(Limits::default());
        for len in [300 << 10, 200 << 10, 100 << 10, 100 << 10] {
            say(&mut hub, "a", len, 0);
        }
        assert_eq!(older(&mut hub, "a", Before::End, 9), (vec![3, 4], true, false));
        assert_eq!(older(&mut hub, "a", at(3), 9), (vec![2], true, false));
        assert_eq!(older(&mut hub, "a", at(2), 9), (vec![1], false, false));
    }

    #[test]
    fn what_was_taken_back_is_passed_over_and_counts_for_nothing() {
        let mut hub = hub(Limits::default());
        for _ in 0..4 {
            say(&mut hub, "a", 1, 0);
        }
        for place in [2, 3] {
            hub.remove("a", Position::from_bits(place), 0).unwrap().unwrap();
            release(&mut hub, 0);
        }
        assert_eq!(older(&mut hub, "a", Before::End, 1), (vec![4], true, false));
        let page = hub.try_older("a", at(4), 1, 0).unwrap();
        assert_eq!((places(&page.messages), page.more, page.gap), (vec![1], false, false));
    }

    #[test]
    fn a_step_looks_at_so_many_entries_and_the_next_one_goes_on() {
        let mut hub = hub(Limits { history_messages: 10_000, ..Limits::default() });
        say(&mut hub, "a,b", 1, 0);
        for n in 0..OLDER_LOOK_MAX as u64 {
            let place = say(&mut hub, "a,b", 1, 0).message.position;
            hub.remove("a", place, n).unwrap().unwrap();
            release(&mut hub, n);
        }
        let page = hub.try_older("a", Before::End, 9, 0).unwrap();
        assert!(page.messages.is_empty() && page.more && !page.gap);
        assert_eq!(older(&mut hub, "a", Before::Place(page.first), 9), (vec![1], false, false));
    }

    #[test]
    fn what_outlived_its_time_is_not_given_and_nobody_waits_for_its_removal() {
        let mut hub = hub(Limits { history_age: 50, history_messages: 10_000, ..Limits::default() });
        for _ in 0..crate::limits::EXPIRE_STEP_MAX {
            hub.order(publish("a", 1, None), 0).unwrap();
        }
        release(&mut hub, 0);
        say(&mut hub, "a", 1, 10);
        assert!(hub.try_older("a", Before::End, 9, 50).is_none(), "a step was removed");
        let page = hub.try_older("a", Before::End, 9, 50).unwrap();
        assert_eq!((page.messages.len(), page.more, page.gap), (1, false, true));
    }
}
