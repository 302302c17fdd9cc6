//! Whether what is asked for is carried out, in the order in which that is asked.
//!
//! A request passes the guard (which host and page it is for), takes one of what its address may ask, shows who asks and
//! whether that one may, and takes one of what its key may ask. A message of it then passes the rights to
//! its channels and the limits of its size; takes one of what its key, its address and all together may publish; and waits for room, where the hub says by
//! the rules of its channels whether there is any.

use std::hash::Hash;

use axum::extract::Request;
use dialect::hub::{Publish, Refused};
use dialect::{Code, Problem};
use exchange::{Network, PublishError, Unstored};
use tokio::time::{Instant, sleep};

use crate::caller::{self, Requester};
use crate::guard;
use crate::limits::{PUBLISH_RETRY, RETRY_AFTER_S};
use crate::peer::PEER;
use crate::quotas::RateQuota;
use crate::response::ErrorResponse;
use crate::route::{self, Access};
use crate::sign_ins::OverTls;
use crate::state::InLine;

/// Whether a request may be carried out, and whose it is. Probes may always be.
pub(crate) fn request(line: &InLine, request: &mut Request) -> Result<(), ErrorResponse> {
    let tls = request.extensions().get::<OverTls>().is_some();
    guard::check(
        request.version(),
        request.uri().authority(),
        request.headers(),
        &line.settings().hosts,
        tls,
    )?;
    let access = route::access(line.routes, request.uri().path(), request.method());
    if access != Access::Probe {
        address_request(line)?;
    }
    caller::admit(line, request, access)?;
    key_request(line, request.extensions().get::<Requester>())
}

/// Takes one of the requests that the address at the other end may make this second.
fn address_request(line: &InLine) -> Result<(), ErrorResponse> {
    let what = "requests a second come from this address; wait before the next one";
    take(line, &line.rates.address_requests, || network(line), Code::AddressRequests, what)
}

/// Takes one of the requests that the key of whoever asks may make this second.
fn key_request(line: &InLine, caller: Option<&Requester>) -> Result<(), ErrorResponse> {
    let what = "requests a second come with this API key; wait before the next one";
    take(line, &line.rates.key_requests, || caller?.key_number(), Code::KeyRequests, what)
}

/// Bytes that a message to all of these channels may have: what is set for all, or by the rules of the channels.
pub(crate) fn payload_limit(line: &InLine, channels: &[impl AsRef<str>]) -> usize {
    let limit = line.exchange.publisher().payload_limit(channels, line.settings().payload_limit as u64);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Takes one of the messages that may be published this second. `caller`: who publishes, where that is known. Who is
/// refused takes nothing of what is everybody's.
pub(crate) fn message(line: &InLine, caller: Option<&Requester>) -> Result<(), ErrorResponse> {
    let rates = &line.rates;
    let what = "messages a second were published with this API key; publish fewer";
    take(line, &rates.key_messages, || caller?.key_number(), Code::KeyPublishes, what)?;
    let what = "messages a second were published from this address; publish fewer";
    take(line, &rates.address_messages, || network(line), Code::AddressPublishes, what)?;
    rates.messages.take().map_err(|seconds| {
        let what = "messages a second were published; publish fewer, or start the server with a larger --publish-rate";
        too_many(Code::Rate, line.settings().publish_rate, what, seconds)
    })
}

/// Takes one of what somebody may have a second.
fn take<K: Hash>(
    line: &InLine,
    quota: &RateQuota,
    who: impl FnOnce() -> Option<K>,
    code: Code,
    what: &str,
) -> Result<(), ErrorResponse> {
    quota.take(who, || line.exchange.now()).map_err(|seconds| too_many(code, quota.most(), what, seconds))
}

/// More than `most` of `what` came; there is more in so many seconds.
pub(crate) fn too_many(code: Code, most: u32, what: &str, seconds: u32) -> ErrorResponse {
    ErrorResponse::retry_after(Problem::new(429, code, format!("more than {most} {what}")), seconds)
}

/// For whom counts what a task does. A known proxy that does not say whose it is counts for nobody.
fn network(line: &InLine) -> Option<Network> {
    let peer = PEER.try_with(|peer| *peer).ok()?;
    (!peer.is_anybody).then(|| Network::of(peer.address.ip(), line.settings().address_prefix))
}

/// Tries to give a message its place until there is room for it, or patience is over.
pub(crate) async fn room<T>(
    line: &InLine,
    mut publish: Publish,
    patience: &mut Patience,
    place: impl Fn(Publish) -> Result<T, PublishError>,
) -> Result<T, ErrorResponse> {
    let mut waited = false;
    loop {
        publish = match place(publish) {
            Ok(placed) => return Ok(placed),
            Err(PublishError::Full(publish)) => *publish,
            Err(error) => return Err(error_response(line, error)),
        };
        if !waited {
            line.counters.waited.add();
            patience.begin(line);
        }
        waited = true;
        if patience.is_over() {
            return Err(full(line));
        }
        sleep(PUBLISH_RETRY).await;
    }
}

/// How long messages wait for room: each for a while, until one of the same batch waited in vain.
#[derive(Default)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
    lost: bool,
}

impl Patience {
    /// A message begins to wait.
    pub(crate) fn begin(&mut self, line: &InLine) {
        if !self.lost {
            self.deadline = Some(Instant::now() + line.settings().publish_wait);
        }
    }

    pub(crate) fn is_over(&mut self) -> bool {
        self.lost = self.lost || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.lost
    }
}

/// There is no room now.
pub(crate) fn full(line: &InLine) -> ErrorResponse {
    let who = if line.exchange.publisher().store_is_behind() { "the store takes" } else { "clients take" };
    let why = format!(
        "{who} messages slower than they are published, and the server holds as many as it may; try again"
    );
    let problem = Problem::new(503, Code::Full, why);
    ErrorResponse::retry_after(problem, RETRY_AFTER_S)
}

/// Why a message has no place.
pub(crate) fn error_response(line: &InLine, error: PublishError) -> ErrorResponse {
    match error {
        PublishError::Full(_) => full(line),
        PublishError::Unstored(why) => unstored(why),
        PublishError::Refused(refused) => out_of_room(refused).into(),
    }
}

/// The store does not keep it.
pub(crate) fn unstored(why: Unstored) -> ErrorResponse {
    match why {
        Unstored::Full => ErrorResponse::retry_after(
            Problem::new(
                507,
                Code::Disk,
                "the message was not taken: the disk of the store is full; make room on it, and try again",
            ),
            RETRY_AFTER_S,
        ),
        Unstored::Broken => ErrorResponse::retry_after(
            Problem::new(
                503,
                Code::Disk,
                "the message was not taken: the disk of the store fails, see the server's log; try again",
            ),
            RETRY_AFTER_S,
        ),
    }
}

/// The hub has no room.
pub(crate) fn out_of_room(refused: Refused) -> Problem {
    if let Refused::Payload(_) = refused {
        return Problem::new(413, Code::Payload, format!("{refused}; send less, or set more for it"));
    }
    Problem::new(
        507,
        Code::Memory,
        format!(
            "the message was not taken: {refused}; publish to channels already in use, or set more for it"
        ),
    )
}
