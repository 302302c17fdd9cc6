//! Reading by outside cursors against a naive list: what is held is what has the greatest cursors, and what is
//! due is what has greater ones.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "in a test")]

mod common;

use common::publish;
use multiplexor_hub::{After, Decimal, Epoch, Hub, Leave, Limits, Position, ShardId};
use testkit::seeds::{Chance, seeds};

const SHARD: ShardId = ShardId(0);
const KEPT: usize = 5;

/// A message as it is remembered in one channel.
#[derive(Clone)]
struct Held {
    place: u64,
    cursor: Decimal,
}

#[test]
fn what_is_due_is_what_a_naive_list_says() {
    seeds("cargo test -p multiplexor-hub --test outside", |seed| {
        let mut chance = Chance::new(seed);
        let limits = Limits { history_messages: u32::try_from(KEPT).unwrap(), ..Limits::default() };
        let mut hub = Hub::new(limits, Epoch::new(1), 7);
        let mut naive: [Vec<Held>; 2] = [Vec::new(), Vec::new()];
        let mut now = 1_000;
        for _ in 0..200 {
            now += chance.below(3);
            if chance.below(3) > 0 {
                say(&mut hub, &mut naive, &mut chance, now);
            } else {
                read(&mut hub, &naive, &mut chance, now);
            }
            hub.audit();
        }
    });
}

/// Publishes to one channel or to both, with cursors of a publisher's or without.
fn say(hub: &mut Hub, naive: &mut [Vec<Held>; 2], chance: &mut Chance, now: u64) {
    let both = chance.below(4) == 0;
    let names = if both { "a,b" } else { ["a", "b"][chance.index(2)] };
    let names: Vec<&str> = names.split(',').collect();
    let aliases: Vec<String> = names.iter().map(|_| alias(chance)).collect();
    let mut said = publish(&names, 1, None);
    said.aliases = aliases.iter().map(|alias| Box::from(alias.as_str())).collect();
    hub.order(said, now).unwrap();
    let mut released = Vec::new();
    hub.release(Position::END, now, &mut released);
    let message = &released[0].message;
    for (name, alias) in names.iter().zip(&aliases) {
        let cursor = Decimal::read(alias).unwrap_or_else(|| message.mark());
        let held = &mut naive[usize::from(*name == "b")];
        held.push(Held { place: message.position.to_bits(), cursor });
        if held.len() > KEPT {
            let least = held.iter().map(|held| &held.cursor).min().unwrap().clone();
            let oldest = held.iter().position(|held| held.cursor == least).unwrap();
            held.remove(oldest);
        }
    }
}

fn alias(chance: &mut Chance) -> String {
    match chance.below(4) {
        0 => format!("{}", chance.below(4)),
        1 => format!("0{}.{}", chance.below(3), chance.below(100)),
        _ => String::new(),
    }
}

/// Reads both channels from cursors that may be anything.
fn read(hub: &mut Hub, naive: &[Vec<Held>; 2], chance: &mut Chance, now: u64) {
    let mut after = || match chance.below(4) {
        0 => Decimal::ZERO,
        1 => Decimal::of_mark(now - chance.below(50), Position::from_bits(chance.below(300))),
        _ => Decimal::read(&format!("{}.{}", chance.below(4), chance.below(10))).unwrap(),
    };
    let from = [after(), after()];
    let wishes = from.clone().map(After::Cursor);
    let read = hub.subscribe_outside(SHARD, &["a", "b"], &wishes, 0, now).unwrap();
    let got: Vec<u64> = read.messages.iter().map(|message| message.position.to_bits()).collect();
    let due =
        naive.iter().zip(&from).flat_map(|(held, from)| held.iter().filter(move |held| held.cursor > *from));
    let mut due: Vec<u64> = due.map(|held| held.place).collect();
    due.sort_unstable();
    due.dedup();
    assert_eq!(got, due, "after {from:?}");
    for channel in read.channels {
        hub.leave(SHARD, Leave::waiting(channel, 1), 1_000_000, now);
    }
}
