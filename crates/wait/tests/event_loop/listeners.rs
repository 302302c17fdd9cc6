//! Facts about clients of Realplexor: a head at once, all that is due in one array, and nothing of them is left.

use std::sync::Arc;
use std::time::Duration;

use exchange::hub::{Limits, Publish, ShardId};
use exchange::{Order, Snapshot};
use multiplexor_wait::{Classic, WaitSettings};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::sse;
use transport::dialect::realplexor::payload;

const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\
    Cache-Control: no-store, no-cache, must-revalidate\r\nExpires: Mon, 26 Jul 1997 05:00:00 GMT\r\n\
    Content-Type: text/javascript; charset=utf-8\r\n\r\n \r\n";

fn scene(settings: WaitSettings) -> Scene {
    Scene::speaking(Classic::Realplexor, 0, 1, Limits::default(), settings)
}

/// Publishes to ids with cursors, and for those who listen to the limits only.
fn say(scene: &mut Scene, items: &[(&str, &str)], limits: &[&str], data: &str) {
    let publish = Publish {
        channels: items.iter().map(|(id, _)| Box::from(*id)).collect(),
        aliases: items.iter().map(|(_, cursor)| Box::from(*cursor)).collect(),
        payload: payload(limits, data.as_bytes()),
        ttl: None,
    };
    scene.exchange.publisher().publish(publish, None).expect("there is room");
    scene.settle();
}

fn reply(id: &str, cursor: &str, data: &str) -> String {
    format!("[\n  {{\n    \"ids\": {{ \"{id}\": \"{cursor}\" }},\n    \"data\": {data}\n  }}\n]")
}

fn got(peer: &SimPeer, expected: &str) {
    assert_eq!(peer.text(), expected);
    assert!(peer.is_ended(), "a reply is the end");
}

fn nothing_is_left(scene: &mut Scene) {
    scene.pass(60_000);
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
    assert_eq!(scene.exchange.admin().load(ShardId(0)).messages, 0);
}

#[test]
fn a_listener_gets_its_head_at_once_and_then_what_is_due() {
    let mut scene = scene(WaitSettings::default());
    let peer = scene.says("identifier=5:a,b\n");
    assert_eq!(peer.text(), HEAD);
    say(&mut scene, &[("a", "4")], &[], "1");
    say(&mut scene, &[("a", "5.0")], &[], "2");
    assert_eq!((peer.unread(), scene.exchange.admin().totals().subscriptions), (0, 2));
    say(&mut scene, &[("c", ""), ("a", "5.5")], &[], "3");
    got(&peer, &reply("a", "5.5", "3"));
    nothing_is_left(&mut scene);
}

#[test]
fn what_is_held_comes_with_the_head() {
    let mut scene = scene(WaitSettings::default());
    say(&mut scene, &[("a", "7")], &[], "1");
    let peer = scene.says("identifier=0:a\n");
    got(&peer, &format!("{HEAD}{}", reply("a", "7", "1")));
    nothing_is_left(&mut scene);
}

#[test]
fn a_limited_message_is_for_those_who_listen_to_the_limit() {
    let mut scene = scene(WaitSettings::default());
    let (one, other) = (scene.says("identifier=0:a,u\n"), scene.says("identifier=0:a\n"));
    let mut native = scene.says(sse("/sub/a"));
    native.text();
    say(&mut scene, &[("a", "1")], &["u", "v"], "1");
    got(&one, &format!("{HEAD}{}", reply("a", "1", "1")));
    assert_eq!((other.text(), native.text()), (HEAD.to_owned(), String::new()));
    say(&mut scene, &[("a", "2")], &[], "2");
    got(&other, &reply("a", "2", "2"));
    assert!(native.text().contains("data: 2"));
    for peer in [&one, &other, &native] {
        peer.hang_up();
    }
    native = scene.says(sse("/sub/a?since=0"));
    let text = native.text();
    assert!(text.contains("data: 2") && !text.contains("data: 1"), "{text}");
    native.hang_up();
    nothing_is_left(&mut scene);
}

