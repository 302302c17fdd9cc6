//! How one waits: long poll, Server-Sent Events, HTTP stream and WebSocket as state machines.
//!
//! No socket, no clock, no channel's members in here. Bytes of a client come in by
//! [`Conn::receive`], which says what is to be done; whoever holds the connection does it, and asks
//! for the bytes that tell the client: the head and first cursor of a stream, a page of a backlog, a
//! heartbeat, an end. What an idle connection does not need it does not have.

mod answer;
mod coding;
mod conn;
mod contents;
mod env;
mod foreign;
mod frozen;
mod native;
mod notice;
mod outbox;
mod pages;
mod pass;
mod receive;
mod shape;
mod talk;

pub mod limits;

pub use answer::{close_document, tell_stay, tell_warning};
pub use codec;
pub use coding::{Coder, Coding};
pub use conn::{Backlog, Conn, Extra, Phase, Purpose};
pub use contents::{Opening, Part, PollEnd};
pub use dialect;
pub use env::{Action, Env, Gate, Stopped};
pub use frozen::Frozen;
pub use notice::{Notice, Tone};
pub use outbox::Outbox;
pub use pages::Pages;
pub use pass::Passed;
pub use receive::SHORT_OF_MEMORY;
pub use shape::{Ending, Framing, Render, Row, Shape};
