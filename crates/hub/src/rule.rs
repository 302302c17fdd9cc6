//! Settings of channels by their names: patterns, and what a channel under each of them keeps.
//!
//! A name falls under the first pattern that matches it. It is looked up when the channel's record is
//! made; from then on the record knows its rule by number.

use std::collections::HashSet;

use crate::limits::RULES_MAX;
use crate::movement::{ALL_USERS, is_bookmark, presence_of};
use crate::{Door, Glob, Grant, Limits, Message, Millis, NEVER, Pattern, Right, Session, WallTime};

/// What is set for the channels that match a pattern. For what is not, the general limits hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which channels.
    pub pattern: Pattern,
    /// Messages kept; 0 keeps none.
    pub history_messages: Option<u32>,
    /// How long a message is kept, in milliseconds.
    pub history_age: Option<Millis>,
    /// Bytes of payload kept.
    pub history_bytes: Option<u64>,
    /// Bytes of a message at the most.
    pub payload_limit: Option<u64>,
    /// The ttl of a message whose publisher gives none.
    pub ttl: Option<Millis>,
    /// Who may listen.
    pub listen: Option<Door>,
    /// Who may read what was said before.
    pub history: Option<Door>,
    /// Who may see its users.
    pub presence: Option<Door>,
    /// Which clients may publish.
    pub publish: Option<Door>,
    /// Whether the application is asked about each message of a client.
    pub publish_hook: Option<bool>,
    /// Whether a store keeps its messages.
    pub durable: Option<bool>,
    /// Whether a client that comes back to a long message again and again is taken past it.
    pub skip_poison: Option<bool>,
}

impl Rule {
    /// A rule that sets nothing yet.
    pub fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            history_messages: None,
            history_age: None,
            history_bytes: None,
            payload_limit: None,
            ttl: None,
            listen: None,
            history: None,
            presence: None,
            publish: None,
            publish_hook: None,
            durable: None,
            skip_poison: None,
        }
    }
}

/// All rules, as the hub and those who ask it take them.
#[derive(Debug)]
pub struct Rules {
    /// The first one that matches counts.
    patterns: Box<[Pattern]>,
    /// What holds where no rule does, and then what holds under each.
    keeps: Box<[Keep]>,
    /// The same of the hidden channels in which the users of those are told; then what holds of channels that are the
    /// program's own, in the order of [`Own`].
    hidden: Box<[Keep]>,
    /// Whether users are followed who have any connection at all.
    all_users: bool,
    /// Whether users are told of on any channel.
    presence: bool,
    /// Whether clients may publish on any channel.
    publish: bool,
    /// Whether any of them limits payloads.
    pub(crate) limit_payloads: bool,
    /// Whether some channels are closed.
    closes: bool,
    /// Whether the history of some is not for all who may listen.
    closes_history: bool,
}

/// Which rule a channel falls under; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleId(u8);

/// Channels that are the program's own.
#[derive(Debug, Clone, Copy)]
enum Own {
    /// The one on which all users are.
    AllUsers,
    /// The one in which is told of those.
    AllUsersTold,
    /// Those that keep how far somebody has come who follows the order.
    Bookmark,
}

/// What channels keep that are the program's own, in the order of [`Own`]: no rule is about them, whatever it matches.
fn own_keeps(hidden: &Keep, limits: &Limits) -> [Keep; 3] {
    let presence = if limits.follow_users { Door::Open } else { Door::Off };
    let bookmark = Keep { messages: 1, age: NEVER, bytes: u64::MAX, ..hidden.clone() };
    [Keep { presence, ..hidden.clone() }, hidden.clone(), bookmark]
}

/// What a channel keeps.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    pub(crate) messages: u32,
    pub(crate) age: Millis,
    /// The age of all messages is that of the newest.
    pub(crate) renew: bool,
    pub(crate) bytes: u64,
    pub(crate) payload: Option<u64>,
    pub(crate) ttl: Option<Millis>,
    pub(crate) listen: Door,
    pub(crate) history: Door,
    pub(crate) presence: Door,
    pub(crate) publish: Door,
    pub(crate) publish_hook: bool,
    pub(crate) durable: bool,
    pub(crate) skip_poison: bool,
}

