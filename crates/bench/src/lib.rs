//! `multiplexor bench`: a crowd of clients that knows what it should get, and what it got.
//!
//! It knows the protocols and no server in particular. [`run`](mod@run) starts workers, processes full of
//! clients ([`worker`]), and takes them through the steps of a [`plan`]; [`publisher`] sends messages that
//! carry a mark; a [`client`] finds the marks and its [`track`] judges them; [`proc`] measures the server
//! from outside. A [`scenario`] is a list of steps with a name; a [`report`] is a table, JSON, or a page.

mod answer;
mod client;
mod clock;
mod command;
mod compression;
mod histogram;
mod job;
mod machine;
mod marker;
mod order;
mod own;
mod plan;
mod proc;
mod progress;
mod publisher;
mod report;
mod run;
mod scenario;
mod template;
mod timeline;
mod track;
mod wish;
mod worker;

pub use command::{command, run};
