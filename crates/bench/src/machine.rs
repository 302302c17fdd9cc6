//! What this machine allows, and what its errors mean, in plain words.

use std::fs;

use anyhow::bail;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many open files as we may have; tells how many that are.
pub(crate) fn raise_limit() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // What is not allowed shows when a connection cannot be made.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many processes it takes to hold so many clients. An error: this machine cannot hold them.
pub(crate) fn workers_for(clients: u32, files: u64) -> anyhow::Result<u32> {
    let most = clients_of(files).min(CLIENTS_PER_WORKER);
    let workers = u64::from(clients).div_ceil(most).max(1);
    if workers > WORKERS_MAX {
        bail!(
            "{clients} clients would need {workers} processes, since each may open only {files} files; \
             multiplexor doctor tells how to raise that"
        );
    }
    Ok(u32::try_from(workers)?)
}

/// How many shards a server needs for so many clients: each has a table of open files of its own, and the
/// kernel spreads connections by chance. None: as many as it has anyway.
pub(crate) fn shards_for(clients: u32, files: u64) -> anyhow::Result<Option<u32>> {
    let cores = thread_count();
    let needed = u64::from(clients).div_ceil((clients_of(files) * 3 / 4).max(1));
    if needed > SHARDS_MAX {
        bail!(
            "a server for {clients} clients would need {needed} shards, since each may open only {files} files; \
             multiplexor doctor tells how to raise that"
        );
    }
    Ok((needed > cores).then_some(u32::try_from(needed)?))
}

/// Stops where memory will not do. `ends`: how many ends of each connection are on this machine.
pub(crate) fn check_memory(clients: u32, ends: u64) -> anyhow::Result<()> {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let Some(free_kib) = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) else {
        return Ok(());
    };
    let needed_kib = u64::from(clients) * ends * KIB_PER_END;
    if needed_kib > free_kib {
        bail!(
            "{clients} clients need about {} MiB of this machine's memory, and {} MiB are free; \
             multiplexor doctor tells how many connections it can hold",
            needed_kib >> 10,
            free_kib >> 10
        );
    }
    Ok(())
}

/// What an error of a socket means to whoever runs this.
pub(crate) fn words(error: Errno) -> String {
    let why = match error {
        Errno::MFILE | Errno::NFILE => "this machine lets no more files be opened: multiplexor doctor",
        Errno::ADDRNOTAVAIL => "this machine has no free port left for it: multiplexor doctor",
        Errno::NOMEM | Errno::NOBUFS => "this machine has no memory left for it: multiplexor doctor",
        Errno::NOSPC => "this machine watches no more sockets: multiplexor doctor",
        Errno::CONNREFUSED => "nobody listens there",
        Errno::CONNRESET => "the server cut it off",
        Errno::TIMEDOUT => "no answer",
        Errno::HOSTUNREACH | Errno::NETUNREACH => "there is no way to it",
        other => return other.to_string(),
    };
    format!("{why} ({error})")
}

fn clients_of(files: u64) -> u64 {
    files.saturating_sub(FILES_ASIDE).max(1)
}

fn thread_count() -> u64 {
    std::thread::available_parallelism().map_or(1, |count| count.get() as u64)
}

/// More than this many clients keep one process too busy.
const CLIENTS_PER_WORKER: u64 = 15_000;
/// What a process opens besides.
const FILES_ASIDE: u64 = 64;
const WORKERS_MAX: u64 = 256;
const SHARDS_MAX: u64 = 1_024;
/// Of one end of a connection, the kernel's part and ours.
const KIB_PER_END: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_processes_as_their_files_need() {
        assert_eq!(workers_for(0, 1_024).unwrap(), 1);
        assert_eq!(workers_for(960, 1_024).unwrap(), 1);
        assert_eq!(workers_for(961, 1_024).unwrap(), 2);
        assert_eq!(workers_for(30_000, 1 << 20).unwrap(), 2);
        let told = workers_for(1_000_000, 1_024).unwrap_err().to_string();
        assert!(told.contains("1042 processes") && told.contains("multiplexor doctor"), "{told}");
    }

    #[test]
    fn as_many_shards_as_their_files_need() {
        assert_eq!(shards_for(10, 1 << 20).unwrap(), None);
        assert_eq!(shards_for(720 * 500, 1_024).unwrap(), Some(500));
        assert!(shards_for(1_000_000, 64).is_err());
    }

    #[test]
    fn memory_is_not_promised_away() {
        assert!(check_memory(1, 2).is_ok());
        assert!(check_memory(u32::MAX, 2).unwrap_err().to_string().contains("MiB are free"));
    }
}
