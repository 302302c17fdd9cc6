//! What requests of the WAIT line are understood against, and the answer to a wrong method.

use std::net::IpAddr;

use hub::{Cursors, Millis, Stage, excerpt};

use crate::{Answer, Code, Problem, Shows};

/// What a request is understood against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Reads cursors of this order.
    pub cursors: Cursors,
    /// The time now.
    pub now: Millis,
    /// What counts as credentials.
    pub shows: &'a Shows,
    /// Where the program is in its life.
    pub stage: Stage,
    /// Whether clients may publish.
    pub publishes: bool,
    /// What stands before all our paths; it does not stand before those of the request any more.
    pub prefix: &'a str,
    /// Whose a known proxy says that the request is.
    pub address: Option<IpAddr>,
}

/// With the header that RFC 9110, 15.5.6 asks for.
pub(super) fn method_not_allowed(method: &str, allowed: &str) -> Answer {
    let method = excerpt(method);
    let detail = format!("the method {method} is not for this address; use one of {allowed}");
    let mut answer = Answer::from(Problem::new(405, Code::Method, detail));
    answer.headers.push(("Allow", allowed.to_owned()));
    answer
}
