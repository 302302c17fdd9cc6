//! Facts about seats: connections that another shard goes on with, as which nobody notices anything; what is no seat; and
//! bytes that are none.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use multiplexor_wait::access::{
    About, AuthAnswer, AuthFinding, Proxies, Subject, TokenSecret, Tokens, Verdict, Way, make_token,
};
use multiplexor_wait::exchange::hub::{
    Audience, Door, Glob, Grant, Limits, Pattern, Right, Rule, Session, ShardId,
};
use multiplexor_wait::exchange::{Order, Quota, Shares};
use multiplexor_wait::limits::SEAT_LEN_MAX;
use multiplexor_wait::{Classic, Seat, SeatError, Shows, WaitSettings};
use testkit::kernel::{SimPeer, SimSocket, certificates};
use testkit::scene::Scene;
use testkit::wire::{
    body, connection, get, poll, server_frame, server_frames, sse, stream, text_frame, websocket,
};

/// The first shard is frozen, dropped, and thawed into another one.
fn replace(scene: &mut Scene) {
    let seats = scene.freeze(0);
    assert!(scene.thaw(0, seats), "all connections are seats");
}

fn text(peer: &SimPeer) -> String {
    String::from_utf8_lossy(&peer.take()).into_owned()
}

#[test]
fn streams_sockets_and_polls_go_on_and_get_what_was_said_meanwhile() {
    let mut scene = Scene::one();
    let asks = [sse("/sub/a"), stream("/sub/a"), websocket("/sub/a,b"), poll("/sub/b,a")];
    let peers = asks.map(|ask| scene.says(ask));
    peers.iter().for_each(|peer| drop(peer.take()));
    let seats = scene.freeze(0);
    let subscriptions = scene.exchange.admin().totals().subscriptions;
    scene.publish("a", "\"meanwhile\"");
    assert_eq!((seats.len(), scene.shards[0].connections()), (4, 0));
    assert!(scene.thaw(0, seats));
    assert!(peers.iter().all(|peer| peer.unread() == 0 && !peer.is_done()));
    assert_eq!((scene.exchange.admin().totals().subscriptions, scene.world.held()), (subscriptions, 4));
    scene.settle();
    for peer in &peers {
        assert_eq!(text(peer).matches("meanwhile").count(), 1);
    }
    scene.publish("a", "\"later\"");
    scene.settle();
    assert_eq!(peers.iter().map(|peer| text(peer).matches("later").count()).sum::<usize>(), 3);
    peers.iter().for_each(SimPeer::hang_up);
    scene.settle();
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn who_waits_to_be_accepted_is_accepted_by_the_next_one_under_another_id() {
    let mut scene = Scene::one();
    let first = scene.says(sse("/sub/a"));
    let id = connection(&text(&first)).to_owned();
    first.hang_up();
    scene.settle();
    let second = scene.peer();
    second.send(sse("/sub/a"));
    replace(&mut scene);
    assert_eq!(scene.shards[0].connections(), 0);
    scene.settle();
    let told = text(&second);
    assert!(!connection(&told).is_empty() && connection(&told) != id, "it stands where the first one was");
}

#[test]
fn a_connection_is_known_by_the_id_that_it_was_told() {
    let mut scene = Scene::one();
    let peer = scene.says(sse("/sub/a"));
    let id = connection(&text(&peer)).to_owned();
    replace(&mut scene);
    let copy = scene.says(sse(&format!("/sub/a?connection={id}")));
    assert_ne!(connection(&text(&copy)), id, "it is there still");
    let known = scene.exchange.registry().connection_ids().read(&id).unwrap();
    scene.publish_for(Audience::Except(known), "a", "\"not for it\"");
    scene.settle();
    assert_eq!((text(&peer), text(&copy).contains("not for it")), (String::new(), true));
    // One that was taken over is nobody else's meanwhile.
    let first = scene.says(poll("/sub/a?wait=0"));
    let chain = connection(&text(&first)).to_owned();
    let goes_on = poll(&format!("/sub/a?connection={chain}"));
    let waits = scene.says(&goes_on);
    replace(&mut scene);
    let other = scene.says(goes_on.replace("/sub/a?", "/sub/a?wait=0&"));
    assert_ne!(connection(&text(&other)), chain);
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(connection(&text(&waits)), chain);
}

#[test]
fn clients_of_old_dialects_go_on() {
    let mut scene = Scene::one();
    let taker = scene.says("identifier=a\n");
    replace(&mut scene);
    scene.publish("a", "hey");
    scene.settle();
    let got = text(&taker);
    assert!(got.ends_with("\r\n\r\nhey") && taker.is_ended(), "{got}");
    for ids in ["a", "5:a,7:b", "a,b,c"] {
        let mut scene =
            Scene::speaking(Classic::Realplexor, 0, 1, Limits::default(), WaitSettings::default());
        let [one, other] = [0, 1].map(|_| scene.says(format!("identifier={ids}\n")));
        replace(&mut scene);
        assert_eq!(text(&one), text(&other));
        let listener = scene.says(format!("identifier={ids}\n"));
        drop(listener.take());
        scene.publish("a", "1");
        scene.settle();
        let got = text(&one);
        assert!(got.contains("\"data\": 1") && one.is_ended(), "{got}");
        assert_eq!(got, text(&other));
        assert_eq!(got, text(&listener), "the same as who came later, cursor and tag");
    }
}

#[test]
fn time_goes_on_where_it_was() {
    let mut scene = Scene::one();
    let (here, there) = (scene.says(sse("/sub/a")), scene.says(sse("/sub/a")));
    let half = scene.says("GET /sub/a HTTP/1.1\r\nHo");
    scene.pass(10_000);
    for peer in [&here, &there] {
        drop(peer.take());
    }
    replace(&mut scene);
    scene.pass(9_900);
    assert!(half.unread() == 0 && !half.is_ended());
    scene.pass(200);
    body(&half.take(), 408);
    let start = scene.world.now();
    while here.unread() == 0 {
        scene.pass(50);
        assert!(scene.world.now() < start + 20_000, "a heartbeat comes within its time, not anew");
    }
    assert!(there.unread() > 0, "neighbours have theirs together");
}

#[test]
fn what_has_begun_to_come_goes_on_as_it_was_begun() {
    let mut scene = Scene::one();
    let request = get("/sub/a?wait=0", "");
    let socket = scene.says(websocket("/sub/a"));
    drop(socket.take());
    let command = text_frame("{\"ping\":7}");
    for cut in [1, 9, request.len() - 1] {
        let peer = scene.says(&request[..cut]);
        socket.send(&command[..cut.min(command.len() - 1)]);
        scene.settle();
        replace(&mut scene);
        peer.send(&request[cut..]);
        socket.send(&command[cut.min(command.len() - 1)..]);
        scene.settle();
        body(&peer.take(), 200);
        assert_eq!(server_frames(&socket.take()), ["{\"pong\":7}"]);
    }
}

#[test]
fn a_slow_reader_gets_the_rest_of_its_frame_and_a_last_word() {
    let settings = WaitSettings { slow_reader: 1_000, ..WaitSettings::default() };
    let mut scene = Scene::new(0, 1, Limits::default(), settings);
    let peer = scene.says(websocket("/sub/a"));
    drop(peer.take());
    peer.set_window(10);
    for _ in 0..2 {
        scene.publish("a", &"x".repeat(300));
        scene.settle();
        replace(&mut scene);
    }
    assert!(peer.is_watched_for_writing());
    for _ in 0..4 {
        scene.publish("a", &"x".repeat(300));
        scene.settle();
    }
    peer.set_window(usize::MAX);
    let mut bytes = peer.take();
    scene.settle();
    bytes.extend(peer.take());
    let (mut opcodes, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let (opcode, _, len) = server_frame(&bytes[at..]).expect("every frame is whole");
        opcodes.push(opcode);
        at += len;
    }
    assert_eq!(opcodes.last(), Some(&8), "it is told that it is too slow: {opcodes:?}");
}

/// Whose tokens name users; on one channel they are told who is there.
fn peopled() -> (Scene, TokenSecret) {
    let secret = TokenSecret::new(&"x".repeat(32)).unwrap();
    let rule = Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new("a").unwrap()) };
    let limits = Limits { rules: vec![rule], presence_grace: 100, follow_users: true, ..Limits::default() };
    let settings = WaitSettings {
        tokens: Tokens { secrets: vec![secret.clone()], ..Tokens::default() },
        shows: Shows { tokens: true, ..Shows::NOTHING },
        ..WaitSettings::default()
    };
    (Scene::new(0, 1, limits, settings), secret)
}

