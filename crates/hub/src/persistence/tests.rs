//! A hub that is told to a store, and one that goes on from what was told.

use super::*;
use crate::trial::{SHARD, after, changes, hub, join, page, places, publish, release, say};
use crate::{Leave, Limits, Pattern, Rule, Start, Take};

/// What a store was told of a hub.
#[derive(Default)]
struct Told {
    facts: Vec<Fact>,
}

impl Told {
    fn hub(limits: Limits) -> (Hub, Self) {
        let mut hub = hub(limits);
        hub.keep_facts(Position::from_bits(1 << 20));
        (hub, Self::default())
    }

    fn take(&mut self, hub: &mut Hub) {
        self.facts.append(hub.facts());
    }

    /// Says something that is committed.
    fn say(&mut self, hub: &mut Hub, names: &str, now: Millis) {
        say(hub, names, 1, now);
        self.take(hub);
    }

    /// A hub that goes on from it; places go on at 1,000.
    fn again(mut self, hub: &mut Hub, limits: Limits, now: Millis) -> Hub {
        self.take(hub);
        let mut past = Past { last: Position::from_bits(1_000), ..Past::default() };
        for fact in self.facts {
            match fact {
                Fact::Message { message, .. } => past.messages.push(message),
                Fact::Change { change, taken } => past.changes.push((change, taken)),
                Fact::State(state) => past.states.push(state),
                Fact::UserEnd(end) => past.user_ends.push(end),
            }
        }
        let mut again = crate::trial::hub(limits);
        again.restore(past, now);
        again.audit();
        again
    }
}

fn read(hub: &mut Hub, name: &str, start: Start, now: Millis) -> (Vec<u64>, bool) {
    let page = hub.history(name, start, 99, now);
    page.map_or((Vec::new(), false), |page| (places(&page.messages), !page.gaps.is_empty()))
}

fn volatile(pattern: &str) -> Limits {
    let rule = Rule { durable: Some(false), ..Rule::new(Pattern::new(pattern).unwrap()) };
    Limits { rules: vec![rule], ..Limits::default() }
}

fn check_again(limits: Limits, deleted: Option<&str>) {
    let (mut hub, mut told) = Told::hub(limits.clone());
    for (n, names) in (1..).zip(["a", "b", "a,b", "a", "c", "c", "d", "e"]) {
        told.say(&mut hub, names, n);
    }
    deleted.iter().for_each(|name| drop(hub.delete(name, false, 9)));
    let mut again = told.again(&mut hub, limits, 10);
    for name in ["a", "b", "c", "d", "e", "nobody"] {
        for place in 0..9 {
            let before = read(&mut hub, name, after(place), 10);
            assert_eq!(read(&mut again, name, after(place), 10), before, "{name} after {place}");
        }
    }
    assert_eq!(again.totals().history_bytes, hub.totals().history_bytes);
    say(&mut again, "a", 1, 10);
    assert_eq!(read(&mut again, "a", after(8), 10), (vec![1_001], false));
}

#[test]
fn history_watermarks_and_gaps_are_as_before() {
    check_again(Limits { history_messages: 2, history_budget: 6, ..Limits::default() }, None);
    check_again(Limits { history_messages: 2, ..Limits::default() }, Some("d"));
    check_again(Limits::default(), Some("a"));
}

#[test]
fn what_outlived_its_time_meanwhile_is_gone_without_a_mark_or_with_one() {
    let limits = Limits { history_age: 100, ..Limits::default() };
    let (mut hub, mut told) = Told::hub(limits.clone());
    hub.order(publish("a", 1, Some(50)), 0).unwrap();
    release(&mut hub, 0);
    told.say(&mut hub, "b", 0);
    let mut again = told.again(&mut hub, limits, 120);
    assert_eq!(read(&mut again, "a", after(0), 120), (vec![], false));
    assert_eq!(read(&mut again, "b", after(0), 120), (vec![], true));
}

#[test]
fn who_was_online_stays_so_for_the_grace_and_takes_go_on() {
    let limits = Limits { grace: 30, ..Limits::default() };
    let (mut hub, mut told) = Told::hub(limits.clone());
    told.say(&mut hub, "a,b", 0);
    let a = join(&mut hub, "a", 0);
    release(&mut hub, 0);
    join(&mut hub, "b", 0);
    release(&mut hub, 0);
    hub.leave(SHARD, Leave::waiting(a, 1), 0, 1);
    hub.tick(1);
    release(&mut hub, 1);
    told.say(&mut hub, "b", 2);
    told.say(&mut hub, "b", 2);
    assert!(
        matches!(hub.take(SHARD, "b", 0, 2), Ok(Take::Message(message)) if message.position.to_bits() == 5)
    );
    let mut again = told.again(&mut hub, limits, 100);
    let so_far = [("a".into(), true, 0), ("b".into(), true, 0), ("a".into(), false, 1)];
    assert_eq!(changes(&again), so_far);
    assert!(!again.is_online("a") && again.is_online("b"));
    assert!(
        matches!(again.take(SHARD, "b", 0, 101), Ok(Take::Message(message)) if message.position.to_bits() == 6)
    );
    again.tick(130);
    assert_eq!(changes(&again).last(), Some(&("b".into(), false, 130)));
}

