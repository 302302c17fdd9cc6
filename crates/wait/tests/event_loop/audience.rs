//! Facts about who is given what: on each path to a client, whoever is not of a message's audience gets nothing of it.

use std::sync::Arc;

use multiplexor_wait::access::{AuthAnswer, AuthFinding, Subject, Verdict};
use multiplexor_wait::exchange::hub::{Audience, Door, Glob, Grant, Limits, Right, Session, ShardId};
use multiplexor_wait::{Classic, Shows, WaitSettings};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{get, old, poll, sse, stream, text_frame, websocket};

/// All ways to wait live for the channel `a`, as what is sent.
fn ways() -> Vec<(&'static str, Classic, Vec<String>)> {
    let (none, old_one, old_two) = (Classic::None, Classic::Dklab, Classic::Realplexor);
    let several = |ask: fn(&str) -> String| ask("/sub/a,b");
    vec![
        ("a poll", none, vec![poll("/sub/a")]),
        ("a raw poll", none, vec![poll("/sub/a?format=raw")]),
        ("events", none, vec![sse("/sub/a")]),
        ("a stream", none, vec![stream("/sub/a")]),
        ("a websocket", none, vec![websocket("/sub/a")]),
        ("a poll of two", none, vec![several(poll)]),
        ("events of two", none, vec![several(sse)]),
        ("a websocket of two", none, vec![several(websocket)]),
        ("a taker", old_one, vec![old("identifier=a")]),
        ("a listener", old_two, vec!["identifier=0:a\n".to_owned()]),
        ("a listener to two", old_two, vec!["identifier=0:a,0:b\n".to_owned()]),
    ]
}

fn scene(classic: Classic) -> Scene {
    Scene::speaking(classic, 0, 1, Limits::default(), WaitSettings::default())
}

fn text(peer: &SimPeer) -> String {
    String::from_utf8_lossy(&peer.take()).into_owned()
}

#[test]
fn whoever_is_excepted_is_given_nothing_live() {
    for (way, classic, asks) in ways() {
        let mut scene = scene(classic);
        let excepted = scene.says(asks.concat());
        let id = scene.shards[0].id_of(0);
        let other = scene.says(asks.concat());
        scene.publish_for(Audience::Except(id), "a", "secret");
        scene.settle();
        // A queue gives each message once: whoever is next in it, and may not see the message, ends without.
        let is_queue = way == "a taker";
        assert_eq!(text(&other).contains("secret"), !is_queue, "{way}");
        assert!(!text(&excepted).contains("secret"), "{way}");
        scene.publish("a", "open");
        scene.settle();
        let shown = text(&excepted);
        assert!(!shown.contains("secret") && (is_queue || shown.contains("open")), "{way}: {shown}");
    }
}

#[test]
fn what_is_for_another_user_is_given_to_nobody_on_the_way_back() {
    for (way, classic, asks) in ways() {
        let mut scene = scene(classic);
        scene.publish_for(Audience::Only("ann"), "a", "secret");
        scene.publish("a", "open");
        scene.settle();
        let back = asks.concat().replacen("/sub/a,b", "/sub/a,b?since=0", 1).replacen(
            "/sub/a ",
            "/sub/a?since=0 ",
            1,
        );
        let back = back.replace("?format=raw", "?format=raw&since=0");
        let peer = scene.says(back);
        scene.pass(1);
        assert!(!text(&peer).contains("secret"), "{way}");
    }
}

#[test]
fn a_page_for_added_channels_has_nothing_hidden() {
    let mut scene = scene(Classic::None);
    scene.publish_for(Audience::Only("ann"), "a", "secret");
    scene.publish("a", "open");
    let peer = scene.says(websocket("/sub/"));
    peer.send(text_frame(r#"{"subscribe":["a"],"since":0}"#));
    scene.settle();
    let shown = text(&peer);
    assert!(shown.contains("open") && !shown.contains("secret"), "{shown}");
}

#[test]
fn whoever_is_let_see_a_message_by_another_of_his_channels_finds_it_in_a_page_for_added_ones() {
    let mut scene = scene(Classic::None);
    scene.publish_for(Audience::AnyOf("a"), "b", "known");
    scene.publish_for(Audience::AnyOf("c"), "b", "secret");
    for (waits_on, is_told) in [("/ws/a", true), ("/ws/a,x", true), ("/ws/x", false), ("/ws/", false)] {
        let peer = scene.says(websocket(waits_on));
        peer.send(text_frame(r#"{"subscribe":["b"],"since":0}"#));
        scene.settle();
        let shown = text(&peer);
        assert!(shown.contains("subscribed") && !shown.contains("secret"), "{waits_on}: {shown}");
        assert_eq!(shown.contains("known"), is_told, "{waits_on}: {shown}");
    }
    let peer = scene.says(websocket("/ws/"));
    peer.send(text_frame(r#"{"subscribe":["b","a"],"since":0}"#));
    scene.settle();
    assert!(text(&peer).contains("known"), "both are added at once");
}

#[test]
fn what_is_for_one_user_reaches_him_alone() {
    let shows = Shows { headers: vec!["cookie".into()], ..Shows::NOTHING };
    let settings = WaitSettings { shows, ..WaitSettings::default() };
    let limits = Limits { listen: Door::Token, ..Limits::default() };
    let mut scene = Scene::new(0, 1, limits, settings);
    let rights = [Right::Listen].into_iter().collect();
    let grants = vec![Grant { rights, names: Glob::new("*").unwrap() }];
    for user in ["ann", "bob"] {
        let said = AuthAnswer::Session(Session::new(Some(user), None, &grants));
        let subject = Subject::of(&format!("cookie: u={user}\r\n"));
        let verdict = Verdict { subject, until: scene.exchange.wall().after(60_000), said };
        assert!(scene.desk.findings.put(ShardId(0), AuthFinding::Verdict(Arc::new(verdict))));
    }
    scene.settle();
    let ask =
        |target: &str, user: &str| get(target, &format!("Accept: text/event-stream\r\nCookie: u={user}\r\n"));
    let (ann, bob) = (scene.says(ask("/sub/a", "ann")), scene.says(ask("/sub/a", "bob")));
    scene.publish_for(Audience::Only("ann"), "a", "secret");
    scene.publish("a", "open");
    scene.settle();
    let later = ["ann", "bob"].map(|user| scene.says(ask("/sub/a?since=0", user)));
    let shown = [&ann, &bob, &later[0], &later[1]].map(text);
    assert!(shown.iter().all(|text| text.contains("data: open")), "{shown:?}");
    assert_eq!(shown.each_ref().map(|text| text.contains("secret")), [true, false, true, false], "{shown:?}");
}
