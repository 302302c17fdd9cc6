//! What is to be done: who connects how, which message goes where, and the steps of a run.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// How clients wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientTransport {
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    Ws,
    /// An endless answer.
    Stream,
    /// Long poll: each answer is followed by the next request.
    Poll,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// The address to connect to.
    pub(crate) address: SocketAddr,
    /// For the header `Host`.
    pub(crate) host: String,
    /// The path with its places, see [`crate::template`].
    pub(crate) path: String,
}

/// What every worker must know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) transport: ClientTransport,
    pub(crate) target: Endpoint,
    pub(crate) schedule: Schedule,
    /// Whether clients take compressed messages.
    pub(crate) compressed: bool,
    /// Further header lines of each request, each with its line end.
    pub(crate) headers: String,
    /// Bytes of a channel's name, see [`crate::template::Fill`].
    pub(crate) name_len: usize,
    /// New connections a second, of all workers together; 0: as fast as they are answered.
    pub(crate) connect_rate: f64,
    /// Connections of a worker that are not answered yet.
    pub(crate) pending_max: usize,
    /// Of how many local addresses clients come; 0 where the target is not on this machine.
    pub(crate) sources: u32,
    /// Whether connections end with a reset, which leaves nothing behind, or as browsers end them.
    pub(crate) by_reset: bool,
    /// A file whose lines fill `{value}`, see [`crate::template`].
    pub(crate) values: Option<String>,
}

/// Which message goes to which channel: round robin, or each round in the same scattered order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    /// How many channels there are, at least one.
    pub(crate) channels: u32,
    /// Coprime to `channels`: message n goes to channel n times this; 1 for round robin.
    pub(crate) stride: u32,
}

/// One step of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// More clients connect, until there are so many.
    Join(u32),
    /// Nothing is done for so many seconds.
    Idle(f64),
    /// So many messages are sent.
    Send(SendPlan),
    /// So many percent of the clients leave.
    Leave(f64),
    /// Those who left come back, with their cursors.
    Back,
    /// So many times a client, one after the other, leaves and comes back at once.
    Reload(Reloading),
    /// So many percent of the clients read no more.
    Pause(f64),
    /// They read again, and all that gathered meanwhile.
    Resume,
    /// Nothing is done until a line comes on standard input.
    Enter,
}

/// How clients come back at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reloading {
    /// How many times.
    pub(crate) count: u32,
    /// How often a second, of all workers together; 0: as fast as they are answered.
    pub(crate) rate: f64,
}

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct SendPlan {
    /// How many messages.
    pub(crate) count: u32,
    /// How many a second; 0: the next when an earlier one is answered.
    pub(crate) rate: f64,
    /// Whether each comes at a random moment of its time, and not at the beginning of it.
    pub(crate) at_random: bool,
    /// How many may be unanswered.
    pub(crate) outstanding: u32,
    /// How many are in one request; 0: no batch, each has a request of its own.
    pub(crate) batch: u32,
}

impl Schedule {
    /// So many channels, in turn or scattered.
    pub(crate) fn new(channels: u32, scattered: bool) -> Self {
        let golden = (u64::from(channels) * 618 / 1000).max(1);
        let stride = (golden..).find(|stride| gcd(*stride, u64::from(channels)) == 1);
        let stride = stride.and_then(|stride| u32::try_from(stride).ok()).unwrap_or(1);
        Self { channels, stride: if scattered { stride } else { 1 } }
    }

    /// The channel that a message goes to.
    pub(crate) fn channel_of(self, number: u32) -> u32 {
        let place = u64::from(number % self.channels) * u64::from(self.stride);
        u32::try_from(place % u64::from(self.channels)).expect("less than a u32")
    }

    /// The channel that a client waits on.
    pub(crate) fn channel_of_client(self, client: u32) -> u32 {
        client % self.channels
    }

    /// The how-manyeth message of its channel a message is, from 1.
    pub(crate) fn ordinal_of(self, number: u32) -> u32 {
        number / self.channels + 1
    }

    /// For each channel, how many of `count` messages from number `first` on go to it.
    pub(crate) fn spread(self, first: u32, count: u32) -> Spread {
        let mut extra = vec![false; self.channels as usize];
        for n in 0..count % self.channels {
            extra[self.channel_of(first + n) as usize] = true;
        }
        Spread { each: count / self.channels, extra }
    }
}

/// How many messages each channel gets.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    each: u32,
    /// Channels that get one more.
    extra: Vec<bool>,
}

impl Spread {
    /// How many this channel gets.
    pub(crate) fn of(&self, channel: u32) -> u32 {
        self.each + u32::from(self.extra[channel as usize])
    }
}

impl Endpoint {
    /// Reads `http://HOST:PORT/PATH`.
    pub(crate) fn parse(url: &str) -> anyhow::Result<Self> {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("ws://"))
            .with_context(|| format!("{url:?} does not begin with http://"))?;
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let found = with_port.to_socket_addrs().with_context(|| format!("no address for {host:?}"))?;
        // A server that listens on 127.0.0.1 only is common; "localhost" means that first.
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(SocketAddr::is_ipv6);
        let address = found.first().copied().with_context(|| format!("no address for {host:?}"))?;
        Ok(Self { address, host: host.to_owned(), path: path.to_owned() })
    }
}

