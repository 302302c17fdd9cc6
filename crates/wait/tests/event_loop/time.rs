//! Facts about time: deadlines, heartbeats, spread, and pauses when the system has no more to give.

use std::time::Duration;

use exchange::hub::Limits;
use multiplexor_wait::{Errno, WaitSettings};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{body, client_frame, poll, server_frames, sse, stream, websocket};

/// When, within so long, each peer has something new or its end.
fn moments(scene: &mut Scene, peers: &[SimPeer], ms: u64) -> Vec<Option<u64>> {
    let start = scene.world.now();
    let mut moments = vec![None; peers.len()];
    while scene.world.now() < start + ms {
        scene.pass(50);
        for (peer, moment) in peers.iter().zip(&mut moments) {
            if moment.is_none() && (peer.unread() > 0 || peer.is_ended()) {
                *moment = Some(scene.world.now() - start);
            }
        }
    }
    moments
}

#[test]
fn half_a_request_is_answered_408_in_the_end() {
    let mut scene = Scene::one();
    let half = scene.says("GET /sub/a HTTP/1.1\r\nHo");
    scene.pass(19_900);
    half.send("st: a\r\n");
    scene.pass(50);
    assert!(half.unread() == 0 && !half.is_ended());
    scene.pass(200);
    let answer = half.take();
    assert!(body(&answer, 408).starts_with(b"{"), "more bytes do not put it off");
    assert!(half.is_ended());
    scene.pass(5_000);
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn who_says_nothing_is_closed_without_a_word() {
    let mut scene = Scene::one();
    let silent = scene.says("");
    scene.pass(19_900);
    assert!(!silent.is_closed());
    scene.pass(200);
    assert!(silent.is_closed() && silent.unread() == 0);
}

#[test]
fn a_connection_that_was_answered_stays_longer_than_it_says() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a?wait=0"));
    let answer = peer.text();
    assert!(answer.contains("\r\nKeep-Alive: timeout=75\r\n"), "{answer}");
    scene.pass(75_900);
    assert!(!peer.is_closed());
    scene.pass(250);
    assert!(peer.is_closed() && peer.unread() == 0);
}

#[test]
fn a_further_request_has_its_time_from_its_first_byte() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a?wait=0"));
    drop(peer.take());
    scene.pass(60_000);
    peer.send("GET /sub/a?wait=0 HT");
    scene.pass(19_900);
    assert!(peer.unread() == 0 && !peer.is_ended());
    peer.send("TP/1.1\r\nHost: a\r\n\r\nGET /sub/a?wait=0 HT");
    scene.settle();
    body(&peer.take(), 200);
    scene.pass(19_900);
    assert!(peer.unread() == 0 && !peer.is_ended(), "that was another one");
    scene.pass(200);
    body(&peer.take(), 408);
    assert!(peer.is_ended());
}

#[test]
fn half_a_body_is_answered_408_however_its_rest_comes() {
    for head in [
        "Content-Length: 100\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nff\r\n",
        "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
    ] {
        let mut scene = Scene::one();
        let peer = scene.says(format!("POST /sub/ HTTP/1.1\r\nHost: a\r\n{head}"));
        for _ in 0..39 {
            peer.send("1");
            scene.pass(500);
        }
        let text = peer.text();
        assert!(!text.contains("408") && !peer.is_ended(), "{text}");
        scene.pass(700);
        body(&peer.take(), 408);
    }
}

#[test]
fn a_message_of_a_client_has_the_time_of_a_request() {
    let text = client_frame(0x81, &[b'x'; 300]);
    let halves: [&[&[u8]]; 3] = [
        // Half a frame; half a message; and one whose parts come one after the other.
        &[&text[..150]],
        &[&client_frame(0x01, b"{\"pi")],
        &[&client_frame(0x01, b"{"), &client_frame(0x89, b"ping"), &client_frame(0x00, b" "), &text[..1]],
    ];
    for half in halves {
        let mut scene = Scene::one();
        let peer = scene.says(websocket("/sub/a"));
        scene.pass(5_000);
        for part in half {
            peer.send(part);
            scene.pass(4_900);
        }
        scene.publish("a", "1");
        scene.pass(19_900 - 4_900 * half.len() as u64);
        assert!(!peer.is_ended() && scene.exchange.admin().totals().subscriptions == 1);
        peer.take();
        scene.pass(200);
        let last = server_frames(&peer.take()).pop().unwrap();
        assert!(last.starts_with("1008 "), "{last}");
        assert!(peer.is_ended());
        assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
    }
}

