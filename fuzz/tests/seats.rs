//! The corpus of `frozen` is of this version of the format: seats of every kind that a shard takes over.
//!
//! `UPDATE_EXPECT=1` writes it anew, when the format has changed.

use std::fs;
use std::path::Path;

use multiplexor_fuzz::seats::{all, is_taken_over, of_tls};

#[test]
fn the_corpus_has_seats_of_this_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/frozen");
    let seats = all();
    assert!(seats.len() > 16, "{} seats", seats.len());
    let kept = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, bytes).expect("the corpus can be written");
        }
        let kept = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(is_taken_over(&kept), "{name} is taken over");
        kept
    };
    for (name, bytes) in seats {
        let is_same = kept(&name, &bytes) == bytes;
        assert!(is_same, "{name} is frozen in another way: has the format another version?");
    }
    assert_eq!(kept("tls", &of_tls()).len(), of_tls().len());
}
