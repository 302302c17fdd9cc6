//! Every limit of the doctor, and what it reckons with, by name.

use std::time::Duration;

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
pub(crate) const CROWD_MAX: u64 = 20_000;
/// Bytes of an answer that a doctor reads.
pub(crate) const ANSWER_LEN_MAX: usize = 64 << 10;