impl Rules {
    /// The rules of these limits, [`RULES_MAX`] of them at the most.
    pub(crate) fn new(limits: &Limits) -> Self {
        debug_assert!(limits.rules.len() <= RULES_MAX);
        let rules = || limits.rules.iter().take(RULES_MAX);
        let general = Keep {
            messages: limits.history_messages,
            age: limits.history_age,
            renew: limits.history_renew,
            bytes: limits.history_bytes,
            payload: None,
            ttl: None,
            listen: limits.listen,
            history: Door::Open,
            presence: Door::Off,
            publish: Door::Off,
            publish_hook: false,
            durable: true,
            skip_poison: false,
        };
        let under = |rule: &Rule| Keep {
            messages: rule.history_messages.unwrap_or(general.messages),
            age: rule.history_age.unwrap_or(general.age),
            renew: general.renew,
            bytes: rule.history_bytes.unwrap_or(general.bytes),
            payload: rule.payload_limit,
            ttl: rule.ttl,
            listen: rule.listen.unwrap_or(general.listen),
            history: rule.history.unwrap_or(general.history),
            presence: rule.presence.unwrap_or(general.presence),
            publish: rule.publish.unwrap_or(general.publish),
            publish_hook: rule.publish_hook.unwrap_or(general.publish_hook),
            durable: rule.durable.unwrap_or(general.durable),
            skip_poison: rule.skip_poison.unwrap_or(general.skip_poison),
        };
        let keeps: Box<[Keep]> = std::iter::once(general.clone()).chain(rules().map(under)).collect();
        let hidden = |keep: &Keep| Keep {
            messages: limits.presence_history,
            age: limits.resume_window,
            renew: false,
            payload: None,
            ttl: None,
            history: Door::Open,
            presence: Door::Off,
            publish: Door::Off,
            ..keep.clone()
        };
        Self {
            hidden: keeps.iter().map(hidden).chain(own_keeps(&hidden(&general), limits)).collect(),
            all_users: limits.follow_users,
            presence: keeps.iter().any(|keep| keep.presence != Door::Off),
            publish: keeps.iter().any(|keep| keep.publish != Door::Off),
            patterns: rules().map(|rule| rule.pattern.clone()).collect(),
            closes: limits.listen == Door::Token || rules().any(|rule| rule.listen == Some(Door::Token)),
            closes_history: rules().any(|rule| rule.history.is_some_and(|door| door != Door::Open)),
            limit_payloads: rules().any(|rule| rule.payload_limit.is_some()),
            keeps,
        }
    }

    /// Whether any of them limits payloads.
    pub fn limits_payloads(&self) -> bool {
        self.limit_payloads
    }

    /// Whether clients may publish on any channel.
    pub fn lets_clients_publish(&self) -> bool {
        self.publish
    }

    /// Bytes that a message to a channel of this name may have, if a rule says so.
    pub fn payload_limit(&self, name: &str) -> Option<u64> {
        self.keep(self.find(name)).payload
    }

    /// Whether a client that comes back to a long message of this channel again and again is taken past it.
    pub fn skips_poison(&self, name: &str) -> bool {
        self.keep(self.find(name)).skip_poison
    }

    /// Whether a client may do `right` on a channel: because anybody may, or by a grant of its session, if it has one.
    pub fn may(&self, session: Option<&Session>, right: Right, name: &str, now: WallTime) -> bool {
        let is_granted = |right| session.is_some_and(|session| session.may(right, name, now));
        match right {
            Right::Listen => self.listen(name) == Door::Open || is_granted(Right::Listen),
            Right::History => match self.history(name) {
                Door::Open => self.may(session, Right::Listen, name, now),
                Door::Token => is_granted(Right::History),
                Door::Off => false,
            },
            Right::Publish => match self.publish(name) {
                Door::Open => self.may(session, Right::Listen, name, now),
                Door::Token => is_granted(Right::Publish),
                Door::Off => false,
            },
            Right::Presence | Right::Administer => is_granted(right),
        }
    }

