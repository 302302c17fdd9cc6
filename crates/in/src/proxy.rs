//! For whom a known proxy passes on a connection or a request.

use std::io;
use std::net::SocketAddr;

use access::Whose;
use axum::http::HeaderMap;
use codec::proxy;
use tokio::io::AsyncReadExt;

use crate::peer::{self, PEER, TaskPeer};
use crate::socket::Stream;
use crate::state::InLine;

/// For whom a request counts, where the proxy at the other end says something of it in its headers.
pub(crate) fn passed(line: &InLine, headers: &HeaderMap) -> Option<TaskPeer> {
    let settings = line.settings();
    let proxies = &settings.proxies;
    let header = proxies.header()?;
    let peer = PEER.try_with(|peer| *peer).ok().filter(|peer| peer.is_anybody)?;
    let lines = headers.get_all(header).iter().map(|value| value.as_bytes());
    let whose = proxies.whose(peer.address.ip(), lines);
    if matches!(whose, Whose::Hidden(_)) {
        line.counters.proxy_unreadable.add();
    }
    whose.address().map(|address| TaskPeer { address: SocketAddr::new(address, 0), is_anybody: false })
}

/// Does what a request in the words of old asks for, on behalf of whoever asks.
pub(crate) async fn on_behalf<T>(line: &InLine, headers: &HeaderMap, work: impl Future<Output = T>) -> T {
    peer::scope(passed(line, headers), work).await
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
