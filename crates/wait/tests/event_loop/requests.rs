//! Facts about requests on one connection: kept alive, sent ahead, cut anywhere, broken off.

use testkit::kernel::{Mischief, SimPeer};
use testkit::scene::Scene;
use testkit::wire::{body, get, poll, sse, stream, websocket};
use transport::codec::http2;

/// The documents of all answers that have come, each of which must be 200 with a length.
fn documents(peer: &SimPeer) -> Vec<serde_json::Value> {
    let bytes = peer.take();
    let mut rest = &bytes[..];
    let mut documents = Vec::new();
    while !rest.is_empty() {
        let body = body(rest, 200);
        let head = str::from_utf8(&rest[..rest.len() - body.len()]).unwrap();
        let line = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        let len: usize = line.parse().unwrap();
        documents.push(serde_json::from_slice(&body[..len]).unwrap());
        rest = &body[len..];
    }
    documents
}

fn said(document: &serde_json::Value) -> Vec<u64> {
    document["messages"].as_array().unwrap().iter().map(|message| message["data"].as_u64().unwrap()).collect()
}

#[test]
fn a_connection_is_kept_for_the_next_poll() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a"));
    for n in 0..5 {
        scene.publish("a", &n.to_string());
        scene.settle();
        let document = documents(&peer).remove(0);
        assert_eq!(said(&document), [n]);
        let cursor = document["cursor"].as_str().unwrap();
        peer.send(poll(&format!("/sub/a?since={cursor}")));
        scene.settle();
        assert_eq!(scene.exchange.admin().totals().subscriptions, 1);
    }
    assert_eq!(scene.world.calls().accepts, 2, "one connection, and nobody behind it");
}

#[test]
fn polls_sent_ahead_are_answered_one_after_the_other() {
    let mut scene = Scene::one();
    let first = scene.publish("a", "0");
    let peer = scene.peer();
    peer.send(poll("/sub/a?since=0"));
    for _ in 0..3 {
        peer.send(poll(&format!("/sub/a?since={}", scene.cursor(first))));
    }
    scene.settle();
    assert_eq!(documents(&peer).iter().map(said).collect::<Vec<_>>(), [[0]]);
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(documents(&peer).iter().map(said).collect::<Vec<_>>(), [[1], [1], [1]]);
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn many_requests_at_once_are_all_answered_in_turns() {
    let mut scene = Scene::one();
    let peer = scene.peer();
    peer.send(get("/healthz", "").repeat(200));
    scene.settle();
    assert_eq!(peer.text().matches("HTTP/1.1 200 OK").count(), 200);
}

#[test]
fn a_request_may_be_cut_anywhere() {
    let request = format!("POST /sub/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na,b{}", poll("/sub/c"));
    for cut in 0..=request.len() {
        let mut scene = Scene::one();
        let peer = scene.says(&request[..cut]);
        peer.send(&request[cut..]);
        scene.settle();
        assert_eq!(scene.exchange.admin().totals().subscriptions, 2, "cut at {cut}");
        scene.publish("b", "1");
        scene.settle();
        assert_eq!(said(&documents(&peer)[0]), [1], "cut at {cut}");
        scene.publish("c", "2");
        scene.settle();
        assert_eq!(said(&documents(&peer)[0]), [2], "cut at {cut}");
    }
}

#[test]
fn a_close_is_honoured() {
    let mut scene = Scene::one();
    let peer = scene.says(get("/sub/a", "Connection: close\r\n"));
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(said(&documents(&peer)[0]), [1]);
    assert!(peer.is_ended() && !peer.is_closed(), "it is the client's turn to close");
    peer.half_close();
    scene.settle();
    assert!(peer.is_closed());
}

#[test]
fn half_closing_is_leaving() {
    for request in [sse("/sub/a"), stream("/sub/a,b"), websocket("/sub/a"), poll("/sub"), "GET /su".into()] {
        let mut scene = Scene::one();
        let peer = scene.says(&request);
        peer.half_close();
        scene.settle();
        assert!(peer.is_closed());
        assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
    }
}

#[test]
fn a_poll_whose_client_says_no_more_is_answered_in_the_same_turn() {
    let mut scene = Scene::one();
    let (empty, due) = (scene.says(poll("/sub/a")), scene.says(poll("/sub/b")));
    scene.publish("b", "1");
    empty.half_close();
    due.half_close();
    scene.turn(0);
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0, "nobody waits any more");
    for (peer, expected) in [(&empty, vec![]), (&due, vec![1])] {
        let answer = peer.text();
        assert!(answer.contains("\r\nConnection: close\r\n") && !answer.contains("Keep-Alive"), "{answer}");
        let document: serde_json::Value = serde_json::from_slice(body(answer.as_bytes(), 200)).unwrap();
        assert_eq!(said(&document), expected);
        assert!(document["cursor"].is_string() && peer.is_ended());
    }
    scene.settle();
    assert_eq!(scene.shards[0].connections(), 0);
}