impl FromStr for Step {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let unknown = || format!("step {text:?} is not understood; see multiplexor bench --help");
        Ok(match name {
            "join" => Self::Join(value.parse().with_context(unknown)?),
            "idle" => Self::Idle(value.trim_end_matches('s').parse().with_context(unknown)?),
            "send" => Self::Send(parse_sending(value).with_context(unknown)?),
            "batch" => Self::Send(parse_batch(value).with_context(unknown)?),
            "leave" => Self::Leave(value.trim_end_matches('%').parse().with_context(unknown)?),
            "back" if value.is_empty() => Self::Back,
            "reload" => Self::Reload(parse_reloading(value).with_context(unknown)?),
            "pause" if value.is_empty() => Self::Pause(100.0),
            "pause" => Self::Pause(value.trim_end_matches('%').parse().with_context(unknown)?),
            "resume" if value.is_empty() => Self::Resume,
            "enter" if value.is_empty() => Self::Enter,
            _ => bail!(unknown()),
        })
    }
}

/// `COUNT`, `COUNT@RATE`, `COUNT~RATE` or `COUNT/OUTSTANDING`.
fn parse_sending(text: &str) -> anyhow::Result<SendPlan> {
    let (count, mark, value) = text
        .find(['@', '~', '/'])
        .map_or((text, "", "1"), |at| (&text[..at], &text[at..=at], &text[at + 1..]));
    let mut sending =
        SendPlan { count: count.parse()?, rate: 0.0, at_random: mark == "~", outstanding: 1, batch: 0 };
    match mark {
        "@" | "~" => sending.rate = value.parse()?,
        _ => sending.outstanding = value.parse()?,
    }
    if sending.outstanding == 0 {
        bail!("at least one must be outstanding");
    }
    Ok(sending)
}

/// `COUNT` or `COUNT@RATE`.
fn parse_reloading(text: &str) -> anyhow::Result<Reloading> {
    let (count, rate) = text.split_once('@').unwrap_or((text, "0"));
    Ok(Reloading { count: count.parse()?, rate: rate.parse()? })
}

/// `COUNT/SIZE`.
fn parse_batch(text: &str) -> anyhow::Result<SendPlan> {
    let (count, batch) = text.split_once('/').context("give COUNT/SIZE")?;
    let batch = batch.parse::<u32>()?.max(1);
    Ok(SendPlan { count: count.parse()?, rate: 0.0, at_random: false, outstanding: 1, batch })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_reaches_every_channel_once() {
        for (channels, scattered) in [(1, true), (2, true), (3, false), (10, true), (15_000, true)] {
            let schedule = Schedule::new(channels, scattered);
            let mut reached: Vec<_> = (0..channels).map(|number| schedule.channel_of(number)).collect();
            reached.sort_unstable();
            assert!(reached.into_iter().eq(0..channels), "{channels} {scattered}");
        }
    }

    /// What a channel gets is what counting message by message says.
    #[test]
    fn a_spread_is_a_count() {
        let schedule = Schedule::new(7, true);
        for (first, count) in [(0, 0), (0, 7), (3, 5), (12, 100)] {
            let spread = schedule.spread(first, count);
            for channel in 0..7 {
                let counted = (first..first + count).filter(|n| schedule.channel_of(*n) == channel).count();
                assert_eq!(spread.of(channel) as usize, counted, "{first} {count} {channel}");
            }
        }
    }

    #[test]
    fn ordinals_count_the_messages_of_a_channel() {
        let schedule = Schedule::new(3, true);
        let mut last = [0; 3];
        for number in 0..30 {
            let channel = schedule.channel_of(number) as usize;
            assert_eq!(schedule.ordinal_of(number), last[channel] + 1);
            last[channel] += 1;
        }
    }

    #[test]
    fn steps_are_words() {
        let sending = |count, rate, outstanding, batch| {
            Step::Send(SendPlan { count, rate, at_random: false, outstanding, batch })
        };
        let at_random = SendPlan { count: 200, rate: 100.0, at_random: true, outstanding: 1, batch: 0 };
        for (text, step) in [
            ("join=15000", Step::Join(15_000)),
            ("idle=2.5", Step::Idle(2.5)),
            ("idle=2s", Step::Idle(2.0)),
            ("send=30", sending(30, 0.0, 1, 0)),
            ("send=12@2", sending(12, 2.0, 1, 0)),
            ("send=200~100", Step::Send(at_random)),
            ("send=60000/16", sending(60_000, 0.0, 16, 0)),
            ("batch=100000/1000", sending(100_000, 0.0, 1, 1000)),
            ("leave=90%", Step::Leave(90.0)),
            ("back", Step::Back),
            ("reload=9", Step::Reload(Reloading { count: 9, rate: 0.0 })),
            ("reload=300@50", Step::Reload(Reloading { count: 300, rate: 50.0 })),
            ("pause", Step::Pause(100.0)),
            ("pause=10%", Step::Pause(10.0)),
            ("resume", Step::Resume),
            ("enter", Step::Enter),
        ] {
            assert_eq!(text.parse::<Step>().unwrap(), step, "{text}");
        }
        for text in ["", "join", "send=", "send=3/0", "back=1", "wait=3", "idle=soon", "reload", "reload=5@"]
        {
            assert!(text.parse::<Step>().unwrap_err().to_string().contains("--help"), "{text}");
        }
    }

    #[test]
    fn targets_are_addresses_with_paths() {
        let target = Endpoint::parse("http://127.0.0.1:8088/sub/{ch}").unwrap();
        assert_eq!((target.address.port(), target.path.as_str()), (8088, "/sub/{ch}"));
        assert_eq!(Endpoint::parse("http://127.0.0.1").unwrap().path, "/");
        assert!(Endpoint::parse("127.0.0.1:8088").is_err());
    }
}
