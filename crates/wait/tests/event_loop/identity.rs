//! Facts about the ids of connections: who is told one, who keeps it when he comes back, and who does not.

use std::collections::HashSet;
use std::sync::Arc;

use multiplexor_wait::access::{AuthAnswer, AuthFinding, Subject, Verdict};
use multiplexor_wait::exchange::hub::{Audience, Door, Glob, Grant, Limits, Right, Session, ShardId};
use multiplexor_wait::{Shows, WaitSettings};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{connection, get, poll, sse, stream, websocket};

fn text(peer: &SimPeer) -> String {
    String::from_utf8_lossy(&peer.take()).into_owned()
}

/// The id that a client is told.
fn told(peer: &SimPeer) -> String {
    let text = text(peer);
    assert_eq!(text.matches("\"connection\"").count(), 1, "{text}");
    let id = connection(&text).to_owned();
    assert_eq!(id.len(), 22, "{text}");
    id
}

/// A client of a shard that has said this, and was heard.
fn at_shard(scene: &mut Scene, shard: usize, says: &str) -> SimPeer {
    let peer = SimPeer::connect(&scene.world, shard);
    peer.send(says);
    scene.settle();
    peer
}

/// Of these ways to wait without an end, how one asks for an address.
const STREAMS: [fn(&str) -> String; 3] = [sse, stream, websocket];

#[test]
fn each_connection_is_told_an_id_of_its_own_once() {
    let mut scene = Scene::one();
    let asks = STREAMS.into_iter().flat_map(|ask| [ask("/sub/a"), ask("/sub/a,b")]);
    let asks = asks.chain([poll("/sub/a?wait=0"), poll("/sub/a?wait=0"), websocket("/sub/")]);
    let ids: Vec<String> = asks.map(|ask| told(&scene.says(ask))).collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{ids:?}");
}

#[test]
fn raw_streams_and_polls_have_no_place_for_an_id() {
    let mut scene = Scene::one();
    for ask in [stream("/sub/a?raw=1"), websocket("/sub/a?raw=1"), poll("/sub/a?raw=1&wait=0")] {
        let peer = scene.says(ask);
        assert_eq!(connection(&text(&peer)), "");
    }
}

#[test]
fn a_chain_of_polls_is_one_connection_and_polls_by_themselves_are_many() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a?wait=0"));
    let id = told(&peer);
    peer.send(poll("/sub/a?wait=0"));
    scene.settle();
    assert_ne!(told(&peer), id, "a proxy has its connections for many");
    // The chain goes on by whatever connection; while it waits, nobody else is it.
    let goes_on = poll(&format!("/sub/a?connection={id}"));
    let waits = scene.says(&goes_on);
    let other = scene.says(goes_on.replace("/sub/a?", "/sub/a?wait=0&"));
    assert_ne!(told(&other), id);
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(told(&waits), id);
    waits.send(goes_on.replace("/sub/a?", "/sub/a?since=0&"));
    scene.settle();
    assert_eq!(told(&waits), id);
}

#[test]
fn a_stream_that_comes_back_is_the_same_connection_on_whatever_shard() {
    for ask in STREAMS {
        let mut scene = Scene::new(0, 2, Limits::default(), WaitSettings::default());
        let first = at_shard(&mut scene, 0, &ask("/sub/a"));
        let id = told(&first);
        let back = ask(&format!("/sub/a?connection={id}"));
        for shard in [0, 1] {
            let copy = at_shard(&mut scene, shard, &back);
            assert_ne!(told(&copy), id, "it is there still");
        }
        first.hang_up();
        scene.settle();
        for shard in [1, 0, 0, 1] {
            let again = at_shard(&mut scene, shard, &back);
            assert_eq!(told(&again), id, "shard {shard}");
            let copy = at_shard(&mut scene, 1 - shard, &back);
            assert_ne!(told(&copy), id, "it is there again");
            again.hang_up();
            copy.hang_up();
            scene.settle();
        }
    }
}

