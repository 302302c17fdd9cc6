//! What the command line wishes for, checked: a scenario or steps, a crowd, a server.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ArgMatches;

use crate::command::words;
use crate::job::Job;
use crate::machine::{check_memory, shards_for, workers_for};
use crate::plan::{ClientTransport, Endpoint, Plan, Schedule, Step};
use crate::publisher::MessageMaker;
use crate::scenario::{SCENARIOS, Scenario};
use crate::template::Template;

/// A run, and the server it needs.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) job: Job,
    /// The flags of a server to be started; none is where this is `None`.
    pub(crate) own_flags: Option<Vec<String>>,
}

/// Reads it; `files` may be open in each process.
pub(crate) fn read(matches: &ArgMatches, files: u64) -> anyhow::Result<Wish> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let count = |name: &str| matches.get_one::<usize>(name).copied().unwrap_or(0);
    let real = |name: &str| matches.get_one::<f64>(name).copied().unwrap_or(0.0);
    let (scenario, steps) = read_steps(&words(matches, "steps"), matches.get_one("clients").copied())?;
    let joins = steps.iter().filter_map(|(_, step)| if let Step::Join(n) = step { Some(*n) } else { None });
    let clients = joins.max().unwrap_or(0);
    let resumes = steps.iter().any(|(_, step)| *step == Step::Back);
    let batches = steps.iter().any(|(_, step)| matches!(step, Step::Send(sending) if sending.batch > 0));
    let has_own_channels = scenario.is_some_and(|scenario| scenario.has_own_channels);
    let channels = match text("channels") {
        Some("each") => clients.max(1),
        None if has_own_channels => clients.max(1),
        other => other.unwrap_or("1").parse::<u32>().context("--channels must be a number, or each")?.max(1),
    };
    let schedule = Schedule::new(channels, matches.get_flag("scatter") || has_own_channels);
    let transport = transport(text("transport").unwrap_or("sse"))?;
    let resumed = resumes || transport == ClientTransport::Poll;
    let target = Endpoint::parse(text("url").unwrap_or(if resumed { RESUMED_URL } else { URL }))?;
    let publish = Endpoint::parse(text("publish").unwrap_or(if batches { BATCH_URL } else { PUBLISH_URL }))?;
    let spoken = text("publish").is_some_and(|url| url.starts_with("ws://"));
    let body = default_body(batches, spoken)?;
    let media = text("type").unwrap_or(if batches { "application/x-ndjson" } else { "text/plain" });
    let own_flags = text("self").map(|flags| own_flags(flags, clients, files)).transpose()?;
    check_memory(clients, if target.address.ip().is_loopback() { 2 } else { 1 })?;
    let workers = u32::try_from(count("workers"))?;
    let headers = format!("Content-Type: {media}\r\n{}", headers(&words(matches, "publish-header"))?);
    let job = Job {
        publisher: MessageMaker {
            path: Template::new(&publish.path),
            target: publish,
            body: Template::new(text("body").unwrap_or(body)),
            headers,
            spoken,
            schedule,
            name_len: count("name-len"),
            payload_len: count("payload-len"),
        },
        plan: Plan {
            transport,
            schedule,
            compressed: matches.get_flag("compressed"),
            headers: self::headers(&words(matches, "header"))?,
            name_len: count("name-len"),
            connect_rate: real("connect-rate"),
            pending_max: count("pending").max(1),
            sources: if target.address.ip() == LOOPBACK { clients / CLIENTS_PER_SOURCE + 1 } else { 0 },
            by_reset: !matches.get_flag("fin"),
            values: text("values").map(str::to_owned),
            target,
        },
        workers: if workers > 0 { workers } else { workers_for(clients, files)? },
        scenario: scenario.map(|scenario| scenario.name),
        steps,
        pids: matches.get_many("pid").into_iter().flatten().copied().collect(),
        patience: Duration::try_from_secs_f64(real("patience")).context("--patience")?,
        settle: Duration::try_from_secs_f64(real("settle")).context("--settle")?,
    };
    Ok(Wish { job, own_flags })
}

/// What is sent of each message where nobody says.
fn default_body(batches: bool, spoken: bool) -> anyhow::Result<&'static str> {
    match (batches, spoken) {
        (true, true) => {
            bail!("a batch is a request of its own, which a WebSocket has none of: give --publish http://…")
        }
        (true, false) => Ok(ITEM),
        (false, true) => Ok(COMMAND),
        (false, false) => Ok("{payload}"),
    }
}

impl Wish {
    /// Turns to a server that has been started for it.
    pub(crate) fn use_own(&mut self, wait: SocketAddr, publish: SocketAddr, pid: u32) {
        for (target, address) in
            [(&mut self.job.plan.target, wait), (&mut self.job.publisher.target, publish)]
        {
            target.address = address;
            target.host = address.to_string();
        }
        self.job.pids.push(pid);
    }

    /// Whether there is anybody to talk to.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let sends = self.job.steps.iter().any(|(_, step)| matches!(step, Step::Send(_)));
        let joins = self.job.steps.iter().any(|(_, step)| matches!(step, Step::Join(_)));
        let (waits, publishes) = (&self.job.plan.target, &self.job.publisher.target);
        for (target, flag, is_needed) in [(waits, "--url", joins), (publishes, "--publish", sends)] {
            if is_needed {
                TcpStream::connect_timeout(&target.address, CONNECT_TIMEOUT).with_context(|| {
                    format!(
                        "nobody answers at http://{}; start a server there, give another address by {flag}, \
                         or let --self start one",
                        target.host
                    )
                })?;
            }
        }
        for pid in &self.job.pids {
            if !std::path::Path::new(&format!("/proc/{pid}/smaps_rollup")).exists() {
                bail!("--pid {pid}: there is no such process");
            }
        }
        Ok(())
    }
}

