//! Facts about sends to many: they go together, in order, and what goes wrong with one is nobody else's matter.

use multiplexor_wait::limits::SENDS_PER_CALL;
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{get, poll, server_frames, sse, stream, websocket};

/// So many who want payloads alone, one a line, of these channels.
fn crowd(scene: &mut Scene, channels: &str, count: usize) -> Vec<SimPeer> {
    let request = stream(&format!("/sub/{channels}?raw=1"));
    let peers: Vec<SimPeer> = (0..count).map(|_| scene.says(&request)).collect();
    peers.iter().for_each(|peer| drop(peer.take()));
    peers
}

/// How many sends, and in how many calls, while the scene settles.
fn sends(scene: &mut Scene) -> (u64, u64) {
    sends_while(scene, Scene::settle)
}

fn sends_while(scene: &mut Scene, act: impl FnOnce(&mut Scene)) -> (u64, u64) {
    let before = scene.world.calls();
    act(scene);
    let after = scene.world.calls();
    (after.writes - before.writes, after.batches - before.batches)
}

#[test]
fn a_message_to_many_goes_in_few_calls() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "a", 2 * SENDS_PER_CALL + 1);
    scene.publish("a", "1");
    assert_eq!(sends(&mut scene), (peers.len() as u64, 3));
    assert!(peers.iter().all(|peer| peer.text() == "1\n"));
}

#[test]
fn messages_to_different_clients_share_a_call() {
    let mut scene = Scene::one();
    let peers: Vec<SimPeer> =
        ["a", "b", "c", "d,e"].iter().flat_map(|name| crowd(&mut scene, name, 1)).collect();
    for name in ["a", "b", "c", "d"] {
        scene.publish(name, name);
    }
    assert_eq!(sends(&mut scene), (4, 1));
    assert!(peers.iter().map(SimPeer::text).eq(["a\n", "b\n", "c\n", "d\n"]));
}

#[test]
fn every_transport_gets_its_own_bytes() {
    let mut scene = Scene::one();
    let peers = [sse("/sub/a"), websocket("/sub/a?raw=1"), stream("/sub/a?raw=1")].map(|request| {
        let peer = scene.says(request);
        peer.take();
        peer
    });
    let cursor = scene.publish("a", "1");
    assert_eq!(sends(&mut scene), (3, 1));
    assert_eq!(peers[0].text(), format!("id: {}\ndata: 1\n\n", scene.cursor(cursor)));
    assert_eq!(server_frames(&peers[1].take()), ["1"]);
    assert_eq!(peers[2].text(), "1\n");
}

/// Somebody who listens to two channels is visited for each of them in one turn; the second message waits until the
/// first has gone, whole or in part.
#[test]
fn what_one_client_gets_of_two_channels_stays_in_order() {
    for window in [0, 1, 3, 4, 7, usize::MAX] {
        let mut scene = Scene::one();
        // Others are between them, so that the channels' lists differ.
        let peers = crowd(&mut scene, "a,b", 5);
        let others = [crowd(&mut scene, "b", 3), crowd(&mut scene, "a", 3)];
        peers.iter().for_each(|peer| peer.set_window(window));
        ["a", "b", "a"].into_iter().zip(["one", "two", "three"]).for_each(|(to, text)| {
            scene.publish(to, text);
        });
        scene.settle();
        peers.iter().for_each(|peer| peer.set_window(usize::MAX));
        let mut seen: Vec<String> = peers.iter().map(SimPeer::text).collect();
        scene.settle();
        seen.iter_mut().zip(&peers).for_each(|(seen, peer)| seen.push_str(&peer.text()));
        assert!(seen.iter().all(|text| text == "one\ntwo\nthree\n"), "{window}: {seen:?}");
        assert!(others[0].iter().all(|peer| peer.text() == "two\n"));
        assert!(others[1].iter().all(|peer| peer.text() == "one\nthree\n"));
    }
}

#[test]
fn who_is_gone_or_slow_stops_nobody() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "a", 2 * SENDS_PER_CALL);
    peers[5].reset();
    peers[20].set_window(2);
    peers[SENDS_PER_CALL + 1].set_window(0);
    scene.publish("a", "12345");
    scene.settle();
    assert_eq!(scene.shards[0].connections(), peers.len() - 1);
    let seen: Vec<String> = peers.iter().map(SimPeer::text).collect();
    assert_eq!(seen.iter().filter(|text| *text == "12345\n").count(), peers.len() - 3);
    assert_eq!((&seen[20][..], &seen[SENDS_PER_CALL + 1][..]), ("12", ""));
    peers.iter().for_each(|peer| peer.set_window(usize::MAX));
    scene.settle();
    assert_eq!((peers[20].text(), peers[SENDS_PER_CALL + 1].text()), ("345\n".into(), "12345\n".into()));
}

#[test]
fn all_may_be_gone_at_once() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "a,b", SENDS_PER_CALL + 3);
    scene.publish("a", "1");
    scene.publish("b", "2");
    peers.iter().for_each(SimPeer::reset);
    scene.settle();
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
}

/// Their next requests come by the same connections, one of them ahead; who asks no more is answered by itself.
#[test]
fn answers_to_polls_go_together() {
    let mut scene = Scene::one();
    let once = poll("/sub/a");
    let ahead = once.repeat(2);
    let peers: Vec<SimPeer> = (0..10).map(|n| scene.says(if n == 4 { &ahead } else { &once })).collect();
    let last = scene.says(get("/sub/a", "Connection: close\r\n"));
    scene.publish("a", "1");
    assert_eq!(sends(&mut scene), (11, 1));
    let answers: Vec<String> = peers.iter().chain([&last]).map(SimPeer::text).collect();
    assert!(
        answers.iter().all(|answer| answer.contains("}],\"connection\":") && answer.ends_with("\"}")),
        "{answers:?}"
    );
    assert!(last.is_ended() && !peers.iter().any(SimPeer::is_ended));
    peers.iter().enumerate().filter(|(n, _)| *n != 4).for_each(|(_, peer)| peer.send(poll("/sub/a")));
    scene.settle();
    scene.publish("a", "2");
    assert_eq!(sends(&mut scene), (10, 1));
    assert!(peers.iter().all(|peer| peer.text().contains("\"data\":2")));
}

#[test]
fn heartbeats_of_neighbours_go_together() {
    let mut scene = Scene::one();
    let peers: Vec<SimPeer> = (0..64).map(|_| scene.says(sse("/sub/a"))).collect();
    peers.iter().for_each(|peer| drop(peer.take()));
    assert_eq!(sends_while(&mut scene, |scene| scene.pass(25_100)), (peers.len() as u64, 1));
    assert!(peers.iter().all(|peer| peer.text().starts_with("event: cursor\n")));
}
