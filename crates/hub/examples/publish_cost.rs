//! What a publish costs: ordered and released, 100 bytes, into 10,000 channels whose history is full.
//! And what a channel with one registration costs. Run it with `--release`.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use multiplexor_hub::{Epoch, Hub, Kind, Limits, Payload, Publish, ShardId, Start};

/// As in the program itself: what is measured is mostly memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // First, while no freed memory is there to hide in.
    records();
    publishes();
}

/// Fills all histories, then measures. What the hub lets go of is freed outside of the measured time,
/// as the exchange does outside of its lock.
fn publishes() {
    let mut hub = Hub::new(Limits { history_budget: u64::MAX, ..Limits::default() }, Epoch::new(1), 7);
    let names: Vec<String> = (0..CHANNELS).map(|n| format!("user.{n}")).collect();
    for name in &names {
        hub.subscribe(ShardId(0), &[name], Start::Now, 1).expect("there is room");
    }
    let per_channel = u64::from(Limits::default().history_messages);
    let mut released = Vec::new();
    let mut spent = Duration::ZERO;
    let mut measured = 0;
    for round in 0..per_channel + ROUNDS {
        for batch in shuffled(round).chunks(BATCH) {
            let publishes: Vec<Publish> = batch.iter().map(|&n| publish(&names[n])).collect();
            let start = Instant::now();
            for publish in publishes {
                let place = hub.order(publish, 1_000 + round).expect("there is room");
                hub.release(black_box(place), 1_000 + round, &mut released);
            }
            let took = start.elapsed();
            if round >= per_channel {
                spent += took;
                measured += batch.len();
            }
            released.clear();
            drop(hub.take_trash());
        }
    }
    let totals = hub.totals();
    assert_eq!(totals.history_messages, CHANNELS as u64 * per_channel);
    let ns = spent.as_nanos() / measured as u128;
    println!("{ns} ns a publish (100 bytes, {CHANNELS} channels, {} messages kept)", totals.history_messages);
}

/// Measures the resident memory of channels with one registration each.
fn records() {
    let mut hub = Hub::new(Limits::default(), Epoch::new(1), 7);
    let before = resident();
    for n in 0..RECORDS {
        hub.subscribe(ShardId(0), &[&format!("user.{n:07}")], Start::Now, 1).expect("there is room");
    }
    let bytes = (resident() - before) / RECORDS;
    println!("{bytes} bytes a channel with one registration, its name of 12 bytes included");
    black_box(hub);
}

fn publish(name: &str) -> Publish {
    let payload = Payload::new(vec![b'x'; 100], Kind::Either);
    let channels = [Box::from(name)].into_iter().collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None }
}

/// All channels in an order that the processor cannot guess.
fn shuffled(round: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..CHANNELS).collect();
    let mut state = round + 1;
    for n in (1..CHANNELS).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(n, (state >> 33) as usize % (n + 1));
    }
    order
}

/// Resident memory of this process in bytes; 0 where it cannot be read.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

const CHANNELS: usize = 10_000;
const ROUNDS: u64 = 100;
const BATCH: usize = 500;
const RECORDS: usize = 1_000_000;
