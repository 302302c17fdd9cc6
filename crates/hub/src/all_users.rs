//! Users who have any connection at all, on whatever it listens to or on nothing: who comes, who goes, with the grace of presence.
//!
//! They are the roster of a channel of the program's own, so all that holds of users on a channel holds of them: a change has one
//! place, a store keeps it, and after a restart everybody has the grace to come back.

use crate::movement::ALL_USERS;
use crate::room::Holder;
use crate::{Hub, Millis, Position, Present, Session, UserName};

impl Hub {
    /// A connection of this user waits from now on. False: there is no room for a record, so it is not counted, and
    /// [`Self::user_departs`] is not to be called for it.
    #[must_use = "who is not counted is not counted off"]
    pub fn user_arrives(&mut self, session: &Session, now: Millis) -> bool {
        let now = self.advance(now);
        let Some(who) = session.who().filter(|_| self.rules.now().follows_users()) else { return false };
        let id = match self.names.find(ALL_USERS) {
            Some(id) => id,
            None => match self.create(ALL_USERS, Holder::PUBLIC, now) {
                Ok(id) => id,
                Err(_) => return false,
            },
        };
        let has_room = self.prepare_roster(id, now).is_ok();
        if has_room {
            self.arrive(id, who, true, now);
        }
        self.schedule(id);
        self.check();
        has_room
    }

    /// It waits no longer; without a grace, if there is none for it.
    pub fn user_departs(&mut self, user: &str, at_once: bool, now: Millis) {
        let now = self.advance(now);
        if let Some(id) = self.names.find(ALL_USERS) {
            self.depart(id, user, at_once, now);
            self.schedule(id);
        }
        self.check();
    }

    /// Some of those users, whose names begin so, behind this name in their order; the name behind which to go on, if there may be
    /// more; and the place at which that is true. Who is away within the grace is among them. Of those who are not told yet
    /// no more are passed over than [`crate::limits::ROSTER_LOOK_MAX`], so there may be fewer users than asked for, and more behind them.
    pub fn all_users(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> (Vec<Present>, Option<UserName>, Position) {
        let roster = self.names.find(ALL_USERS).and_then(|id| self.names[id].roster());
        let (users, next) = roster.map_or_else(Default::default, |roster| roster.named(prefix, after, limit));
        (users, next, self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ROSTER_LOOK_MAX;
    use crate::trial::{hub, publish, release, say};
    use crate::{Limits, OrderItem, Start, presence_of};

    fn session(user: &str) -> Session {
        Session::new(Some(user), None, &[])
    }

    fn limits() -> Limits {
        Limits { follow_users: true, presence_grace: 10, ..Limits::default() }
    }

    /// What is told of users to whoever follows from the beginning.
    fn told(hub: &mut Hub, now: Millis) -> Vec<String> {
        release(hub, now);
        let page = hub.read_order(Start::Everything, 100);
        let told = page.items.iter().map(|item| {
            let OrderItem::Message(message) = item else { panic!("no channel came online") };
            assert_eq!(presence_of(&message.targets()[0].name), Some(ALL_USERS));
            let movement = message.movement().unwrap();
            format!("{}{} at {}", if movement.joined { '+' } else { '-' }, movement.user, message.time)
        });
        told.collect()
    }

    #[test]
    fn a_user_is_there_from_the_first_connection_until_the_last_one_was_away_for_the_grace() {
        let mut hub = hub(limits());
        hub.follow_events();
        assert!(hub.user_arrives(&session("ann"), 1));
        assert!(hub.user_arrives(&session("ann"), 2));
        hub.user_departs("ann", false, 3);
        hub.user_departs("ann", false, 4);
        hub.tick(13);
        assert!(hub.user_arrives(&session("ann"), 13));
        hub.user_departs("ann", false, 20);
        hub.tick(29);
        assert_eq!(told(&mut hub, 29), ["+ann at 1"], "a page that is loaded again goes unsaid");
        hub.tick(30);
        assert_eq!(told(&mut hub, 30), ["+ann at 1", "-ann at 30"]);
        hub.audit();
    }

    #[test]
    fn they_are_listed_by_name_those_within_the_grace_among_them() {
        let mut hub = hub(limits());
        for user in ["b1", "a", "b3", "b2"] {
            assert!(hub.user_arrives(&session(user), 1));
        }
        hub.user_departs("b2", false, 2);
        release(&mut hub, 2);
        let names = |prefix, after, limit| {
            let (users, next, _) = hub.all_users(prefix, after, limit);
            (users.iter().map(|one| &*one.user).collect::<Vec<_>>().join(","), next.is_some())
        };
        assert_eq!(names("", None, 9), ("a,b1,b2,b3".into(), false));
        assert_eq!(names("b", None, 2), ("b1,b2".into(), true));
        assert_eq!(names("b", Some("b2"), 2), ("b3".into(), false));
        assert_eq!(names("b", Some("a"), 1), ("b1".into(), true));
        assert_eq!(names("c", None, 2), (String::new(), false));
    }

    #[test]
    fn a_page_passes_over_a_limited_number_of_those_who_are_not_told_yet() {
        let mut hub = hub(limits());
        let count = 3 * ROSTER_LOOK_MAX;
        assert!(hub.user_arrives(&session("z"), 1));
        release(&mut hub, 1);
        hub.hold_movements(true);
        for number in 0..count {
            assert!(hub.user_arrives(&session(&format!("u{number:05}")), 1));
        }
        let (mut after, mut pages, mut found) = (None::<UserName>, 0, Vec::new());
        loop {
            let (users, next, _) = hub.all_users("", after.as_deref(), 9);
            (after, pages) = (next, pages + 1);
            found.extend(users);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((pages, found.len(), &*found[0].user), (4, 1, "z"));
        let (page, _) = hub.present(ALL_USERS, None, 9);
        assert_eq!((page.users.len(), page.count, page.more), (0, 1, true), "so does one of a channel");
        assert_eq!(page.next.as_deref(), Some(&*format!("u{:05}", ROSTER_LOOK_MAX - 1)));
    }

    #[test]
    fn who_finds_no_room_is_not_counted() {
        let mut hub = hub(Limits { channels_budget: 1 << 20, ..limits() });
        let mut names = 0;
        while hub.order(publish(&format!("{names:0200}"), 1, None), 1).is_ok() {
            names += 1;
        }
        release(&mut hub, 1);
        assert!(!hub.user_arrives(&session("ann"), 1));
        assert!(hub.all_users("", None, 9).0.is_empty());
    }

    #[test]
    fn nobody_is_followed_unless_somebody_wants_it() {
        let mut hub = hub(Limits { follow_users: false, ..limits() });
        assert!(!hub.user_arrives(&session("ann"), 1));
        assert_eq!((hub.totals().channels, hub.last()), (0, Position::START));
    }

    #[test]
    fn they_are_on_no_channel_that_others_know() {
        let mut hub = hub(limits());
        assert!(hub.user_arrives(&session("ann"), 1));
        say(&mut hub, "a", 1, 1);
        let mut found = Vec::new();
        hub.scan(0, &|_, _| true, &mut found);
        assert_eq!(found.iter().map(|channel| &*channel.name).collect::<Vec<_>>(), ["a"]);
        assert_eq!((hub.totals().online, hub.totals().subscriptions), (0, 0));
    }
}
