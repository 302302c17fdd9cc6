//! Facts about delivery: who gets what, in which words, for how many system calls.

use multiplexor_wait::limits::VISITS_PER_TURN;
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{body, connection, get, poll, server_frames, sse, stream, websocket};

/// So many clients on a channel, one after the other, whose beginnings are read.
fn crowd(scene: &mut Scene, channel: &str, count: usize) -> Vec<SimPeer> {
    let peers: Vec<SimPeer> = (0..count).map(|_| scene.says(sse(&format!("/sub/{channel}")))).collect();
    peers.iter().for_each(|peer| drop(peer.take()));
    peers
}

/// The data lines of what has come, but those of cursors.
/// The data of the messages that came; that of a block with a cursor alone is none.
fn data(peer: &SimPeer) -> Vec<String> {
    let text = peer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter(|data| !data.starts_with("{\"cursor\":")).map(String::from).collect()
}

fn load(scene: &Scene) -> (usize, usize) {
    let load = scene.exchange.admin().load(exchange::hub::ShardId(0));
    (load.messages, load.bytes)
}

#[test]
fn a_message_reaches_every_transport_in_its_own_words() {
    let mut scene = Scene::one();
    let events = scene.says(sse("/sub/news"));
    let lines = scene.says(stream("/sub/news"));
    let socket = scene.says(websocket("/sub/news"));
    let asked = scene.says(poll("/sub/news"));
    let both = scene.says(stream("/sub/news,else"));
    [&events, &lines, &socket, &both].into_iter().for_each(|peer| drop(peer.take()));
    assert_eq!(asked.unread(), 0, "a poll waits");
    let position = scene.publish("news", "{\"a\":1}");
    scene.settle();
    let cursor = scene.cursor(position);
    let object = format!(
        "{{\"cursor\":\"{cursor}\",\"channel\":\"news\",\"data\":{{\"a\":1}},\"time\":1700000000.000}}"
    );
    assert_eq!(events.text(), format!("id: {cursor}\ndata: {{\"a\":1}}\n\n"));
    assert_eq!(lines.text(), format!("{object}\n"));
    assert_eq!(both.text(), format!("{object}\n"));
    assert_eq!(server_frames(&socket.take()), std::slice::from_ref(&object));
    let answer = asked.text();
    let (_, id) = answer.rsplit_once(":").unwrap();
    let document = format!("{{\"cursor\":\"{cursor}\",\"messages\":[{object}],\"connection\":{id}");
    assert_eq!(id.len(), 25);
    assert_eq!(body(answer.as_bytes(), 200), document.as_bytes());
    assert!(answer.contains(&format!("Content-Length: {}\r\n", document.len())), "{answer}");
    assert_eq!(load(&scene), (0, 0));
}

#[test]
fn a_poll_with_a_warning_is_answered_as_all_others_but_for_its_headers() {
    let mut scene = Scene::one();
    let (odd, plain) = ("/sub/news?limit=20", "/sub/news");
    let peers = [odd, plain, odd].map(|path| scene.says(poll(path)));
    let last = scene.says(get(odd, "Connection: close\r\n"));
    scene.publish("news", "1");
    scene.settle();
    let shown = |peer: &SimPeer| {
        let text = peer.text();
        text.replace(connection(&text), "")
    };
    let [first, usual, third] = peers.each_ref().map(shown);
    assert_eq!(first, third);
    let warned = |answer: &str| {
        let told: String = answer.split_inclusive("\r\n").filter(|line| is_of_warning(line)).collect();
        (told, answer.split_inclusive("\r\n").filter(|line| !is_of_warning(line)).collect::<String>())
    };
    let (told, rest) = warned(&first);
    assert!(
        told.contains("limit means nothing here") && told.contains("Expose-Headers: Multiplexor-Warning"),
        "{told}"
    );
    assert_eq!((rest, warned(&usual)), (usual.clone(), (String::new(), usual)));
    let closing = shown(&last);
    assert_eq!(warned(&closing).0, told);
    assert!(closing.contains("Connection: close\r\n") && !closing.contains("Keep-Alive"), "{closing}");
    // It is of that request alone.
    peers[0].send(poll(plain));
    scene.settle();
    scene.publish("news", "2");
    scene.settle();
    assert!(!peers[0].text().contains("Warning"));
}

/// Whether a line of a head belongs to a warning.
fn is_of_warning(line: &str) -> bool {
    line.contains("Multiplexor-Warning")
}

#[test]
fn a_message_to_several_channels_comes_once_with_its_matches() {
    let mut scene = Scene::one();
    let peer = scene.says(stream("/sub/a,b,c"));
    peer.take();
    scene.publish("b,x,a", "1");
    scene.publish("a", "2");
    scene.publish("c", "3");
    scene.publish("x", "4");
    scene.settle();
    let lines = peer.text();
    let said: Vec<&str> = lines.lines().map(|line| line.split_once("\"channel").unwrap().1).collect();
    assert_eq!(said.len(), 3, "{lines}");
    assert!(said[0].starts_with("s\":[\"b\",\"a\"],\"data\":1"), "{lines}");
    assert!(
        said[1].starts_with("\":\"a\",\"data\":2") && said[2].starts_with("\":\"c\",\"data\":3"),
        "{lines}"
    );
}

