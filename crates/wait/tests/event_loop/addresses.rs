//! Facts about where connections come from: how many each address may have, and what a known proxy says.

use std::net::IpAddr;

use multiplexor_wait::access::{Proxies, Way};
use multiplexor_wait::exchange::hub::Limits;
use multiplexor_wait::exchange::{Quota, Shares};
use multiplexor_wait::limits::{REFUSED_MAX, REFUSED_MS};
use multiplexor_wait::{Classic, WaitSettings};
use testkit::kernel::{Mischief, SimPeer};
use testkit::scene::Scene;
use testkit::wire::{client_frame, get, poll, server_frames, sse, text_frame, websocket};

/// Two shards; whoever is in 192.0.2.0/24 is a known proxy.
fn scene_of(way: Way, shares: Shares) -> Scene {
    let proxies = Proxies { networks: vec!["192.0.2.0/24".parse().unwrap()], way };
    let settings = WaitSettings { proxies, ..WaitSettings::default() };
    Scene::sharing(shares, Classic::default(), 7, 2, Limits::default(), settings)
}

fn shares(connections: u32, requests: u32) -> Shares {
    Shares::new(Quota { connections, requests }, 64, Quota::default(), 0)
}

/// Each address may have so much; proxies speak the PROXY protocol.
fn scene(connections: u32, requests: u32) -> Scene {
    scene_of(Way::Protocol, shares(connections, requests))
}

/// A client of a shard that comes from there and says this.
fn says(scene: &mut Scene, shard: usize, address: &str, bytes: impl AsRef<[u8]>) -> SimPeer {
    let peer = SimPeer::connect(&scene.world, shard).from(address.parse::<IpAddr>().unwrap());
    peer.send(bytes);
    scene.settle();
    peer
}

fn is_refused(peer: &SimPeer, code: &str) -> bool {
    let text = peer.text();
    assert!(text.starts_with("HTTP/1.1 200 ") || text.contains(code), "{text}");
    text.starts_with("HTTP/1.1 429 ") || text.contains("\r\nMultiplexor-Status: 429\r\n")
}

#[test]
fn an_address_has_so_many_connections_over_all_shards() {
    let mut scene = scene(2, 0);
    let first = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let second = says(&mut scene, 1, "198.51.100.1", sse("/sub/a"));
    let third = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let other = says(&mut scene, 0, "198.51.100.2", sse("/sub/a"));
    let refused: Vec<_> =
        [&first, &second, &third, &other].map(|peer| is_refused(peer, "address-connections")).into();
    assert_eq!(refused, [false, false, true, false]);
    assert!(third.is_ended(), "who is refused is closed");
    first.hang_up();
    scene.settle();
    let again = says(&mut scene, 1, "198.51.100.1", sse("/sub/a"));
    assert!(!is_refused(&again, "address-connections"), "who leaves makes room");
}

#[test]
fn a_network_of_ipv6_counts_as_one() {
    let mut scene = scene(1, 0);
    let first = says(&mut scene, 0, "2001:db8::1", sse("/sub/a"));
    let second = says(&mut scene, 0, "2001:db8::ffff:2", sse("/sub/a"));
    let other = says(&mut scene, 0, "2001:db8:0:1::1", sse("/sub/a"));
    assert!(!is_refused(&first, "") && is_refused(&second, "address-connections") && !is_refused(&other, ""));
}

#[test]
fn who_is_one_too_many_and_says_nothing_is_closed_soon() {
    let mut scene = scene(1, 0);
    let _first = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let silent = says(&mut scene, 0, "198.51.100.1", "");
    assert!(!silent.is_closed());
    scene.pass(REFUSED_MS + 100);
    assert!(silent.is_ended());
}

#[test]
fn an_address_asks_so_often() {
    let mut scene = scene(0, 3);
    let asks = |scene: &mut Scene, address: &str| {
        let peer = says(scene, 0, address, poll("/sub/a?tail=1"));
        peer.hang_up();
        scene.settle();
    };
    for _ in 0..2 {
        asks(&mut scene, "198.51.100.1");
    }
    let third = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let request = get("/sub/a?errors=status", "Accept: text/event-stream\r\n");
    let fourth = says(&mut scene, 1, "198.51.100.1", request);
    let other = says(&mut scene, 1, "198.51.100.2", sse("/sub/a"));
    assert!(!is_refused(&third, ""));
    let text = fourth.text();
    assert!(text.starts_with("HTTP/1.1 429 ") && text.contains("\r\nRetry-After: 1\r\n"), "{text}");
    assert!(!is_refused(&other, ""));
    // The connection stays, and a second later it may ask again.
    scene.pass(1_000);
    fourth.send(sse("/sub/a"));
    scene.settle();
    assert!(!is_refused(&fourth, ""));
}

