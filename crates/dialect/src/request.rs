//! What a dialect reads of a request of the WAIT line.

/// The facts of a request that a dialect decides by.
pub struct Request<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, as sent: still percent-encoded.
    pub path: &'a str,
    /// What follows `?`, or nothing.
    pub query: &'a str,
    /// The header of a name: all its lines, as one.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// Whether the request is a WebSocket handshake.
    pub upgrade: bool,
    /// Whether it came to us through TLS.
    pub tls: bool,
    /// The body, complete.
    pub body: &'a [u8],
}

#[cfg(test)]
impl<'a> Request<'a> {
    /// A request of which no more is said than these headers.
    pub(crate) fn with(header: &'a dyn Fn(&str) -> Option<&'a [u8]>) -> Self {
        Self { method: "GET", path: "/sub/a", query: "", header, upgrade: false, tls: false, body: b"" }
    }
}
