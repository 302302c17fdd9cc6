//! Facts about clients of 2009: one message each, the next of the queue, and nothing besides.

use exchange::hub::{Limits, Publish, ShardId};
use exchange::{Exchange, Receipt};
use multiplexor_wait::WaitSettings;
use testkit::kernel::{Mischief, SimPeer};
use testkit::scene::Scene;
use testkit::wire::sse;
use transport::dialect::dklab::{DISCONNECT, payload};

const WAIT: &str = "GET /?identifier=a HTTP/1.1\r\nHost: h\r\n\r\n";

/// Publishes as publishers of 2009 do. False: nobody is online.
fn say(exchange: &Exchange, ids: &str, data: &str) -> bool {
    let publish = Publish {
        channels: ids.split(',').map(Box::from).collect(),
        aliases: [].into_iter().collect(),
        payload: payload(whole(ids, data).into_bytes()),
        ttl: None,
    };
    matches!(exchange.publisher().publish_online(publish).expect("there is room"), Some(Receipt::Released(_)))
}

/// What such a publisher sends, and what a client gets.
fn whole(ids: &str, data: &str) -> String {
    format!("HTTP/1.1 200 OK\nX-Multiplexor: identifier={ids}\n\n{data}")
}

fn waiting(scene: &Scene) -> u64 {
    scene.exchange.admin().totals().subscriptions
}

fn nothing_is_left(scene: &Scene) {
    assert_eq!((scene.shards[0].connections(), waiting(scene)), (0, 0));
    assert_eq!(scene.exchange.admin().load(ShardId(0)).messages, 0);
}

fn got(peer: &SimPeer, expected: &str) {
    assert_eq!(peer.text(), expected);
    assert!(peer.is_ended(), "one message is the end");
}

#[test]
fn nothing_is_said_until_there_is_a_message_and_that_as_it_came() {
    let mut scene = Scene::one();
    let peer = scene.says(WAIT);
    scene.pass(60_000);
    assert_eq!((peer.unread(), waiting(&scene)), (0, 1));
    assert!(say(&scene.exchange, "a,b", "hey"));
    scene.settle();
    got(&peer, &whole("a,b", "hey"));
    assert!(!peer.is_closed(), "it is the client's turn to close");
    peer.half_close();
    scene.settle();
    nothing_is_left(&scene);
}

#[test]
fn all_who_wait_get_the_same_and_the_next_one_the_next() {
    let mut scene = Scene::one();
    let peers: Vec<SimPeer> = (0..3).map(|_| scene.says(WAIT)).collect();
    for text in ["1", "2", "3"] {
        say(&scene.exchange, "a", text);
    }
    scene.settle();
    peers.iter().for_each(|peer| got(peer, &whole("a", "1")));
    for text in ["2", "3"] {
        let peer = scene.says("identifier=a\n");
        got(&peer, &whole("a", text));
    }
    let last = scene.says(WAIT);
    assert_eq!((last.unread(), waiting(&scene)), (0, 1));
}

#[test]
fn who_is_offline_is_sent_nothing() {
    let mut scene = Scene::one();
    assert!(!say(&scene.exchange, "a", "1"));
    let end = scene.exchange.end();
    let peer = scene.says(WAIT);
    assert_eq!((peer.unread(), scene.exchange.end() > end), (0, true), "only that it is online has a place");
    peer.half_close();
    scene.settle();
    assert!(say(&scene.exchange, "a,b", "2"), "within the grace it is queued");
    scene.world.pass(20_000);
    scene.exchange.admin().tick();
    assert!(!say(&scene.exchange, "a", "3"), "and is dropped after it");
    let peer = scene.says(WAIT);
    assert_eq!(peer.unread(), 0, "with all that was queued");
}

#[test]
fn a_second_tab_keeps_the_channel_online() {
    let mut scene = Scene::one();
    let (first, second) = (scene.says(WAIT), scene.says(WAIT));
    first.half_close();
    scene.settle();
    scene.world.pass(60_000);
    scene.exchange.admin().tick();
    assert!(say(&scene.exchange, "a", "1"));
    scene.settle();
    got(&second, &whole("a", "1"));
}

#[test]
fn whoever_goes_in_the_very_moment_takes_nobody_along() {
    for turns in 0..4 {
        let mut scene = Scene::one();
        let first = scene.says(WAIT);
        say(&scene.exchange, "a", "1");
        let second = scene.peer();
        second.send(WAIT);
        (0..turns).for_each(|_| scene.turn(0));
        first.reset();
        scene.settle();
        assert_eq!(waiting(&scene), 1, "after {turns} turns");
        say(&scene.exchange, "a", "2");
        scene.settle();
        got(&second, &whole("a", "2"));
    }
}

#[test]
fn leaving_at_any_time_leaves_nothing_behind() {
    for turns in 0..5 {
        let mut scene = Scene::one();
        let peer = scene.peer();
        peer.send(WAIT);
        (0..turns).for_each(|_| scene.turn(0));
        peer.hang_up();
        scene.settle();
        say(&scene.exchange, "a", "1");
        scene.settle();
        nothing_is_left(&scene);
    }
}

#[test]
fn when_the_time_is_over_the_end_is_said() {
    let mut scene = Scene::one();
    let peer = scene.says(WAIT);
    scene.pass(269_000);
    assert_eq!(peer.unread(), 0);
    scene.pass(31_100);
    assert_eq!(peer.take(), DISCONNECT);
    assert!(peer.is_ended());
    peer.half_close();
    scene.settle();
    nothing_is_left(&scene);
}

