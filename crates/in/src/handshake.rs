//! TLS on a connection of the IN line, and the words for those who speak it in the wrong place.

mod slot;

use std::sync::Arc;

use access::Key;
use dialect::Problem;
use exchange::hub::Asker;
use exchange::{Network, is_of_many};
use tls::{Server, fingerprint, names};
use tokio::io::AsyncWriteExt;
use tokio::select;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, info};

use crate::denial_log;
use crate::peer::{PEER, TaskPeer};
use crate::socket::Stream;
use crate::state::InLine;
use crate::wire::{linger, refusal};

pub(crate) use slot::HandshakeSlot;

/// A handshake that went well.
pub(crate) struct SecureStream<S> {
    pub(crate) stream: TlsStream<S>,
    /// The key for which the client's certificate stands, if it showed one that does.
    pub(crate) key: Option<Arc<Key>>,
}

/// Gives the handshake a place. Where too many are under way, one of whoever has most of them is given up.
fn place(line: &InLine, seat: &HandshakeSlot) {
    let settings = line.settings();
    let of_one = |peer: &TaskPeer| !peer.is_anybody && !is_of_many(peer.address.ip());
    let peer = PEER.try_with(|peer| *peer).ok().filter(of_one);
    let asker = match peer {
        Some(peer) => Asker::Address(Network::of(peer.address.ip(), settings.address_prefix).to_bits()),
        // A seat is where no other one is.
        None => Asker::Connection(u16::MAX, Arc::as_ptr(&seat.0).addr() as u64),
    };
    if let Some(left) = line.connections.handshakes.enter(seat.clone(), asker) {
        line.counters.tls_crowded_out.add();
        left.0.notify_one();
    }
}

/// Makes the handshake; `None`: there is none.
pub(crate) async fn secure<S: Stream>(
    line: &InLine,
    mut stream: S,
    server: &Server,
) -> Option<SecureStream<S>> {
    let seat = HandshakeSlot::default();
    let handshake = async {
        let mut first = [0];
        stream.peek(&mut first).await.ok()?;
        if first[0].is_ascii_uppercase() {
            debug!("plain HTTP came to a port that speaks TLS");
            let problem = Problem::plain_http();
            line.counters.requests.add();
            denial_log::tell(line, &problem, None, "");
            if stream.write_all(&refusal(&problem)).await.is_ok() {
                linger(&mut stream).await;
            }
            return None;
        }
        place(line, &seat);
        let accepted = TlsAcceptor::from(server.config()).accept(stream).await;
        accepted.inspect_err(|error| debug!(%error, "no TLS with a client")).ok()
    };
    let stream = select! {
        made = timeout(line.settings().request_timeout, handshake) => made.ok().flatten(),
        () = seat.0.notified() => None,
    };
    line.connections.handshakes.leave(&seat);
    let Some(stream) = stream else {
        line.counters.tls_failures.add();
        return None;
    };
    line.counters.tls_handshakes.add();
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let key = shown.and_then(|shown| line.settings().keys.of_certificate(&fingerprint(shown), &names(shown)));
    Some(SecureStream { stream, key })
}

/// Counts such a connection, which then ends.
pub(crate) fn refuse_tls(line: &InLine) {
    line.counters.tls_misplaced.add();
    if line.counters.tls_misplaced.read() == 1 {
        info!("a client spoke TLS on the IN line, which speaks plain HTTP there: use http://, or set in_tls");
    }
}
