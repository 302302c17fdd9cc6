//! What can be wrong with a request, and the status that answers it.

/// A request that is refused. Its text says what is wrong and what would be right.
///
/// After any of these the place where the next request begins is not known: answer, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More empty lines before a request than a confused client is forgiven.
    #[error("too many empty lines before the request: begin with the request line")]
    EmptyLines,
    /// The first word is no token.
    #[error("this is no HTTP request: the first line must be METHOD, target and HTTP/1.1")]
    Method,
    /// The target is empty, holds forbidden bytes or has a form not served here.
    #[error("the request target is not valid: send a path that begins with '/'")]
    Target,
    /// The third word of the first line is no HTTP version.
    #[error("the request line does not end with a version: end it with HTTP/1.1")]
    NotHttp,
    /// A version of HTTP that is not spoken here.
    #[error("this HTTP version is not supported: use HTTP/1.1")]
    Version,
    /// A line that ends without a carriage return.
    #[error("a line ends with a bare line feed: end each line with CR LF")]
    BareLineFeed,
    /// A line end that is damaged.
    #[error("a line does not end with CR LF where it must end")]
    LineEnd,
    /// A header name that is no token, is followed by a space, or a folded line.
    #[error(
        "a header name is not valid: write 'Name: value', without a space before the colon or a folded line"
    )]
    HeaderName,
    /// A header value with a control character.
    #[error("a header value holds a control character: only visible text, spaces and tabs may stand there")]
    HeaderValue,
    /// The first line alone is over the limit of the head.
    #[error("the request line is too long: shorten the target, or send long lists in the body of a POST")]
    TargetTooLong,
    /// The head is over its limit.
    #[error("the request head is too long: send fewer or shorter headers")]
    HeadTooLong,
    /// More headers than the limit.
    #[error("too many headers: send fewer")]
    TooManyHeaders,
    /// HTTP/1.1 without a Host.
    #[error("the Host header is missing: HTTP/1.1 needs exactly one")]
    HostMissing,
    /// Several Hosts.
    #[error("more than one Host header: send exactly one")]
    HostRepeated,
    /// A Host that cannot be one.
    #[error("the Host header is not valid: send a name or an address, with a port where needed")]
    Host,
    /// A Content-Length that is no plain number.
    #[error("Content-Length is not valid: send one decimal number of bytes")]
    ContentLength,
    /// Several Content-Lengths, whether or not they agree.
    #[error("more than one Content-Length: send exactly one")]
    ContentLengthRepeated,
    /// Two framings at once.
    #[error("both Content-Length and Transfer-Encoding: send only one of them")]
    TwoFramings,
    /// HTTP/1.0 knows no chunks.
    #[error("Transfer-Encoding on HTTP/1.0: use HTTP/1.1 or Content-Length")]
    ChunkedOnHttp10,
    /// A transfer coding other than `chunked` alone.
    #[error("this transfer coding is not supported: only 'chunked' alone is")]
    TransferCoding,
    /// A body over its limit.
    #[error("the body is too long")]
    BodyTooLong,
    /// A chunk size that is not one to eight hexadecimal digits.
    #[error("a chunk size is not valid: one to eight hexadecimal digits, then CR LF")]
    ChunkSize,
    /// A chunk extension with a control character.
    #[error("a chunk extension is not valid: it holds a control character")]
    ChunkExtension,
    /// The bytes after a chunk's data are no line end.
    #[error("a chunk is not followed by CR LF: its size does not match its data")]
    ChunkEnd,
    /// A trailer line that is none.
    #[error("a trailer after the last chunk is not valid")]
    Trailer,
    /// Extensions and trailers over their limit.
    #[error("the extensions and trailers of the chunked body are too long: leave them out")]
    ChunkExtrasTooLong,
}

impl Error {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::BodyTooLong => 413,
            Self::TargetTooLong => 414,
            Self::HeadTooLong | Self::TooManyHeaders | Self::ChunkExtrasTooLong => 431,
            Self::TransferCoding => 501,
            Self::Version => 505,
            _ => 400,
        }
    }
}
