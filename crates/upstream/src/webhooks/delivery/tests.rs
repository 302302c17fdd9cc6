//! What is sent when, and what follows from answers.
#![allow(clippy::unwrap_used, reason = "in a test")]

use access::WebhookSecret;
use exchange::hub::Epoch;

use super::*;
use crate::limits::{WEBHOOK_BACKLOG, WEBHOOK_RETRY};
use crate::webhooks::settings::EventTypes;

mod scopes;

fn hook() -> Webhook {
    Webhook {
        name: "app".into(),
        url: "http://127.0.0.1/".parse().unwrap(),
        pattern: None,
        events: EventTypes::ALL,
        secrets: vec![WebhookSecret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap()],
    }
}

fn place(place: u64) -> Position {
    Position::from_bits(place)
}

fn cursors() -> Cursors {
    Cursors::new(Epoch::new(7))
}

fn event(at: u64, len: usize) -> Arc<WebhookEvent> {
    Arc::new(WebhookEvent { at: place(at), time: at, json: vec![b'1'; len].into() })
}

/// One that has been told of the gap at its beginning, where all up to place 1 was read.
fn begun(now: Instant) -> WebhookQueue {
    let mut delivery = WebhookQueue::new(hook(), None, place(1));
    let (batch, _) = delivery.begin(now, place(1), cursors()).unwrap();
    assert_eq!((&batch.body[..], batch.events), (&b"{\"events\":[],\"gap\":true}"[..], 0));
    assert_eq!(delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0), NextCall::Moved);
    delivery
}

fn push(delivery: &mut WebhookQueue, at: std::ops::RangeInclusive<u64>, now: Instant) {
    at.for_each(|at| delivery.push(&event(at, 1), now, WEBHOOK_BACKLOG));
}

fn failed() -> CallOutcome {
    CallOutcome::Failed("it is gone".into(), None)
}

#[test]
fn an_event_waits_for_others_and_goes_with_them() {
    let now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 2..=4, now);
    let soon = now + WEBHOOK_BATCH_DELAY;
    assert!(
        delivery.begin(soon.checked_sub(Duration::from_millis(1)).unwrap(), place(4), cursors()).is_none()
    );
    let (batch, is_noted) = delivery.begin(soon, place(9), cursors()).unwrap();
    assert_eq!((&batch.body[..], batch.events, is_noted), (&b"{\"events\":[1,1,1]}"[..], 3, false));
    assert_eq!(batch.id, format!("app_{}", cursors().text(place(2))));
    push(&mut delivery, 10..=10, soon);
    assert!(delivery.begin(soon + WEBHOOK_BATCH_DELAY, place(10), cursors()).is_none(), "one call at a time");
    assert_eq!(delivery.called(&CallOutcome::Taken, soon, 0, WEBHOOK_RETRY, 0), NextCall::Moved);
    assert_eq!(delivery.taken, place(9));
}

#[test]
fn a_batch_has_its_limits_and_the_rest_follows_at_once() {
    let now = Instant::now();
    for (len, count) in
        [(1, WEBHOOK_BATCH_EVENTS_MAX), (WEBHOOK_BATCH_LEN_MAX / 4, 3), (WEBHOOK_BATCH_LEN_MAX * 2, 1)]
    {
        let mut delivery = begun(now);
        let many = 3 * count as u64;
        (2..2 + many).for_each(|at| delivery.push(&event(at, len), now, WEBHOOK_BACKLOG));
        for call in 0..3 {
            let (batch, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(many + 1), cursors()).unwrap();
            assert_eq!(batch.events, count, "call {call}");
            delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
        }
        assert!(delivery.is_idle());
    }
}