#[test]
fn users_neither_leave_nor_join_and_their_credentials_end_in_time() {
    let (mut scene, secret) = peopled();
    let end = scene.exchange.wall().after(60_000).millis() / 1_000;
    let token = make_token(&secret, &format!("{{\"sub\":\"ann\",\"exp\":{end},\"join\":[\"b\"]}}"));
    let watcher = scene.says(sse("/sub/a?presence=1"));
    let ann = scene.says(sse(&format!("/sub/a?token={token}")));
    scene.settle();
    assert!(text(&watcher).contains("event: joined"));
    drop(ann.take());
    for _ in 0..3 {
        replace(&mut scene);
        scene.pass(1_000);
        scene.exchange.admin().tick();
    }
    let heard = text(&watcher);
    assert!(!heard.contains("joined") && !heard.contains("left"), "{heard}");
    scene.publish("b", "\"to who is joined\"");
    scene.publish("$user:ann", "\"to ann\"");
    scene.settle();
    let heard = text(&ann);
    let object = heard.matches("event: multiplexor").count();
    assert!(heard.contains("to who is joined") && heard.contains("to ann") && object == 2, "{heard}");
    scene.pass(60_000);
    assert!(text(&ann).contains("expired") && ann.is_ended());
    for _ in 0..3 {
        scene.pass(200);
        scene.exchange.admin().tick();
        scene.settle();
    }
    assert_eq!(text(&watcher).matches("event: left").count(), 1);
}

