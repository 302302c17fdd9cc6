//! Facts about TLS: handshakes wait for those who wait, and what is encrypted is bounded, whole and ended.

use exchange::Order;
use exchange::hub::Limits;
use multiplexor_wait::limits::{HANDSHAKES_PER_TURN, PENDING_LEN_MAX};
use multiplexor_wait::{Certificates, Renewal, WaitSettings};
use std::net::IpAddr;
use std::time::Duration;
use testkit::kernel::{Mischief, SimPeer, certificates};
use testkit::scene::Scene;
use testkit::wire::{get, sse, stream};

fn scene(settings: WaitSettings) -> Scene {
    let mut scene = Scene::new(0, 1, Limits::default(), settings);
    scene.shards[0].set_certificates(certificates());
    scene
}

/// A client whose handshake is over and whose request was answered.
fn waiting(scene: &mut Scene, request: &str) -> SimPeer {
    let peer = SimPeer::connect_tls(&scene.world, 0);
    peer.send(request);
    shake(scene, &peer);
    peer
}

/// Until the client has said what it had to say, and what was said for it has come.
fn shake(scene: &mut Scene, peer: &SimPeer) -> String {
    let mut text = String::new();
    while peer.is_handshaking() {
        scene.settle();
        assert!(!peer.is_ended(), "the handshake fails");
        text += &peer.text();
    }
    scene.settle();
    text + &peer.text()
}

#[test]
fn a_client_of_tls_is_told_what_others_are() {
    let mut scene = scene(WaitSettings::default());
    let peer = SimPeer::connect_tls(&scene.world, 0);
    peer.send(sse("/sub/a"));
    assert!(shake(&mut scene, &peer).starts_with("HTTP/1.1 200"));
    for size in [5, 20_000, 100_000] {
        let text = "x".repeat(size);
        scene.publish("a", &text);
        scene.settle();
        assert!(peer.text().contains(&format!("data: {text}\n")), "{size}");
    }
}

#[test]
fn mischief_changes_nothing() {
    for seed in 0..64 {
        let settings = WaitSettings::default();
        let mut scene = Scene::new(seed, 1, Limits::default(), settings);
        scene.shards[0].set_certificates(certificates());
        scene.world.set_mischief(Mischief {
            short: 2,
            interrupted: 4,
            again: 4,
            partial: 2,
            ..Mischief::default()
        });
        let peer = waiting(&mut scene, &stream("/sub/a?raw=1"));
        let mut told = String::new();
        for n in 0..20 {
            scene.publish("a", &format!("{n}-{}", "x".repeat(n * 400)));
            scene.settle();
            told += &peer.text();
        }
        scene.settle();
        told += &peer.text();
        let expected: String = (0..20).map(|n| format!("{n}-{}\n", "x".repeat(n * 400))).collect();
        let begin = told.find("0-").unwrap();
        assert!(told[begin..] == expected, "seed {seed}");
    }
}

#[test]
fn who_waits_comes_before_a_flood_of_handshakes() {
    let mut scene = scene(WaitSettings::default());
    let live: Vec<SimPeer> = (0..3).map(|_| waiting(&mut scene, &stream("/sub/a?raw=1"))).collect();
    live.iter().for_each(|peer| drop(peer.take()));
    let flood: Vec<SimPeer> = (0..200).map(|_| SimPeer::connect_tls(&scene.world, 0)).collect();
    let answered = |flood: &[SimPeer]| flood.iter().filter(|peer| peer.unread() > 0).count();
    // All are accepted and heard of.
    for _ in 0..4 {
        scene.turn(0);
    }
    let mut before = answered(&flood);
    assert!(before < 200);
    for n in 0..20 {
        scene.publish("a", &n.to_string());
        scene.turn(0);
        for peer in &live {
            assert_eq!(peer.text(), format!("{n}\n"), "in the turn in which it is said");
        }
        let now = answered(&flood);
        assert!(now - before <= HANDSHAKES_PER_TURN, "{before} to {now} in one turn");
        before = now;
    }
    assert!(before < 200, "the flood still goes on");
    scene.settle();
    assert_eq!(answered(&flood), 200, "and is served in the end");
}