#[test]
fn a_known_proxy_says_whose_connection_it_is_however_it_is_cut() {
    let header = "PROXY TCP4 198.51.100.1 192.0.2.1 5000 80\r\n";
    let request = sse("/sub/a");
    let whole = [header.as_bytes(), request.as_ref()].concat();
    for cut in 0..whole.len() {
        let mut scene = scene(1, 0);
        scene.world.set_mischief(Mischief { short: 2, ..Mischief::default() });
        let direct = says(&mut scene, 1, "198.51.100.1", sse("/sub/a"));
        let passed = says(&mut scene, 0, "192.0.2.9", &whole[..cut]);
        passed.send(&whole[cut..]);
        scene.settle();
        let told = [is_refused(&direct, ""), is_refused(&passed, "address-connections")];
        assert_eq!(told, [false, true], "cut at {cut}");
    }
}

#[test]
fn the_word_of_a_stranger_is_no_header() {
    let mut scene = scene(1, 0);
    let line = format!("PROXY TCP4 198.51.100.1 192.0.2.1 5000 80\r\n{}", sse("/sub/a"));
    let liar = says(&mut scene, 0, "198.51.100.9", line);
    assert!(!liar.text().contains("HTTP/1.1 200 "));
    let honest = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    assert!(!is_refused(&honest, ""), "nothing was counted for it");
}

#[test]
fn a_known_proxy_that_says_nothing_is_not_heard() {
    let mut scene = scene(1, 0);
    let silent = says(&mut scene, 0, "192.0.2.9", sse("/sub/a"));
    let broken = says(&mut scene, 0, "192.0.2.9", "PROXY TCP4 nonsense\r\n");
    assert!(silent.is_closed() && broken.is_closed() && silent.text().is_empty());
    // What speaks for itself, as the probe of a proxy does, counts for nobody.
    for _ in 0..3 {
        let probe = says(&mut scene, 0, "192.0.2.9", format!("PROXY UNKNOWN\r\n{}", sse("/sub/a")));
        assert!(!is_refused(&probe, ""));
    }
}

/// A request of a proxy for that client.
fn passed(way: &str, client: &str) -> String {
    poll("/sub/a").replace("\r\n\r\n", &format!("\r\n{way}: {client}\r\n\r\n"))
}

#[test]
fn a_request_that_a_known_proxy_passes_counts_while_it_waits() {
    for (way, header, prefix) in [
        (Way::ForwardedFor, "X-Forwarded-For", "7.7.7.7, "),
        (Way::Forwarded, "Forwarded", "for=7.7.7.7, for="),
    ] {
        let mut scene = scene_of(way, shares(1, 0));
        let ask = |client: &str| passed(header, &format!("{prefix}{client}"));
        let first = says(&mut scene, 0, "192.0.2.9", ask("198.51.100.1"));
        let second = says(&mut scene, 1, "192.0.2.9", ask("198.51.100.1"));
        let other = says(&mut scene, 1, "192.0.2.9", ask("198.51.100.2"));
        assert_eq!((first.text(), other.text()), (String::new(), String::new()), "they wait");
        assert!(is_refused(&second, "address-connections") && !second.is_closed(), "others come by this way");
        scene.publish("a", "x");
        scene.settle();
        assert!(first.text().starts_with("HTTP/1.1 200 "));
        // The connection is used for somebody else; and the one who had his answer may come again by another.
        first.send(ask("198.51.100.3"));
        second.send(ask("198.51.100.1"));
        scene.settle();
        assert_eq!((first.text(), second.text()), (String::new(), String::new()), "{header}");
        scene.publish("a", "y");
        scene.settle();
        assert!(scene.exchange.shares().addresses.is_empty());
    }
}

#[test]
fn whom_a_known_proxy_hides_counts_for_it() {
    for (way, header, said) in
        [(Way::ForwardedFor, "X-Forwarded-For", "unknown"), (Way::Forwarded, "Forwarded", "for=\"")]
    {
        let mut scene = scene_of(way, shares(1, 0));
        let first = says(&mut scene, 0, "192.0.2.9", passed(header, said));
        let second = says(&mut scene, 1, "192.0.2.9", passed(header, said));
        let other = says(&mut scene, 1, "192.0.2.8", passed(header, said));
        assert_eq!((first.text(), other.text()), (String::new(), String::new()), "{header}");
        assert!(is_refused(&second, "address-connections"));
        // What says nothing counts for nobody.
        let silent: Vec<_> = (0..3).map(|_| says(&mut scene, 0, "192.0.2.9", poll("/sub/a"))).collect();
        assert!(silent.iter().all(|peer| peer.text().is_empty()));
    }
}

