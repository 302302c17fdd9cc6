//! What of this machine stops a crowd: findings out of facts. Pure.

use serde_json::json;

use crate::facts::{Facts, Use};
use crate::finding::{Diagnosis, Finding, Level};
use crate::limits::{CONNECTION_COST, DESCRIPTORS_BESIDE, MEMORY_BESIDE, MESSAGE_COST};
use cli::grouped;

/// What is asked of the machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrowdQuestion {
    /// How many connections it should hold.
    pub(crate) crowd: u64,
    /// Among how many threads, each with a table of open files of its own.
    pub(crate) shards: u64,
}

/// Judges all facts. `None`: nothing is known that limits connections.
pub(crate) fn report(facts: &Facts, question: CrowdQuestion) -> Option<Diagnosis> {
    let CrowdQuestion { crowd, shards } = question;
    let limits =
        [open_files(facts, question), files(facts, crowd), watches(facts, crowd), memory(facts, crowd)]
            .into_iter()
            .chain([group_memory(facts, crowd), tracked(facts, crowd)]);
    let mut findings: Vec<Finding> = limits.flatten().collect();
    let tightest = findings.iter().filter_map(|finding| Some((finding.connections?, finding.name)));
    let (connections, name) = tightest.min()?;
    findings.extend(
        [tcp_memory(facts, crowd), backlog(facts), half_open(facts), io_uring(facts), ports(facts)]
            .into_iter()
            .flatten(),
    );
    let kernel = facts.kernel.as_ref().map(|kernel| format!(", Linux {kernel}")).unwrap_or_default();
    let shards_told = if shards == 1 { "1 shard".to_owned() } else { format!("{shards} shards") };
    let enough = if connections < crowd { "fewer than" } else { "enough for" };
    Some(Diagnosis {
        about: format!("Can this machine hold {} connections? ({shards_told}{kernel})", grouped(crowd)),
        outcome: format!(
            "It can hold {} connections, {enough} {}; what ends first is {}.",
            grouped(connections),
            grouped(crowd),
            in_words(name)
        ),
        more: json!({ "connections": connections, "limited_by": name, "crowd": crowd, "shards": shards }),
        findings,
    })
}

/// What a limit is of, in a sentence.
fn in_words(name: &str) -> &'static str {
    match name {
        "open-files" => "open files of a shard",
        "files" => "open files of the whole machine",
        "watches" => "sockets that epoll watches",
        "group-memory" => "memory of the control group",
        "tracked" => "connections that the firewall keeps track of",
        _ => "memory",
    }
}

/// Each shard has a table of its own, so the limit holds for each.
fn open_files(facts: &Facts, CrowdQuestion { crowd, shards }: CrowdQuestion) -> Option<Finding> {
    let limit = facts.open_files?;
    let a_shard = limit.saturating_sub(DESCRIPTORS_BESIDE).min(wait::limits::CONNECTIONS_MAX as u64);
    let told = if limit == u64::MAX { "any number of".to_owned() } else { grouped(limit) };
    let text = format!("open files: {told} for each of {shards} shards");
    let finding = limited("open-files", text, a_shard.saturating_mul(shards), crowd);
    if finding.level == Level::Ok {
        return Some(finding);
    }
    let needed = (crowd.div_ceil(shards) + DESCRIPTORS_BESIDE).max(OPEN_FILES_USUAL);
    let mut lines = Vec::new();
    if facts.open_files_max.is_some_and(|max| max < needed) {
        lines.push(format!("sysctl -w fs.nr_open={needed}"));
    }
    lines.push(format!("prlimit --pid $$ --nofile={needed}:{needed}    # this shell, and what it starts"));
    let unit = ["[Service]".to_owned(), format!("LimitNOFILE={needed}")];
    Some(finding.remedy(AS_ROOT, lines).remedy("or in the unit of systemd", unit))
}

/// All programs share it.
fn files(facts: &Facts, crowd: u64) -> Option<Finding> {
    let all = facts.files?;
    let finding = limited("files", format!("open files of the machine: {}", of(all)), all.left(), crowd);
    Some(raise(finding, "fs.file-max", all.used.saturating_add(crowd.saturating_mul(2))))
}

