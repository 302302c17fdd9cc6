//! What input is understood against, and what is to be done about it: the words between a connection and its shard.

use std::fmt::Debug;
use std::net::IpAddr;

use codec::http;
use dialect::hub::{Cursors, Millis, Stage};
use dialect::native::Paths;
use dialect::{Command, Dialects, Listen, Origins, Problem, Shows, State, Wait};

use crate::Passed;

/// What input is understood against.
#[derive(Debug, Clone, Copy)]
pub struct Env<'a> {
    /// Reads and writes cursors of this order.
    pub cursors: Cursors,
    /// The time now.
    pub now: Millis,
    /// How many bytes a client of another dialect may send before it names its channel.
    pub classic_limit: usize,
    /// The dialects besides our own.
    pub dialects: &'a Dialects,
    /// Whether clients that take compressed answers get them.
    pub compression: bool,
    /// Whose pages may show credentials.
    pub origins: &'a Origins,
    /// What counts as credentials.
    pub shows: &'a Shows,
    /// Our paths.
    pub paths: &'a Paths,
    /// Where the program is in its life.
    pub stage: Stage,
    /// How the paths begin that are the application's, where some are.
    pub takeover: Option<&'a str>,
    /// Whether the bytes come through TLS.
    pub tls: bool,
    /// Where complete requests pass; `None`: all do.
    pub gate: Option<&'a dyn Gate>,
    /// Memory is short: nothing large is taken.
    pub is_short: bool,
}

/// Where a request passes, or not, before it is carried out.
pub trait Gate: Debug {
    /// Whether it may be carried out.
    fn pass(&self, request: &http::RequestHead<'_>) -> Result<(), Stopped>;

    /// Whose the proxy in front said that the last request was, if it is believed.
    fn said(&self) -> Option<IpAddr>;

    /// Whether a request in the words of old must show its head: what a proxy says of it stands there.
    fn reads_heads(&self) -> bool;

    /// Looks at the head of such a request; `None`: it is too long to be looked at.
    fn hear(&self, head: Option<&[u8]>);
}

/// A request that did not pass.
#[derive(Debug)]
pub struct Stopped {
    /// Why.
    pub problem: Problem,
    /// The connection ends with the answer.
    pub ends: bool,
    /// A random number: who comes again does so in a time that is spread by it.
    pub chance: u64,
}

/// What is to be done.
#[derive(Debug)]
pub enum Action {
    /// Wait for more bytes; keep those that were not consumed.
    More,
    /// Go on with the bytes that were not consumed.
    Next,
    /// Write these bytes, then go on.
    Send(Vec<u8>),
    /// Write these bytes, then close the connection gently.
    Close(Vec<u8>),
    /// Write this head, then begin to wait.
    Wait {
        /// What is wanted.
        wait: Box<Wait>,
        /// The response's head; empty for a long poll, whose head comes with its answer.
        head: Vec<u8>,
    },
    /// Let the application answer this.
    Pass(Box<Passed>),
    /// Begin to wait, in words that have no head; keep this of the connection, and show it with all that comes on it.
    Up {
        /// What is wanted.
        wait: Box<Wait>,
        /// What the dialect keeps of it.
        state: Option<Box<dyn State>>,
    },
    /// Do this for a client that waits.
    Command(Command),
    /// Give the next message of this channel's queue, when there is one, and close.
    Take(Box<str>),
    /// Listen to these ids until something is due.
    Listen(Box<Listen>),
    /// Close without a word: so many bytes have come, and no channel was named.
    Overflow,
    /// Say in the words of HTTP/2 that it is not spoken here, then close the connection gently.
    Http2,
}