#[test]
fn a_broadcast_costs_one_write_a_member() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "news", 500);
    let before = scene.world.calls();
    scene.publish("news", "hello");
    scene.settle();
    let after = scene.world.calls();
    assert_eq!((after.writes - before.writes, after.reads - before.reads), (500, 0));
    assert_eq!(after.watches, before.watches);
    peers.iter().for_each(|peer| assert_eq!(data(peer), ["hello"]));
}

#[test]
fn what_gathers_while_a_job_runs_goes_out_together() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "news", 500);
    let before = scene.world.calls().writes;
    scene.publish("news", "0");
    scene.turn(0);
    for n in 1..10 {
        scene.publish("news", &n.to_string());
    }
    scene.settle();
    let writes = scene.world.calls().writes - before;
    assert_eq!(writes, 2 * 500, "the first goes ahead alone, all others together");
    let all: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    peers.iter().for_each(|peer| assert_eq!(data(peer), all));
    assert_eq!(load(&scene), (0, 0));
}

#[test]
fn whoever_joins_in_front_of_a_job_is_not_visited_for_what_was_before() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "news", 300);
    scene.publish("news", "old");
    scene.turn(0);
    let writes = scene.world.calls().writes;
    let late: Vec<SimPeer> = (0..3).map(|_| scene.peer()).collect();
    late.iter().for_each(|peer| peer.send(sse("/sub/news")));
    scene.settle();
    late.iter().for_each(|peer| drop(peer.take()));
    let rest = 300 - VISITS_PER_TURN as u64;
    assert_eq!(scene.world.calls().writes - writes, rest + 3, "each newcomer costs its beginning only");
    scene.publish("news", "new");
    scene.settle();
    late.iter().for_each(|peer| assert_eq!(data(peer), ["new"]));
    peers.iter().for_each(|peer| assert_eq!(data(peer), ["old", "new"]));
    assert_eq!(load(&scene), (0, 0));
}

#[test]
fn leaving_moves_a_job_that_is_parked_at_whoever_leaves() {
    // The newest is visited first: the job then stands somewhere in the middle.
    for gone in [vec![71], vec![70, 71], vec![71, 72], vec![70, 71, 72], vec![0], vec![199]] {
        let mut scene = Scene::one();
        let peers = crowd(&mut scene, "news", 200);
        scene.publish("news", "hello");
        scene.turn(0);
        let visited: Vec<usize> = (0..200).filter(|n| peers[*n].unread() > 0).collect();
        assert_eq!(visited, (72..200).collect::<Vec<_>>());
        gone.iter().for_each(|n| peers[*n].hang_up());
        scene.settle();
        for (n, peer) in peers.iter().enumerate().filter(|(n, _)| !gone.contains(n)) {
            assert_eq!(data(peer), ["hello"], "member {n} when {gone:?} went");
        }
        assert_eq!((load(&scene), scene.shards[0].connections()), ((0, 0), 200 - gone.len()));
    }
}

#[test]
fn a_job_ends_with_the_last_member() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "news", 200);
    scene.publish("news", "hello");
    scene.publish("news", "again");
    scene.turn(0);
    assert_eq!(load(&scene), (2, 10));
    peers.iter().for_each(SimPeer::hang_up);
    scene.settle();
    assert_eq!((load(&scene), scene.shards[0].connections(), scene.world.held()), ((0, 0), 0, 0));
    assert_eq!(scene.exchange.admin().totals().subscriptions, 0);
}

#[test]
fn a_message_to_one_does_not_wait_for_a_message_to_many() {
    let mut scene = Scene::one();
    let peers = crowd(&mut scene, "many", 1_000);
    let one = crowd(&mut scene, "one", 1).remove(0);
    scene.publish("many", "long");
    scene.turn(0);
    scene.publish("one", "short");
    let mut turns = 0;
    while peers[0].unread() == 0 {
        let before = scene.world.calls().writes;
        scene.turn(0);
        assert!(scene.world.calls().writes - before <= VISITS_PER_TURN as u64);
        assert_eq!(data(&one).len(), usize::from(turns == 0), "it comes with the next turn");
        turns += 1;
    }
    assert!(turns >= 6);
}

#[test]
fn whoever_registers_late_does_not_get_what_was_before() {
    let mut scene = Scene::one();
    let early = crowd(&mut scene, "news", 1).remove(0);
    scene.publish("news", "before");
    let late = scene.says(sse("/sub/news"));
    scene.publish("news", "after");
    scene.settle();
    assert_eq!(data(&early), ["before", "after"]);
    assert_eq!(data(&late), ["after"]);
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed_and_no_more() {
    let mut scene = Scene::one();
    let positions: Vec<_> = (0..150).map(|n| scene.publish("a", &n.to_string())).collect();
    let back = format!("Last-Event-ID: {}\r\nAccept: text/event-stream\r\n", scene.cursor(positions[49]));
    let peer = scene.says(get("/sub/a", &back));
    assert_eq!(data(&peer), (50..150).map(|n| n.to_string()).collect::<Vec<_>>(), "in two pages");
    scene.publish("a", "live");
    scene.settle();
    assert_eq!(data(&peer), ["live"]);
}