#[test]
fn names_that_nobody_ever_published_to_are_not_told_but_once() {
    let (mut hub, mut told) = Told::hub(Limits::default());
    assert!(!hub.leaves_out_changes());
    for n in 0..100 {
        let id = join(&mut hub, &format!("x{n}"), n);
        release(&mut hub, n);
        hub.leave(SHARD, Leave::waiting(id, 1), 0, n);
        hub.tick(n);
        release(&mut hub, n);
    }
    assert_eq!(
        (hub.facts().len(), changes(&hub).len()),
        (1, 200),
        "the first, which says that there are more"
    );
    assert!(hub.leaves_out_changes() && hub.state("x0").is_none());
    // Whoever waits for the first message of a channel is remembered from then on.
    join(&mut hub, "first", 100);
    assert_eq!((hub.facts().len(), changes(&hub).len()), (1, 201), "it waits for no store");
    assert!(hub.state("first").is_none());
    told.say(&mut hub, "first", 101);
    assert!(hub.state("first").is_some());
    let again = told.again(&mut hub, Limits::default(), 102);
    assert!(again.is_online("first") && !again.leaves_out_changes());
}

#[test]
fn what_is_not_durable_is_told_to_be_gone() {
    let limits = volatile("v.*");
    let (mut hub, mut told) = Told::hub(limits.clone());
    hub.order(publish("v.a", 1, None), 0).unwrap();
    assert!(hub.facts().is_empty());
    let mut out = Vec::new();
    hub.release(Position::START, 0, &mut out);
    assert_eq!(out.len(), 1, "it waits for no store");
    told.say(&mut hub, "a,v.a", 0);
    let mut again = told.again(&mut hub, limits, 1);
    assert_eq!(read(&mut again, "a", after(1), 1), (vec![2], false));
    assert_eq!(read(&mut again, "v.a", after(1), 1), (vec![], true));
    assert_eq!(read(&mut again, "v.other", after(2), 1), (vec![], true));
    assert_eq!(read(&mut again, "v.a", after(1_000), 1), (vec![], false));
}

#[test]
fn what_a_store_lost_is_told_once_in_every_channel() {
    let mut hub = hub(Limits::default());
    let last = Position::from_bits(50);
    let mut messages = Vec::new();
    for place in 1..=70_u64 {
        let targets = [Target { name: "a".into(), alias: None }].into_iter().collect();
        messages.push(Message::new(
            Position::from_bits(place),
            0,
            None,
            targets,
            publish("a", 1, None).payload,
        ));
    }
    hub.restore(Past { last, lost: last, changes_lost: last, messages, ..Past::default() }, 0);
    for name in ["a", "b"] {
        assert!(read(&mut hub, name, after(3), 0).1);
        assert!(!read(&mut hub, name, after(50), 0).1);
        assert!(!read(&mut hub, name, Start::Everything, 0).1);
    }
    assert!(hub.changes(after(3), 9).gap && !hub.changes(after(50), 9).gap);
    let first = page(&mut hub, "b,a", after(3), 0);
    assert_eq!(first.gaps, [0, 1]);
}

#[test]
fn a_floor_stands_in_for_new_channels_and_not_for_those_that_were_there() {
    let (mut hub, mut told) = Told::hub(Limits::default());
    for (names, now) in [("slow", 0), ("x", 1), ("x", 2), ("new", 3)] {
        told.say(&mut hub, names, now);
    }
    told.take(&mut hub);
    let messages = told.facts.into_iter().filter_map(|fact| match fact {
        Fact::Message { message, .. } if message.position.to_bits() != 2 => Some(message),
        _ => None,
    });
    let past = Past {
        last: Position::from_bits(9),
        floor: Position::from_bits(2),
        messages: messages.collect(),
        ..Past::default()
    };
    let mut again = crate::trial::hub(Limits::default());
    again.restore(past, 4);
    assert_eq!(read(&mut again, "slow", after(0), 4), (vec![1], false));
    assert_eq!(read(&mut again, "new", after(0), 4), (vec![4], true));
    assert_eq!(read(&mut again, "new", after(2), 4), (vec![4], false));
}

