//! Facts about the event loop, on a simulated kernel: a theme a file, one binary for all, which is linked once.
#![allow(clippy::unwrap_used, reason = "a test panics where it fails")]

mod addresses;
mod audience;
mod delivery;
mod end;
mod identity;
mod lanes;
mod listeners;
mod post;
mod publish;
mod renewal;
mod requests;
mod seats;
mod slow;
mod steps;
mod takers;
mod time;
mod tls;
mod turns;
mod verdicts;
mod websocket;
