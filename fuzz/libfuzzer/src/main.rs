//! The target that `MULTIPLEXOR_FUZZ` names, for libFuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use multiplexor_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("MULTIPLEXOR_FUZZ").expect("MULTIPLEXOR_FUZZ names a target");
    target(&name).expect("MULTIPLEXOR_FUZZ is the name of a target")
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
