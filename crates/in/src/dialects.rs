//! What publishers say in other words than our own: a file and a folder for each dialect, and here where each is registered.

mod dklab;
mod realplexor;
mod settings;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use codec::http::loose::headers;
use dialect::Classic;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use crate::state::InLine;

use realplexor::ConnectionLog;

pub use dialect::realplexor::is_id;
pub use realplexor::RealplexorIn;
pub(crate) use settings::DialectState;
pub use settings::InDialects;

/// What a connection turned out to be.
pub(crate) enum Opener {
    /// HTTP, for the service: these bytes of it were read.
    Http(Vec<u8>),
    /// It was served here, or said nothing.
    Done,
}

/// Reads until it is known whose words they are, and serves those of this dialect. Told to stop, it serves
/// whoever has begun to speak.
pub(crate) async fn begin(
    line: &InLine,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    classic: Classic,
    stopped: watch::Receiver<()>,
) -> Opener {
    match classic {
        // Its publishers speak HTTP, like ours.
        Classic::None | Classic::Guest => Opener::Http(Vec::new()),
        Classic::Dklab => dklab::begin(line, stream, stopped).await,
        Classic::Realplexor => realplexor::begin(line, stream, stopped).await,
    }
}

/// Tells the log that a connection has come, where that of its dialect is told such things; when this is dropped, that it has gone.
pub(crate) fn opened(classic: Classic) -> Option<ConnectionLog> {
    (classic == Classic::Realplexor).then(ConnectionLog::opened)
}

/// The headers of a head, those that are right.
fn header_map(head: &[u8]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers(head) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests;
