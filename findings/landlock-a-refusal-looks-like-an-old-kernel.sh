#!/usr/bin/env bash
# crates.io landlock 0.4.8, on Linux with Landlock. A container's filter that refuses the call (EPERM, as a filter without Landlock in
# its list does) is no error of the crate: it says NotEnforced, the same as on a kernel that has no Landlock (ENOSYS). So a program
# that trusts that word tells its operator to update the kernel, where the container's profile is what must change.
# Seen: "refused with 38: NotEnforced", "refused with 1: NotEnforced", "not refused: FullyEnforced".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
landlock = "=0.4.8"
libc = "0.2"
seccompiler = "=0.5.0"
TOML
cat >src/main.rs <<'RUST'
use landlock::{Access, AccessFs, Ruleset, RulesetAttr, ABI};
use seccompiler::{apply_filter, BpfProgram, SeccompAction, SeccompFilter};

/// Shuts this thread in, and says what the crate says of it.
fn shut() -> String {
    let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).unwrap();
    match rules.create().and_then(|rules| rules.restrict_self()) {
        Ok(status) => format!("{:?}", status.ruleset),
        Err(error) => format!("error: {error}"),
    }
}

/// Has the kernel refuse Landlock to this thread.
fn refuse(errno: i32) {
    let calls = [(libc::SYS_landlock_create_ruleset, vec![])].into_iter().collect();
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::Errno(errno as u32), arch).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

fn main() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        let seen = std::thread::spawn(move || {
            refuse(errno);
            shut()
        });
        println!("refused with {errno}: {}", seen.join().unwrap());
    }
    println!("not refused: {}", std::thread::spawn(shut).join().unwrap());
}
RUST
seen=$(cargo run --quiet)
echo "$seen"
[[ $seen == "refused with 38: NotEnforced
refused with 1: NotEnforced
not refused: FullyEnforced" ]]
