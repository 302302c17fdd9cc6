//! Every limit of the program that is no setting, by name.

use std::time::Duration;

/// Threads for work that would hold up the IN line; started when needed, gone when idle.
pub(crate) const BLOCKING_THREADS_MAX: usize = 4;
/// How long the shards may take to end, beyond the time over which they close connections.
pub(crate) const JOIN_MARGIN: Duration = Duration::from_secs(5);

/// Lines of Realplexor's log that wait to be written; further ones are left out, and counted.
pub(crate) const JOURNAL_LINES_MAX: usize = 10_000;
/// How often Realplexor's log looks for ids that went offline.
pub(crate) const NEWS_EVERY: Duration = Duration::from_millis(100);
/// Changes of presence it looks at at once.
pub(crate) const NEWS_PAGE: usize = 1_000;
/// How long Realplexor's log may take to write its last lines when the program ends.
pub(crate) const JOURNAL_PATIENCE: Duration = Duration::from_secs(1);
/// Lines of the log that wait to be written; further ones are left out, and counted.
pub(crate) const LOG_LINES_MAX: usize = 4_096;
/// Bytes of these lines.
pub(crate) const LOG_LEN_MAX: usize = 1 << 20;
/// Bytes of lines after which they are written, though more wait.
pub(crate) const LOG_WRITE_LEN: usize = 64 << 10;
/// How long the program waits for its last lines, or for a line that must come first, to be written.
pub(crate) const LOG_PATIENCE: Duration = Duration::from_secs(1);
/// How long somebody who waits for that sleeps between two looks.
pub(crate) const LOG_PAUSE: Duration = Duration::from_millis(1);
/// Connections that may wait at a UNIX socket to be accepted, as far as the system lets them.
pub(crate) const UNIX_BACKLOG: i32 = 4_096;
/// How long somebody waits who is to make a socket in a folder in which another program is about it.
pub(crate) const SOCKET_LOCK_WAIT: Duration = Duration::from_secs(5);
/// How long he sleeps between two looks.
pub(crate) const SOCKET_LOCK_PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked at what memory is left.
pub(crate) const MEMORY_LOOK: Duration = Duration::from_millis(250);
/// How often files of certificates are looked at.
pub(crate) const CERTIFICATE_LOOK: Duration = Duration::from_secs(2);
/// How long the new program of an upgrade may take until it greets.
pub(crate) const UPGRADE_START: Duration = Duration::from_secs(10);
/// How long one further step may take: a rest, a batch of connections. What takes longer is given up, and the old program serves on.
pub(crate) const UPGRADE_STEP: Duration = Duration::from_secs(30);
/// How long handshakes and questions under way may take before an upgrade; who is not through then is closed.
pub(crate) const UPGRADE_LINGER: Duration = Duration::from_secs(10);
/// How long is slept between two looks at whether they are through.
pub(crate) const UPGRADE_PAUSE: Duration = Duration::from_millis(2);
/// How often shards come to rest for an upgrade, where something comes up meanwhile each time.
pub(crate) const UPGRADE_RESTS_MAX: usize = 20;
/// Bytes of what is remembered after which they are sent to the new program, though more follow.
pub(crate) const UPGRADE_PIECES_LEN: usize = 1 << 20;
/// How long whoever asks for an upgrade may take to say so.
pub(crate) const CONTROL_STEP: Duration = Duration::from_secs(5);
/// How long he waits for the answer: longer than all steps take.
pub(crate) const CONTROL_ANSWER: Duration = Duration::from_secs(300);