#[test]
fn plain_http_is_told_of_tls() {
    let mut scene = scene(WaitSettings::default());
    let peer = scene.says(get("/sub/a", ""));
    let text = peer.text();
    assert!(text.starts_with("HTTP/1.1 400 ") && text.ends_with("use https://\"}"), "{text}");
    assert!(peer.is_ended());
    peer.hang_up();
    scene.settle();
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn tls_where_none_is_spoken_is_closed() {
    let mut scene = Scene::one();
    let peer = SimPeer::connect_tls(&scene.world, 0);
    scene.settle();
    assert!(peer.is_closed());
}

#[test]
fn a_handshake_has_the_time_of_a_request() {
    let mut scene = scene(WaitSettings::default());
    let silent = scene.peer();
    let half = SimPeer::connect_tls(&scene.world, 0);
    scene.settle();
    assert!(half.unread() > 0, "it was answered, and says no more");
    scene.pass(19_000);
    assert!(!half.is_closed() && !silent.is_closed());
    scene.pass(1_500);
    assert!(half.is_closed() && silent.is_closed());
}

#[test]
fn what_is_no_tls_gets_an_alert_or_the_end() {
    let mut scene = scene(WaitSettings::default());
    for bytes in [&b"\x80\x2e\x01\x03"[..], b"\0\0\0\0\0\0", b"\x16\x03\x01\0\x05hello"] {
        let peer = scene.says(bytes);
        peer.take();
        assert!(peer.is_ended(), "{bytes:?}");
    }
    let peer = waiting(&mut scene, &sse("/sub/a"));
    peer.send_raw(b"\x17\x03\x03\0\x20 this is no record of this client");
    scene.settle();
    assert!(peer.is_closed() || peer.is_watched_for_writing() || peer.unread() > 0);
    scene.pass(3_000);
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
}

#[test]
fn a_slow_reader_of_tls_gets_all_when_it_reads_again() {
    let mut scene = scene(WaitSettings::default());
    let peer = waiting(&mut scene, &stream("/sub/a?raw=1"));
    peer.take();
    peer.set_window(100);
    let mut expected = String::new();
    for n in 0..30 {
        let text = format!("{n}-{}", "y".repeat(3_000));
        scene.publish("a", &text);
        scene.settle();
        expected += &format!("{text}\n");
    }
    assert!(peer.is_watched_for_writing());
    peer.set_window(usize::MAX);
    scene.settle();
    assert!(peer.text() == expected);
    assert!(!peer.is_watched_for_writing());
}

#[test]
fn a_reader_of_tls_over_the_limit_is_closed() {
    let limit = 200_000;
    let mut scene = scene(WaitSettings { slow_reader: limit, ..WaitSettings::default() });
    let peer = waiting(&mut scene, &sse("/sub/a"));
    peer.set_window(0);
    let mut said = 0;
    while !peer.is_closed() {
        scene.publish("a", &"x".repeat(10_000));
        scene.settle();
        said += 10_000;
        assert!(said < limit + PENDING_LEN_MAX, "it holds too much");
    }
    assert!(said >= limit, "closed at {said}");
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn both_ends_say_that_they_end() {
    let mut scene = scene(WaitSettings::default());
    let (left, told) = (waiting(&mut scene, &sse("/sub/a")), waiting(&mut scene, &sse("/sub/a")));
    left.half_close();
    scene.settle();
    left.take();
    assert!(left.is_closed() && left.was_told_the_end(), "its own word is answered");
    assert_eq!(scene.exchange.admin().totals().subscriptions, 1);
    told.take();
    assert!(scene.exchange.admin().order_all(&Order::Drain(Duration::from_millis(50))));
    scene.pass(200);
    told.take();
    assert!(told.is_ended() && told.was_told_the_end());
}

#[test]
fn a_poll_whose_client_ends_in_the_words_of_tls_is_answered_at_once() {
    let mut scene = scene(WaitSettings::default());
    let peer = waiting(&mut scene, &get("/sub/a", ""));
    peer.half_close();
    scene.settle();
    let answer = peer.text();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"messages\":[]"), "{answer}");
    assert!(peer.is_closed() && peer.was_told_the_end());
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn half_a_record_has_the_time_of_a_request() {
    for request in [sse("/sub/a"), stream("/sub/a?raw=1"), get("/healthz", "")] {
        let mut scene = scene(WaitSettings::default());
        let peer = waiting(&mut scene, &request);
        // The beginning of a record of 16 KiB.
        peer.send_raw([&[23, 3, 3, 0x40, 0][..], &[0; 9_000]].concat());
        scene.pass(19_900);
        peer.take();
        peer.send_raw([0; 10]);
        scene.settle();
        assert!(!peer.is_closed(), "{request}");
        scene.pass(2_300);
        peer.take();
        assert!(peer.is_closed(), "{request}");
    }
}

#[test]
fn whoever_has_most_handshakes_under_way_gives_one_up_for_a_newcomer() {
    let mut scene = scene(WaitSettings { tls_handshakes: 16, ..WaitSettings::default() });
    let hello = |scene: &mut Scene, address: [u8; 4]| {
        let peer = SimPeer::connect_tls(&scene.world, 0).from(IpAddr::from(address));
        scene.settle();
        peer
    };
    // Each has said hello, and was answered; none goes on.
    let first = hello(&mut scene, [192, 0, 2, 1]);
    let flood: Vec<SimPeer> = (0..100).map(|_| hello(&mut scene, [198, 51, 100, 7])).collect();
    assert_eq!(scene.shards[0].connections(), 16);
    assert!(flood[..85].iter().all(SimPeer::is_closed), "the oldest of those who have most");
    assert!(flood[85..].iter().all(|peer| !peer.is_closed()));
    shake(&mut scene, &first);
    assert!(!first.is_handshaking() && !first.is_closed(), "who has one is not pushed out by who has many");
    // One place is free again.
    let last = hello(&mut scene, [192, 0, 2, 9]);
    assert!(!flood[85].is_closed());
    shake(&mut scene, &last);
}

#[test]
fn behind_a_private_address_are_many_people() {
    let mut scene = scene(WaitSettings { tls_handshakes: 4, ..WaitSettings::default() });
    let many: Vec<SimPeer> = (0..8)
        .map(|n| {
            let address = if n == 0 { [192, 0, 2, 1] } else { [10, 0, 0, 1] };
            let peer = SimPeer::connect_tls(&scene.world, 0).from(IpAddr::from(address));
            scene.settle();
            peer
        })
        .collect();
    let closed: Vec<bool> = many.iter().map(SimPeer::is_closed).collect();
    assert_eq!(closed, [true, true, true, true, false, false, false, false], "the oldest, whoever it is");
    scene.pass(25_000);
    assert_eq!(scene.shards[0].connections(), 0);
    // Places are free when handshakes are over in whatever way.
    for _ in 0..20 {
        let peer = SimPeer::connect_tls(&scene.world, 0);
        shake(&mut scene, &peer);
        assert!(!peer.is_closed());
    }
}

#[test]
fn new_certificates_hold_from_the_next_connection_on() {
    let mut scene = scene(WaitSettings::default());
    let peer = waiting(&mut scene, &stream("/sub/a?raw=1"));
    peer.take();
    assert!(scene.desk.renewals.put_all(&Renewal::Certificates(Certificates::default())));
    scene.settle();
    scene.publish("a", "still here");
    scene.settle();
    assert_eq!(peer.text(), "still here\n");
    let plain = scene.says(get("/healthz", ""));
    assert!(plain.text().starts_with("HTTP/1.1 200"));
}