#[test]
fn an_id_of_another_start_or_of_nobody_is_given_to_nobody() {
    let mut earlier = Scene::one();
    let old = told(&earlier.says(sse("/sub/a")));
    let mut scene = Scene::new(99, 2, Limits::default(), WaitSettings::default());
    for id in [&*old, "AAAAAAAAAAAAAAAAAAAAAA", "abcdefghijklmnopqrstuv"] {
        for ask in [sse, poll] {
            let peer = scene.says(ask(&format!("/sub/a?wait=0&connection={id}")));
            assert_ne!(told(&peer), id);
        }
    }
    for wrong in ["x", "AAAAAAAAAAAAAAAAAAAAA%20", "AAAAAAAAAAAAAAAAAAAAAAA"] {
        let peer = scene.says(poll(&format!("/sub/a?connection={wrong}")));
        let answer = text(&peer);
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"code\":\"connection\""),
            "{answer}"
        );
    }
    assert_eq!(told(&scene.says(poll("/sub/a?wait=0&connection="))).len(), 22);
}

#[test]
fn an_id_is_taken_over_by_its_user_alone_and_that_of_nobody_by_who_knows_it() {
    let shows = Shows { headers: vec!["cookie".into()], ..Shows::NOTHING };
    let limits = Limits { listen: Door::Token, ..Limits::default() };
    let mut scene = Scene::new(0, 1, limits, WaitSettings { shows, ..WaitSettings::default() });
    let rights = [Right::Listen].into_iter().collect();
    let grants = vec![Grant { rights, names: Glob::new("*").unwrap() }];
    for (cookie, user) in [("ann", Some("ann")), ("bob", Some("bob")), ("none", None)] {
        let said = AuthAnswer::Session(Session::new(user, None, &grants));
        let subject = Subject::of(&format!("cookie: u={cookie}\r\n"));
        let verdict = Verdict { subject, until: scene.exchange.wall().after(60_000), said };
        assert!(scene.desk.findings.put(ShardId(0), AuthFinding::Verdict(Arc::new(verdict))));
    }
    scene.settle();
    let mut comes = |user: &str, id: &str| {
        let target = format!("/sub/a?connection={id}");
        let peer = scene.says(get(&target, &format!("Accept: text/event-stream\r\nCookie: u={user}\r\n")));
        let id = told(&peer);
        peer.hang_up();
        scene.settle();
        id
    };
    let (of_ann, of_none) = (comes("ann", ""), comes("none", ""));
    assert_ne!(comes("bob", &of_ann), of_ann);
    assert_ne!(comes("none", &of_ann), of_ann);
    assert_eq!(comes("ann", &of_ann), of_ann);
    assert_eq!(comes("bob", &of_none), of_none);
    assert_eq!(comes("none", &of_none), of_none);
}

#[test]
fn whoever_is_excepted_by_the_id_he_was_told_is_given_nothing() {
    for ask in STREAMS.into_iter().chain([poll as fn(&str) -> String]) {
        let mut scene = Scene::one();
        let first = scene.says(ask("/sub/a?wait=0"));
        let text_id = told(&first);
        first.hang_up();
        scene.settle();
        let back = ask(&format!("/sub/a?connection={text_id}"));
        let (peer, other) = (scene.says(&back), scene.says(ask("/sub/a")));
        let id = scene.exchange.registry().connection_ids().read(&text_id).unwrap();
        scene.publish_for(Audience::Except(id), "a", "secret");
        scene.settle();
        assert!(text(&other).contains("secret"));
        assert!(!text(&peer).contains("secret"));
        // Nor when it comes back for what it missed.
        peer.hang_up();
        scene.settle();
        let again = scene.says(back.replace("/sub/a?", "/sub/a?since=0&"));
        scene.publish("a", "open");
        scene.settle();
        let shown = text(&again);
        assert!(shown.contains("open") && !shown.contains("secret"), "{shown}");
    }
}
