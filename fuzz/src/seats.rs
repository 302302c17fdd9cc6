//! A connection that another process hands over: bytes that are none are refused and given back; all others make a connection
//! that can be handed over again, is spoken to, and comes to its end.

use testkit::kernel::{SimPeer, certificates};
use testkit::scene::Scene;
use testkit::wire::{client_frame, poll, sse, text_frame, websocket};
use wait::access::{TokenSecret, make_token};
use wait::{Classic, Seat};

use crate::line::peopled;

/// Bytes that are thawed in a shard where the connections of [`all`] were, and in one that speaks an old dialect.
pub(crate) fn frozen(data: &[u8]) {
    for classic in [Classic::Dklab, Classic::Realplexor] {
        thaw(scene(classic), data);
    }
}

/// Connections of every kind as seats, each with a name: what the corpus of this target is made of.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut seats = Vec::new();
    for (name, classic) in [("ours", Classic::Dklab), ("theirs", Classic::Realplexor)] {
        let frozen = scene(classic).freeze(0).into_iter().enumerate();
        seats.extend(frozen.map(|(number, seat)| (format!("{name}_{number:02}"), seat.bytes)));
    }
    seats
}

/// A connection of TLS as a seat, with other keys each time.
pub fn of_tls() -> Vec<u8> {
    let mut scene = scene(Classic::Dklab);
    scene.set_certificates(certificates());
    let before = scene.shards[0].connections();
    let peer = SimPeer::connect_tls(&scene.world, 0);
    peer.send(sse("/sub/a"));
    for _ in 0..8 {
        scene.settle();
        drop(peer.take());
    }
    scene.freeze(0).remove(before).bytes
}

/// Whether a shard takes these bytes over, where they are of the dialect that its clients speak.
pub fn is_taken_over(data: &[u8]) -> bool {
    [Classic::Dklab, Classic::Realplexor].into_iter().any(|classic| thaw(scene(classic), data))
}

/// Clients of every kind, each in the middle of something.
fn scene(classic: Classic) -> Scene {
    let (limits, settings) = peopled();
    let mut scene = Scene::speaking(classic, 1, 1, limits, settings);
    for n in 0..150 {
        scene.publish("c", &n.to_string());
    }
    let secret = TokenSecret::new(&"x".repeat(32)).expect("it is long enough");
    let token = make_token(&secret, "{\"sub\":\"ann\",\"exp\":4000000000,\"join\":[\"c\"]}");
    let asks = [
        sse("/sub/a?presence=1"),
        sse(&format!("/sub/a?token={token}&heartbeat=5")),
        websocket(&format!("/sub/a?presence=1&token={token}")),
        poll("/sub/b?wait=20"),
        format!("{}GET /sub/b", poll("/sub/a")),
        "POST /sub/ HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nab".to_owned(),
        "GET /sub/a HT".to_owned(),
        "identifier=d\n".to_owned(),
        "identifier=5.25:d,7:e\n".to_owned(),
        "x".repeat(900),
    ];
    let peers: Vec<SimPeer> = asks.iter().map(|ask| scene.says(ask)).collect();
    peers[2].send([text_frame("{\"ping\":1}"), client_frame(0x01, b"{\"pi"), vec![0x80, 0x83, 0]].concat());
    scene.settle();
    // Those who take nothing more are owed something, in the middle of a frame.
    peers[..3].iter().for_each(|peer| peer.set_window(peer.unread() + 7));
    for name in ["a", "b", "c", "$user:ann"] {
        scene.publish(name, "{\"n\":1}");
        scene.settle();
    }
    let reader = scene.peer();
    reader.set_window(400);
    reader.send(sse("/sub/c?since=0&envelope=1"));
    scene.settle();
    scene
}

/// True: they were a connection.
fn thaw(mut scene: Scene, data: &[u8]) -> bool {
    drop(scene.freeze(0));
    let (peer, socket) = scene.line();
    let seat = Seat { socket, bytes: data.to_vec() };
    if let Err((seat, _)) = scene.shards[0].thaw(seat) {
        assert_eq!((&*seat.bytes, scene.shards[0].connections()), (data, 0), "it is given back");
        return false;
    }
    let seats = scene.freeze(0);
    let once: Vec<Vec<u8>> = seats.iter().map(|seat| seat.bytes.clone()).collect();
    scene.thaw(0, seats);
    let seats = scene.freeze(0);
    assert!(seats.iter().map(|seat| &seat.bytes).eq(&once), "it is handed over as it came");
    scene.thaw(0, seats);
    for name in ["a", "b", "c"] {
        scene.publish(name, "2");
    }
    scene.settle();
    drop(peer.take());
    peer.send([text_frame("{\"ping\":2}"), b"\r\n\r\n".to_vec()].concat());
    scene.pass(30_000);
    peer.hang_up();
    scene.pass(60_000);
    assert_eq!(scene.shards[0].connections(), 0, "a connection is left of a client that is gone");
    true
}
