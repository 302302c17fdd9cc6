//! The exchange with its store, over many lives, on a disk of lies, by seed. What was answered is given to readers
//! in order and once, or they are told of a gap; what was deleted stays so; keys are answered; no place comes twice.

#![allow(clippy::unwrap_used, reason = "in a test")]

mod world;

use multiplexor_store::{Log, Options, Sync};
use testkit::disk::Faults;
use testkit::seeds::seeds;

use world::World;

#[test]
fn what_was_answered_outlives_the_server() {
    seeds("cargo test -p multiplexor-store --test simulation", |seed| {
        let mut world = World::new(seed);
        let (mut boot, mut honest, mut lied) = (0, true, false);
        for life in 0..5 {
            let sync = world.chance.of(&[Sync::Always, Sync::Always, Sync::Interval, Sync::Os]);
            let mut server = world.start(sync, boot, honest);
            honest = true;
            // What is read right after the start shows what the store kept.
            (0..6).for_each(|_| world.read(&server));
            let errs = world.chance.once_in(4);
            let faults = Faults {
                room: world.chance.once_in(4).then(|| world.chance.index(60_000)),
                error_once_in: if errs { 5 + world.chance.below(60) } else { 0 },
                lie_once_in: if seed % 9 == 4 && life == 2 { 2 } else { 0 },
                crash_after: world.chance.once_in(2).then(|| world.chance.below(150)),
            };
            lied |= faults.lie_once_in > 0;
            world.disk.set(faults);
            if faults.error_once_in > 0 || faults.room.is_some() {
                // Changes of presence may be left out while the disk fails, and watchers are told.
                world.whole = false;
            }
            world.slowness = world.chance.of(&[1, 1, 1, 40]);
            let steps = world.chance.below(400);
            world.live(&mut server, steps);
            if world.chance.once_in(2) {
                world
                    .disk
                    .set(Faults { crash_after: world.disk.is_gone().then_some(0), ..Faults::default() });
                server.keeper.end_now(&server.exchange);
                world.look(&mut server);
            }
            drop(server);
            world.disk.set(Faults::default());
            if world.chance.once_in(2) {
                world.disk.lose_power();
                boot += 1;
                honest = sync == Sync::Always && !lied;
            }
        }
    });
}

/// One life that ends at this step of its disk; false: it had ended before.
fn end_at(step: u64, power_fails: bool, during_start: bool) -> bool {
    // The same life again and again: with room for everything, so nobody may be told of a gap.
    let mut world = World::roomy(11);
    let mut server = world.start(Sync::Always, 0, true);
    let crash = Faults { crash_after: Some(step), ..Faults::default() };
    if !during_start {
        world.disk.set(crash);
    }
    world.live(&mut server, 150);
    let mut gone = world.disk.is_gone();
    if !gone && !during_start {
        server.keeper.end_now(&server.exchange);
        gone = world.disk.is_gone();
    }
    drop(server);
    if power_fails {
        world.disk.set(Faults::default());
        world.disk.lose_power();
    }
    if during_start {
        world.disk.set(crash);
        let options = Options { len_max: 1 << 20, sync: Sync::Always, volatile: 0 };
        gone = Log::open(world.disk.clone(), options, "1", 5).is_err();
    }
    world.disk.set(Faults::default());
    let mut server = world.start(Sync::Always, 1, true);
    (0..12).for_each(|_| world.read(&server));
    world.live(&mut server, 50);
    (0..12).for_each(|_| world.read(&server));
    gone
}

#[test]
fn a_life_that_ends_at_any_step_of_its_disk_loses_nothing_that_was_answered() {
    for power_fails in [false, true] {
        let steps = (0..).take_while(|step| end_at(*step, power_fails, false)).count();
        assert!(steps > 20, "{steps} steps are no life");
    }
}

#[test]
fn a_start_that_ends_at_any_step_of_its_disk_loses_nothing_either() {
    for power_fails in [false, true] {
        let steps = (0..).take_while(|step| end_at(*step, power_fails, true)).count();
        assert!(steps >= 2, "{steps} steps are no start");
    }
}
