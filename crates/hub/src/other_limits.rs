//! Other limits than those of the start: they hold at once, and records go over to their rules step by step.

use crate::history::Removed;
use crate::limits::{EXPIRE_STEP_MAX, SCAN_STEP_MAX};
use crate::rule::Rules;
use crate::{Hub, Limits, Millis};

impl Hub {
    /// Whether anything is said of users, on any channel or of all.
    pub fn says_of_users(&self) -> bool {
        self.rules.now().tells_users() || self.rules.now().follows_users()
    }

    /// How long a channel stays online after its last connection left, where nobody says otherwise.
    pub fn grace(&self) -> Millis {
        self.limits.grace
    }

    /// Other limits hold from now on. Room for records, changes that are kept and who follows users stay as they are; whether
    /// users are told of, and a store keeps messages, must be the same for every channel. Records go over by
    /// [`Self::go_over`], which is to be called until it has nothing more to do.
    pub fn set_limits(&mut self, limits: Limits) {
        while self.go_over(self.clock) {}
        let Limits { channels_budget, changes, follow_users, .. } = self.limits;
        self.limits = Limits { channels_budget, changes, follow_users, ..limits };
        self.rules.replace(Rules::new(&self.limits));
    }

    /// Lets a step of records keep what they are to keep by the rules of now. Whether there is more to do.
    pub fn go_over(&mut self, now: Millis) -> bool {
        let now = self.advance(now);
        let mut steps = EXPIRE_STEP_MAX;
        for _ in 0..SCAN_STEP_MAX {
            let Some(id) = self.rules.mark() else { return false };
            if id as usize >= self.names.ids_end() {
                self.rules.finish();
                break;
            }
            self.rules.move_mark(id + 1);
            self.set_rule(id);
            if !self.fit(id, now, &mut steps) {
                // What is left of its messages goes in the next step; until then it is one of those that are to go over.
                self.rules.move_mark(id);
                self.set_rule(id);
                break;
            }
        }
        self.check();
        self.rules.mark().is_some()
    }

    /// A record of which other rules may hold than those by which it was made, since it has this id.
    pub(crate) fn know_rule(&mut self, id: u32) {
        if self.rules.mark().is_some() {
            self.set_rule(id);
        }
    }

    /// The record, if there is one, knows its rule by a number of the table that is asked for it.
    fn set_rule(&mut self, id: u32) {
        if let Some(channel) = self.names.get_mut(id) {
            channel.rule = self.rules.of(id).find(&channel.name);
        }
    }

    /// Removes from a history what its limits no longer allow. False: the steps did not suffice.
    fn fit(&mut self, id: u32, now: Millis, steps: &mut usize) -> bool {
        let Some(channel) = self.names.get_mut(id) else { return true };
        let Some(history) = &mut channel.history else { return true };
        let keep = self.rules.of(id).keep(channel.rule);
        let mut removed = Removed::default();
        let fits = history.fit(now, keep, steps, &mut removed, &mut self.trash);
        self.settle_front(id, removed);
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{after, hub, join, places, say};
    use crate::{Pattern, Rule};

    fn rule(pattern: &str, messages: u32) -> Rule {
        Rule { history_messages: Some(messages), ..Rule::new(Pattern::new(pattern).unwrap()) }
    }

    fn change(hub: &mut Hub, limits: Limits, now: Millis) {
        hub.set_limits(limits);
        hub.audit();
        while hub.go_over(now) {
            hub.audit();
        }
        hub.audit();
    }

    #[test]
    fn what_is_kept_follows_the_limits_and_what_goes_is_told_as_a_gap() {
        let mut hub = hub(Limits::default());
        (1..=4).for_each(|n| drop(say(&mut hub, "a", 1, n)));
        (5..=8).for_each(|n| drop(say(&mut hub, "b", 1, n)));
        change(&mut hub, Limits { rules: vec![rule("a", 2)], ..Limits::default() }, 9);
        assert_eq!(places(&hub.history("a", after(0), 9, 9).unwrap().messages), [3, 4]);
        assert_eq!(hub.history("a", after(0), 9, 9).unwrap().gaps.len(), 1);
        assert_eq!(places(&hub.history("b", after(0), 9, 9).unwrap().messages), [5, 6, 7, 8]);
        // Another rule in front, so that numbers are others.
        change(&mut hub, Limits { rules: vec![rule("b", 1), rule("a", 3)], ..Limits::default() }, 9);
        say(&mut hub, "a", 1, 10);
        assert_eq!(places(&hub.history("a", after(0), 9, 10).unwrap().messages), [3, 4, 9]);
        assert_eq!(places(&hub.history("b", after(0), 9, 10).unwrap().messages), [8]);
        change(&mut hub, Limits { history_age: 5, ..Limits::default() }, 12);
        hub.tick(12);
        assert_eq!(places(&hub.history("a", after(0), 9, 12).unwrap().messages), [9], "what is too old goes");
        change(&mut hub, Limits { history_messages: 0, ..Limits::default() }, 12);
        assert_eq!(hub.totals().history_messages, 0);
    }

    #[test]
    fn records_that_come_while_others_go_over_are_no_exception() {
        let mut hub = hub(Limits::default());
        let many = 3 * SCAN_STEP_MAX;
        for n in 0..many {
            say(&mut hub, &format!("c{n}"), 1, 1);
            say(&mut hub, &format!("c{n}"), 1, 1);
        }
        hub.set_limits(Limits { rules: vec![rule("new*", 5), rule("c*", 1)], ..Limits::default() });
        assert!(hub.go_over(2));
        for n in 0..3 {
            say(&mut hub, &format!("new{n}"), 1, 2);
            say(&mut hub, "c0", 1, 2);
            say(&mut hub, &format!("c{}", many - 1), 1, 2);
            join(&mut hub, &format!("new{n}"), 2);
            hub.delete(&format!("new{n}"), true, 2);
            hub.audit();
        }
        while hub.go_over(2) {}
        hub.audit();
        let kept = |name: &str| hub.channel(name).unwrap().messages;
        assert_eq!((kept("c0"), kept(&format!("c{}", many - 1)), kept("c9")), (1, 1, 1));
        assert_eq!(hub.totals().history_messages, many as u64);
    }

    #[test]
    fn a_long_history_goes_in_steps() {
        let many = 2 * EXPIRE_STEP_MAX as u64 + 5;
        let mut hub = hub(Limits { history_messages: 100_000, ..Limits::default() });
        (0..many).for_each(|n| drop(say(&mut hub, "a", 1, n)));
        hub.set_limits(Limits { history_messages: 2, ..Limits::default() });
        let mut steps = 1;
        while hub.go_over(many) {
            steps += 1;
            say(&mut hub, "b", 1, many);
        }
        hub.audit();
        assert!(steps >= 3, "{steps}");
        assert_eq!(hub.channel("a").unwrap().messages, 2);
    }

    #[test]
    fn graces_and_room_for_what_is_kept_are_those_of_now() {
        let mut hub = hub(Limits { history_budget: 100, ..Limits::default() });
        (1..=9).for_each(|n| drop(say(&mut hub, "a", 10, n)));
        change(&mut hub, Limits { history_budget: 20, grace: 7, channels_budget: 1, ..Limits::default() }, 9);
        hub.tick(9);
        assert_eq!(hub.totals().history_bytes, 20);
        assert_eq!((hub.limits.grace, hub.limits.channels_budget), (7, Limits::default().channels_budget));
    }
}