#[test]
fn who_names_no_channel_in_time_is_let_go() {
    for (said, answer) in
        [("", ""), ("hello\n", ""), ("GET /x HTTP/1.1\r\n", "HTTP/1.1 408 Request Timeout\r\n")]
    {
        let mut scene = Scene::one();
        let peer = scene.says(said);
        scene.pass(20_100);
        let got = peer.text();
        assert!(got.starts_with(answer) && got.is_empty() == answer.is_empty(), "{said:?}: {got:?}");
        assert!(peer.is_ended());
    }
}

#[test]
fn too_much_without_a_channel_is_closed_without_a_word() {
    let mut scene = Scene::one();
    let peer = scene.says("x".repeat(3_000));
    assert!(!peer.is_ended());
    peer.send("x".repeat(2_121));
    scene.settle();
    got(&peer, "");
    let peer = scene.says("x ".repeat(4_000) + "identifier=a\n");
    assert_eq!((peer.is_ended(), waiting(&scene)), (false, 1), "what was read at once is searched whole");
}

#[test]
fn whatever_is_said_later_is_ignored() {
    let mut scene = Scene::one();
    let peer = scene.says(WAIT);
    peer.send("x".repeat(100_000));
    peer.send(WAIT.replace("=a", "=b"));
    scene.settle();
    say(&scene.exchange, "b", "1");
    assert_eq!((peer.unread(), waiting(&scene)), (0, 1));
    say(&scene.exchange, "a", "2");
    scene.settle();
    got(&peer, &whole("a", "2"));
}

#[test]
fn old_and_new_clients_get_each_others_messages() {
    let mut scene = Scene::one();
    let new = scene.says(sse("/sub/a"));
    new.take();
    let old = scene.says(WAIT);
    scene.publish("x,a", "hi");
    scene.settle();
    assert!(new.text().contains("data: hi\n\n"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\nConnection: close\r\n\
                X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n\
                Cross-Origin-Resource-Policy: same-origin\r\n";
    got(&old, &format!("{head}X-Multiplexor: identifier=a\r\n\r\nhi"));
    let old = scene.says(WAIT);
    say(&scene.exchange, "a", "ho");
    scene.settle();
    got(&old, &whole("a", "ho"));
    assert!(new.text().contains("data: ho\n\n"));
}

#[test]
fn a_slow_client_gets_the_whole_message_in_its_time() {
    let mut scene = Scene::one();
    let peer = scene.peer();
    peer.set_window(1_000);
    peer.send(WAIT);
    scene.settle();
    let data = "x".repeat(60_000);
    say(&scene.exchange, "a", &data);
    let mut all = Vec::new();
    while !peer.is_ended() {
        scene.pass(1_000);
        all.extend(peer.take());
        assert!(all.len() <= data.len() + 100);
    }
    assert_eq!(all, whole("a", &data).as_bytes());
    let peer = scene.peer();
    peer.set_window(10);
    peer.send(WAIT);
    scene.settle();
    say(&scene.exchange, "a", &data);
    scene.pass(21_000);
    assert!(peer.is_closed(), "who takes nothing at all is not waited for");
}

#[test]
fn a_deleted_channel_ends_its_takers() {
    let mut scene = Scene::one();
    let peer = scene.says(WAIT);
    scene.exchange.publisher().delete("a", true);
    let next = scene.peer();
    next.send(WAIT);
    scene.settle();
    assert_eq!((peer.take().as_slice(), peer.is_ended(), waiting(&scene)), (DISCONNECT, true, 1));
    say(&scene.exchange, "a", "1");
    scene.settle();
    got(&next, &whole("a", "1"));
}

#[test]
fn the_end_of_the_server_is_said_after_what_was_published_before() {
    let mut scene = Scene::new(0, 1, Limits::default(), WaitSettings::default());
    let (served, idle) = (scene.says(WAIT), scene.says("identifier=b\n"));
    say(&scene.exchange, "a", "1");
    scene.exchange.admin().order_all(&exchange::Order::Drain(std::time::Duration::from_secs(1)));
    scene.settle();
    got(&served, &whole("a", "1"));
    assert_eq!((idle.take().as_slice(), idle.is_ended()), (DISCONNECT, true));
    assert_eq!(waiting(&scene), 0);
}

#[test]
fn every_shard_serves_its_own() {
    let mut scene = Scene::new(0, 2, Limits::default(), WaitSettings::default());
    let peers = [0, 1].map(|listener| SimPeer::connect(&scene.world, listener));
    peers.iter().for_each(|peer| peer.send(WAIT));
    scene.settle();
    say(&scene.exchange, "a", "1");
    say(&scene.exchange, "a", "2");
    scene.settle();
    peers.iter().for_each(|peer| got(peer, &whole("a", "1")));
}

#[test]
fn what_the_kernel_does_in_pieces_changes_nothing() {
    let mut scene = Scene::one();
    scene.world.set_mischief(Mischief {
        short: 2,
        interrupted: 4,
        again: 4,
        partial: 2,
        ..Mischief::default()
    });
    for n in 0..30 {
        let peers: Vec<SimPeer> = (0..5).map(|_| scene.says(WAIT)).collect();
        let data = format!("{n}:{}", "x".repeat(n * 50));
        say(&scene.exchange, "a", &data);
        scene.settle();
        peers.iter().for_each(|peer| got(peer, &whole("a", &data)));
    }
}
