//! The log on a disk of lies, by seed: what was answered is found again or is told to be lost; nothing is found
//! that was never written; no place is given twice.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::collections::{BTreeMap, BTreeSet};

use exchange::hub::{Fact, Kind, Message, Payload, Position, Target};
use multiplexor_store as store;
use store::limits::TIDY_AGAIN;
use store::{Batch, Log, Options, Sync};
use testkit::disk::{Faults, SimDisk};
use testkit::seeds::{Chance, seeds};

fn message(place: u64, len: usize) -> Message {
    let bytes = format!("{place}:{}", "x".repeat(len)).into_bytes();
    let payload = Payload::new(bytes, Kind::Either);
    let target = Target { name: "a".into(), alias: None };
    Message::new(Position::from_bits(place), place, None, [target].into_iter().collect(), payload)
}

/// What the world outside knows of a store over all its lives.
#[derive(Default)]
struct World {
    epoch: Option<u64>,
    /// Places that were given, in this epoch.
    given: u64,
    /// Messages that were answered, with their lengths.
    answered: BTreeMap<u64, usize>,
    /// All that was ever tried.
    tried: BTreeMap<u64, usize>,
    /// A sync was a lie.
    lied: bool,
}

impl World {
    /// Opens the store and checks what it holds.
    fn open(
        &mut self,
        disk: &SimDisk,
        options: Options,
        boot: &str,
        random: u64,
        told: Told,
    ) -> Option<Log<SimDisk>> {
        let (log, found) = Log::open(disk.clone(), options, boot, random).ok()?;
        let last = found.past.last.to_bits();
        if self.epoch == Some(log.epoch()) {
            assert!(last >= self.given, "place {last} was given already: {}", self.given);
        } else {
            assert!(self.epoch.is_none() || found.lost, "a new epoch without a loss");
        }
        self.epoch = Some(log.epoch());
        self.given = last;
        let kept: BTreeSet<u64> = found.past.messages.iter().map(|m| m.position.to_bits()).collect();
        assert_eq!(kept.len(), found.past.messages.len(), "each once");
        for found in &found.past.messages {
            let place = found.position.to_bits();
            let len = self.tried.get(&place).expect("it was written");
            assert_eq!(found.payload(), message(place, *len).payload());
        }
        let missing: Vec<u64> = self.answered.keys().copied().filter(|place| !kept.contains(place)).collect();
        if found.lost {
            assert!(told != Told::Never, "told of a loss where there was none: {:?}", found.notes);
            assert_eq!(found.past.lost.to_bits(), last);
        } else if told != Told::IfSeen {
            assert!(missing.is_empty(), "{missing:?} are gone, and nobody is told: {:?}", found.notes);
        }
        self.answered.retain(|place, _| kept.contains(place));
        Some(log)
    }

    /// Writes until the disk fails or it is enough.
    fn live(&mut self, log: &mut Log<SimDisk>, chance: &mut Chance) {
        let mut batch = Batch::default();
        for _ in 0..chance.below(30) {
            if log.reserve(Position::from_bits(self.given)).is_err() {
                continue;
            }
            let mut written = Vec::new();
            for _ in 0..1 + chance.below(5) {
                self.given += 1 + chance.below(3);
                let most = if chance.once_in(5) { 600 } else { 40 };
                let len = chance.index(most);
                batch.add_fact(&Fact::Message { message: message(self.given, len), key: None });
                written.push((self.given, len));
            }
            self.tried.extend(written.iter().copied());
            let mut done = log.append(&mut batch).is_ok();
            if done && log.options().sync == Sync::Always {
                done = log.sync().is_ok();
            }
            batch.clear();
            if done {
                log.settle();
                self.answered.extend(written);
            } else {
                log.undo();
            }
            if log.options().sync == Sync::Interval && chance.once_in(4) && log.sync().is_err() {
                log.undo();
            }
        }
    }
}

/// When a loss is told.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// There is none.
    Never,
    /// Where there is one; there may be none.
    Maybe,
    /// Where it can be seen: the disk lied.
    IfSeen,
}