#[test]
fn all_that_was_sent_before_the_end_is_answered() {
    let mut scene = Scene::one();
    let waiting = scene.peer();
    waiting.send(poll("/sub/a").repeat(5));
    waiting.half_close();
    let quick = scene.peer();
    quick.send(get("/healthz", "").repeat(100));
    quick.half_close();
    let broken_off = scene.peer();
    broken_off.send(poll("/sub/a") + "GET /sub/b HT");
    broken_off.half_close();
    scene.settle();
    assert_eq!(documents(&waiting).len(), 5);
    assert_eq!(quick.text().matches("HTTP/1.1 200 OK").count(), 100);
    assert_eq!(documents(&broken_off).len(), 1);
    assert_eq!((scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions), (0, 0));
}

#[test]
fn a_long_answer_after_the_end_comes_whole_to_whoever_takes_some_of_it() {
    for settled in [false, true] {
        let mut scene = Scene::one();
        let text = "x".repeat(5_000);
        let first = scene.publish("a", "0");
        scene.publish("a", &text);
        let peer = scene.peer();
        peer.set_window(100);
        peer.send(poll(&format!("/sub/a?since={}", scene.cursor(first))));
        if settled {
            scene.settle();
        }
        peer.half_close();
        let mut answer = Vec::new();
        while !peer.is_ended() {
            scene.pass(2_500);
            answer.extend(peer.take());
        }
        let document: serde_json::Value = serde_json::from_slice(body(&answer, 200)).unwrap();
        assert_eq!(document["messages"][0]["data"], *text);
        scene.settle();
        assert_eq!(scene.shards[0].connections(), 0);
    }
}

#[test]
fn who_begins_with_http_2_is_told_what_is_spoken_at_every_cut() {
    let preface = http2::PREFACE;
    for cut in 0..preface.len() {
        let mut scene = Scene::one();
        let peer = scene.says(&preface[..cut]);
        assert_eq!(peer.unread(), 0, "at {cut}");
        peer.send(&preface[cut..]);
        scene.settle();
        assert_eq!(peer.take(), http2::refusal(), "at {cut}");
        assert!(peer.is_ended());
    }
}

#[test]
fn a_reset_at_any_time_leaves_nothing_behind() {
    for turns in 0..6 {
        for request in [sse("/sub/a,b"), poll("/sub/a"), "GET /su".into()] {
            let mut scene = Scene::one();
            scene.publish("b", "1");
            let peer = scene.peer();
            peer.send(&request);
            (0..turns).for_each(|_| scene.turn(0));
            scene.publish("a", "2");
            peer.reset();
            scene.settle();
            assert_eq!(
                (scene.shards[0].connections(), scene.exchange.admin().totals().subscriptions),
                (0, 0)
            );
            assert_eq!(scene.exchange.admin().load(exchange::hub::ShardId(0)).messages, 0);
        }
    }
}

#[test]
fn what_the_kernel_does_in_pieces_arrives_whole() {
    let mischief = Mischief { short: 2, interrupted: 4, again: 4, partial: 2, ..Mischief::default() };
    let mut scene = Scene::one();
    scene.world.set_mischief(mischief);
    let peers: Vec<SimPeer> = (0..20).map(|_| scene.says(stream("/sub/a?raw=1"))).collect();
    peers.iter().for_each(|peer| drop(peer.take()));
    let mut expected = String::new();
    for n in 0..50 {
        let text = format!("{n}:{}", "x".repeat(n * 7));
        scene.publish("a", &text);
        expected += &(text + "\n");
        if n % 7 == 0 {
            scene.turn(0);
        }
    }
    scene.settle();
    peers.iter().for_each(|peer| assert_eq!(peer.text(), expected));
}
