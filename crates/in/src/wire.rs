//! The bytes of a connection that is served by hand: reading, the last answer, and its end.

use axum::http::StatusCode;
use dialect::Problem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::limits::{CLASSIC_LINGER, CLASSIC_READ_LEN};
use crate::state::InLine;

/// Whether somebody begins with a handshake where none is expected (RFC 8446, section 5.1).
pub(crate) fn is_tls(bytes: &[u8]) -> bool {
    bytes.starts_with(&[22, 3])
}

/// Reads more, behind what is there. `None`: the connection broke, and what came of it is no message.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<usize> {
    bytes.reserve(CLASSIC_READ_LEN);
    stream.read_buf(bytes).await.ok()
}

/// A problem as an answer of HTTP.
pub(crate) fn refusal(problem: &Problem) -> Vec<u8> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = status.canonical_reason().unwrap_or_default();
    let document = problem.document();
    let head = format!(
        "HTTP/1.1 {} {reason}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        problem.status,
        document.len()
    );
    [head.into_bytes(), document].concat()
}

/// Says the only thing that is said here. Whoever does not take it is not waited for longer than for a message.
pub(crate) async fn answer(line: &InLine, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) {
    let said = timeout(line.settings().classic_timeout, stream.write_all(bytes)).await;
    if matches!(said, Ok(Ok(()))) {
        linger(stream).await;
    }
}

/// Ends the connection, but reads on for a while: a close with bytes unread would cut off what was said.
pub(crate) async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = vec![0; CLASSIC_READ_LEN];
    let reading = async { while matches!(stream.read(&mut rest).await, Ok(len) if len > 0) {} };
    // It is over when the peer has closed, too, and otherwise after a while.
    let _ = timeout(CLASSIC_LINGER, reading).await;
}