#[test]
fn what_was_answered_is_found_again_or_told_to_be_lost() {
    seeds("cargo test -p multiplexor-store --test log", |seed| {
        let mut chance = Chance::new(seed);
        let disk = SimDisk::new(seed);
        let mut world = World::default();
        let mut boot = 0;
        let mut told = Told::Never;
        for life in 0..6 {
            let sync = chance.of(&[Sync::Always, Sync::Always, Sync::Interval, Sync::Os]);
            let options = Options { len_max: 64 << 10, sync, volatile: 0 };
            let (lies, errors) = (seed % 7 == 3 && life == 2, chance.once_in(3));
            let opened = world.open(&disk, options, &boot.to_string(), seed + life, told);
            let mut log = opened.expect("a disk without faults opens");
            told = Told::Never;
            disk.set(Faults {
                room: chance.once_in(4).then(|| chance.index(40_000)),
                error_once_in: if errors { 1 + chance.below(20) } else { 0 },
                lie_once_in: if lies { 2 } else { 0 },
                crash_after: chance.once_in(2).then(|| chance.below(60)),
            });
            world.lied |= lies;
            world.live(&mut log, &mut chance);
            if chance.once_in(3) {
                // The last place counts only where it could be written.
                let _ = log.end(Position::from_bits(world.given));
            }
            drop(log);
            disk.set(Faults::default());
            if chance.once_in(2) {
                disk.lose_power();
                boot += 1;
                told = match sync {
                    _ if world.lied => Told::IfSeen,
                    Sync::Always => Told::Never,
                    _ => Told::Maybe,
                };
            }
        }
    });
}

#[test]
fn damage_in_any_file_is_told_and_never_read_as_a_message() {
    seeds("cargo test -p multiplexor-store --test log damage", |seed| {
        let mut chance = Chance::new(seed);
        let disk = SimDisk::new(seed);
        let mut world = World::default();
        let options = Options { len_max: 64 << 10, sync: Sync::Always, volatile: 0 };
        for life in 0..2 {
            let mut log = world.open(&disk, options, "b", life, Told::Never).unwrap();
            for _ in 0..3 {
                world.live(&mut log, &mut chance);
            }
            log.end(Position::from_bits(world.given)).unwrap();
        }
        let names = disk.names();
        let name = chance.of(&names);
        match chance.below(4) {
            0 => disk.steal(&name),
            1 => disk.damage(&name, |bytes| {
                let len = if bytes.is_empty() { 0 } else { chance.index(bytes.len()) };
                bytes.truncate(len);
            }),
            _ => disk.damage(&name, |bytes| {
                if !bytes.is_empty() {
                    let at = chance.index(bytes.len());
                    bytes[at] ^= 1 << chance.below(8);
                }
            }),
        }
        world.open(&disk, options, "b", 99, Told::Maybe);
    });
}

#[test]
fn a_log_of_which_all_was_needed_is_looked_at_again_when_less_may_be() {
    let options = Options { len_max: 64 << 10, sync: Sync::Os, volatile: 0 };
    let (mut log, _) = Log::open(SimDisk::new(1), options, "", 1).unwrap();
    let mut place = 0;
    let mut append = |log: &mut Log<SimDisk>| {
        place += 1;
        let mut batch = Batch::default();
        batch.add_fact(&Fact::Message { message: message(place, 900), key: None });
        log.append(&mut batch).unwrap();
        log.settle();
    };
    while log.to_tidy(0).unwrap().is_none() {
        append(&mut log);
    }
    while let Some(segment) = log.to_tidy(0).unwrap() {
        (0..segment.len() / 900).for_each(|_| append(&mut log));
        log.remove_oldest().unwrap();
    }
    let again = u64::try_from(TIDY_AGAIN.as_millis()).unwrap();
    assert!(log.to_tidy(again - 1).unwrap().is_none(), "it has not grown, and no time has passed");
    let full = log.len();
    while log.to_tidy(again).unwrap().is_some() {
        log.remove_oldest().unwrap();
    }
    assert!(full > log.len() && log.len() <= options.len_max, "{full} bytes, and then {}", log.len());
}