#[test]
fn who_says_one_message_after_the_other_is_not_late() {
    let mut scene = Scene::one();
    let peer = scene.says(websocket("/sub/a"));
    let ping = client_frame(0x81, b"{\"ping\":1}");
    for _ in 0..10 {
        // Always half a message ahead.
        peer.send(&ping[..5]);
        scene.pass(15_000);
        peer.send([&ping[5..], &ping[..5]].concat());
        scene.pass(15_000);
        peer.send(&ping[5..]);
        scene.settle();
    }
    assert!(!peer.is_ended());
    let text = String::from_utf8_lossy(&peer.take()).into_owned();
    assert_eq!(text.matches("{\"pong\":1}").count(), 20);
}

#[test]
fn a_poll_is_answered_when_its_time_is_over_with_the_cursor_of_now() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a"));
    let end = scene.publish("elsewhere", "1");
    assert_eq!(moments(&mut scene, std::slice::from_ref(&peer), 22_000), [None]);
    scene.pass(3_200);
    // Nothing went to this shard since: what it knows is the place of its own beginning, or later.
    let answer = peer.take();
    let document: serde_json::Value = serde_json::from_slice(body(&answer, 200)).unwrap();
    assert_eq!(document["messages"], serde_json::json!([]));
    let cursor = document["cursor"].as_str().unwrap();
    assert_eq!(cursor, scene.cursor(end), "it is owed nothing up to the end");
    assert!(!peer.is_ended(), "the connection stays");
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn a_poll_waits_no_longer_than_its_client_says() {
    let mut scene = Scene::one();
    let peers = ["3", "100"].map(|seconds| scene.says(poll(&format!("/sub/a?wait={seconds}"))));
    let moments = moments(&mut scene, &peers, 26_000);
    assert!((3_000..3_100).contains(&moments[0].unwrap()), "{moments:?}");
    assert!((22_400..25_100).contains(&moments[1].unwrap()), "not beyond what is set: {moments:?}");
}

#[test]
fn a_poll_that_does_not_wait_is_answered_at_once_and_counts_for_a_client_where_there_is_a_channel() {
    let mut scene = Scene::one();
    for raw in ["", "&raw=1"] {
        let peer = scene.says(poll(&format!("/sub/a?wait=0{raw}")));
        assert!(peer.unread() > 0 && !peer.is_ended(), "the connection stays");
        assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
        let answer = peer.take();
        let channel = scene.exchange.admin().channel("a");
        assert_eq!(channel.map(|channel| channel.online), (!raw.is_empty()).then_some(true), "it was there");
        let end = scene.publish("a", "1");
        if raw.is_empty() {
            let document: serde_json::Value = serde_json::from_slice(body(&answer, 200)).unwrap();
            assert_eq!(document["messages"], serde_json::json!([]));
            let cursor = document["cursor"].as_str().unwrap();
            peer.send(poll(&format!("/sub/a?wait=0&since={cursor}")));
            scene.settle();
            let answer = peer.take();
            let document: serde_json::Value = serde_json::from_slice(body(&answer, 200)).unwrap();
            assert_eq!(document["messages"][0]["cursor"], scene.cursor(end));
        } else {
            assert!(answer.starts_with(b"HTTP/1.1 204 "));
        }
    }
}