/// A scenario, and steps: each as it was given, and what it means.
type Script = (Option<&'static Scenario>, Vec<(String, Step)>);

/// The scenario, if the first word names one, and all steps.
fn read_steps(words: &[String], clients: Option<u32>) -> anyhow::Result<Script> {
    let scenario = words.first().and_then(|word| Scenario::named(word));
    if clients.is_some() && scenario.is_none() {
        bail!("--clients is for scenarios; among steps, join=N says how many there are");
    }
    let mut all =
        scenario.map_or_else(Vec::new, |scenario| scenario.words(clients.unwrap_or(scenario.clients)));
    all.extend_from_slice(&words[usize::from(scenario.is_some())..]);
    let step = |word: String| {
        if Scenario::named(&word).is_some() {
            bail!("{word} is a scenario, which comes first, and alone or with steps after it");
        }
        match word.parse() {
            Ok(step) => Ok((word, step)),
            Err(_) if word.bytes().all(|byte| byte.is_ascii_alphabetic()) => bail!(no_scenario(&word)),
            Err(error) => Err(error),
        }
    };
    Ok((scenario, all.into_iter().map(step).collect::<anyhow::Result<_>>()?))
}

fn no_scenario(word: &str) -> String {
    let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    format!("there is no scenario {word:?}; there are {}", names.join(", "))
}

fn own_flags(given: &str, clients: u32, files: u64) -> anyhow::Result<Vec<String>> {
    let mut flags: Vec<String> = given.split_whitespace().map(str::to_owned).collect();
    let has_shards = flags.iter().any(|flag| flag == "--shards" || flag.starts_with("--shards="));
    if let Some(shards) = shards_for(clients, files)?.filter(|_| !has_shards) {
        flags.extend(["--shards".to_owned(), shards.to_string()]);
    }
    Ok(flags)
}

/// Header lines as they are sent.
fn headers(lines: &[String]) -> anyhow::Result<String> {
    let mut out = String::new();
    for line in lines {
        let name = line.split_once(':').map_or("", |(name, _)| name);
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || line.contains(['\r', '\n']) {
            bail!("{line:?} is no header; give NAME: VALUE");
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    Ok(out)
}

fn transport(name: &str) -> anyhow::Result<ClientTransport> {
    Ok(match name {
        "sse" => ClientTransport::Sse,
        "ws" => ClientTransport::Ws,
        "stream" => ClientTransport::Stream,
        "poll" => ClientTransport::Poll,
        other => bail!("{other:?} is no transport; there are sse, ws, stream and poll"),
    })
}

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// Of one local address; there are 60,000 ports at most.
const CLIENTS_PER_SOURCE: u32 = 10_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const URL: &str = "http://127.0.0.1:8088/sub/{ch}";
const RESUMED_URL: &str = "http://127.0.0.1:8088/sub/{ch}?since={cursor}";
const PUBLISH_URL: &str = "http://127.0.0.1:10010/pub/{ch}";
const BATCH_URL: &str = "http://127.0.0.1:10010/pub";
const COMMAND: &str = "{\"publish\":\"{ch}\",\"data\":\"{payload}\"}";
const ITEM: &str = "{\"channel\":\"{ch}\",\"data\":\"{payload}\"}\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(words: &[&str], clients: Option<u32>) -> Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let read = read_steps(&words, clients).map_err(|error| format!("{error:#}"))?;
        Ok(read.1.into_iter().map(|(text, _)| text).collect())
    }

    #[test]
    fn a_scenario_is_its_steps() {
        assert_eq!(steps(&["idle"], None).unwrap(), ["join=10000", "idle=5"]);
        assert_eq!(steps(&["idle", "idle=1"], Some(7)).unwrap(), ["join=7", "idle=5", "idle=1"]);
        assert_eq!(steps(&["join=3", "back"], None).unwrap(), ["join=3", "back"]);
    }

    #[test]
    fn what_is_no_scenario_is_told() {
        let told = |words: &[&str], clients| steps(words, clients).unwrap_err();
        assert!(
            told(&["storms"], None).contains("there are idle, fanout, unicast, churn, reload, storm, slow")
        );
        assert!(told(&["join=1", "idle"], None).contains("comes first"));
        assert!(told(&["join=1"], Some(3)).contains("join=N"));
        assert!(told(&["jump=1"], None).contains("--help"));
    }

    #[test]
    fn headers_are_lines() {
        let read = |line: &str| headers(&[line.to_owned()]);
        assert_eq!(read("Authorization: Bearer x").unwrap(), "Authorization: Bearer x\r\n");
        for bad in ["", ":", "a", "a b: c", "a: b\r\nc: d"] {
            assert!(read(bad).unwrap_err().to_string().contains("NAME: VALUE"), "{bad:?}");
        }
    }

    #[test]
    fn a_server_of_ones_own_has_shards_enough() {
        assert_eq!(own_flags("--heartbeat 1h", 10, 20_000).unwrap(), ["--heartbeat", "1h"]);
        assert_eq!(own_flags("", 720 * 400, 1_024).unwrap(), ["--shards", "400"]);
        assert_eq!(own_flags("--shards 2", 720 * 400, 1_024).unwrap(), ["--shards", "2"]);
    }
}