#[test]
fn a_slow_listener_gets_the_whole_reply() {
    let mut scene = scene(WaitSettings { slow_reader: 1_000, ..WaitSettings::default() });
    let peer = scene.says("identifier=0:a\n");
    peer.text();
    peer.set_window(1_000);
    let data = format!("\"{}\"", "x".repeat(100_000));
    say(&mut scene, &[("a", "1")], &[], &data);
    let mut text = Vec::new();
    while !peer.is_ended() {
        text.extend(peer.take_some(1_000));
        scene.pass(5_000);
    }
    text.extend(peer.take_some(usize::MAX));
    assert_eq!(String::from_utf8(text).unwrap(), reply("a", "1", &data));
    nothing_is_left(&mut scene);
}

#[test]
fn a_time_out_says_nothing_and_input_puts_it_off() {
    let mut scene =
        scene(WaitSettings { classic_timeout: Duration::from_secs(10), ..WaitSettings::default() });
    let peer = scene.says("identifier=a\n");
    for _ in 0..5 {
        scene.pass(8_000);
        peer.send(b"x");
        scene.settle();
    }
    assert!(!peer.is_ended());
    scene.pass(11_000);
    got(&peer, HEAD);
    nothing_is_left(&mut scene);
}

#[test]
fn the_end_of_the_server_and_of_a_channel_are_the_end() {
    let mut scene = scene(WaitSettings::default());
    let (one, both) = (scene.says("identifier=a\n"), scene.says("identifier=a,b\n"));
    assert!(scene.exchange.publisher().delete("a", true));
    scene.settle();
    got(&one, HEAD);
    assert!(!both.is_ended());
    say(&mut scene, &[("b", "99999999999999")], &[], "1");
    got(&both, &format!("{HEAD}{}", reply("b", "99999999999999", "1")));
    let last = scene.says("identifier=a\n");
    scene.exchange.admin().order_all(&Order::Drain(Duration::from_secs(1)));
    scene.settle();
    got(&last, HEAD);
}

/// What a snapshot of at most so many pairs shows: each connection's number with its pairs, and how many are left out.
fn seen(scene: &mut Scene, pairs_max: usize) -> (Vec<String>, usize) {
    let snapshot = Arc::new(Snapshot::new(1, pairs_max));
    scene.exchange.admin().order_all(&Order::Snapshot(Arc::downgrade(&snapshot)));
    scene.settle();
    assert!(snapshot.is_whole());
    let listeners = snapshot.answers().next().flatten().expect("it is whole");
    let name = |channel| scene.exchange.registry().names(&[channel]).pop().expect("somebody listens");
    let listed = listeners.listed.iter().map(|(number, pairs)| {
        let pairs: Vec<_> =
            pairs.iter().map(|(channel, since)| format!("{since}:{}", name(*channel))).collect();
        format!("{number} {}", pairs.join(" "))
    });
    (listed.collect(), listeners.more)
}

#[test]
fn a_snapshot_shows_who_listens_from_where_on() {
    let mut scene = scene(WaitSettings::default());
    assert_eq!(seen(&mut scene, 9), (vec![], 0));
    let one = scene.says("identifier=5.50:a,7:b\n");
    let native = scene.says(sse("/sub/a"));
    let other = scene.says("identifier=9:b,9:a\n");
    let both = ["0 5.5:a 7:b".to_owned(), "2 9:b 9:a".to_owned()];
    assert_eq!(seen(&mut scene, 9), (both.to_vec(), 0));
    assert_eq!(seen(&mut scene, 2), (both[..1].to_vec(), 1));
    one.hang_up();
    scene.settle();
    assert_eq!(seen(&mut scene, 9), (both[1..].to_vec(), 0));
    // Nobody waits any more for what it was asked.
    let gone = Arc::downgrade(&Arc::new(Snapshot::new(1, 9)));
    scene.exchange.admin().order_all(&Order::Snapshot(gone));
    scene.settle();
    native.hang_up();
    other.hang_up();
    nothing_is_left(&mut scene);
}