    /// The first of these channels that a client may not listen to. Of many names, those that are granted by name cost no
    /// more than one look each.
    pub fn first_closed<'n>(
        &self,
        session: Option<&Session>,
        names: &'n [Box<str>],
        now: WallTime,
    ) -> Option<&'n str> {
        let granted = Granted::of(session, Right::Listen, now);
        let may = |name: &str| self.listen(name) == Door::Open || granted.covers(name);
        names.iter().map(|name| &**name).find(|name| !may(name))
    }

    /// The indices of those of these channels, all of which a client may listen to, whose history it may not read. None
    /// is looked at where no rule closes any.
    pub fn closed_histories(
        &self,
        session: Option<&Session>,
        names: &[impl AsRef<str>],
        now: WallTime,
    ) -> Vec<u16> {
        if !self.closes_history {
            return Vec::new();
        }
        let granted = Granted::of(session, Right::History, now);
        let is_closed = |name: &str| match self.history(name) {
            Door::Open => false,
            Door::Token => !granted.covers(name),
            Door::Off => true,
        };
        let names = (0u16..).zip(names);
        names.filter(|(_, name)| is_closed(name.as_ref())).map(|(number, _)| number).collect()
    }

    /// Who may read the history of a channel of this name.
    pub fn history(&self, name: &str) -> Door {
        if self.closes_history { self.keep(self.find(name)).history } else { Door::Open }
    }

    /// The pattern of the rule that a channel of this name falls under; `None`: under none.
    pub fn pattern(&self, name: &str) -> Option<&Pattern> {
        self.patterns.iter().find(|pattern| pattern.matches(name))
    }

    /// Who may listen to a channel of this name.
    pub fn listen(&self, name: &str) -> Door {
        if self.closes { self.keep(self.find(name)).listen } else { Door::Open }
    }

    /// Who may see which users are on a channel of this name.
    pub fn presence(&self, name: &str) -> Door {
        if self.presence || self.all_users { self.keep(self.find(name)).presence } else { Door::Off }
    }

    /// Which clients may publish to a channel of this name. What begins with `$` is the server's own, whatever a rule says.
    pub fn publish(&self, name: &str) -> Door {
        if self.publish && !name.starts_with('$') { self.keep(self.find(name)).publish } else { Door::Off }
    }

    /// Whether the application is asked about what a client publishes to a channel of this name.
    pub fn asks_about(&self, name: &str) -> bool {
        self.publish && self.keep(self.find(name)).publish_hook
    }

    /// Whether users are told of on any channel.
    pub fn tells_users(&self) -> bool {
        self.presence
    }

    /// Whether users are followed who have any connection at all.
    pub fn follows_users(&self) -> bool {
        self.all_users
    }

    /// The rule that a name falls under; a hidden channel falls under that of the one it is about.
    pub(crate) fn find(&self, name: &str) -> RuleId {
        match presence_of(name) {
            Some(ALL_USERS) => self.own(Own::AllUsersTold),
            Some(channel) => RuleId(self.find_plain(channel).0 | RuleId::HIDDEN),
            None if name == ALL_USERS => self.own(Own::AllUsers),
            None if is_bookmark(name) => self.own(Own::Bookmark),
            None => self.find_plain(name),
        }
    }

    fn own(&self, which: Own) -> RuleId {
        let number = self.keeps.len() + which as usize;
        RuleId(u8::try_from(number).expect("there are few rules") | RuleId::HIDDEN)
    }

    fn find_plain(&self, name: &str) -> RuleId {
        let found = (1..).zip(&self.patterns).find(|(_, pattern)| pattern.matches(name));
        found.map_or(RuleId::NONE, |(number, _)| RuleId(number))
    }

    /// What a channel under this rule keeps.
    pub(crate) fn keep(&self, rule: RuleId) -> &Keep {
        if rule.is_of_presence() {
            return &self.hidden[usize::from(rule.0 & !RuleId::HIDDEN)];
        }
        &self.keeps[usize::from(rule.0)]
    }
}

/// The channels on which a session may do something.
struct Granted<'a> {
    names: HashSet<&'a str>,
    patterns: Vec<Glob<&'a str>>,
}

