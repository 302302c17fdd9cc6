//! Mailboxes: their limits, their order, and whom they wake.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Bell, Trial, publish};
use multiplexor_exchange::hub::{Leave, Limits, ShardId, Start};
use multiplexor_exchange::limits::{
    COMMANDS_MAX, MAILBOX_BYTES_MAX, MAILBOX_MESSAGES_MAX, ORDERS_MAX, ORDERS_SPARE, WAKE_AFTER,
};
use multiplexor_exchange::{
    Canary, Commands, Immediate, Listeners, MailboxLoad, Order, PublishError, Snapshot, Wake, WakeBatch,
};

const FIRST: ShardId = ShardId(0);

/// An exchange without history, so that what is published takes no memory.
fn forgetful(shards: usize) -> Trial {
    let limits = Limits { history_messages: 0, ..Limits::default() };
    Trial::with(shards, limits, Box::new(Immediate))
}

/// Nothing more can be said to `name`, and trying leaves no trace.
fn check_full(trial: &Trial, name: &str) {
    let before = (trial.exchange.end(), trial.exchange.admin().totals());
    let loads: Vec<MailboxLoad> = loads(trial);
    let Err(PublishError::Full(back)) = trial.say(name, "one too many") else { panic!("there was room") };
    assert_eq!(back.payload.data(), b"one too many", "the publisher has it back");
    assert_eq!((trial.exchange.end(), trial.exchange.admin().totals()), before, "it is not ordered");
    assert_eq!(loads, self::loads(trial), "nobody gets it");
}

fn loads(trial: &Trial) -> Vec<MailboxLoad> {
    (0..trial.exchange.shards())
        .map(|shard| trial.exchange.admin().load(ShardId(u16::try_from(shard).unwrap())))
        .collect()
}

#[test]
fn a_mailbox_is_full_of_messages() {
    let trial = forgetful(2);
    trial.join(0, "a");
    trial.join(1, "b");
    for _ in 0..MAILBOX_MESSAGES_MAX {
        trial.say("a", "").unwrap();
    }
    check_full(&trial, "a");
    check_full(&trial, "b,a");
    trial.say("b", "others are not held up").unwrap();
    trial.say("nobody", "").unwrap();

    let mut mail = Vec::new();
    trial.exchange.shard(FIRST).take_mail(&mut mail);
    assert_eq!(mail.len(), MAILBOX_MESSAGES_MAX);
    check_full(&trial, "a");
    trial.exchange.shard(FIRST).settle(1, 0);
    trial.say("a", "there is room for one").unwrap();
    check_full(&trial, "a");
    assert_eq!(trial.mail(0), ["there is room for one"]);
}

#[test]
fn a_mailbox_is_full_of_bytes() {
    let trial = forgetful(1);
    trial.join(0, "a");
    let piece = vec![0; MAILBOX_BYTES_MAX / 8];
    for _ in 0..8 {
        trial.exchange.publisher().publish(publish("a", piece.as_slice().into()), None).unwrap();
    }
    assert_eq!(trial.exchange.admin().load(FIRST), MailboxLoad { messages: 8, bytes: MAILBOX_BYTES_MAX });
    check_full(&trial, "a");
    trial.exchange.shard(FIRST).settle(1, piece.len());
    trial.say("a", "x").unwrap();
    assert_eq!(
        trial.exchange.admin().load(FIRST),
        MailboxLoad { messages: 8, bytes: MAILBOX_BYTES_MAX - piece.len() + 1 }
    );
}

#[test]
fn one_message_may_be_longer_than_all_may_be_together() {
    let trial = forgetful(1);
    trial.join(0, "a");
    trial.exchange.publisher().publish(publish("a", vec![0; MAILBOX_BYTES_MAX + 1].into()), None).unwrap();
    check_full(&trial, "a");
    trial.exchange.shard(FIRST).settle(1, MAILBOX_BYTES_MAX + 1);
    trial.say("a", "x").unwrap();
}

#[test]
fn orders_have_a_reserve() {
    let trial = forgetful(2);
    trial.join(0, "a");
    for _ in 0..MAILBOX_MESSAGES_MAX {
        trial.say("a", "").unwrap();
    }
    let drain = Order::Drain(Duration::ZERO);
    for _ in 0..ORDERS_MAX {
        assert!(trial.exchange.admin().order_all(&drain));
    }
    assert!(!trial.exchange.admin().order_all(&drain), "even that has an end, which is told");
    assert_eq!(trial.mail(1).len(), ORDERS_MAX);
    assert!(!trial.exchange.admin().order_all(&drain), "who has room gets it all the same");
    assert_eq!(trial.mail(1), ["drain"]);
    assert_eq!(trial.mail(0).len(), MAILBOX_MESSAGES_MAX + ORDERS_MAX);
    assert!(trial.exchange.admin().order_all(&drain));
    assert_eq!(
        trial.exchange.admin().load(FIRST),
        MailboxLoad { messages: 0, bytes: 0 },
        "orders do not count as messages"
    );
}

