//! Each target with its corpus, and with what chance makes of that: a piece of the hours of `make soak`.

use std::fs;
use std::path::Path;

use multiplexor_fuzz::{TARGETS, Target};
use testkit::seeds::{Chance, seeds};

#[test]
fn every_target_holds_with_its_corpus() {
    for target in TARGETS {
        for bytes in corpus(target) {
            (target.run)(&bytes);
        }
    }
}

#[test]
fn every_target_holds_with_what_chance_makes_of_its_corpus() {
    let corpora: Vec<_> = TARGETS.iter().map(|target| (target, corpus(target))).collect();
    seeds("cargo test -p multiplexor-fuzz", |seed| {
        let mut chance = Chance::new(seed);
        for (target, corpus) in &corpora {
            for _ in 0..TRIES {
                let bytes = mutated(&mut chance, corpus);
                (target.run)(&bytes);
            }
        }
    });
}

/// The inputs of a target, in the order of their names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder is read").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no corpus", target.name);
    files.into_iter().map(|file| fs::read(file).expect("a file of the corpus is read")).collect()
}

/// One input, changed in a few places: bytes, pieces left out, doubled, or taken from another input.
fn mutated(chance: &mut Chance, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[chance.index(corpus.len())].clone();
    for _ in 0..1 + chance.below(4) {
        let at = chance.index(bytes.len() + 1);
        let end = (at + chance.index(16)).min(bytes.len());
        match chance.below(5) {
            0 if at < bytes.len() => bytes[at] = chance.number().to_le_bytes()[0],
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec()).collect::<Vec<_>>()),
            3 => bytes.insert(at, chance.of(b"\r\n\0:,=&%./ \x81\xff{}\"")),
            _ => {
                let other = &corpus[chance.index(corpus.len())];
                bytes.truncate(at);
                bytes.extend_from_slice(&other[chance.index(other.len() + 1)..]);
            }
        }
    }
    bytes
}

/// Inputs of a target for each seed.
const TRIES: usize = 8;
