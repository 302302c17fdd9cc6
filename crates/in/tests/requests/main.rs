//! What the IN line answers, over real sockets: a theme a file, one binary for all, which is linked once.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod access;
mod batch;
mod channels;
mod fast_path;
mod harness;
mod keys;
mod line;
mod pages;
mod watch;
