//! Facts about endings: a server that drains, and channels that are deleted.

use std::time::Duration;

use exchange::Order;
use exchange::hub::{Limits, ShardId};
use multiplexor_wait::WaitSettings;
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{body, client_frame, get, poll, server_frames, sse, stream, text_frame, websocket};

const OVER: u64 = 2_000;
const BYE: &str = "1001 the server is going down";

fn drain(scene: &Scene) {
    assert!(scene.exchange.admin().order_all(&Order::Drain(Duration::from_millis(OVER))));
}

fn read(peers: &[&SimPeer]) {
    peers.iter().for_each(|peer| drop(peer.take()));
}

#[test]
fn draining_answers_polls_at_once_and_ends_the_others_in_time() {
    let mut scene = Scene::one();
    let asked: Vec<SimPeer> = (0..5).map(|_| scene.says(poll("/sub/a"))).collect();
    let events: Vec<SimPeer> = (0..50).map(|_| scene.says(sse("/sub/a"))).collect();
    let sockets: Vec<SimPeer> = (0..50).map(|_| scene.says(websocket("/sub/a"))).collect();
    let idle = scene.says("");
    events.iter().chain(&sockets).for_each(|peer| drop(peer.take()));
    drain(&scene);
    scene.settle();
    for peer in &asked {
        let answer = peer.text();
        assert!(answer.contains("\"messages\":[],\"connection\":"), "{answer}");
        assert!(peer.is_ended());
        peer.hang_up();
    }
    let late = scene.says(sse("/sub/a"));
    assert!(late.is_closed(), "nobody is listening");
    let mut ended = Vec::new();
    while scene.world.now() <= OVER + 100 {
        ended.push(events.iter().chain(&sockets).filter(|peer| peer.is_ended()).count());
        // Neither what the server says nor what the client says puts the end off.
        scene.publish("a", "1");
        sockets.iter().for_each(|socket| socket.send(client_frame(0x89, b"")));
        for peer in events.iter().chain(&sockets).filter(|peer| peer.unread() > 0) {
            let said = peer.take();
            if peer.is_ended() {
                // An event stream ends behind a whole block: its last message or a heartbeat.
                let block = said.starts_with(b"id: ") || said.starts_with(b"event: cursor\n");
                let bye = block || server_frames(&said).contains(&BYE.into());
                assert!(bye, "{}", said.escape_ascii());
                peer.hang_up();
            }
        }
        scene.pass(100);
    }
    assert!(idle.is_closed());
    let half = ended[ended.len() / 2];
    assert!(ended[1] < 20 && (30..70).contains(&half), "spread over the time: {ended:?}");
    assert!(scene.ended[0], "turn() says that the shard has ended: {ended:?}");
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn who_keeps_asking_while_the_server_drains_is_sent_away() {
    let mut scene = Scene::one();
    let kept = scene.says(get("/healthz", ""));
    kept.take();
    drain(&scene);
    scene.settle();
    kept.send(poll("/sub/a"));
    scene.settle();
    let answer = kept.text();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Connection: close\r\n"), "{answer}");
    assert!(answer.contains("Retry-After: 1\r\nAccess-Control-Expose-Headers: Retry-After\r\n"), "{answer}");
    assert!(kept.is_ended());
}

#[test]
fn a_shard_that_cannot_end_in_time_ends_all_the_same() {
    let mut scene = Scene::one();
    let stuck = scene.says(sse("/sub/a"));
    stuck.set_window(0);
    scene.publish("a", "1");
    scene.settle();
    drain(&scene);
    scene.pass(OVER + 1_100);
    assert!(scene.ended[0]);
}

#[test]
fn running_ends_by_itself() {
    let mut scene = Scene::one();
    (0..10).for_each(|_| scene.peer().send(websocket("/sub/a")));
    scene.settle();
    drain(&scene);
    let start = scene.world.now();
    scene.world.set_sleeps(true);
    scene.shards[0].run();
    assert!(scene.world.now() - start <= OVER + 1_100);
}

#[test]
fn a_deleted_channel_is_told_and_left() {
    let mut scene = Scene::one();
    let events = scene.says(sse("/sub/a"));
    let lines = scene.says(stream("/sub/a,b"));
    let socket = scene.says(websocket("/sub/a,b"));
    let alone = scene.says(websocket("/sub/a"));
    read(&[&events, &lines, &socket, &alone]);
    scene.publish("a", "1");
    assert!(scene.exchange.publisher().delete("a", true));
    scene.publish("a", "2");
    scene.settle();
    let said = events.text();
    assert!(
        said.contains("data: 1\n") && said.ends_with("event: deleted\ndata: {\"channel\":\"a\"}\n\n"),
        "{said}"
    );
    assert!(events.is_ended());
    let said = lines.text();
    assert!(said.contains("\"data\":1,") && said.ends_with("{\"deleted\":\"a\"}\n"), "{said}");
    let frames = server_frames(&socket.take());
    assert!(frames.len() == 2 && frames[1] == "{\"deleted\":\"a\"}", "{frames:?}");
    let frames = server_frames(&alone.take());
    assert_eq!(frames[1..], ["{\"deleted\":\"a\"}", "1000 all channels of this connection were deleted"]);
    scene.publish("a,b", "3");
    scene.settle();
    assert!(lines.text().contains("\"channel\":\"b\",\"data\":3"));
    assert!(server_frames(&socket.take())[0].contains("\"channel\":\"b\",\"data\":3"));
    assert_eq!(scene.exchange.admin().totals().subscriptions, 2);
    assert_eq!(load(&scene), 0);
}

/// Whoever broke off behind the message and came back would else miss what was said to the new `a` before it.
#[test]
fn what_was_said_between_two_deletions_is_told_between_them() {
    let mut scene = Scene::one();
    let lines = scene.says(stream("/sub/b,a,c"));
    read(&[&lines]);
    assert!(scene.exchange.publisher().delete("a", true));
    scene.publish("a,c", "1");
    assert!(scene.exchange.publisher().delete("b", true));
    scene.settle();
    let said = lines.text();
    let said: Vec<&str> = said.lines().collect();
    assert_eq!((said[0], said[2], said.len()), ("{\"deleted\":\"a\"}", "{\"deleted\":\"b\"}", 3), "{said:?}");
    assert!(said[1].contains("\"channel\":\"c\",\"data\":1,"), "{said:?}");
}

/// The deletion is in the mail when the command is read.
#[test]
fn a_deleted_channel_can_be_given_up() {
    let mut scene = Scene::one();
    let socket = scene.says(websocket("/sub/a,b"));
    socket.take();
    scene.publish("a", "1");
    assert!(scene.exchange.publisher().delete("a", true));
    scene.publish("a,b", "2");
    socket.send(text_frame("{\"unsubscribe\":[\"a\"]}"));
    scene.settle();
    let frames = server_frames(&socket.take());
    assert!(frames[0].contains("\"channel\":\"a\",\"data\":1,"), "{frames:?}");
    assert_eq!(frames[1], "{\"deleted\":\"a\"}");
    assert!(frames[2].contains("\"channel\":\"b\",\"data\":2,"), "{frames:?}");
    assert_eq!(frames[3..], ["{\"unsubscribed\":[\"a\"]}"]);
}

/// The cursor of the answer is before whatever came later, for a client that asks for the name again.
#[test]
fn a_poll_of_a_deleted_channel_loses_nothing_said_after() {
    for names in ["a", "a,b"] {
        let mut scene = Scene::one();
        let peer = scene.says(poll(&format!("/sub/{names}")));
        scene.publish("a", "0");
        assert!(scene.exchange.publisher().delete("a", true));
        scene.publish("a", "1");
        scene.settle();
        scene.publish("b", "2");
        scene.settle();
        let answer = peer.take();
        let document: serde_json::Value = serde_json::from_slice(body(&answer, 200)).unwrap();
        let messages = document["messages"].as_array().unwrap();
        assert_eq!((messages.len(), &messages[0]["data"]), (1, &0.into()), "{names}");
        assert_eq!(document["deleted"], "a", "{names}");
        peer.send(poll(&format!("/sub/{names}?since={}", document["cursor"].as_str().unwrap())));
        scene.settle();
        let answer = String::from_utf8(peer.take()).unwrap();
        assert!(answer.contains("\"data\":1,") && !answer.contains("gap"), "{names}: {answer}");
    }
}

/// A socket may be adding channels when its only one is deleted.
#[test]
fn what_is_being_added_when_the_rest_is_deleted_stays() {
    let mut scene = Scene::one();
    let socket = scene.says(websocket("/sub/a"));
    for n in 0..100 {
        scene.publish("b", &n.to_string());
    }
    socket.take();
    socket.set_window(10);
    socket.send(text_frame("{\"subscribe\":[\"b\"],\"since\":0}"));
    scene.settle();
    assert!(scene.exchange.publisher().delete("a", true));
    scene.settle();
    socket.set_window(usize::MAX);
    scene.settle();
    let frames = server_frames(&socket.take());
    assert!(frames.len() == 3 && frames[1] == "{\"deleted\":\"a\"}", "{}", frames.len());
    assert_eq!(scene.exchange.admin().totals().subscriptions, 1);
}

/// A backlog is under way when the connection ends: it must not become a member afterwards.
#[test]
fn a_backlog_ends_with_its_connection() {
    let limits = Limits { history_messages: 10_000, ..Limits::default() };
    let mut scene = Scene::new(0, 1, limits, WaitSettings::default());
    for n in 0..5_000 {
        scene.publish("b", &n.to_string());
    }
    let socket = scene.peer();
    socket.send(websocket("/sub/b?since=0"));
    scene.turn(0);
    scene.turn(0);
    assert!(scene.exchange.admin().order_all(&Order::Drain(Duration::ZERO)));
    scene.turn(0);
    scene.world.pass(100);
    for _ in 0..10 {
        scene.turn(0);
        scene.publish("b", "live");
    }
    let said = socket.take();
    let said = server_frames(body(&said, 101));
    assert!(said.len() < 5_000 && said.last().unwrap() == BYE, "it ends in the middle");
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
    assert_eq!(load(&scene), 0);
}

fn load(scene: &Scene) -> usize {
    scene.exchange.admin().load(ShardId(0)).messages
}
