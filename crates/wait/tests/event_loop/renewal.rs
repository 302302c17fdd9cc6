//! Facts about settings that are set anew: what connections that are open have of them.

use std::sync::Arc;
use std::time::Duration;

use exchange::hub::Limits;
use multiplexor_wait::{Renewal, WaitSettings};
use testkit::scene::Scene;
use testkit::wire::{poll, stream};

fn renew(scene: &mut Scene, settings: WaitSettings) {
    assert!(scene.desk.renewals.put_all(&Renewal::Settings(Arc::new(settings))));
    scene.settle();
}

fn every(heartbeat: Duration) -> WaitSettings {
    WaitSettings { heartbeat, ..WaitSettings::default() }
}

#[test]
fn heartbeats_that_are_to_come_sooner_come_sooner_for_everybody() {
    let mut scene = Scene::new(0, 1, Limits::default(), every(Duration::from_secs(3_600)));
    let peers: Vec<_> = (0..3_000).map(|_| scene.says(stream("/sub/a?raw=1"))).collect();
    scene.settle();
    peers.iter().for_each(|peer| drop(peer.take()));
    scene.pass(5_000);
    assert!(peers.iter().all(|peer| peer.unread() == 0));
    renew(&mut scene, every(Duration::from_secs(2)));
    scene.pass(2_200);
    assert!(peers.iter().all(|peer| peer.unread() > 0 && !peer.is_ended()));
    peers.iter().for_each(|peer| drop(peer.take()));
    scene.publish("a", "still here");
    scene.settle();
    assert!(peers.iter().all(|peer| peer.text().contains("still here")));
}

#[test]
fn heartbeats_that_are_to_come_later_come_once_more_as_they_were_to() {
    let mut scene = Scene::new(0, 1, Limits::default(), every(Duration::from_secs(2)));
    let peer = scene.says(stream("/sub/a?raw=1"));
    peer.take();
    renew(&mut scene, every(Duration::from_secs(60)));
    scene.pass(2_200);
    assert!(peer.unread() > 0);
    peer.take();
    scene.pass(40_000);
    assert_eq!(peer.unread(), 0);
    scene.pass(21_000);
    assert!(peer.unread() > 0);
}

#[test]
fn a_poll_keeps_its_time_and_the_next_one_has_the_new_one() {
    let mut scene = Scene::one();
    let peer = scene.says(poll("/sub/a"));
    renew(&mut scene, WaitSettings { poll_timeout: Duration::from_secs(1), ..WaitSettings::default() });
    scene.pass(20_000);
    assert_eq!(peer.unread(), 0);
    scene.pass(6_000);
    assert!(peer.text().contains(" 200 "));
    peer.send(poll("/sub/a"));
    scene.pass(1_200);
    assert!(peer.text().contains(" 200 "));
}