#[test]
fn an_address_has_as_many_connections_as_before_and_its_proxy_says_on_whose_it_is() {
    let proxies = Proxies { networks: vec!["192.0.2.0/24".parse().unwrap()], way: Way::Protocol };
    let shares = Shares::new(Quota { connections: 2, requests: 0 }, 64, Quota::default(), 0);
    let settings = WaitSettings { proxies, ..WaitSettings::default() };
    let mut scene = Scene::sharing(shares, Classic::default(), 7, 1, Limits::default(), settings);
    let from = |scene: &Scene, address: &str| {
        SimPeer::connect(&scene.world, 0).from(address.parse::<IpAddr>().unwrap())
    };
    let first = from(&scene, "198.51.100.1");
    first.send(sse("/sub/a"));
    let proxied = from(&scene, "192.0.2.1");
    proxied.send("PROXY TCP4 198.51.");
    scene.settle();
    replace(&mut scene);
    proxied.send("100.1 192.0.2.1 1 2\r\n");
    proxied.send(sse("/sub/a"));
    scene.settle();
    assert!(text(&first).contains("event: cursor") && text(&proxied).contains("event: cursor"));
    replace(&mut scene);
    let third = from(&scene, "198.51.100.1");
    third.send(sse("/sub/a"));
    scene.settle();
    assert!(text(&third).contains("address-connections"));
    first.hang_up();
    scene.settle();
    let fourth = from(&scene, "198.51.100.1");
    fourth.send(sse("/sub/a"));
    scene.settle();
    assert!(text(&fourth).contains("event: cursor"), "who leaves makes room");
}

#[test]
fn who_somebody_is_asked_about_is_no_seat_until_the_answer_has_come() {
    let shows = Shows { headers: vec!["cookie".into()], ..Shows::NOTHING };
    let limits = Limits { listen: Door::Token, ..Limits::default() };
    let mut scene = Scene::new(0, 1, limits, WaitSettings { shows, ..WaitSettings::default() });
    let asked = scene.says(get("/sub/a", "Cookie: s=1\r\nAccept: text/event-stream\r\n"));
    let idle = scene.says("");
    let seats = scene.freeze(0);
    assert_eq!((seats.len(), scene.shards[0].connections()), (1, 1));
    assert!(!scene.thaw(0, seats), "the shard goes on, with all");
    assert_eq!(scene.shards[0].connections(), 2);
    let question = scene.desk.questions.as_ref().unwrap().take().pop().unwrap();
    assert!(matches!(question.about, About::Headers(_)));
    let grants = [Grant { rights: [Right::Listen].into_iter().collect(), names: Glob::new("a").unwrap() }];
    let said = AuthAnswer::Session(Session::new(Some("ann"), None, &grants));
    let (subject, until): (Subject, _) = (question.subject, scene.exchange.wall().after(60_000));
    let verdict = AuthFinding::Verdict(Arc::new(Verdict { subject, until, said }));
    assert!(scene.desk.findings.put(ShardId(0), verdict));
    scene.settle();
    replace(&mut scene);
    scene.publish("a", "1");
    scene.settle();
    assert!(text(&asked).contains("data: 1") && !idle.is_done());
}