#[test]
fn a_batch_is_the_same_until_it_is_taken_and_pauses_grow() {
    let mut now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 2..=2, now);
    now += WEBHOOK_BATCH_DELAY;
    let (first, _) = delivery.begin(now, place(2), cursors()).unwrap();
    let mut pauses = Vec::new();
    for at in 3..20 {
        assert_eq!(delivery.called(&failed(), now, at, WEBHOOK_RETRY, 250), NextCall::Again);
        push(&mut delivery, at..=at, now);
        let due = delivery.due(now).unwrap();
        pauses.push((due - now).as_millis());
        now = due;
        let (batch, is_noted) = delivery.begin(now, place(at), cursors()).unwrap();
        assert!(
            Arc::ptr_eq(&batch, &first) && is_noted == (at > 10),
            "until a store knows it, it is to be noted"
        );
        delivery.noted = at >= 10;
    }
    assert_eq!(pauses[..4], [500, 750, 1_250, 2_250], "half, and up to as much again by chance");
    assert!(pauses.iter().all(|pause| *pause <= 90_000));
    assert_eq!(delivery.state().0, "retrying");
    delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
    let (next, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(19), cursors()).unwrap();
    assert_eq!((next.events, delivery.state().0), (17, "sending"));
}

#[test]
fn a_receiver_says_how_long_it_wants_to_be_left_alone_but_not_for_ever() {
    let now = Instant::now();
    for (asked, pause) in [(7, 7), (3_600, 3_600), (u64::MAX, 3_600)] {
        let mut delivery = begun(now);
        push(&mut delivery, 2..=2, now);
        delivery.begin(now + WEBHOOK_BATCH_DELAY, place(2), cursors()).unwrap();
        let outcome = CallOutcome::Failed(String::new(), Some(Duration::from_secs(asked)));
        delivery.called(&outcome, now, 0, WEBHOOK_RETRY, 0);
        assert_eq!(delivery.due(now), Some(now + Duration::from_secs(pause)));
    }
}

#[test]
fn a_batch_that_is_refused_ten_times_over_five_minutes_is_given_up() {
    let mut now = Instant::now();
    let begin = now;
    let mut delivery = begun(now);
    push(&mut delivery, 2..=2, now);
    now += WEBHOOK_BATCH_DELAY;
    let mut refusals = 0;
    loop {
        delivery.begin(now, place(2), cursors()).unwrap();
        refusals += 1;
        match delivery.called(&CallOutcome::Refused(400, None), now, 0, WEBHOOK_RETRY, 500) {
            NextCall::Again => now = delivery.due(now).unwrap(),
            next => {
                assert_eq!(next, NextCall::GivenUp);
                break;
            }
        }
    }
    assert!(refusals >= 10 && now - begin >= Duration::from_secs(300), "{refusals} in {:?}", now - begin);
    push(&mut delivery, 3..=3, now);
    let (batch, _) = delivery.begin(delivery.due(now).unwrap(), place(3), cursors()).unwrap();
    assert_eq!(&batch.body[..], b"{\"events\":[1],\"gap\":true}");
    assert_eq!((delivery.counts.lost, delivery.counts.gaps), (1, 1));
}

#[test]
fn what_is_tried_for_too_long_is_given_up_and_what_is_younger_is_not() {
    let now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 2..=2, now);
    delivery.begin(now + WEBHOOK_BATCH_DELAY, place(2), cursors()).unwrap();
    let day = u64::try_from(WEBHOOK_RETRY.as_millis()).unwrap();
    assert_eq!(delivery.called(&failed(), now, day + 2, WEBHOOK_RETRY, 0), NextCall::Again);
    delivery.begin(delivery.due(now).unwrap(), place(2), cursors()).unwrap();
    assert_eq!(delivery.called(&failed(), now, day + 3, WEBHOOK_RETRY, 0), NextCall::GivenUp);
    delivery.push(
        &Arc::new(WebhookEvent { at: place(3), time: day, json: b"3"[..].into() }),
        now,
        WEBHOOK_BACKLOG,
    );
    let due = delivery.due(now).unwrap();
    delivery.begin(due, place(3), cursors()).unwrap();
    assert_eq!(delivery.called(&failed(), due, day + 3, WEBHOOK_RETRY, 0), NextCall::Again);
}