#[test]
fn heartbeats_repeat_the_cursor_and_come_only_after_silence() {
    let mut scene = Scene::one();
    let peers = [sse("/sub/a"), stream("/sub/a"), websocket("/sub/a")].map(|request| scene.says(request));
    peers.iter().for_each(|peer| drop(peer.take()));
    // Whoever gets messages gets no heartbeats.
    for _ in 0..10 {
        scene.publish("a", "1");
        scene.pass(15_000);
        assert_eq!(peers[0].text().matches("id: ").count(), 1);
        assert_eq!(peers[1].text().matches("cursor").count(), 1);
        assert_eq!(server_frames(&peers[2].take()).len(), 1);
    }
    let end = scene.publish("elsewhere", "2");
    scene.pass(25_100 - 15_000);
    let cursor = scene.cursor(end);
    assert_eq!(
        peers[0].text(),
        format!("event: cursor\nid: {cursor}\ndata: {{\"cursor\":\"{cursor}\"}}\n\n")
    );
    assert_eq!(peers[1].text(), format!("{{\"cursor\":\"{cursor}\"}}\n"));
    assert_eq!(server_frames(&peers[2].take()), [format!("{{\"cursor\":\"{cursor}\"}}")]);
}

#[test]
fn clients_do_not_move_in_step() {
    let mut scene = Scene::one();
    for (request, least, most) in [(sse("/sub/a"), 18_700, 25_100), (poll("/sub/a"), 22_400, 25_100)] {
        // So many that neighbours, who have their heartbeats together, are a few of them.
        let peers: Vec<SimPeer> = (0..1_280).map(|_| scene.says(&request)).collect();
        peers.iter().for_each(|peer| drop(peer.take()));
        let mut moments: Vec<u64> =
            moments(&mut scene, &peers, 26_000).into_iter().map(Option::unwrap).collect();
        moments.sort_unstable();
        assert!(moments[0] >= least && moments[1_279] <= most, "{moments:?}");
        moments.dedup();
        assert!(moments.len() > 10, "{moments:?}");
        peers.iter().for_each(SimPeer::hang_up);
    }
}

#[test]
fn without_descriptors_accepting_pauses_and_does_not_spin() {
    let mut scene = Scene::one();
    let served = scene.says(sse("/sub/a"));
    served.take();
    scene.world.exhaust_descriptors(2_900);
    let later: Vec<SimPeer> = (0..5).map(|_| scene.says(sse("/sub/a"))).collect();
    let before = scene.world.calls();
    scene.pass(2_800);
    let after = scene.world.calls();
    assert!(after.polls - before.polls < 30, "{} polls", after.polls - before.polls);
    assert!(after.accepts - before.accepts <= 6);
    scene.publish("a", "1");
    scene.settle();
    assert!(served.text().contains("data: 1"), "those who are there are served");
    assert_eq!(scene.world.waiting(), 5);
    scene.pass(1_000);
    assert_eq!(scene.world.waiting(), 0);
    later.iter().for_each(|peer| assert!(peer.text().starts_with("HTTP/1.1 200 OK\r\n")));
}

#[test]
fn whoever_cannot_be_watched_is_let_go_and_accepting_pauses() {
    let mut scene = Scene::one();
    scene.world.fail_watch(1);
    let (first, second) = (scene.peer(), scene.peer());
    scene.settle();
    assert!(first.is_closed() && !second.is_closed());
    assert_eq!((scene.world.waiting(), scene.shards[0].connections()), (1, 0));
    scene.pass(600);
    assert_eq!((scene.world.waiting(), scene.shards[0].connections()), (0, 1));
}

#[test]
fn who_goes_before_being_accepted_harms_nobody() {
    let mut scene = Scene::one();
    let (gone, here) = (scene.peer(), scene.peer());
    gone.reset();
    here.send(sse("/sub/a"));
    scene.world.fail_accept(Errno::INTR);
    scene.settle();
    assert!(here.unread() > 0);
    assert_eq!(scene.shards[0].connections(), 1);
}

/// A job may not have come to a poll whose time is over: the cursor must not go past what it brings.
#[test]
fn a_poll_whose_time_is_over_still_gets_what_is_due() {
    let mut scene = Scene::one();
    let peers: Vec<SimPeer> = (0..600).map(|_| scene.says(poll("/sub/a"))).collect();
    scene.world.pass(26_000);
    scene.publish("a", "1");
    scene.settle();
    for peer in &peers {
        assert!(body(&peer.take(), 200).windows(9).any(|part| part == b"\"data\":1,"));
    }
}

