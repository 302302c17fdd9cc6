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
        let mut reloaded = Delivery::new(before.clone(), Some((mark, Some(before.scope()))), place(9));
        assert!(reloaded.begin(now, place(9), cursors()).is_none());
        reloaded.renew(after.clone(), place(9));
        let restarted = Delivery::new(after.clone(), Some((mark, Some(before.scope()))), place(9));
        for mut delivery in [reloaded, restarted] {
            let told =
                delivery.begin(now, place(9), cursors()).map(|(batch, _)| (batch.events, batch.mark.gap));
            assert_eq!(told, gap.then_some((0, true)), "{after:?}");
        }
        let mut unknown = Delivery::new(after, Some((mark, None)), place(9));
        assert!(
            unknown.begin(now, place(9), cursors()).unwrap().0.mark.gap,
            "of what it was told nobody noted"
        );
    }
}

#[test]
fn a_batch_is_noted_with_what_its_webhook_was_told_of_when_it_was_made() {
    let now = Instant::now();
    let before = narrow(&[EventType::UserJoined], "room.*");
    let mut delivery = Delivery::new(before.clone(), None, place(1));
    delivery.begin(now, place(1), cursors()).unwrap();
    delivery.renew(hook(), place(1));
    assert_eq!(
        delivery.scope(),
        before.scope(),
        "a program that is started anew finds that it lacks something"
    );
    delivery.called(&Outcome::Taken, now, 0, WEBHOOK_RETRY, 0);
    assert_eq!((delivery.scope(), delivery.bookmark().gap), (hook().scope(), true));
}