impl<'a> Granted<'a> {
    fn of(session: Option<&'a Session>, right: Right, now: WallTime) -> Self {
        let mut granted = Self { names: HashSet::new(), patterns: Vec::new() };
        let grants = session.filter(|session| session.is_live(now)).map(Session::grants);
        for Grant { rights, names } in grants.into_iter().flatten() {
            match names.only() {
                _ if !rights.has(right) => {}
                Some(name) => drop(granted.names.insert(name)),
                None => granted.patterns.push(names),
            }
        }
        granted
    }

    fn covers(&self, name: &str) -> bool {
        self.names.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl RuleId {
    /// No rule: the general limits.
    pub(crate) const NONE: Self = Self(0);
    /// Beside the number of a rule: of the hidden channel in which users are told, or of one of the program's own.
    const HIDDEN: u8 = 1 << 7;

    /// Whether it is that of a hidden channel.
    pub(crate) fn is_of_presence(self) -> bool {
        self.0 & Self::HIDDEN != 0
    }
}

impl Keep {
    /// When its publisher lets a message end, or the rule in the publisher's stead.
    pub(crate) fn end(&self, message: &Message) -> Millis {
        match (message.expires(), self.ttl) {
            (Some(expires), _) => expires,
            (None, Some(ttl)) => message.time.saturating_add(ttl),
            (None, None) => NEVER,
        }
    }
}

const _: () = assert!(RULES_MAX + 1 + (Own::Bookmark as usize) < RuleId::HIDDEN as usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{after, hub, places, publish, release, say};
    use crate::{Hub, Refused, Start};
    use crate::{NameError, PatternError, volatile_mark};

    fn rule(pattern: &str) -> Rule {
        Rule::new(Pattern::new(pattern).unwrap())
    }

    fn under(rules: Vec<Rule>) -> Hub {
        hub(Limits { rules, ..Limits::default() })
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    fn check(text: &str, matching: &[&str], others: &[&str]) {
        assert!(matching.iter().all(|name| pattern(text).matches(name)), "{text}");
        assert!(!others.iter().any(|name| pattern(text).matches(name)), "{text}");
    }

    #[test]
    fn a_mark_tells_which_channels_are_not_durable() {
        let mark = |entries: &[(&str, Option<bool>)]| {
            let rules = entries.iter().map(|(pattern, durable)| Rule { durable: *durable, ..rule(pattern) });
            volatile_mark(&rules.collect::<Vec<_>>())
        };
        assert_eq!((mark(&[]), mark(&[("a*", None), ("b", Some(true))])), (0, 0));
        let one = mark(&[("a*", Some(false))]);
        assert_eq!(one, 2_222_026_613, "it stands on disks");
        assert_eq!(
            one,
            mark(&[("a*", Some(false)), ("b", Some(true)), ("*", None)]),
            "what comes later adds none"
        );
        let marks = [
            one,
            mark(&[("a", Some(false))]),
            mark(&[("ab", None), ("a*", Some(false))]),
            mark(&[("b*", Some(false))]),
        ];
        assert!((1..4).all(|n| !marks[..n].contains(&marks[n]) && marks[n] > 0), "{marks:?}");
    }

    #[test]
    fn of_many_names_the_first_that_is_denied_is_found() {
        let grant = |right: Right, names| Grant { rights: [right].into_iter().collect(), names };
        let grants = [
            grant(Right::Listen, Glob::new("a").unwrap()),
            grant(Right::Listen, Glob::name("b*")),
            grant(Right::Listen, Glob::new("room.*").unwrap()),
            grant(Right::Publish, Glob::new("p").unwrap()),
        ];
        let session = Session::new(None, Some(WallTime::from_millis(1_000)), &grants);
        let open = Rule { listen: Some(Door::Open), ..rule("open.*") };
        let rules = Rules::new(&Limits { listen: Door::Token, rules: vec![open], ..Limits::default() });
        let denied = |session, names: &str, now| {
            let names: Vec<Box<str>> = names.split(',').map(Box::from).collect();
            rules.first_closed(session, &names, WallTime::from_millis(now)).map(str::to_owned)
        };
        let of = |names, now| denied(Some(&session), names, now);
        assert_eq!(of("a,b*,room.1,open.1", 999), None);
        assert_eq!(of("a,b,room.1", 999).as_deref(), Some("b"), "a star is a star where a name was granted");
        assert_eq!(of("a,p", 999).as_deref(), Some("p"), "another right");
        assert_eq!(of("open.1,a", 1_000).as_deref(), Some("a"), "the grants have ended");
        assert_eq!(denied(None, "open.1,room.1", 0).as_deref(), Some("room.1"));
    }

    #[test]
    fn history_is_for_all_who_listen_unless_a_rule_says_otherwise() {
        let door = |pattern, history| Rule { history: Some(history), ..rule(pattern) };
        let rules = vec![door("shut.*", Door::Off), door("half.*", Door::Token), door("half*", Door::Open)];
        let rules = Rules::new(&Limits { rules, ..Limits::default() });
        let grant = |right: Right, names| Grant {
            rights: [right].into_iter().collect(),
            names: Glob::new(names).unwrap(),
        };
        let grants = [grant(Right::History, "*"), grant(Right::Listen, "half.2")];
        let (session, now) = (Session::new(None, None, &grants), WallTime::PAST);
        let names = ["a", "half.1", "halfway", "shut.1"];
        assert_eq!(rules.closed_histories(None, &names, now), [1, 3]);
        assert_eq!(rules.closed_histories(Some(&session), &names, now), [3]);
        for (n, name) in (0..).zip(names) {
            for session in [None, Some(&session)] {
                let closed = rules.closed_histories(session, &names, now).contains(&n);
                assert_eq!(rules.may(session, Right::History, name, now), !closed, "{name}");
            }
        }
        let shut = Rules::new(&Limits { listen: Door::Token, ..Limits::default() });
        assert!(!shut.may(Some(&session), Right::History, "a", now), "who may not listen may not look back");
        assert!(shut.may(Some(&session), Right::History, "half.2", now));
    }

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names() {
        check("chat", &["chat"], &["cha", "chat.1", "Chat"]);
        check("chat.*", &["chat.1", "chat.", "chat.a.b"], &["chat", "chats.1"]);
        check("*", &["a", "chat.1"], &[]);
        for (text, why) in [
            ("a*b", PatternError::Star),
            ("**", PatternError::Star),
            ("", PatternError::Name(NameError::Empty)),
            ("a,b", PatternError::Name(NameError::Comma)),
            ("$a*", PatternError::Name(NameError::Reserved)),
            ("$user", PatternError::Name(NameError::Reserved)),
            ("$user:", PatternError::Name(NameError::Empty)),
            ("$alls", PatternError::Name(NameError::Reserved)),
        ] {
            assert_eq!(Pattern::new(text), Err(why), "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_those_that_match_less() {
        for (one, other) in [("*", "a"), ("*", "*"), ("a*", "a"), ("a*", "ab*"), ("a", "a")] {
            assert!(pattern(one).covers(&pattern(other)), "{one} {other}");
        }
        for (one, other) in [("a", "a*"), ("ab*", "a*"), ("a*", "*"), ("a", "b")] {
            assert!(!pattern(one).covers(&pattern(other)), "{one} {other}");
        }
    }

    #[test]
    fn a_closed_channel_is_for_those_with_a_grant() {
        use crate::{Glob, Grant, Rights};
        let (open, closed) = (Some(Door::Open), Some(Door::Token));
        let rules = vec![
            Rule { listen: open, ..rule("user.all") },
            Rule { listen: closed, ..rule("user.*") },
            rule("room.*"),
        ];
        let ann = Grant { rights: Rights::ALL, names: Glob::name("user.ann") };
        let ann = Session::new(None, Some(WallTime::from_millis(5)), &[ann]);
        for (listen, free) in [(Door::Open, &["user.all", "room.1", "a"][..]), (Door::Token, &["user.all"])] {
            let hub = hub(Limits { rules: rules.clone(), listen, ..Limits::default() });
            for name in ["user.all", "user.ann", "user.bob", "room.1", "a"] {
                let at = WallTime::from_millis;
                let may = |session, now| hub.rules().may(session, Right::Listen, name, at(now));
                assert_eq!(may(None, 0), free.contains(&name), "{name}");
                assert_eq!(may(Some(&ann), 4), free.contains(&name) || name == "user.ann", "{name}");
                assert_eq!(may(Some(&ann), 5), free.contains(&name), "{name}");
                assert!(!hub.rules().may(None, Right::Publish, name, at(0)));
            }
        }
    }

    #[test]
    fn clients_publish_where_a_rule_says_so_and_nowhere_else() {
        let by = |door, pattern| Rule { publish: Some(door), ..rule(pattern) };
        let rules = vec![
            Rule { listen: Some(Door::Token), ..by(Door::Open, "team.*") },
            by(Door::Token, "news"),
            by(Door::Off, "shut"),
            Rule { publish_hook: Some(true), ..by(Door::Open, "*") },
        ];
        let hub = under(rules);
        let grant =
            |right: Right, name| Grant { rights: [right].into_iter().collect(), names: Glob::name(name) };
        let grants =
            [grant(Right::Listen, "team.1"), grant(Right::Publish, "news"), grant(Right::Publish, "shut")];
        let ann = Session::new(None, Some(WallTime::from_millis(5)), &grants);
        let may =
            |session, name, now| hub.rules().may(session, Right::Publish, name, WallTime::from_millis(now));
        for (name, anybody, known) in [
            ("team.1", false, true),
            ("team.2", false, false),
            ("news", false, true),
            ("shut", false, false),
            ("a", true, true),
            ("$all", false, false),
            ("$user:ann", false, false),
            ("$presence:a", false, false),
        ] {
            assert_eq!((may(None, name, 0), may(Some(&ann), name, 4)), (anybody, known), "{name}");
            assert_eq!(may(Some(&ann), name, 5), anybody, "{name}");
        }
        assert!(hub.rules().asks_about("a") && !hub.rules().asks_about("news"));
        let silent = under(vec![Rule { publish_hook: Some(true), ..rule("*") }]);
        assert_eq!((silent.rules().publish("a"), silent.rules().asks_about("a")), (Door::Off, false));
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let one = Rule { history_messages: Some(1), ..rule("chat.a") };
        let two = Rule { history_messages: Some(2), ..rule("chat.*") };
        let mut hub = under(vec![one, two]);
        for name in ["chat.a", "chat.b", "chats"] {
            (0..3).for_each(|_| drop(say(&mut hub, name, 1, 0)));
        }
        for (name, kept) in [("chat.a", &[3][..]), ("chat.b", &[5, 6]), ("chats", &[7, 8, 9])] {
            assert_eq!(places(&hub.history(name, Start::Everything, 9, 0).unwrap().messages), kept);
        }
    }

    #[test]
    fn a_message_beyond_the_limit_of_one_of_its_channels_is_refused() {
        let mut hub = under(vec![Rule { payload_limit: Some(5), ..rule("a") }]);
        assert_eq!(hub.order(publish("b,a", 6, None), 0), Err(Refused::Payload(5)));
        assert_eq!(hub.totals().channels, 0, "the refused leaves nothing behind");
        assert!(hub.order(publish("b,a", 5, None), 0).is_ok());
        assert!(hub.order(publish("b", 6, None), 0).is_ok());
        assert_eq!((hub.rules().payload_limit("a"), hub.rules().payload_limit("b")), (Some(5), None));
        release(&mut hub, 0);
        assert_eq!(hub.order(publish("a", 6, None), 0), Err(Refused::Payload(5)));
    }

    #[test]
    fn a_message_without_a_ttl_has_that_of_each_channel() {
        let mut hub = under(vec![Rule { ttl: Some(5), ..rule("a") }, Rule { ttl: Some(0), ..rule("n") }]);
        say(&mut hub, "a,b,n", 1, 0);
        assert!(hub.channel("n").is_none(), "what is not kept needs no record");
        let kept = |hub: &mut Hub, name, now| {
            let page = hub.history(name, after(0), 9, now).unwrap();
            (page.messages.len(), page.gaps.len())
        };
        assert_eq!(kept(&mut hub, "a", 4), (1, 0));
        hub.order(publish("a,n", 1, Some(60)), 4).unwrap();
        release(&mut hub, 4);
        assert_eq!(kept(&mut hub, "a", 5), (1, 0), "the publisher's ttl counts before the rule's");
        assert_eq!([kept(&mut hub, "b", 5), kept(&mut hub, "n", 5)], [(1, 0), (1, 0)]);
    }
}
