//! Of what a webhook was told before, and what it lacks of what it is told now.

use exchange::hub::Pattern;

use super::*;
use crate::webhooks::settings::EventType;

/// One that is told of these events of these channels.
fn narrow(events: &[EventType], pattern: &str) -> Webhook {
    Webhook {
        pattern: Some(Pattern::new(pattern).unwrap()),
        events: events.iter().copied().collect(),
        ..hook()
    }
}

#[test]
fn who_is_told_of_more_than_before_lacks_what_was_before() {
    use EventType::{UserJoined, UserLeft};
    let now = Instant::now();
    let before = narrow(&[UserJoined], "room.*");
    for (after, gap) in [
        (before.clone(), false),
        (narrow(&[UserJoined], "room.1"), false),
        (narrow(&[UserJoined, UserLeft], "room.*"), true),
        (narrow(&[UserJoined], "*"), true),
        (hook(), true),
    ] {
        let mark = Bookmark { after: place(3), to: place(3), gap: false };
        let mut reloaded = WebhookQueue::new(before.clone(), Some((mark, Some(before.scope()))), place(9));
        assert!(reloaded.begin(now, place(9), cursors()).is_none());
        reloaded.renew(after.clone(), place(9));
        let restarted = WebhookQueue::new(after.clone(), Some((mark, Some(before.scope()))), place(9));
        for mut delivery in [reloaded, restarted] {
            let told =
                delivery.begin(now, place(9), cursors()).map(|(batch, _)| (batch.events, batch.mark.gap));
            assert_eq!(told, gap.then_some((0, true)), "{after:?}");
        }
        let mut unknown = WebhookQueue::new(after, Some((mark, None)), place(9));
        assert!(
            unknown.begin(now, place(9), cursors()).unwrap().0.mark.gap,
            "of what it was told nobody noted"
        );
    }
}

/// What a store has of one, as it was told last.
fn noted(delivery: &WebhookQueue) -> Option<(Bookmark, Option<Scope>)> {
    Some((delivery.bookmark(), Some(delivery.scope())))
}

#[test]
fn who_was_killed_before_it_could_tell_what_a_webhook_lacks_tells_it_the_next_time() {
    let now = Instant::now();
    let before = narrow(&[EventType::UserJoined], "room.*");
    let other = narrow(&[EventType::UserLeft], "*");
    let mark = Bookmark { after: place(1), to: place(4), gap: false };
    // Of a store, and of what the webhook is told since.
    for (scope, after) in
        [(Some(before.scope()), hook()), (Some(before.scope()), other), (None, before.clone())]
    {
        let first = || WebhookQueue::new(after.clone(), Some((mark, scope.clone())), place(9));
        let mut sent = first();
        push(&mut sent, 2..=4, now);
        let (batch, _) = sent.begin(now + WEBHOOK_BATCH_DELAY, place(9), cursors()).unwrap();
        assert_eq!((batch.events, batch.mark), (3, mark), "the batch is as it was");
        let mut reloaded = WebhookQueue::new(before.clone(), Some((mark, Some(before.scope()))), place(9));
        reloaded.renew(after.clone(), place(9));
        let mut killed = vec![first(), sent];
        if after != before {
            killed.push(reloaded);
        }
        for one in killed {
            let mut next = WebhookQueue::new(after.clone(), noted(&one), place(9));
            push(&mut next, 2..=4, now);
            let (batch, _) = next.begin(now + WEBHOOK_BATCH_DELAY, place(9), cursors()).unwrap();
            assert_eq!((batch.events, batch.mark), (3, mark), "once more");
            next.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
            let (gap, _) = next.begin(now, place(9), cursors()).unwrap();
            assert!(gap.mark.gap && gap.scope == after.scope(), "and then the gap is told: {after:?}");
            next.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
            let mut last = WebhookQueue::new(after.clone(), noted(&next), place(9));
            assert!(last.begin(now, place(9), cursors()).is_none(), "once");
        }
    }
}

#[test]
fn a_batch_is_noted_with_what_its_webhook_was_told_of_when_it_was_made() {
    let now = Instant::now();
    let before = narrow(&[EventType::UserJoined], "room.*");
    let mut delivery = WebhookQueue::new(before.clone(), None, place(1));
    delivery.begin(now, place(1), cursors()).unwrap();
    delivery.renew(hook(), place(1));
    assert_eq!(
        delivery.scope(),
        before.scope(),
        "a program that is started anew finds that it lacks something"
    );
    delivery.called(&CallOutcome::Taken, now, 0, WEBHOOK_RETRY, 0);
    assert_eq!((delivery.scope(), delivery.bookmark().gap), (hook().scope(), true));
}