#[test]
fn a_store_that_fails_gives_up_what_waits_and_nothing_else() {
    let (mut hub, _) = Told::hub(volatile("v"));
    hub.order(publish("a", 1, None), 0).unwrap();
    hub.order(publish("v", 1, None), 0).unwrap();
    join(&mut hub, "b", 0);
    assert_eq!(changes(&hub), [], "it waits for the store");
    assert_eq!(hub.suspend(), [Position::from_bits(1)]);
    let mut out = Vec::new();
    hub.release(Position::START, 0, &mut out);
    assert_eq!((out.len(), changes(&hub).len(), hub.facts().len()), (1, 1, 0));
    hub.audit();
    assert_eq!(read(&mut hub, "a", after(0), 0), (vec![], false));
    assert!(hub.is_durable(&publish("v,a", 1, None)) && !hub.is_durable(&publish("v", 1, None)));
    assert!(!hub.is_durable(&publish("a", 1, Some(0))));
    hub.tick(0);
    assert_eq!(hub.resume(), Position::from_bits(3));
    hub.order(publish("a", 1, None), 0).unwrap();
    assert_eq!(hub.facts().len(), 1);
}

#[test]
fn a_late_leave_takes_nobody_off_who_came_after_a_deletion() {
    let (mut hub, _) = Told::hub(Limits::default());
    let old = join(&mut hub, "a", 0);
    release(&mut hub, 0);
    hub.order(publish("a", 1, None), 0).unwrap();
    hub.delete("a", true, 0).unwrap();
    let new = join(&mut hub, "a", 0);
    hub.leave(SHARD, Leave::waiting(old, 1), 0, 0);
    assert_eq!(hub.channel("a").unwrap().waiting, 1, "a message under way must not keep the id");
    let released = release(&mut hub, 0);
    assert_eq!((released[0].channels[0], &released[0].shards[..]), (new, &[SHARD][..]));
    hub.audit();
}

#[test]
fn without_places_left_changes_are_told_to_be_missing() {
    let (mut hub, _) = Told::hub(Limits::default());
    hub.reserve(Position::from_bits(1));
    hub.order(publish("a", 1, None), 0).unwrap();
    assert!(hub.order(publish("a", 1, None), 0).is_err());
    release(&mut hub, 0);
    join(&mut hub, "a", 0);
    assert!(hub.is_online("a"));
    assert_eq!((hub.last(), hub.changes(after(0), 9).gap), (Position::from_bits(1), true));
}

#[test]
fn what_was_taken_back_from_one_channel_stays_so_in_the_others() {
    let targets = |hub: &Hub, name: &str| -> Vec<String> {
        let held = hub.held(name, Position::from_bits(1)).unwrap();
        held.targets().iter().map(|target| target.name.to_string()).collect()
    };
    for (limits, left) in [(Limits::default(), vec!["b", "v"]), (volatile("v"), vec!["b"])] {
        let (mut hub, mut told) = Told::hub(limits.clone());
        told.say(&mut hub, "a,b,v", 0);
        hub.remove("a", Position::from_bits(1), 1).unwrap().unwrap();
        release(&mut hub, 1);
        assert_eq!(targets(&hub, "b"), ["b", "v"]);
        let again = told.again(&mut hub, limits, 10);
        assert_eq!(targets(&again, "b"), left, "of what is not durable nobody knows");
        assert!(!again.holds("a", Position::from_bits(1)) && again.holds("a", Position::from_bits(2)));
    }
}

#[test]
fn two_removals_of_one_message_are_both_known() {
    let (mut hub, _) = Told::hub(Limits::default());
    say(&mut hub, "a,b,c", 1, 0);
    for name in ["a", "b"] {
        hub.remove(name, Position::from_bits(1), 1).unwrap().unwrap();
    }
    release(&mut hub, 1);
    let held = hub.held("c", Position::from_bits(1)).unwrap();
    assert_eq!(held.targets().iter().map(|target| &*target.name).collect::<Vec<_>>(), ["c"]);
    hub.audit();
}

#[test]
fn a_segment_that_goes_knows_what_is_still_needed() {
    let (mut hub, mut told) = Told::hub(Limits::default());
    for names in ["a", "a,b", "a"] {
        told.say(&mut hub, names, 0);
    }
    let place = Position::from_bits;
    assert!(hub.holds("a", place(2)) && hub.holds("b", place(2)) && !hub.holds("b", place(1)));
    assert!(!hub.holds("nobody", place(1)) && hub.state("nobody").is_none());
    assert!(!hub.evict("a", place(2), 0));
    assert!(!hub.holds("a", place(2)) && hub.holds("b", place(2)) && hub.holds("a", place(3)));
    assert_eq!(hub.state("a").unwrap().watermark, place(2));
    assert_eq!(read(&mut hub, "a", after(1), 0), (vec![3], true));
    hub.audit();
}
