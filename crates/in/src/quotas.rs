//! How much of the line one address and one key may have, and who that is where proxies stand between.

use std::hash::Hash;
use std::io;
use std::net::SocketAddr;

use access::Whose;
use axum::http::HeaderMap;
use codec::proxy;
use dialect::{Code, Problem};
use exchange::{Network, Quota, Quotas};
use tokio::io::AsyncReadExt;

use crate::caller::Caller;
use crate::denials::{PEER, Peer};
use crate::legacy::header_map;
use crate::response::ErrorResponse;
use crate::socket::Stream;
use crate::state::InLine;

/// What one of many may have; 0: any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Requests a second.
    pub requests: u32,
    /// Messages a second.
    pub messages: u32,
}

/// Who has taken how much of what he may.
pub(crate) struct RateQuotas {
    addresses: RatePair,
    /// By [`Caller::key_number`].
    keys: RatePair,
}

/// Requests and messages of each.
struct RatePair {
    requests: Quotas,
    messages: Quotas,
}

impl RateQuotas {
    /// Nobody has taken anything.
    pub(crate) fn new(address: Rates, key: Rates) -> Self {
        Self { addresses: RatePair::new(address), keys: RatePair::new(key) }
    }
}

impl RatePair {
    fn new(rates: Rates) -> Self {
        let quotas = |requests| Quotas::new(Quota { connections: 0, requests });
        Self { requests: quotas(rates.requests), messages: quotas(rates.messages) }
    }

    /// Takes one, if there is one left for whoever it is; there is no need to know where nothing is limited. `what` there
    /// are too many of, and what to do then, is told behind their number.
    fn take<K: Hash>(
        quotas: &Quotas,
        who: impl FnOnce() -> Option<K>,
        line: &InLine,
        code: Code,
        what: &str,
    ) -> Result<(), ErrorResponse> {
        let most = quotas.most();
        if !most.limits() {
            return Ok(());
        }
        let Some(who) = who() else { return Ok(()) };
        quotas.ask(&who, line.exchange.now()).map_err(|seconds| {
            let why = format!("more than {} {what}", most.requests);
            ErrorResponse::retry_after(Problem::new(429, code, why), seconds)
        })
    }
}

/// Takes one of the requests that the address at the other end may make this second.
pub(crate) fn admit_address(line: &InLine) -> Result<(), ErrorResponse> {
    let what = "requests a second come from this address; wait before the next one";
    RatePair::take(&line.shares.addresses.requests, || network(line), line, Code::AddressRequests, what)
}

/// Takes one of the requests that the key of whoever asks may make this second.
pub(crate) fn admit_key(line: &InLine, caller: Option<&Caller>) -> Result<(), ErrorResponse> {
    let what = "requests a second come with this API key; wait before the next one";
    RatePair::take(&line.shares.keys.requests, || caller?.key_number(), line, Code::KeyRequests, what)
}

/// Takes one of the messages that whoever publishes may publish this second.
pub(crate) fn admit_message(line: &InLine, caller: Option<&Caller>) -> Result<(), ErrorResponse> {
    let what = "messages a second were published with this API key; publish fewer";
    RatePair::take(&line.shares.keys.messages, || caller?.key_number(), line, Code::KeyPublishes, what)?;
    let what = "messages a second were published from this address; publish fewer";
    RatePair::take(&line.shares.addresses.messages, || network(line), line, Code::AddressPublishes, what)
}

/// For whom counts what a task does. A known proxy that does not say whose it is counts for nobody.
fn network(line: &InLine) -> Option<Network> {
    let peer = PEER.try_with(|peer| *peer).ok()?;
    (!peer.is_anybody).then(|| Network::of(peer.address.ip(), line.settings.address_prefix))
}

/// For whom a request counts, where the proxy at the other end says something of it in its headers.
pub(crate) fn passed(line: &InLine, headers: &HeaderMap) -> Option<Peer> {
    let proxies = &line.settings.proxies;
    let header = proxies.header()?;
    let peer = PEER.try_with(|peer| *peer).ok().filter(|peer| peer.is_anybody)?;
    let lines = headers.get_all(header).iter().map(|value| value.as_bytes());
    let whose = proxies.whose(peer.address.ip(), lines);
    if matches!(whose, Whose::Hidden(_)) {
        line.counters.proxy_unreadable.add();
    }
    whose.address().map(|address| Peer { address: SocketAddr::new(address, 0), is_anybody: false })
}

/// Does what a request in the words of old asks for, on behalf of whoever asks.
pub(crate) async fn on_behalf<T>(line: &InLine, head: &[u8], work: impl Future<Output = T>) -> T {
    match passed(line, &header_map(head)) {
        Some(client) => PEER.scope(client, work).await,
        None => work.await,
    }
}

/// Reads the header of a proxy at the beginning of its connection: whose it is, if it says so.
pub(crate) async fn read_header(stream: &mut impl Stream) -> io::Result<Option<SocketAddr>> {
    let mut header = Vec::new();
    let mut come = vec![0; proxy::HEADER_BYTES_MAX];
    loop {
        let kept = header.len();
        let len = stream.peek(&mut come[kept..]).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        header.extend_from_slice(&come[kept..kept + len]);
        let decoded =
            proxy::decode(&header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let taken = decoded.map_or(header.len(), |(_, len)| len) - kept;
        stream.read_exact(&mut come[..taken]).await?;
        if let Some((source, _)) = decoded {
            return Ok(source.map(|source| SocketAddr::new(source.ip().to_canonical(), source.port())));
        }
    }
}