#[test]
fn only_those_get_a_message_who_listen() {
    let trial = Trial::new(3);
    trial.join(0, "a");
    trial.join(1, "a,b");
    trial.join(1, "a");
    trial.say("a,b", "1").unwrap();
    trial.say("b", "2").unwrap();
    let ids = trial.join(0, "c");
    trial.say("c", "3").unwrap();
    trial.exchange.registry().leave(FIRST, &[Leave::waiting(ids[0], 1)], None);
    trial.say("c", "4").unwrap();
    assert_eq!(trial.mail(0), ["1", "3"]);
    assert_eq!(trial.mail(1), ["1", "2"], "each once, however many connections and channels");
    assert!(trial.mail(2).is_empty());
}

#[test]
fn who_sleeps_is_woken_once() {
    let trial = Trial::new(2);
    trial.join(0, "a");
    assert!(trial.exchange.shard(FIRST).may_sleep());
    for _ in 0..5 {
        trial.say("a", "x").unwrap();
    }
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (1, 0));
    assert!(!trial.exchange.shard(FIRST).may_sleep(), "there is mail");
    trial.say("a", "x").unwrap();
    assert_eq!(trial.bells[0].rung(), 0, "who may not sleep is awake");
    assert_eq!(trial.mail(0).len(), 6);
    assert!(trial.exchange.shard(FIRST).may_sleep());
    trial.say("a", "x").unwrap();
    assert_eq!(trial.bells[0].rung(), 1);
}

#[test]
fn who_is_awake_is_not_woken() {
    let trial = Trial::new(1);
    trial.join(0, "a");
    trial.say("a", "x").unwrap();
    assert_eq!(trial.bells[0].rung(), 0, "nobody begins asleep");
    trial.mail(0);
    assert!(trial.exchange.shard(FIRST).may_sleep());
    trial.exchange.shard(FIRST).awake();
    trial.say("a", "x").unwrap();
    assert!(trial.exchange.publisher().delete("a", true));
    assert!(trial.exchange.admin().order_all(&Order::Drain(Duration::ZERO)));
    assert_eq!(trial.bells[0].rung(), 0);
}

#[test]
fn what_is_none_of_its_business_wakes_nobody() {
    let trial = Trial::new(2);
    trial.join(0, "a");
    assert!(trial.exchange.shard(FIRST).may_sleep() && trial.exchange.shard(ShardId(1)).may_sleep());
    trial.say("b", "x").unwrap();
    trial.exchange.admin().tick();
    assert!(trial.exchange.publisher().delete("b", true));
    assert!(!trial.exchange.publisher().delete("no such channel", true));
    assert!(!trial.exchange.publisher().delete("a", false), "it has no history yet");
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (0, 0));
    trial.say("a", "x").unwrap();
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (1, 0));
}

#[test]
fn orders_wake() {
    let trial = Trial::new(2);
    trial.join(0, "a");
    assert!(trial.exchange.shard(FIRST).may_sleep() && trial.exchange.shard(ShardId(1)).may_sleep());
    assert!(trial.exchange.publisher().delete("a", true));
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (1, 0));
    let commands = Commands::new(Arc::clone(&trial.exchange));
    assert!(commands.put_all(&1) && commands.put_all(&2));
    assert_eq!((trial.bells[0].rung(), trial.bells[1].rung()), (0, 1));
    assert_eq!(
        (trial.mail(0), trial.mail(1)),
        (vec!["deleted a".into(), "look".into()], vec!["look".into()])
    );
    assert_eq!((commands.take(FIRST), commands.take(ShardId(1))), (vec![1, 2], vec![1, 2]));
}

#[test]
fn commands_have_a_limit_and_are_told_once_until_they_are_taken() {
    let trial = Trial::new(1);
    let commands = Commands::new(Arc::clone(&trial.exchange));
    for n in 0..COMMANDS_MAX {
        assert!(commands.put(FIRST, n));
    }
    assert!(!commands.put(FIRST, 0), "one too many");
    assert_eq!((trial.mail(0), commands.take(FIRST).len()), (vec!["look".into()], COMMANDS_MAX));
    while trial.exchange.admin().order_all(&Order::Drain(Duration::ZERO)) {}
    assert!(!commands.put(FIRST, 0) && commands.take(FIRST).is_empty(), "the mailbox has no room to tell it");
}

#[test]
fn a_deletion_stands_between_what_was_said_before_and_after() {
    let trial = Trial::new(2);
    let old = trial.join(0, "a");
    trial.join(1, "a,b");
    trial.say("a", "before").unwrap();
    assert!(trial.exchange.publisher().delete("a", true));
    trial.say("a", "nobody listens").unwrap();
    let new = trial.join(0, "a");
    assert_ne!(old, new, "a deleted channel's record is not taken for the new one's");
    trial.say("a,b", "after").unwrap();
    assert_eq!(trial.mail(0), ["before", "deleted a", "after"]);
    assert_eq!(trial.mail(1), ["before", "deleted a", "after"]);
    assert!(trial.exchange.publisher().delete("a", false));
    trial.say("a", "still here").unwrap();
    assert_eq!((trial.mail(0), trial.kept("a")), (vec!["still here".to_owned()], 1));
}

