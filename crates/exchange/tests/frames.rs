//! A delivery's frames: rendered once per message and shape, whoever asks first.

#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "in a test")]

mod common;

use std::str::Split;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use common::Trial;
use multiplexor_exchange::hub::{ConnectionId, Reader, ShardId};
use multiplexor_exchange::limits::{SHAPES_MAX, SHARED_MATCHES_MAX};
use multiplexor_exchange::{Delivery, Frame, FrameRef, Mail};

/// Somebody from whom nothing is hidden.
struct Anybody;

impl Reader for Anybody {
    fn waits_on_any(&self, _: Split<'_, char>) -> bool {
        true
    }

    fn is_connection(&self, _: ConnectionId) -> bool {
        false
    }

    fn is_user(&self, _: &str) -> bool {
        true
    }
}

/// A message to so many channels, as a shard gets it.
fn delivery(channels: usize) -> Arc<Delivery> {
    let trial = Trial::new(1);
    trial.join(0, "0");
    let names: Vec<String> = (0..channels).map(|n| n.to_string()).collect();
    trial.say(&names.join(","), "x").unwrap();
    let mut mail = Vec::new();
    trial.exchange.shard(ShardId(0)).take_mail(&mut mail);
    match mail.pop() {
        Some(Mail::Delivery(delivery)) => delivery,
        other => panic!("no delivery: {other:?}"),
    }
}

/// Asks for a frame; its bytes say which.
fn ask(delivery: &Delivery, matched: usize, shape: usize, renders: &AtomicUsize) -> (bool, Frame) {
    let render = || {
        renders.fetch_add(1, Ordering::SeqCst);
        format!("{matched}/{shape}").into_bytes()
    };
    let frame = delivery.frame(delivery.message.visible_to(&Anybody).unwrap(), matched, shape, render);
    assert_eq!(**frame, *format!("{matched}/{shape}").as_bytes());
    (matches!(frame, FrameRef::Shared(_)), Frame::clone(&frame))
}

#[test]
fn a_frame_is_rendered_once() {
    let (delivery, renders) = (delivery(1), AtomicUsize::new(0));
    let (shared, first) = ask(&delivery, 0, 3, &renders);
    let (_, again) = ask(&delivery, 0, 3, &renders);
    assert!(shared && Arc::ptr_eq(&first, &again));
    assert_eq!(renders.load(Ordering::SeqCst), 1);
}

#[test]
fn each_shape_and_match_has_its_own() {
    let (delivery, renders) = (delivery(SHARED_MATCHES_MAX), AtomicUsize::new(0));
    for _ in 0..3 {
        for matched in (0..SHARED_MATCHES_MAX).rev() {
            for shape in 0..SHAPES_MAX {
                assert!(ask(&delivery, matched, shape, &renders).0);
            }
        }
    }
    assert_eq!(renders.load(Ordering::SeqCst), SHARED_MATCHES_MAX * SHAPES_MAX);
}

#[test]
fn the_rest_of_a_wide_message_is_rendered_on_demand() {
    let (delivery, renders) = (delivery(SHARED_MATCHES_MAX + 2), AtomicUsize::new(0));
    for matched in [SHARED_MATCHES_MAX - 1, SHARED_MATCHES_MAX, SHARED_MATCHES_MAX + 1] {
        for _ in 0..2 {
            let (shared, _) = ask(&delivery, matched, 0, &renders);
            assert_eq!(shared, matched < SHARED_MATCHES_MAX);
        }
    }
    assert_eq!(renders.load(Ordering::SeqCst), 1 + 2 + 2);
}

/// All shards at once, each in another order.
#[test]
fn threads_share_what_the_first_rendered() {
    const THREADS: usize = 8;
    for round in 0..200 {
        let (delivery, renders) = (delivery(3), AtomicUsize::new(0));
        let start = Barrier::new(THREADS);
        let frames: Vec<Vec<Frame>> = thread::scope(|scope| {
            let run = |thread: usize| {
                let (delivery, renders, start) = (&delivery, &renders, &start);
                move || {
                    start.wait();
                    let mut frames = vec![None; 12];
                    for n in 0..12 {
                        let slot = (n * 5 + thread * (round % 3)) % 12;
                        frames[slot] = Some(ask(delivery, slot % 3, slot / 3, renders).1);
                    }
                    frames.into_iter().flatten().collect()
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(run(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(renders.load(Ordering::SeqCst), 12);
        for of_thread in &frames {
            assert!(of_thread.iter().zip(&frames[0]).all(|(frame, first)| Arc::ptr_eq(frame, first)));
        }
    }
}