fn watches(facts: &Facts, crowd: u64) -> Option<Finding> {
    let limit = facts.watches?;
    let text = format!("sockets that epoll watches: {} for a user", grouped(limit));
    Some(raise(limited("watches", text, limit, crowd), "fs.epoll.max_user_watches", crowd.saturating_mul(2)))
}

fn memory(facts: &Facts, crowd: u64) -> Option<Finding> {
    let len = facts.memory_len?;
    let text =
        format!("memory: {} are free, a connection takes about {}", bytes(len), bytes(CONNECTION_COST));
    let finding = limited("memory", text, fitting(len), crowd);
    Some(with_memory(finding, crowd, "on this machine", "more memory: {} free, for so many connections"))
}

fn group_memory(facts: &Facts, crowd: u64) -> Option<Finding> {
    let group = facts.group_len?;
    let text =
        format!("memory of the control group: {} of {} are free", bytes(group.left()), bytes(group.limit));
    let finding = limited("group-memory", text, fitting(group.left()), crowd);
    if finding.level == Level::Ok {
        return Some(finding);
    }
    let needed = (group.used + MEMORY_BESIDE).saturating_add(crowd.saturating_mul(CONNECTION_COST)) >> 20;
    let unit = ["[Service]".to_owned(), format!("MemoryMax={}M", needed + 1)];
    let finding = finding.remedy("in the unit of systemd", unit);
    Some(
        finding
            .remedy("or where the container is started", [format!("docker run --memory={}m …", needed + 1)]),
    )
}

fn with_memory(finding: Finding, crowd: u64, place: &'static str, what: &str) -> Finding {
    if finding.level == Level::Ok {
        return finding;
    }
    let needed = MEMORY_BESIDE.saturating_add(crowd.saturating_mul(CONNECTION_COST));
    finding.remedy(place, [what.replace("{}", &bytes(needed))])
}

/// How many connections so much memory holds, beside what the program needs for itself and for history.
fn fitting(len: u64) -> u64 {
    len.saturating_sub(MEMORY_BESIDE) / CONNECTION_COST
}

fn tracked(facts: &Facts, crowd: u64) -> Option<Finding> {
    let all = facts.tracked?;
    let text = format!("connections that the firewall keeps track of: {}", of(all));
    let finding = limited("tracked", text, all.left(), crowd);
    let needed = all.used.saturating_add(crowd.saturating_mul(2));
    Some(raise(finding, "net.netfilter.nf_conntrack_max", needed))
}

/// Idle connections have nothing under way, so it slows a message to all down and stops nobody.
fn tcp_memory(facts: &Facts, crowd: u64) -> Option<Finding> {
    let len = facts.tcp_len?;
    let at_once = len / MESSAGE_COST;
    let text = format!(
        "bytes under way in TCP: at most {}, a message to {} connections at once",
        bytes(len),
        grouped(at_once)
    );
    if at_once >= crowd {
        return Some(Finding::new("tcp-memory", Level::Ok, text));
    }
    let pages = |factor: u64| crowd.saturating_mul(MESSAGE_COST) / 4_096 * factor / 4;
    let line = format!("sysctl -w net.ipv4.tcp_mem='{} {} {}'", pages(3), pages(4), pages(6));
    let text = format!("{text}; a message to all {} comes late to some", grouped(crowd));
    Some(Finding::new("tcp-memory", Level::Warning, text).remedy(AS_ROOT, [line]))
}

fn backlog(facts: &Facts) -> Option<Finding> {
    let limit = facts.backlog?;
    let wished = u64::try_from(wait::limits::LISTEN_BACKLOG).unwrap_or_default();
    let text = format!("connections waiting to be accepted: {} a shard", grouped(limit.min(wished)));
    if limit >= wished {
        return Some(Finding::new("backlog", Level::Ok, text));
    }
    let text = format!("{text}; when a crowd comes back at once, some try twice");
    let line = format!("sysctl -w net.core.somaxconn={wished}");
    Some(Finding::new("backlog", Level::Warning, text).remedy(AS_ROOT, [line]))
}

fn half_open(facts: &Facts) -> Option<Finding> {
    let limit = facts.half_open?;
    if facts.cookies? || limit >= HALF_OPEN_WISHED {
        return Some(Finding::new("half-open", Level::Ok, "connections that are being made: any number"));
    }
    let text = format!("connections that are being made: {}, and SYN cookies are off", grouped(limit));
    let lines = ["sysctl -w net.ipv4.tcp_syncookies=1"];
    Some(Finding::new("half-open", Level::Warning, text).remedy(AS_ROOT, lines))
}