#[test]
fn a_canary_sings_when_all_have_seen_it() {
    let trial = Trial::new(3);
    let songs = Arc::new(AtomicUsize::new(0));
    let sing = {
        let songs = Arc::clone(&songs);
        move || {
            songs.fetch_add(1, Ordering::SeqCst);
        }
    };
    assert!(trial.exchange.admin().order_all(&Order::Canary(Arc::new(Canary::new(3, sing)))));
    for shard in [2, 0, 1] {
        assert_eq!(songs.load(Ordering::SeqCst), 0);
        assert_eq!(trial.mail(shard), ["canary"]);
    }
    assert_eq!(songs.load(Ordering::SeqCst), 1);
}

#[test]
fn a_snapshot_has_what_each_shard_said_and_waits_for_none() {
    let snapshot = Snapshot::new(3, 30);
    let listeners = |more| Listeners { listed: Vec::new(), more };
    snapshot.put(ShardId(2), listeners(7));
    let said =
        |snapshot: &Snapshot| snapshot.answers().map(|said| said.map(|said| said.more)).collect::<Vec<_>>();
    assert_eq!((said(&snapshot), snapshot.is_whole()), (vec![None, None, Some(7)], false));
    snapshot.put(ShardId(0), listeners(0));
    snapshot.put(ShardId(1), listeners(1));
    assert_eq!((said(&snapshot), snapshot.is_whole()), (vec![Some(0), Some(1), Some(7)], true));
    assert_eq!(snapshot.limit(), 10, "no shard lists more than its part");
}

#[test]
fn many_channels_are_left_in_steps() {
    let trial = Trial::new(1);
    let names: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let ids = trial.join(0, &names.join(","));
    assert_eq!(trial.exchange.admin().totals().subscriptions, 500);
    let channels: Vec<_> = ids.iter().map(|id| Leave::waiting(*id, 1)).collect();
    trial.exchange.registry().leave(FIRST, &channels, Some(0));
    assert_eq!(trial.exchange.admin().totals().subscriptions, 0);
    let mut found = 0;
    trial.exchange.admin().channels(&|_, online| online, |page| found += page.drain(..).count());
    assert_eq!(found, 500, "online until their time is over");
    assert_eq!(trial.exchange.registry().find(&["7".into(), "x".into()]), [Some(ids[7]), None]);
    trial.exchange.admin().tick();
    assert_eq!(trial.exchange.admin().totals().online, 0);
    assert_eq!(trial.exchange.admin().changes(Start::Everything, 2_000).changes.len(), 1_000);
}

/// Deletions leave room for the orders that nobody may refuse, and are refused before one is lost.
#[test]
fn deletions_stop_before_their_orders_are_lost() {
    let trial = Trial::new(1);
    let mut deleted = 0;
    while trial.exchange.publisher().takes_orders() {
        trial.join(0, "a");
        assert!(trial.exchange.publisher().delete("a", true));
        deleted += 1;
    }
    assert_eq!(deleted, ORDERS_MAX - ORDERS_SPARE);
    assert!(trial.exchange.admin().order_all(&Order::Drain(Duration::ZERO)));
    assert_eq!(trial.mail(0).len(), deleted + 1);
    assert!(trial.exchange.publisher().takes_orders());
}

#[test]
fn who_is_given_something_in_a_batch_is_woken_when_it_is_flushed() {
    let trial = forgetful(2);
    trial.join(0, "a");
    trial.join(1, "b");
    let flusher = Arc::<Bell>::default();
    let batch = WakeBatch::new(Arc::clone(&flusher) as Arc<dyn Wake>);
    let publisher = trial.exchange.publisher().in_batch(&batch);
    let say = |name| drop(publisher.publish(publish(name, [].into()), None).unwrap());
    let sleep =
        || [FIRST, ShardId(1)].iter().for_each(|shard| assert!(trial.exchange.shard(*shard).may_sleep()));
    let rung = || [trial.bells[0].rung(), trial.bells[1].rung()];
    sleep();
    say("nobody");
    assert_eq!(flusher.rung(), 0, "nobody is to be woken for it");
    say("a");
    say("a");
    assert_eq!((flusher.rung(), rung()), (1, [0, 0]), "it is asked for once");
    publisher.flush();
    publisher.flush();
    assert_eq!(rung(), [1, 0], "once, and only who has mail");
    assert_eq!(trial.mail(0).len(), 2);
    sleep();
    (1..WAKE_AFTER).for_each(|_| say("a"));
    assert_eq!((flusher.rung(), rung()), (1, [0, 0]));
    say("a");
    assert_eq!(rung(), [1, 0], "so many are not kept waiting");
    say("a");
    assert_eq!(flusher.rung(), 1, "the next one begins another batch");
}
