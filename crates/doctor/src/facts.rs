//! What the system says about its limits, read from /proc and /sys; or from a folder that looks like them.
//!
//! A file that is not there is a fact that is not known. Nothing is judged here.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits of this machine, for one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The version of the kernel.
    pub(crate) kernel: Option<String>,
    /// How far the process may raise its limit of open files.
    pub(crate) open_files: Option<u64>,
    /// How far anybody may raise that limit.
    pub(crate) open_files_max: Option<u64>,
    /// Open files of the whole machine, and how many there may be.
    pub(crate) files: Option<Use>,
    /// Sockets that epoll may watch for one user.
    pub(crate) watches: Option<u64>,
    /// Connections of a listener that may wait to be accepted.
    pub(crate) backlog: Option<u64>,
    /// Half-open connections of a listener, and whether cookies take over where they are more.
    pub(crate) half_open: Option<u64>,
    pub(crate) cookies: Option<bool>,
    /// Ports from which connections are made.
    pub(crate) ports: Option<(u64, u64)>,
    /// Bytes that may be under way in all TCP connections together.
    pub(crate) tcp_len: Option<u64>,
    /// Connections that the firewall keeps track of; not known where it does not.
    pub(crate) tracked: Option<Use>,
    /// Bytes of memory that programs could still have.
    pub(crate) memory_len: Option<u64>,
    /// Whether io_uring is there for a process like this one; a filter of system calls may keep it from us. Not read, but tried.
    pub(crate) io_uring: Option<bool>,
    /// Bytes of memory in the tightest control group.
    pub(crate) group_len: Option<Use>,
}

/// How much there is of something, and how much may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) used: u64,
    pub(crate) limit: u64,
}

impl Use {
    pub(crate) fn left(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

impl Facts {
    /// Reads them below `root`; `process` is a number, or `self`.
    pub(crate) fn read(root: &Path, process: &str, page_len: u64) -> Self {
        let sys = |name: &str| text(&root.join("proc/sys").join(name));
        let number = |name: &str| numbers(&sys(name)?).first().copied();
        let files = sys("fs/file-nr").map(|text| numbers(&text));
        Self {
            kernel: sys("kernel/osrelease").map(|text| text.trim().to_owned()),
            open_files: text(&root.join("proc").join(process).join("limits")).and_then(|text| hard(&text)),
            open_files_max: number("fs/nr_open"),
            files: files.and_then(|all| Some(Use { used: *all.first()?, limit: *all.get(2)? })),
            watches: number("fs/epoll/max_user_watches"),
            backlog: number("net/core/somaxconn"),
            half_open: number("net/ipv4/tcp_max_syn_backlog"),
            cookies: number("net/ipv4/tcp_syncookies").map(|mode| mode > 0),
            ports: sys("net/ipv4/ip_local_port_range").and_then(|text| match *numbers(&text) {
                [first, last] => Some((first, last)),
                _ => None,
            }),
            tcp_len: sys("net/ipv4/tcp_mem")
                .and_then(|text| numbers(&text).get(2).map(|pages| pages.saturating_mul(page_len))),
            tracked: number("net/netfilter/nf_conntrack_max")
                .map(|limit| Use { used: number("net/netfilter/nf_conntrack_count").unwrap_or(0), limit }),
            memory_len: text(&root.join("proc/meminfo")).and_then(|text| available(&text)),
            io_uring: None,
            group_len: group(root, process),
        }
    }
}

/// The hard limit of open files, out of a table of limits.
fn hard(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let word = line.split_whitespace().nth(1)?;
    if word == "unlimited" { Some(u64::MAX) } else { word.parse().ok() }
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(numbers(line).first()?.saturating_mul(1_024))
}

/// The control group with the least memory left, of the process's own and all above it. In both versions of
/// control groups; a container sees its own group at the top.
fn group(root: &Path, process: &str) -> Option<Use> {
    let groups = text(&root.join("proc").join(process).join("cgroup"))?;
    let mut found: Vec<Use> = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(kinds), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let path = path.trim_start_matches('/');
        if kinds.is_empty() {
            for top in ["sys/fs/cgroup", "sys/fs/cgroup/unified"] {
                found.extend(upwards(&root.join(top), path, "memory.max", "memory.current", "inactive_file"));
            }
        } else if kinds.split(',').any(|kind| kind == "memory") {
            let top = root.join("sys/fs/cgroup/memory");
            let (limit, used) = ("memory.limit_in_bytes", "memory.usage_in_bytes");
            found.extend(upwards(&top, path, limit, used, "total_inactive_file"));
        }
    }
    found.into_iter().min_by_key(|group| group.left())
}

/// The limits of the group at `path` and of those above it. What the kernel would give back at once (files
/// that nobody uses) counts as free.
fn upwards(top: &Path, path: &str, limit: &str, used: &str, reclaimable: &str) -> Vec<Use> {
    let folders = Path::new(path).ancestors().map(|folder| top.join(folder));
    let read = |folder: PathBuf| {
        let limit: u64 = text(&folder.join(limit))?.trim().parse().ok()?;
        let used: u64 = text(&folder.join(used))?.trim().parse().ok()?;
        let free = text(&folder.join("memory.stat")).unwrap_or_default();
        let free = free.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse().ok());
        (limit < NO_LIMIT).then(|| Use { used: used.saturating_sub(free.unwrap_or(0)), limit })
    };
    folders.filter_map(read).collect()
}

fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn numbers(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The first version of control groups writes about 2^63 where there is no limit.
const NO_LIMIT: u64 = 1 << 60;

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like the top of a file system; removed when the test is over.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let root = std::env::temp_dir().join(format!("multiplexor-doctor-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(root)
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        assert_eq!(Facts::read(Path::new("/nowhere"), "self", 4_096), Facts::default());
    }

    #[test]
    fn this_machine_says_something() {
        let facts = Facts::read(Path::new("/"), "self", 4_096);
        assert!(facts.open_files.is_some() && facts.memory_len.is_some(), "{facts:?}");
    }

    #[test]
    fn a_machine_is_read() {
        let root = Root::new(
            "machine",
            &[
                (
                    "proc/7/limits",
                    "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n",
                ),
                ("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:      8 kB\n"),
                ("proc/sys/kernel/osrelease", "6.1.0\n"),
                ("proc/sys/fs/nr_open", "1048576\n"),
                ("proc/sys/fs/file-nr", "100\t0\t500\n"),
                ("proc/sys/fs/epoll/max_user_watches", "6\n"),
                ("proc/sys/net/core/somaxconn", "128\n"),
                ("proc/sys/net/ipv4/tcp_max_syn_backlog", "256\n"),
                ("proc/sys/net/ipv4/tcp_syncookies", "0\n"),
                ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
                ("proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n"),
                ("proc/sys/net/netfilter/nf_conntrack_max", "9\n"),
                ("proc/sys/net/netfilter/nf_conntrack_count", "2\n"),
            ],
        );
        let expected = Facts {
            kernel: Some("6.1.0".to_owned()),
            open_files: Some(524_288),
            open_files_max: Some(1_048_576),
            files: Some(Use { used: 100, limit: 500 }),
            watches: Some(6),
            backlog: Some(128),
            half_open: Some(256),
            cookies: Some(false),
            ports: Some((32_768, 60_999)),
            tcp_len: Some(3 * 4_096),
            tracked: Some(Use { used: 2, limit: 9 }),
            memory_len: Some(8_192),
            io_uring: None,
            group_len: None,
        };
        assert_eq!(Facts::read(&root.0, "7", 4_096), expected);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = Root::new(
            "groups",
            &[
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/memory.max", "1000\n"),
                ("sys/fs/cgroup/a/memory.current", "900\n"),
                ("sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 300\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ("sys/fs/cgroup/a/b/memory.current", "5\n"),
            ],
        );
        assert_eq!(group(&root.0, "self"), Some(Use { used: 600, limit: 1_000 }));
    }

    #[test]
    fn groups_of_the_first_version_count_too() {
        let files = [
            ("proc/self/cgroup", "4:cpu,memory:/docker/1\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "500\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n"),
        ];
        let root = Root::new("first", &files);
        assert_eq!(group(&root.0, "self"), Some(Use { used: 100, limit: 500 }));
        let files = [
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "100\n"),
        ];
        let root = Root::new("unlimited", &files);
        assert_eq!(group(&root.0, "self"), None);
    }
}
