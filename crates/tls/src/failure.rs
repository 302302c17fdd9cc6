//! Why a session ends.

/// Why there is no TLS with this client, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It speaks HTTP without TLS.
    PlainHttp,
    /// It offers nothing that we have: an old version, other ciphers, another protocol.
    Incompatible,
    /// It gave up before the handshake was over.
    Left,
    /// It does not want us: mostly because it does not trust the certificate.
    Refused,
    /// What it says is wrong; the alert that tells so.
    Malformed(u8),
    /// A fault of ours.
    Internal,
}
