//! What the seeded tests share: chance that can be replayed, and short ways to say things.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use multiplexor_hub::{Origin, Payload, Publish};

/// Runs `test` for many seeds; says how to replay the one that fails.
///
/// `MULTIPLEXOR_SEEDS=N` runs N of them, `MULTIPLEXOR_SEED=S` that one only.
pub(crate) fn seeds(test: fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match number("MULTIPLEXOR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("MULTIPLEXOR_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
            eprintln!("replay: MULTIPLEXOR_SEED={seed} cargo test -p multiplexor-hub");
            resume_unwind(panic);
        }
    }
}

/// Chance from a seed (splitmix64).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to one below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }

    /// Some of the first `count` numbers, at least one, each once, in any order.
    pub(crate) fn some(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        for n in (1..count).rev() {
            all.swap(n, self.below(n as u64 + 1) as usize);
        }
        all.truncate(1 + self.below(count as u64) as usize);
        all
    }
}

/// A publish of `len` bytes.
pub(crate) fn publish(channels: &[&str], len: usize, ttl: Option<u64>) -> Publish {
    let payload = Payload {
        bytes: vec![b'x'; len].into(),
        data: 0..len as u32,
        origin: Origin::Native,
        event: None,
        content_type: None,
        binary: false,
    };
    let channels = channels.iter().map(|name| Box::from(*name)).collect();
    Publish { channels, aliases: [].into_iter().collect(), payload, ttl }
}

const SEEDS: u64 = 256;
