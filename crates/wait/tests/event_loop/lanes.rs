//! Facts about lanes: more shards than processors, and a message to many in all of them.

use multiplexor_wait::limits::{LANE_TURNS, VISITS_PER_SLICE, VISITS_PER_TURN};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::sse;

const SHARDS: usize = 3;
/// Members of a shard: more than what is done in a lane at a time.
const MANY: usize = 2 * LANE_TURNS * VISITS_PER_TURN;

/// So many clients of a shard, whose beginnings are read.
fn crowd(scene: &mut Scene, shard: usize, channel: &str, count: usize) -> Vec<SimPeer> {
    let peers: Vec<SimPeer> = (0..count).map(|_| SimPeer::connect(&scene.world, shard)).collect();
    peers.iter().for_each(|peer| peer.send(sse(&format!("/sub/{channel}"))));
    scene.settle();
    peers.iter().for_each(|peer| drop(peer.take()));
    peers
}

fn served(peers: &[SimPeer]) -> usize {
    peers.iter().filter(|peer| peer.unread() > 0).count()
}

fn turn_all(scene: &mut Scene) {
    (0..SHARDS).for_each(|number| scene.turn(number));
}

#[test]
fn long_jobs_take_turns_and_short_ones_do_not_wait() {
    let mut scene = Scene::with_lanes(SHARDS, 1);
    let many: Vec<Vec<SimPeer>> = (0..SHARDS).map(|shard| crowd(&mut scene, shard, "news", MANY)).collect();
    let few: Vec<Vec<SimPeer>> =
        (0..SHARDS).map(|shard| crowd(&mut scene, shard, &format!("one-{shard}"), 1)).collect();
    scene.publish("news", "hello");
    turn_all(&mut scene);
    let counts = || many.iter().map(|peers| served(peers)).collect::<Vec<_>>();
    assert_eq!(counts(), [VISITS_PER_TURN, VISITS_PER_SLICE, VISITS_PER_SLICE], "one has the lane");
    for shard in 0..SHARDS {
        scene.publish(&format!("one-{shard}"), "you");
    }
    turn_all(&mut scene);
    assert!(few.iter().all(|one| served(one) == 1), "who waits for the lane serves the few at once");
    assert_eq!(counts()[1..], [VISITS_PER_SLICE; 2], "and the many when it has it");
    for _ in 0..2 * LANE_TURNS {
        turn_all(&mut scene);
    }
    assert!(counts()[1] > VISITS_PER_SLICE, "the next one has its turn");
    assert!(counts()[0] < MANY, "before the first one is done");
    scene.settle();
    assert_eq!(counts(), [MANY; SHARDS]);
    assert!(many.iter().flatten().all(|peer| peer.text().matches("data: hello").count() == 1));
}

#[test]
fn a_shard_whose_clients_left_leaves_the_lane_to_the_others() {
    let mut scene = Scene::with_lanes(SHARDS, 1);
    let many: Vec<Vec<SimPeer>> = (0..SHARDS).map(|shard| crowd(&mut scene, shard, "news", MANY)).collect();
    scene.publish("news", "hello");
    turn_all(&mut scene);
    // Those of the first shard, which has the lane, are gone.
    many[0].iter().for_each(SimPeer::reset);
    scene.settle();
    assert!(many[1..].iter().all(|peers| served(peers) == MANY));
    scene.publish("news", "again");
    scene.settle();
    assert!(many[1..].iter().flatten().all(|peer| peer.text().matches("data: ").count() == 2));
}
