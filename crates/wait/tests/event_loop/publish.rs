//! Facts about what clients say while a store has not kept it.

use std::time::Duration;

use exchange::Journal;
use exchange::hub::{Door, Limits, Pattern, Rule};
use multiplexor_wait::limits::SPEAKING_MAX;
use testkit::scene::Scene;
use testkit::wire::{server_frames, text_frame, websocket};

/// Who is not answered yet takes memory.
#[test]
fn so_many_wait_for_the_store_and_no_more() {
    let rule = Rule { publish: Some(Door::Open), ..Rule::new(Pattern::new("a").unwrap()) };
    let (mut scene, journal) = Scene::storing(Limits { rules: vec![rule], ..Limits::default() });
    let peer = scene.says(websocket("/sub/"));
    peer.take();
    let say = text_frame("{\"publish\":\"a\",\"data\":1}");
    for _ in 0..SPEAKING_MAX / 64 {
        peer.send(say.repeat(64));
        scene.settle();
    }
    assert!(peer.take().is_empty(), "nobody is answered before it is kept");
    peer.send(&say);
    scene.settle();
    let answers = server_frames(&peer.take());
    assert!(answers.len() == 1 && answers[0].contains("\"full\""), "{answers:?}");
    keep(&scene, &journal);
    scene.settle();
    assert_eq!(server_frames(&peer.take()).len(), SPEAKING_MAX);
    peer.send(&say);
    scene.settle();
    keep(&scene, &journal);
    scene.settle();
    let answers = server_frames(&peer.take());
    assert!(answers.len() == 1 && answers[0].contains("\"published\""), "there is room again: {answers:?}");
}

/// The store keeps all that it was told.
fn keep(scene: &Scene, journal: &Journal) {
    let taken = journal.take(&mut Vec::new(), Duration::ZERO);
    scene.exchange.store().kept(taken);
}
