//! Facts about slow readers: what they hold, how they are watched, when they are closed.

use std::time::Duration;

use exchange::Order;
use exchange::hub::{Limits, ShardId};
use multiplexor_wait::WaitSettings;
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{client_frame, server_frame, server_frames, sse, stream, text_frame, websocket};

fn scene(slow_reader: usize) -> Scene {
    Scene::new(0, 1, Limits::default(), WaitSettings { slow_reader, ..WaitSettings::default() })
}

fn waiting(scene: &mut Scene, request: String) -> SimPeer {
    let peer = scene.says(request);
    peer.take();
    peer
}

/// A WebSocket that takes no more than a few bytes of the next frame, and is over the limit.
fn stuck_socket(scene: &mut Scene) -> SimPeer {
    let peer = waiting(scene, websocket("/sub/a"));
    peer.set_window(10);
    for _ in 0..3 {
        scene.publish("a", &"x".repeat(300));
        scene.settle();
    }
    assert_eq!(peer.unread(), 10);
    peer
}

#[test]
fn a_slow_reader_is_watched_only_while_it_is_slow() {
    let mut scene = scene(1 << 20);
    let (slow, quick) =
        (waiting(&mut scene, stream("/sub/a?raw=1")), waiting(&mut scene, stream("/sub/a?raw=1")));
    slow.set_window(3);
    scene.publish("a", "12345");
    scene.publish("a", "67890");
    scene.settle();
    assert!(slow.is_watched_for_writing() && !quick.is_watched_for_writing());
    let polls = scene.world.calls().polls;
    scene.pass(10_000);
    assert!(scene.world.calls().polls - polls < 10, "who does not read costs no turns");
    assert_eq!(quick.text(), "12345\n67890\n");
    assert_eq!(slow.text(), "123");
    scene.settle();
    assert_eq!(slow.text(), "45\n");
    slow.set_window(usize::MAX);
    scene.settle();
    assert_eq!(slow.text(), "67890\n");
    assert!(!slow.is_watched_for_writing());
    scene.publish("a", "live");
    scene.settle();
    assert_eq!(slow.text(), "live\n");
}

#[test]
fn nothing_is_owed_any_more_to_a_socket_that_ended_beside_a_backlog() {
    let mut scene = scene(1_000);
    for _ in 0..100 {
        scene.publish("b", &"x".repeat(300));
    }
    let peer = waiting(&mut scene, websocket("/sub/a"));
    peer.set_window(0);
    peer.send(text_frame("{\"subscribe\":[\"b\"],\"since\":0}"));
    scene.settle();
    scene.publish("a", "x");
    scene.settle();
    peer.hang_up();
    scene.settle();
    assert_eq!(scene.exchange.admin().load(ShardId(0)).messages, 0);
}

#[test]
fn a_reader_over_the_limit_is_closed_and_others_are_unharmed() {
    let mut scene = scene(1_000);
    let (slow, quick) = (waiting(&mut scene, sse("/sub/a")), waiting(&mut scene, sse("/sub/a")));
    slow.set_window(0);
    for n in 0..20 {
        scene.publish("a", &"x".repeat(100));
        scene.settle();
        assert_eq!(slow.is_closed(), n > 8, "after {n}");
    }
    assert_eq!(quick.text().matches("data:").count(), 20);
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (1, 1));
}

#[test]
fn a_slow_websocket_is_told_1013_after_the_rest_of_its_frame() {
    let mut scene = scene(500);
    let peer = stuck_socket(&mut scene);
    assert!(!peer.is_closed());
    peer.set_window(usize::MAX);
    scene.settle();
    let said = peer.take();
    let (opcode, text, len) = server_frame(&said).expect("the half-sent frame is completed");
    assert!(opcode == 1 && text.contains("xxx"));
    assert_eq!(server_frames(&said[len..]), ["1013 this reader is too slow"]);
    assert!(peer.is_ended());
    peer.hang_up();
    scene.settle();
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn a_slow_websocket_that_never_reads_again_is_closed_all_the_same() {
    let mut scene = scene(500);
    let peer = stuck_socket(&mut scene);
    scene.pass(5_000);
    assert!(peer.is_closed());
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
}

/// A reader right at the limit, who is then to be told that it is over.
#[test]
fn the_last_word_to_a_slow_reader_does_not_break_the_line() {
    for how in 0..3 {
        let mut scene = scene(500);
        let peer = waiting(&mut scene, websocket("/sub/a"));
        peer.set_window(10);
        for _ in 0..2 {
            scene.publish("a", &"x".repeat(300));
            scene.settle();
        }
        match how {
            0 => peer.send(client_frame(0x88, &[])),
            1 => assert!(scene.exchange.admin().order_all(&Order::Drain(Duration::ZERO))),
            _ => assert!(scene.exchange.publisher().delete("a", true)),
        }
        scene.pass(100);
        peer.set_window(usize::MAX);
        scene.settle();
        let said = peer.take();
        let (_, _, len) = server_frame(&said).expect("the half-sent frame is completed");
        assert!(server_frames(&said[len..]).len() <= 2, "whole frames follow, or none");
        scene.pass(5_000);
        assert!(peer.is_closed() || scene.ended[0], "{how}");
        assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
    }
}

#[test]
fn the_next_page_waits_until_the_last_one_is_read() {
    let mut scene = scene(1 << 20);
    for n in 0..100 {
        scene.publish("a", &format!("{n:03}{}", "x".repeat(100)));
    }
    let peer = scene.peer();
    peer.set_window(100);
    peer.send(sse("/sub/a?since=0"));
    scene.settle();
    let mut said = Vec::new();
    for _ in 0..1_000 {
        said.extend(peer.take());
        scene.settle();
    }
    let said = String::from_utf8(said).unwrap();
    let data: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("data: ")?.get(..3)).collect();
    assert_eq!(data[0], "{\"c", "the first block has the cursor alone");
    assert_eq!(data[1..], (0..100).map(|n| format!("{n:03}")).collect::<Vec<_>>());
    scene.publish("a", "live");
    scene.settle();
    assert!(peer.text().contains("data: live"));
}

#[test]
fn a_slow_websocket_still_says_what_it_wants() {
    let mut scene = scene(1 << 20);
    let peer = waiting(&mut scene, websocket("/sub/a"));
    peer.set_window(5);
    scene.publish("a", "1");
    scene.settle();
    peer.send(text_frame("{\"ping\":7}"));
    scene.settle();
    peer.set_window(usize::MAX);
    scene.settle();
    let frames = server_frames(&peer.take());
    assert!(frames[0].contains("\"data\":1") && frames[1] == "{\"pong\":7}", "{frames:?}");
}

#[test]
fn who_asks_for_pages_and_does_not_read_them_is_closed_at_the_same_limit() {
    let mut scene = scene(20_000);
    let peer = scene.peer();
    peer.set_window(0);
    let mut asked = 0;
    while !peer.is_closed() {
        assert!(asked < 100, "each answer is kilobytes");
        peer.send("GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n");
        scene.settle();
        asked += 1;
    }
    assert!(asked > 1, "what is within the limit is owed");
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn a_slow_reader_of_a_page_gets_all_of_it() {
    let mut scene = scene(1 << 20);
    let peer = scene.peer();
    peer.set_window(700);
    peer.send("GET / HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\n\r\n");
    let mut page = Vec::new();
    for _ in 0..100 {
        scene.settle();
        page.extend(peer.take());
    }
    let page = String::from_utf8(page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("</script>\n"), "{page}");
    peer.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    scene.settle();
    assert!(peer.text().ends_with("ok\n"));
}
