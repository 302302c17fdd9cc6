//! What memory is left: of what the machine has, of what the cgroup may have, and of what is set. Looked at a few times a
//! second, so that large requests and new clients are refused before the system ends the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use exchange::{Exchange, Shortage};
use rustix::param::page_size;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::limits::MEMORY_LOOK;

/// Bytes that are left of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Left {
    left: u64,
    all: u64,
}

/// Tells the exchange what is left, for as long as the program runs; `limit` is what is set now, 0: nothing.
pub(crate) async fn watch(limit: Arc<AtomicU64>, exchange: Arc<Exchange>) {
    let groups =
        groups(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default(), Path::new("/sys/fs/cgroup"));
    let mut ticks = interval(MEMORY_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = Shortage::None;
    loop {
        ticks.tick().await;
        let limit = limit.load(Ordering::Relaxed);
        let own = (limit > 0).then(|| of_program(limit)).flatten();
        let all =
            own.into_iter().chain(of_machine()).chain(groups.iter().filter_map(|group| of_group(group)));
        let Some(Left { left, all }) = scarcest(all) else { continue };
        let shortage = exchange.memory().tell(left, all);
        if shortage > before {
            warn!(
                left_bytes = left,
                of_bytes = all,
                ?shortage,
                "memory is short: large requests, then new clients, are refused"
            );
        }
        before = shortage;
    }
}

/// That of which the smallest part is left.
fn scarcest(all: impl Iterator<Item = Left>) -> Option<Left> {
    all.min_by(|a, b| (u128::from(a.left) * u128::from(b.all)).cmp(&(u128::from(b.left) * u128::from(a.all))))
}

/// Of what is set: what the program holds for itself counts.
fn of_program(limit: u64) -> Option<Left> {
    let pages = own_pages(&fs::read_to_string("/proc/self/statm").ok()?)?;
    Some(Left { left: limit.saturating_sub(pages.saturating_mul(page_size() as u64)), all: limit })
}

/// Pages that are the program's and nobody else's (proc(5), statm).
fn own_pages(statm: &str) -> Option<u64> {
    let mut fields = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

/// Of the machine (proc(5), meminfo).
fn of_machine() -> Option<Left> {
    machine(&fs::read_to_string("/proc/meminfo").ok()?)
}

fn machine(meminfo: &str) -> Option<Left> {
    let of = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1 << 10)
    };
    Some(Left { left: of("MemAvailable")?, all: of("MemTotal")? })
}

/// The folders of the cgroup (version 2) that the program is in, and of those around it.
fn groups(of_self: &str, root: &Path) -> Vec<PathBuf> {
    let Some(own) = of_self.lines().find_map(|line| line.strip_prefix("0::/")) else { return Vec::new() };
    root.join(own).ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_owned).collect()
}

/// Of what a cgroup may have, if that is limited. What the kernel holds of files and can give back is not used up.
fn of_group(folder: &Path) -> Option<Left> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let all = number("memory.max")?;
    let stat = read("memory.stat")?;
    let files = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse::<u64>().ok());
    let used = number("memory.current")?.saturating_sub(files.unwrap_or(0));
    Some(Left { left: all.saturating_sub(used), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_understood() {
        assert_eq!(own_pages("30000 7000 2000 1 0 9 0\n"), Some(5_000));
        assert_eq!(own_pages(""), None);
        let meminfo = "MemTotal:       16000 kB\nMemFree:          100 kB\nMemAvailable:    4000 kB\n";
        assert_eq!(machine(meminfo), Some(Left { left: 4_000 << 10, all: 16_000 << 10 }));
        assert_eq!(machine("MemTotal: 16000 kB\n"), None, "an old kernel does not say what is available");
        assert!(of_machine().is_some_and(|found| found.left > 0 && found.left < found.all));
        assert!(of_program(1 << 40).is_some_and(|found| found.left > 0 && found.left < found.all));
        assert_eq!(of_program(1).map(|found| found.left), Some(0));
    }

    #[test]
    fn a_cgroup_is_read_with_those_around_it() {
        let root = std::env::temp_dir().join(format!("multiplexor-cgroup-{}", std::process::id()));
        let own = root.join("a/b");
        fs::create_dir_all(&own).unwrap();
        let found = groups("1:cpu:/x\n0::/a/b\n", &root);
        assert_eq!(found, [own.clone(), root.join("a"), root.clone()]);
        assert_eq!(of_group(&own), None);
        fs::write(own.join("memory.max"), "max\n").unwrap();
        assert_eq!(of_group(&own), None, "it has no limit");
        fs::write(own.join("memory.max"), "1000\n").unwrap();
        fs::write(own.join("memory.current"), "700\n").unwrap();
        fs::write(own.join("memory.stat"), "anon 1\ninactive_file 200\nactive_file 3\n").unwrap();
        assert_eq!(of_group(&own), Some(Left { left: 500, all: 1_000 }));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn the_scarcest_counts() {
        let left = |left, all| Left { left, all };
        assert_eq!(
            scarcest([left(50, 100), left(10, 15), left(400, 1_000)].into_iter()),
            Some(left(400, 1_000))
        );
        assert_eq!(scarcest([].into_iter()), None);
    }
}