/// Containers mostly have none, by their filter of system calls.
fn io_uring(facts: &Facts) -> Option<Finding> {
    if facts.io_uring? {
        let text = "io_uring: a message to many goes to the kernel in few calls";
        return Some(Finding::new("io-uring", Level::Ok, text));
    }
    let text = "io_uring: not allowed here, so each send is a call of its own; a message to many takes more of the processors";
    let container = "docker run --security-opt seccomp=PROFILE …    # the usual one, which also allows io_uring_setup and io_uring_enter";
    Some(
        Finding::new("io-uring", Level::Note, text)
            .remedy(AS_ROOT, ["sysctl -w kernel.io_uring_disabled=0"])
            .remedy("or where the container is started", [container]),
    )
}

/// Clients bring their own ports; a proxy on this machine uses those of this machine.
fn ports(facts: &Facts) -> Option<Finding> {
    let (first, last) = facts.ports?;
    let count = (last + 1).saturating_sub(first);
    let text = format!(
        "ports: clients need none of this machine; a proxy on it can hold {} connections to each address of the WAIT line",
        grouped(count)
    );
    let finding = Finding::new("ports", Level::Note, text);
    if count >= PORTS_WISHED {
        return Some(finding);
    }
    Some(finding.remedy(
        "as root, where there is such a proxy",
        ["sysctl -w net.ipv4.ip_local_port_range='1024 65535'"],
    ))
}

/// A finding about a limit of connections.
fn limited(name: &'static str, text: String, connections: u64, crowd: u64) -> Finding {
    let level = if connections < crowd { Level::Problem } else { Level::Ok };
    let mut finding = Finding::new(name, level, format!("{text}; {} connections", grouped(connections)));
    finding.connections = Some(connections);
    finding
}

/// Where it is bad, how to raise it.
fn raise(finding: Finding, name: &str, value: u64) -> Finding {
    if finding.level == Level::Ok {
        return finding;
    }
    finding.remedy(AS_ROOT, [format!("sysctl -w {name}={value}")])
}

fn of(all: Use) -> String {
    format!("{} of {} are in use", grouped(all.used), grouped(all.limit))
}

