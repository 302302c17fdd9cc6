//! Every limit of the commands, by name.

use std::time::Duration;

/// How long a command line client waits for a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long `send` waits for each step of an answer.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long `listen` believes a stream that says nothing, heartbeats included.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(120);
/// Bytes of one line that `listen` takes: the largest payload allowed, in base64, and its frame.
pub(crate) const LINE_LEN_MAX: u64 = 512 << 20;
/// Bytes of an answer that `send` reads, and that an error's explanation may have.
pub(crate) const ANSWER_LEN_MAX: u64 = 4 << 20;
/// How long `listen` waits before the second attempt to connect; doubled with every further one.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(250);
/// How long `listen` waits between two attempts at the most.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Messages asked for at a time where history is read backwards; the server gives no more.
pub(crate) const OLDER_PAGE: u32 = 100;

/// Bytes of a token or a URL that is read from standard input.
pub(crate) const PASTED_LEN_MAX: u64 = 16 << 10;