#[test]
fn a_client_may_hear_of_the_server_sooner_than_is_set() {
    let mut scene = Scene::one();
    let others = [sse("/sub/a"), sse("/sub/a?heartbeat=60"), poll("/sub/a?heartbeat=2")];
    let others = others.map(|request| scene.says(request));
    let peers = [sse("/sub/a?heartbeat=2"), stream("/sub/a?heartbeat=2"), websocket("/sub/?heartbeat=2")];
    let peers = peers.map(|request| scene.says(request));
    for _ in 0..4 {
        others.iter().chain(&peers).for_each(|peer| drop(peer.take()));
        scene.pass(2_200);
        peers.iter().for_each(|peer| assert!(peer.unread() > 0));
        others.iter().for_each(|peer| assert!(peer.unread() == 0, "it says nothing more often for others"));
    }
    // A message is a sign of life, too.
    scene.publish("a", "1");
    scene.settle();
    peers.iter().for_each(|peer| drop(peer.take()));
    scene.pass(1_400);
    assert!(peers[0].unread() == 0 && peers[1].unread() == 0);
}

fn aging(age_s: u64) -> Scene {
    let settings = WaitSettings { stream_age: Duration::from_secs(age_s), ..WaitSettings::default() };
    Scene::new(0, 1, Limits::default(), settings)
}

#[test]
fn a_stream_ends_in_the_second_half_of_its_time_and_goes_on_from_its_cursor() {
    let mut scene = aging(100);
    for ask in [sse, stream, websocket] {
        let peer = scene.says(ask("/sub/a?envelope=1"));
        scene.pass(49_900);
        peer.take();
        assert!(!peer.is_ended());
        // Messages do not put it off.
        for number in 0..50 {
            scene.publish("a", &format!("\"message {number}\""));
            scene.publish("elsewhere", "1");
            scene.pass(1_050);
        }
        let told = String::from_utf8_lossy(&peer.take()).into_owned();
        assert!(peer.is_ended());
        let has_word = told.ends_with("this connection has had its time; come back with the cursor");
        assert_eq!(has_word, ask("/") == websocket("/"));
        let at = told.rfind("{\"cursor\":\"").unwrap() + "{\"cursor\":\"".len();
        let cursor = told[at..].split('"').next().unwrap();
        assert!(told[at..].starts_with(&format!("{cursor}\"}}")), "the cursor alone: {}", &told[at..]);
        let rest = scene.says(ask(&format!("/sub/a?envelope=1&since={cursor}")));
        let rest = String::from_utf8_lossy(&rest.take()).into_owned();
        let (first, second) = (told.matches("\"message ").count(), rest.matches("\"message ").count());
        assert!(first > 0 && first + second == 50, "{first} and {second}");
        assert!(second == 0 || rest.contains(&format!("\"message {first}\"")));
    }
}

#[test]
fn streams_that_began_together_do_not_end_together() {
    let mut scene = aging(100);
    let peers: Vec<SimPeer> = (0..200).map(|_| scene.says(sse("/sub/a"))).collect();
    let (mut ended, mut most) = (0, 0);
    while ended < peers.len() {
        scene.pass(1_000);
        peers.iter().for_each(|peer| drop(peer.take()));
        let now = peers.iter().filter(|peer| peer.is_ended()).count();
        (ended, most) = (now, most.max(now - ended));
    }
    assert!(scene.world.now() < 101_000 && most < 20, "{most} in one second");
}

#[test]
fn a_slow_reader_gets_its_messages_before_its_stream_ends() {
    let mut scene = aging(60);
    let peer = scene.says(stream("/sub/a"));
    peer.take();
    peer.set_window(3);
    scene.publish("a", "\"all of it\"");
    scene.pass(70_000);
    assert!(!peer.is_ended(), "it owes a message");
    peer.set_window(1 << 20);
    scene.pass(30_000);
    assert!(peer.text().contains("all of it") && peer.is_ended());
}
