//! Facts about WebSockets that change their channels in place.

use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{client_frame, server_frames, text_frame, websocket};

fn open(scene: &mut Scene, target: &str) -> SimPeer {
    let peer = scene.says(websocket(target));
    let head = peer.take();
    assert!(head.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    peer
}

fn ask(scene: &mut Scene, peer: &SimPeer, command: &str) -> Vec<serde_json::Value> {
    peer.send(text_frame(command));
    scene.settle();
    frames(peer)
}

fn frames(peer: &SimPeer) -> Vec<serde_json::Value> {
    let texts = server_frames(&peer.take());
    texts.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())).collect()
}

fn data(frame: &serde_json::Value) -> Vec<u64> {
    frame["messages"].as_array().unwrap().iter().map(|message| message["data"].as_u64().unwrap()).collect()
}

#[test]
fn a_backlog_comes_in_pages_inside_the_answer_and_then_live() {
    let mut scene = Scene::new(0, 1, many(), multiplexor_wait::WaitSettings::default());
    let peer = open(&mut scene, "/sub/");
    for n in 0..200 {
        scene.publish("a", &n.to_string());
    }
    let pages = ask(&mut scene, &peer, "{\"subscribe\":[\"a\"],\"since\":0,\"id\":7}");
    assert_eq!(pages.len(), 4);
    for (n, page) in pages.iter().enumerate() {
        let named = if n == 0 { serde_json::json!(["a"]) } else { serde_json::json!([]) };
        assert_eq!(page["subscribed"], named);
        assert_eq!((page["id"].as_u64(), page["more"].as_bool()), (Some(7), (n < 3).then_some(true)));
        assert!(page["messages"][0].get("cursor").is_none());
    }
    assert_eq!(pages.iter().flat_map(data).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    scene.publish("a", "200");
    scene.settle();
    assert_eq!(frames(&peer)[0]["data"], 200);
}

fn many() -> exchange::hub::Limits {
    exchange::hub::Limits { history_messages: 10_000, ..Default::default() }
}

#[test]
fn what_comes_while_a_backlog_is_read_is_neither_lost_nor_doubled() {
    let mut scene = Scene::new(0, 1, many(), multiplexor_wait::WaitSettings::default());
    let peer = open(&mut scene, "/sub/live");
    for n in 0..200 {
        scene.publish("a", &n.to_string());
    }
    peer.set_window(50);
    peer.send(text_frame("{\"subscribe\":[\"a\"],\"since\":0}"));
    peer.send(text_frame("{\"unsubscribe\":[\"live\"]}"));
    let (mut bytes, mut published) = (peer.take(), 200);
    for _ in 0..2_000 {
        scene.turn(0);
        if published < 300 {
            scene.publish("a,live", &published.to_string());
            published += 1;
        }
        bytes.extend(peer.take());
    }
    scene.settle();
    bytes.extend(peer.take());
    peer.set_window(usize::MAX);
    scene.settle();
    bytes.extend(peer.take());
    let frames: Vec<serde_json::Value> =
        server_frames(&bytes).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let (mut of_a, mut of_live, mut left) = (Vec::new(), Vec::new(), false);
    for frame in &frames {
        if frame.get("subscribed").is_some() {
            of_a.extend(data(frame));
        } else if frame.get("unsubscribed").is_some() {
            left = true;
        } else if let Some(number) = frame["data"].as_u64() {
            let names = frame.get("channels").or_else(|| frame.get("channel")).unwrap().to_string();
            of_a.extend(names.contains("\"a\"").then_some(number));
            of_live.extend(names.contains("live").then_some(number));
            assert!(!names.contains("live") || !left);
        }
    }
    assert!(left);
    assert_eq!(of_a, (0..300).collect::<Vec<_>>());
    assert_eq!(of_live, (200..200 + of_live.len() as u64).collect::<Vec<_>>());
}

#[test]
fn unsubscribing_gives_what_was_released_before() {
    let mut scene = Scene::one();
    let peer = open(&mut scene, "/sub/a,b");
    scene.publish("a", "1");
    let said = ask(&mut scene, &peer, "{\"unsubscribe\":[\"a\",\"unknown\"],\"id\":\"x\"}");
    // The command is heard before the mail is opened: what was released but not delivered yet is not owed.
    assert_eq!(said.last().unwrap()["id"], "x");
    scene.publish("a", "2");
    scene.publish("a,b", "3");
    scene.settle();
    let said = frames(&peer);
    assert_eq!((said.len(), &said[0]["data"], &said[0]["channel"]), (1, &3.into(), &"b".into()));
    assert_eq!(scene.exchange.admin().totals().subscriptions, 1);
}

#[test]
fn subscribing_twice_is_subscribing_once() {
    let mut scene = Scene::one();
    let peer = open(&mut scene, "/sub/a");
    assert_eq!(ask(&mut scene, &peer, "{\"subscribe\":[\"a\",\"b\"]}").len(), 1);
    assert_eq!(scene.exchange.admin().totals().subscriptions, 2);
    scene.publish("a,b", "1");
    scene.settle();
    assert_eq!(frames(&peer).len(), 1);
    assert_eq!(ask(&mut scene, &peer, "{\"unsubscribe\":[\"a\",\"b\"]}").len(), 1);
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
    let again = ask(&mut scene, &peer, "{\"subscribe\":[\"a\"],\"tail\":1}");
    assert_eq!(data(&again[0]), [1]);
}

#[test]
fn a_socket_without_channels_lives() {
    let mut scene = Scene::one();
    let peer = open(&mut scene, "/sub/");
    assert_eq!(ask(&mut scene, &peer, "{\"ping\":[1]}")[0]["pong"][0], 1);
    scene.pass(25_100);
    assert!(frames(&peer)[0].get("cursor").is_some());
    peer.send(client_frame(0x88, &[0x03, 0xe8]));
    scene.settle();
    assert_eq!(server_frames(&peer.take()), ["1000 "]);
    assert!(peer.is_ended());
}

#[test]
fn too_many_channels_are_refused_and_the_socket_stays() {
    let settings = multiplexor_wait::WaitSettings { channels_limit: 2, ..Default::default() };
    let mut scene = Scene::new(0, 1, many(), settings);
    let peer = open(&mut scene, "/sub/a,b");
    let said = ask(&mut scene, &peer, "{\"subscribe\":[\"c\"],\"id\":1}");
    assert_eq!((&said[0]["error"]["code"], &said[0]["id"]), (&"channel-count".into(), &1.into()));
    assert_eq!(scene.exchange.admin().totals().subscriptions, 2);
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(frames(&peer)[0]["data"], 1);
}