/// A number of bytes as people read it.
fn bytes(len: u64) -> String {
    let (unit, name) = match len {
        0x4000_0000.. => (30, "GiB"),
        0x10_0000.. => (20, "MiB"),
        _ => (10, "KiB"),
    };
    let tenths = (u128::from(len) * 10) >> unit;
    if tenths % 10 == 0 {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

const AS_ROOT: &str = "as root";
/// The limit of open files to begin with, where it has to be raised.
const OPEN_FILES_USUAL: u64 = 1 << 20;
/// Half-open connections that are enough without SYN cookies.
const HALF_OPEN_WISHED: u64 = 4_096;
/// About as many ports as a machine can have.
const PORTS_WISHED: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const CROWD: CrowdQuestion = CrowdQuestion { crowd: 100_000, shards: 2 };

    /// A machine on which all is well.
    fn good() -> Facts {
        Facts {
            kernel: Some("6.1.0".to_owned()),
            open_files: Some(1 << 20),
            open_files_max: Some(1 << 20),
            files: Some(Use { used: 1_000, limit: 4_000_000 }),
            watches: Some(3_000_000),
            backlog: Some(4_096),
            half_open: Some(1_024),
            cookies: Some(true),
            ports: Some((1_024, 65_535)),
            tcp_len: Some(8 << 30),
            tracked: Some(Use { used: 10, limit: 1 << 20 }),
            memory_len: Some(8 << 30),
            io_uring: Some(true),
            group_len: Some(Use { used: 1 << 30, limit: 8 << 30 }),
        }
    }

    /// That of a machine with these facts, only `name` is worse than a note, and how.
    fn check(facts: &Facts, name: &str, level: Level, words: &[&str]) {
        let report = report(facts, CROWD).unwrap();
        for finding in &report.findings {
            if finding.name == name {
                assert_eq!(finding.level, level, "{finding:?}");
                let whole = format!("{finding:?}");
                for word in words {
                    assert!(whole.contains(word), "{word}: {whole}");
                }
            } else {
                assert!(finding.level <= Level::Note, "{finding:?}");
            }
        }
        assert!(report.findings.iter().any(|finding| finding.name == name), "{name}: {report:?}");
    }

    #[test]
    fn a_good_machine_has_no_problems() {
        let report = report(&good(), CROWD).unwrap();
        assert_eq!(report.level(), Level::Note, "{}", report.text());
        assert!(report.findings.iter().all(|finding| finding.remedies.is_empty()), "{}", report.text());
        assert_eq!(report.more["limited_by"], "tracked");
        assert_eq!(report.more["connections"], (1 << 20) - 10);
    }

    #[test]
    fn open_files_count_for_each_shard() {
        let facts = Facts { open_files: Some(50_015), ..good() };
        check(&facts, "open-files", Level::Problem, &["99,998 connections", "nofile=1048576", "LimitNOFILE"]);
        check(
            &Facts { open_files: Some(50_016), ..good() },
            "open-files",
            Level::Ok,
            &["100,000 connections"],
        );
        check(&Facts { open_files: Some(u64::MAX), ..good() }, "open-files", Level::Ok, &["8,388,608"]);
    }

    #[test]
    fn the_limit_of_the_limit_is_raised_first() {
        let facts = Facts { open_files: Some(1_024), open_files_max: Some(4_096), ..good() };
        check(&facts, "open-files", Level::Problem, &["sysctl -w fs.nr_open=1048576"]);
        let finding = open_files(&facts, CrowdQuestion { crowd: 4_000_000, shards: 2 }).unwrap();
        assert!(format!("{finding:?}").contains("nofile=2000016:2000016"), "{finding:?}");
    }

    #[test]
    fn limits_of_the_machine_stop_a_crowd() {
        let all = Some(Use { used: 1_000, limit: 100_999 });
        check(&Facts { files: all, ..good() }, "files", Level::Problem, &["99,999", "fs.file-max=201000"]);
        check(&Facts { tracked: all, ..good() }, "tracked", Level::Problem, &["nf_conntrack_max=201000"]);
        let facts = Facts { watches: Some(99_999), ..good() };
        check(&facts, "watches", Level::Problem, &["fs.epoll.max_user_watches=200000"]);
    }

    #[test]
    fn memory_stops_a_crowd() {
        let short = MEMORY_BESIDE + 99_999 * CONNECTION_COST;
        check(
            &Facts { memory_len: Some(short), ..good() },
            "memory",
            Level::Problem,
            &["99,999 connections"],
        );
        check(&Facts { memory_len: Some(0), ..good() }, "memory", Level::Problem, &["; 0 connections"]);
        let group_len = Some(Use { used: 1 << 20, limit: short });
        check(&Facts { group_len, ..good() }, "group-memory", Level::Problem, &["MemoryMax=", "docker run"]);
    }

    #[test]
    fn what_only_slows_down_is_a_warning() {
        let facts = Facts { tcp_len: Some(1 << 20), ..good() };
        check(&facts, "tcp-memory", Level::Warning, &["256 connections", "tcp_mem='75000 100000 150000'"]);
        check(&Facts { backlog: Some(128), ..good() }, "backlog", Level::Warning, &["somaxconn=4096"]);
        check(&Facts { cookies: Some(false), ..good() }, "half-open", Level::Warning, &["tcp_syncookies=1"]);
    }

    #[test]
    fn few_ports_are_a_note() {
        check(
            &Facts { ports: Some((32_768, 60_999)), ..good() },
            "ports",
            Level::Note,
            &["28,232", "1024 65535"],
        );
    }

    #[test]
    fn without_io_uring_there_is_a_note() {
        let words = ["a call of its own", "kernel.io_uring_disabled=0", "seccomp=PROFILE"];
        check(&Facts { io_uring: Some(false), ..good() }, "io-uring", Level::Note, &words);
    }

    #[test]
    fn without_facts_there_is_no_report() {
        assert!(report(&Facts::default(), CROWD).is_none());
        let facts = Facts { memory_len: Some(8 << 30), ..Facts::default() };
        assert_eq!(report(&facts, CROWD).unwrap().findings.len(), 1);
    }

    #[test]
    fn bytes_are_readable() {
        let texts = [0, 4_096, 1_048_576, 1_610_612_736].map(bytes);
        assert_eq!(texts, ["0 KiB", "4 KiB", "1 MiB", "1.5 GiB"]);
    }
}
