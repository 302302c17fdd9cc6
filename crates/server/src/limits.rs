//! Every limit of the program that is no setting, by name.

use std::time::Duration;

/// Threads for work that would hold up the IN line; started when needed, gone when idle.
pub(crate) const BLOCKING_THREADS_MAX: usize = 4;
/// How long the shards may take to end, beyond the time over which they close connections.
pub(crate) const JOIN_MARGIN: Duration = Duration::from_secs(5);

/// Bytes of memory that an idle connection takes: about 3.6 KiB of the kernel's (measured with Linux 6.18) and
/// 0.2 of the program's.
pub(crate) const CONNECTION_COST: u64 = 4_096;
/// Bytes of memory beside connections: history in its default size, and as much again for all else.
pub(crate) const MEMORY_BESIDE: u64 = 512 << 20;
/// Bytes of the kernel's memory that a small message takes while it is under way to one client: a page.
pub(crate) const MESSAGE_COST: u64 = 4_096;
/// Descriptors that a shard needs beside its connections.
pub(crate) const DESCRIPTORS_BESIDE: u64 = 16;
/// How long a doctor waits for a connection.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a doctor waits for the first words of an answer that is due at once.
pub(crate) const FIRST_WORD_MAX: Duration = Duration::from_secs(5);
/// How long a doctor that was told no patience waits until a server hears that a client left.
pub(crate) const LEAVING_MAX: Duration = Duration::from_secs(3);
/// How long it sleeps between two looks.
pub(crate) const LEAVING_PAUSE: Duration = Duration::from_millis(20);
/// How long a doctor keeps its crowd waiting.
pub(crate) const CROWD_HOLD: Duration = Duration::from_secs(3);
/// Connections that a doctor opens to a server.
pub(crate) const DOCTOR_CROWD_MAX: u64 = 20_000;
/// Bytes of an answer that a doctor reads.
pub(crate) const PROBE_ANSWER_LEN_MAX: usize = 64 << 10;

/// Bytes of an old configuration file.
pub(crate) const OLD_FILE_LEN_MAX: u64 = 1 << 20;
/// Bytes of a value in an old configuration file.
pub(crate) const OLD_VALUE_LEN_MAX: usize = 64 << 10;
/// Expressions within expressions in an old configuration file.
pub(crate) const EXPRESSION_DEPTH_MAX: usize = 32;
/// Lines of the log of old that wait to be written; further ones are left out, and counted.
pub(crate) const JOURNAL_LINES_MAX: usize = 10_000;
/// How often the log of old looks at what became of ids.
pub(crate) const NEWS_EVERY: Duration = Duration::from_millis(100);
/// Changes of presence it looks at at once.
pub(crate) const NEWS_PAGE: usize = 1_000;
/// How long the log of old may take to write its last lines when the program ends.
pub(crate) const JOURNAL_PATIENCE: Duration = Duration::from_secs(1);
/// Lines of the log that wait to be written; further ones are left out, and counted.
pub(crate) const LOG_LINES_MAX: usize = 4_096;
/// Bytes of these lines.
pub(crate) const LOG_LEN_MAX: usize = 1 << 20;
/// Bytes of lines after which they are written, though more wait.
pub(crate) const LOG_WRITE_LEN: usize = 64 << 10;
/// How long whoever ends, or says something by itself, waits for what it says to be written.
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
