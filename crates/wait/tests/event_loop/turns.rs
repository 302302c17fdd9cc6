//! Facts about the time of a turn: what clients ask for is done as long as there is time for it, and each place has its part.

use std::net::IpAddr;

use multiplexor_wait::limits::{ASKED_US_PER_TURN, REQUESTS_PER_TURN};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{poll, sse};

/// Each thing that a client asks for takes so long that a turn has time for two of them.
const COST_US: u64 = ASKED_US_PER_TURN / 2;

fn requests(count: usize) -> String {
    poll("/sub/a?wait=0").repeat(count)
}

fn answers(peer: &SimPeer) -> usize {
    peer.text().matches("HTTP/1.1 200 OK").count()
}

/// So many connections, accepted and at rest.
fn crowd(scene: &mut Scene, count: usize, address: Option<&str>) -> Vec<SimPeer> {
    let address = address.map(|address| address.parse::<IpAddr>().unwrap());
    let connect = |_| {
        let peer = SimPeer::connect(&scene.world, 0);
        match address {
            Some(address) => peer.from(address),
            None => peer,
        }
    };
    let peers = (0..count).map(connect).collect();
    scene.settle();
    peers
}

/// In how many turns it is answered.
fn turns_until_answered(scene: &mut Scene, peer: &SimPeer) -> usize {
    for turn in 1..10_000 {
        scene.turn(0);
        if answers(peer) > 0 {
            return turn;
        }
    }
    panic!("it starves");
}

#[test]
fn whoever_comes_from_elsewhere_does_not_wait_for_a_crowd() {
    let mut scene = Scene::one();
    let crowd = crowd(&mut scene, 100, Some("198.51.100.1"));
    let other = &self::crowd(&mut scene, 1, Some("203.0.113.1"))[0];
    scene.world.set_cost_us(COST_US);
    crowd.iter().for_each(|peer| peer.send(requests(REQUESTS_PER_TURN)));
    (0..5).for_each(|_| scene.turn(0));
    other.send(requests(1));
    let turns = turns_until_answered(&mut scene, other);
    assert!(turns <= 2, "{turns} turns");
    scene.settle();
    let served: Vec<usize> = crowd.iter().map(answers).collect();
    assert_eq!(served, [REQUESTS_PER_TURN; 100], "nobody starves, and nothing is lost");
}

#[test]
fn an_address_that_is_many_peoples_is_served_by_connection() {
    let mut scene = Scene::one();
    let (count, greedy) = (50, 10 * REQUESTS_PER_TURN);
    let crowd = crowd(&mut scene, count, None);
    let other = &self::crowd(&mut scene, 1, None)[0];
    scene.world.set_cost_us(COST_US);
    crowd.iter().for_each(|peer| peer.send(requests(greedy)));
    (0..5).for_each(|_| scene.turn(0));
    other.send(requests(1));
    let turns = turns_until_answered(&mut scene, other);
    assert!(turns <= count + 1, "{turns} turns: it waits for one request of each, at the most");
    scene.settle();
    let served: Vec<usize> = crowd.iter().map(answers).collect();
    assert_eq!(served, vec![greedy; count]);
}

#[test]
fn two_shares_of_a_full_turn_are_the_same() {
    let mut scene = Scene::one();
    let many = crowd(&mut scene, 60, Some("198.51.100.1"));
    let one = crowd(&mut scene, 1, Some("2001:db8::1"));
    scene.world.set_cost_us(COST_US);
    many.iter().chain(&one).for_each(|peer| peer.send(requests(REQUESTS_PER_TURN)));
    let first = |peers: &[SimPeer]| {
        peers.iter().map(|peer| peer.text().matches("HTTP/1.1 200").count()).sum::<usize>()
    };
    (0..30).for_each(|_| scene.turn(0));
    let (many, one) = (first(&many), first(&one));
    assert!(one * 2 >= many, "{one} answers for one address, {many} for the other");
}

#[test]
fn messages_go_out_in_every_turn() {
    let mut scene = Scene::one();
    let reader = scene.says(sse("/sub/news"));
    let crowd = crowd(&mut scene, 100, None);
    scene.world.set_cost_us(COST_US);
    crowd.iter().for_each(|peer| peer.send(requests(REQUESTS_PER_TURN)));
    for n in 0..20 {
        let told = format!("news{n}");
        scene.publish("news", &told);
        scene.turn(0);
        assert!(reader.text().contains(&told));
    }
    assert!(crowd.iter().any(|peer| answers(peer) < REQUESTS_PER_TURN), "the turns were full");
}

#[test]
fn a_delivery_does_not_look_at_the_clock() {
    let mut scene = Scene::one();
    let readers: Vec<SimPeer> = (0..300).map(|_| scene.says(sse("/sub/news"))).collect();
    let before = scene.world.calls().looks;
    for n in 0..10 {
        scene.publish("news", &n.to_string());
        scene.settle();
    }
    assert_eq!(scene.world.calls().looks, before);
    assert!(readers.iter().all(|reader| reader.text().contains("data: 9")));
    scene.says(requests(1));
    assert!(
        scene.world.calls().looks - before <= 4,
        "a request looks twice, and a piece of news that it came"
    );
}