#[test]
fn a_client_of_old_counts_for_whom_its_proxy_names_however_its_request_is_cut() {
    let request = "GET /?identifier=a; HTTP/1.1\r\nHost: b\r\nX-Forwarded-For: 198.51.100.1\r\n\r\n";
    for cut in 0..request.len() {
        let mut scene = scene_of(Way::ForwardedFor, shares(1, 0));
        let first = says(&mut scene, 0, "192.0.2.9", &request[..cut]);
        first.send(&request[cut..]);
        scene.settle();
        let second = says(&mut scene, 1, "192.0.2.9", request);
        let (kept, refused) = (first.text(), second.text());
        assert!(kept.is_empty() && !first.is_ended(), "cut at {cut}: {kept:?}");
        assert!(!refused.is_empty() && second.is_ended(), "cut at {cut}: {refused:?}");
        first.hang_up();
        scene.settle();
        assert!(scene.exchange.shares().addresses.is_empty());
    }
}

#[test]
fn the_headers_of_a_stranger_are_his_own_words() {
    let mut scene = scene_of(Way::ForwardedFor, shares(1, 0));
    let _first = says(&mut scene, 0, "198.51.100.1", passed("X-Forwarded-For", "203.0.113.1"));
    let second = says(&mut scene, 0, "198.51.100.1", passed("X-Forwarded-For", "203.0.113.2"));
    assert!(is_refused(&second, "address-connections"));
}

#[test]
fn so_many_connections_there_are_in_all() {
    let mut scene = scene_of(Way::Protocol, Shares::new(Quota::default(), 64, Quota::default(), 2));
    let first = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let _second = says(&mut scene, 1, "198.51.100.2", sse("/sub/a"));
    let told = says(&mut scene, 1, "198.51.100.3", sse("/sub/a"));
    let text = told.text();
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("\r\nMultiplexor-Status: 503\r\n"), "{text}");
    assert!(text.contains("\nevent: refused\ndata: {") && !text.contains("\nid:"), "{text}");
    assert!(told.is_ended());
    let third = says(&mut scene, 1, "198.51.100.3", sse("/sub/a?errors=status"));
    let text = third.text();
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nRetry-After: 1\r\n"), "{text}");
    assert!(third.is_ended());
    first.hang_up();
    scene.settle();
    let fourth = says(&mut scene, 1, "198.51.100.3", sse("/sub/a"));
    assert!(!is_refused(&fourth, ""));
}

#[test]
fn a_flood_is_told_so_only_so_often() {
    let mut scene = scene(1, 0);
    let good = says(&mut scene, 0, "198.51.100.1", sse("/sub/a"));
    let flood: Vec<_> = (0..2 * REFUSED_MAX)
        .map(|_| SimPeer::connect(&scene.world, 0).from([198, 51, 100, 1].into()))
        .collect();
    scene.settle();
    assert_eq!(flood.iter().filter(|peer| !peer.is_closed()).count(), REFUSED_MAX);
    assert!(!is_refused(&good, ""));
    scene.pass(REFUSED_MS + 100);
    assert!(flood.iter().all(SimPeer::is_ended));
    assert_eq!(scene.shards[0].connections(), 1);
}

#[test]
fn all_that_a_websocket_says_and_is_answered_counts() {
    let mut scene = scene(0, 4);
    let peer = says(&mut scene, 0, "198.51.100.1", websocket("/sub/a"));
    peer.take();
    let commands = [r#"{"ping":1}"#, r#"{"unsubscribe":["a"]}"#, r#"{"token":"t"}"#, "nonsense"];
    for (n, command) in commands.iter().enumerate() {
        peer.send(text_frame(command));
        scene.settle();
        let told = server_frames(&peer.take()).join("");
        assert_eq!(told.contains("address-requests"), n == 3, "{command}: {told}");
    }
    peer.send(client_frame(0x89, b"hello"));
    scene.settle();
    assert!(
        server_frames(&peer.take()).join("").contains("address-requests"),
        "a ping, in place of its answer"
    );
    scene.pass(2_000);
    peer.send(client_frame(0x89, b"hello"));
    scene.settle();
    assert_eq!(peer.take(), b"\x8a\x05hello");
}

#[test]
fn refusals_can_be_asked_for() {
    let mut scene = scene(0, 1);
    for _ in 0..4 {
        says(&mut scene, 0, "198.51.100.1", sse("/sub/a")).hang_up();
    }
    let [denial] = &scene.exchange.denials().last(9)[..] else { panic!("one entry for all") };
    let told = (denial.code.name(), denial.times, denial.from, &*denial.what);
    assert_eq!(told, ("address-requests", 3, Some([198, 51, 100, 1].into()), "/sub/a"));
}

#[test]
fn nothing_is_left_of_a_crowd_that_has_gone() {
    let mut scene = scene(3, 0);
    let crowd: Vec<_> =
        (0..200).map(|n| says(&mut scene, n % 2, &format!("203.0.113.{}", n % 50), sse("/sub/a"))).collect();
    assert_eq!(scene.exchange.shares().addresses.len(), 50);
    crowd.iter().for_each(SimPeer::hang_up);
    scene.pass(60_000);
    assert!(scene.exchange.shares().addresses.is_empty());
}