#[test]
fn what_finds_no_room_is_a_gap() {
    let now = Instant::now();
    let mut delivery = begun(now);
    let cost = event(2, 100).cost();
    (2..=9).for_each(|at| delivery.push(&event(at, 100), now, 3 * cost));
    let (batch, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(9), cursors()).unwrap();
    assert_eq!((batch.events, batch.mark.gap, delivery.counts.lost), (3, true, 5));
    assert_eq!(batch.id, format!("app_{}", cursors().text(place(7))));
}

/// One whose batch of places 2 to 4 was sent and not taken, and has room for two events besides.
fn stuck(now: Instant) -> (WebhookQueue, usize) {
    let mut delivery = begun(now);
    push(&mut delivery, 2..=4, now);
    let (batch, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(4), cursors()).unwrap();
    delivery.is_noted(Some(batch.mark));
    (delivery, 2 * event(5, 1).cost())
}

fn push_into(
    delivery: &mut WebhookQueue,
    at: std::ops::RangeInclusive<u64>,
    now: Instant,
    backlog_max: usize,
) {
    at.for_each(|at| delivery.push(&event(at, 1), now, backlog_max));
}

#[test]
fn where_there_is_no_room_the_oldest_are_left_out_and_they_are_in_the_batch() {
    let now = Instant::now();
    let (mut delivery, room) = stuck(now);
    assert_eq!(delivery.called(&failed(), now, 0, WEBHOOK_RETRY, 0), NextCall::Again);
    push_into(&mut delivery, 5..=6, now, room);
    assert_eq!((delivery.backlog().0, delivery.settled(), delivery.counts.lost), (5, place(1), 0));
    push_into(&mut delivery, 7..=9, now, room);
    assert_eq!((delivery.backlog().0, delivery.counts.lost, delivery.counts.gaps), (2, 6, 1));
    assert_eq!(delivery.settled(), place(1), "no store knows of it yet");
    let mark = delivery.note_left_out().unwrap();
    assert_eq!(mark, Bookmark { after: place(7), to: place(7), gap: true });
    push_into(&mut delivery, 10..=10, now, room);
    assert_eq!(delivery.note_left_out(), None, "one note at a time");
    delivery.is_noted(Some(mark));
    assert_eq!(delivery.settled(), place(7), "what was left out since waits for the next note");
    let mark = delivery.note_left_out().unwrap();
    delivery.is_noted(None);
    assert_eq!((delivery.settled(), delivery.note_left_out()), (place(7), Some(mark)), "it was not noted");
    delivery.is_noted(Some(mark));
    assert_eq!((delivery.settled(), delivery.note_left_out()), (place(8), None));
    let (batch, _) = delivery.begin(delivery.due(now).unwrap(), place(10), cursors()).unwrap();
    assert_eq!((batch.events, batch.mark), (2, Bookmark { after: place(8), to: place(10), gap: true }));
}

#[test]
fn a_batch_on_its_way_is_left_out_only_if_it_is_not_taken() {
    let now = Instant::now();
    for (outcome, next, lost) in [(CallOutcome::Taken, NextCall::Moved, 1), (failed(), NextCall::GivenUp, 4)]
    {
        let (mut delivery, room) = stuck(now);
        push_into(&mut delivery, 5..=7, now, room);
        assert_eq!(
            (delivery.settled(), delivery.note_left_out()),
            (place(1), None),
            "it is noted with its batch"
        );
        assert_eq!(delivery.called(&outcome, now, 0, WEBHOOK_RETRY, 0), next);
        assert_eq!((delivery.counts.lost, delivery.taken), (lost, place(5)));
        let due = delivery.due(now).unwrap();
        let (batch, _) = delivery.begin(due, place(7), cursors()).unwrap();
        assert_eq!((batch.events, batch.mark), (2, Bookmark { after: place(5), to: place(7), gap: true }));
        delivery.is_noted(Some(batch.mark));
        delivery.called(&CallOutcome::Taken, due, 0, WEBHOOK_RETRY, 0);
        assert_eq!((delivery.settled(), delivery.is_idle()), (place(7), true));
    }
}