#[test]
fn whose_message_the_store_has_not_kept_is_no_seat_until_it_is_answered() {
    let rule = Rule { publish: Some(Door::Open), ..Rule::new(Pattern::new("a").unwrap()) };
    let (mut scene, journal) = Scene::storing(Limits { rules: vec![rule], ..Limits::default() });
    let peer = scene.says(websocket("/sub/a"));
    drop(peer.take());
    peer.send(text_frame("{\"publish\":\"a\",\"data\":1}"));
    scene.settle();
    let seats = scene.freeze(0);
    assert!(seats.is_empty() && !scene.thaw(0, seats));
    let taken = journal.take(&mut Vec::new(), Duration::ZERO);
    scene.exchange.store().kept(taken);
    scene.settle();
    replace(&mut scene);
    let frames = server_frames(&peer.take());
    assert!(frames.iter().any(|frame| frame.contains("\"published\"")), "{frames:?}");
}

#[test]
fn a_handshake_is_no_seat_and_what_it_opens_goes_on() {
    let mut scene = Scene::one();
    scene.set_certificates(certificates());
    let peer = SimPeer::connect_tls(&scene.world, 0);
    scene.settle();
    assert!(scene.freeze(0).is_empty());
    while peer.is_handshaking() {
        drop(peer.take());
        scene.settle();
    }
    peer.send(sse("/sub/a"));
    scene.settle();
    assert!(text(&peer).contains("event: cursor"));
    for text_of in ["1", "2"] {
        replace(&mut scene);
        scene.publish("a", text_of);
        scene.settle();
        assert!(text(&peer).contains(&format!("data: {text_of}")));
    }
    peer.half_close();
    scene.settle();
    assert!(peer.is_closed() && scene.shards[0].connections() == 0);
}

#[test]
fn nobody_of_a_shard_that_drains_is_a_seat() {
    let mut scene = Scene::one();
    let peer = scene.says(sse("/sub/a"));
    scene.exchange.admin().order_all(&Order::Drain(Duration::from_secs(60)));
    scene.settle();
    assert!(scene.freeze(0).is_empty() && !peer.is_done());
}

/// Why the shard does not take a seat with these bytes, which is given back.
fn refused(scene: &mut Scene, number: usize, seat: &mut Option<Seat<SimSocket>>, bytes: &[u8]) -> SeatError {
    let Seat { socket, bytes: own } = seat.take().unwrap();
    let other = Seat { socket, bytes: bytes.to_vec() };
    let (back, why) = scene.shards[number].thaw(other).expect_err("it is none of its seats");
    assert_eq!(back.bytes, bytes, "all of it is given back");
    *seat = Some(Seat { socket: back.socket, bytes: own });
    why
}

#[test]
fn a_seat_that_cannot_be_taken_over_is_given_back_with_the_reason() {
    let mut scene = Scene::new(0, 2, Limits::default(), WaitSettings::default());
    let peer = scene.says(sse("/sub/a"));
    drop(peer.take());
    let mut seat = scene.freeze(0).pop();
    let bytes = seat.as_ref().unwrap().bytes.clone();
    let later = [&[2, 0], &bytes[2..]].concat();
    assert_eq!(refused(&mut scene, 0, &mut seat, &later), SeatError::Version(2));
    for cut in 0..bytes.len() {
        assert_eq!(refused(&mut scene, 0, &mut seat, &bytes[..cut]), SeatError::Malformed, "{cut}");
    }
    let long = vec![1; SEAT_LEN_MAX + 1];
    assert_eq!(refused(&mut scene, 0, &mut seat, &long), SeatError::Length(long.len()));
    assert_eq!(refused(&mut scene, 1, &mut seat, &bytes), SeatError::Shard(0, 1));
    let mut other = Scene::one();
    assert_eq!(refused(&mut other, 0, &mut seat, &bytes), SeatError::Channel);
    assert!(scene.thaw(0, seat.into_iter().collect()), "all of it is there still");
    scene.publish("a", "1");
    scene.settle();
    assert!(text(&peer).contains("data: 1"));
}

#[test]
fn a_seat_comes_to_its_own_place_and_before_the_first_turn() {
    let mut scene = Scene::one();
    let peer = scene.says(sse("/sub/a"));
    let idle = scene.says("");
    let mut seats = scene.freeze(0);
    let (mut second, mut first) = (seats.pop(), seats.pop());
    let (of_first, of_second) =
        (first.as_ref().unwrap().bytes.clone(), second.as_ref().unwrap().bytes.clone());
    scene.thaw(0, second.take().into_iter().collect());
    assert_eq!(refused(&mut scene, 0, &mut first, &of_second), SeatError::Taken);
    // What comes by mail now would pass by who is not there yet.
    scene.publish("a", "1");
    scene.settle();
    assert_eq!(refused(&mut scene, 0, &mut first, &of_first), SeatError::Late);
    drop(first);
    assert!(peer.is_closed() && !idle.is_done());
}
