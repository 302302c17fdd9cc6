//! What the system says of processes and of itself: `/proc`, read as it is.

use std::collections::HashMap;
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Memory of the measured processes, in bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct MemoryUse {
    /// What no other process shares.
    pub(crate) private: u64,
    /// The same, with a fair part of what is shared; the figure for several processes.
    pub(crate) pss: u64,
    /// The most that was resident since [`forget_peak`], shared pages included.
    pub(crate) peak: u64,
}

/// CPU time used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    /// Of the measured processes, in seconds.
    pub(crate) server_s: f64,
    /// Of this program and its workers.
    pub(crate) own_s: f64,
    /// Of the whole machine.
    pub(crate) machine_s: f64,
    /// How many cores it has.
    cores: f64,
    /// When it was read.
    at_ns: u64,
}

/// Between two readings.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Used {
    /// Seconds of CPU of the measured processes.
    pub(crate) server_s: f64,
    /// Seconds of CPU of this program and its workers.
    pub(crate) own_s: f64,
    /// Part of all cores that went to anybody else: where it is not near 0, the run was disturbed.
    pub(crate) others_share: f64,
    /// Seconds that passed.
    pub(crate) wall_s: f64,
}

/// The machine, and the time, for whoever reads the report later.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Host {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) system: String,
    /// In seconds since 1970.
    pub(crate) time: u64,
    pub(crate) version: &'static str,
}

impl Host {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let total = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib = total.split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
        let uname = rustix::system::uname();
        let text = |value: &std::ffi::CStr| value.to_string_lossy().into_owned();
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| text(uname.machine())),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: kib << 10,
            system: format!("{} {}", text(uname.sysname()), text(uname.release())),
            time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// Reads the memory of these processes and all their descendants.
pub(crate) fn memory(pids: &[u32]) -> MemoryUse {
    memory_of(&family(pids))
}

/// Reads the memory of these processes alone.
pub(crate) fn memory_of(pids: &[u32]) -> MemoryUse {
    let mut all = MemoryUse::default();
    for pid in pids {
        let [rollup, status] = ["smaps_rollup", "status"]
            .map(|file| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default());
        for line in rollup.lines().chain(status.lines()) {
            let kib = || line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0);
            if line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:") {
                all.private += kib() << 10;
            } else if line.starts_with("Pss:") {
                all.pss += kib() << 10;
            } else if line.starts_with("VmHWM:") {
                all.peak += kib() << 10;
            }
        }
    }
    all
}

/// From now on the peak of their memory counts anew.
pub(crate) fn forget_peak(pids: &[u32]) {
    for pid in family(pids) {
        // proc(5): 5 resets the peak. Where it is not allowed, the peak is that of the whole life.
        let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
    }
}

impl Cpu {
    /// Reads what these processes and their descendants used, and all others.
    pub(crate) fn read(pids: &[u32]) -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let fields: Vec<f64> = fields.filter_map(|ticks| ticks.parse().ok()).collect();
        // user, nice, system; idle and iowait are skipped; irq, softirq.
        let busy: f64 = [0, 1, 2, 5, 6].into_iter().filter_map(|n| fields.get(n)).sum();
        let cores = stat.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1).max(1);
        Self {
            server_s: seconds(pids),
            own_s: own_seconds(),
            machine_s: busy / TICKS_A_SECOND,
            cores: cores as f64,
            at_ns: crate::clock::now_ns(),
        }
    }

    /// What was used since then.
    pub(crate) fn since(&self, then: &Self) -> Used {
        let (server_s, own_s) = (self.server_s - then.server_s, self.own_s - then.own_s);
        let wall_s = (self.at_ns - then.at_ns) as f64 / 1e9;
        let others_s = self.machine_s - then.machine_s - server_s - own_s;
        let others_share = (others_s / wall_s.max(0.01) / self.cores).max(0.0);
        Used { server_s, own_s, others_share, wall_s }
    }
}

/// CPU time of these processes and their descendants, of each thread in nanoseconds.
fn seconds(pids: &[u32]) -> f64 {
    seconds_of(&family(pids))
}

/// The same without descendants.
pub(crate) fn seconds_of(pids: &[u32]) -> f64 {
    let mut ns = 0;
    for pid in pids {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads.flatten() {
            let text = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            ns += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    ns as f64 / 1e9
}

/// CPU time of this process, that of threads which have ended included, and of its workers.
fn own_seconds() -> f64 {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let workers: Vec<u32> = family(&[std::process::id()]).into_iter().skip(1).collect();
    own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + seconds_of(&workers)
}

/// These processes, their children, and theirs.
pub(crate) fn family(pids: &[u32]) -> Vec<u32> {
    if pids.is_empty() {
        return Vec::new();
    }
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name of the program stands in brackets and may hold anything.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let Some(parent) = rest.split(' ').nth(1).and_then(|pid| pid.parse().ok()) else { continue };
        children.entry(parent).or_default().push(pid);
    }
    let mut found = pids.to_vec();
    let mut at = 0;
    while at < found.len() {
        let more = children.remove(&found[at]).unwrap_or_default();
        found.extend(more.into_iter().filter(|pid| !pids.contains(pid)));
        at += 1;
    }
    found
}

/// The unit of `/proc/stat`: USER_HZ, which is 100 on every Linux we know.
const TICKS_A_SECOND: f64 = 100.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// A process of its own: in this one, threads of other tests end, and what they used is gone then.
    #[test]
    fn a_process_has_memory_and_uses_time() {
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let pids = [busy.id()];
        let then = Cpu::read(&pids);
        while seconds(&pids) <= then.server_s {
            std::thread::yield_now();
        }
        let used = Cpu::read(&pids).since(&then);
        forget_peak(&pids);
        let memory = memory(&pids);
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(used.server_s > 0.0 && used.wall_s > 0.0);
        assert!(memory.private > 10 << 10 && memory.pss >= memory.private && memory.peak >= memory.pss);
    }

    #[test]
    fn nobody_has_nothing() {
        assert_eq!(memory(&[]).private, 0);
        assert_eq!(seconds(&[]), 0.0);
    }
}