#[test]
fn a_batch_of_before_a_restart_that_finds_no_room_is_not_told_as_if_it_were_whole() {
    let now = Instant::now();
    let kept = Bookmark { after: place(1), to: place(4), gap: false };
    let mut delivery = WebhookQueue::new(hook(), Some((kept, Some(hook().scope()))), place(9));
    push_into(&mut delivery, 2..=6, now, 2 * event(2, 1).cost());
    let (batch, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(9), cursors()).unwrap();
    assert_eq!((batch.events, batch.mark), (2, Bookmark { after: place(4), to: place(9), gap: true }));
}

#[test]
fn who_says_that_it_is_gone_gets_nothing_until_it_is_set_anew() {
    let now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 2..=3, now);
    delivery.begin(now + WEBHOOK_BATCH_DELAY, place(3), cursors()).unwrap();
    assert_eq!(delivery.called(&CallOutcome::Gone, now, 0, WEBHOOK_RETRY, 0), NextCall::Stopped);
    push(&mut delivery, 4..=5, now);
    delivery.lose();
    assert_eq!((delivery.due(now), delivery.backlog(), delivery.state().0), (None, (0, 0), "stopped"));
    delivery.renew(hook(), place(5));
    push(&mut delivery, 6..=6, now);
    let (batch, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(6), cursors()).unwrap();
    assert_eq!(&batch.body[..], b"{\"events\":[1],\"gap\":true}", "what came meanwhile is gone");
}

#[test]
fn a_batch_that_may_have_been_taken_is_the_same_after_a_restart() {
    let now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 3..=4, now);
    let (before, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(5), cursors()).unwrap();
    let kept = Bookmark::read(&before.mark.text()).unwrap();
    assert_eq!(kept, Bookmark { after: place(1), to: place(5), gap: false });
    let mut delivery = WebhookQueue::new(hook(), Some((kept, Some(hook().scope()))), place(100));
    push(&mut delivery, 1..=1, now);
    push(&mut delivery, 3..=4, now);
    push(&mut delivery, 6..=9, now);
    delivery.lose();
    let (again, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(100), cursors()).unwrap();
    assert_eq!((&again.id, &again.body, again.mark), (&before.id, &before.body, before.mark));
    delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
    let (next, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(100), cursors()).unwrap();
    assert_eq!((next.events, next.mark.gap), (4, true), "that something is gone is told in the next one");
    assert_eq!((next.mark.after, next.mark.to), (place(5), place(100)));
}

#[test]
fn a_gap_alone_has_an_id_that_no_batch_of_events_has() {
    let now = Instant::now();
    let mut delivery = begun(now);
    push(&mut delivery, 2..=2, now);
    let (events, _) = delivery.begin(now + WEBHOOK_BATCH_DELAY, place(2), cursors()).unwrap();
    delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
    delivery.lose();
    let (gap, _) = delivery.begin(now, place(2), cursors()).unwrap();
    assert_eq!((gap.events, gap.id.clone()), (0, format!("{}_gap", events.id)));
    assert!(!gap.id.contains('.'));
}

#[test]
fn what_is_read_of_a_bookmark_is_what_was_noted() {
    for mark in [Bookmark::default(), Bookmark { after: place(7), to: Position::END, gap: true }] {
        assert_eq!(Bookmark::read(&mark.text()), Some(mark));
    }
    for nonsense in ["", "1", "1 2", "a b c", "1 2 x"] {
        assert_eq!(Bookmark::read(nonsense), None, "{nonsense}");
    }
}
