//! `multiplexor send`: publishes one message and says who waited for it.

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::args::{flag, server};
use crate::http::{self, Trust, base, config, encode, encode_names, in_url, no_answer, refusal, with_key};
use crate::limits::{ANSWER_LEN_MAX, SEND_TIMEOUT};

/// `multiplexor send`.
pub(crate) fn command() -> Command {
    Command::new("send")
        .visible_alias("publish")
        .about("Publish one message")
        .after_help(EXAMPLES)
        .arg(
            Arg::new("channel")
                .value_name("CHANNEL")
                .required_unless_present("user")
                .help("Where to: a channel, or several with commas"),
        )
        .arg(
            Arg::new("data")
                .value_name("DATA")
                .allow_negative_numbers(true)
                .help("What to say; without it, or with -, standard input is sent as it is"),
        )
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("USER")
                .help("To all connections of this user, whatever they listen to, instead of a channel"),
        )
        .arg(
            Arg::new("event")
                .long("event")
                .value_name("NAME")
                .help("The event's name, for those who listen to SSE"),
        )
        .arg(
            Arg::new("ttl")
                .long("ttl")
                .value_name("SECONDS")
                .help("How long it is kept for those who come back; 0: not at all"),
        )
        .arg(
            Arg::new("type")
                .long("type")
                .value_name("MEDIA-TYPE")
                .help("The media type, such as application/json"),
        )
        .arg(
            Arg::new("except")
                .long("except")
                .value_name("ID")
                .help("The id of a connection that is not to be given it"),
        )
        .arg(flag("json", "Print the server's whole answer"))
        .args(server())
}

/// What is to be sent, and where.
struct SendArgs {
    base: String,
    key: Option<String>,
    /// Where on the IN line it goes.
    path: String,
    trust: Trust,
    /// `None`: standard input.
    data: Option<String>,
    event: Option<String>,
    ttl: Option<String>,
    content_type: Option<String>,
    except: Option<String>,
    json: bool,
}

impl SendArgs {
    /// Reads it from the command line.
    fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let (path, data) = match text("user") {
            None => (
                format!("/pub/{}", encode_names(text("channel").unwrap_or_default().split(','))),
                text("data"),
            ),
            Some(user) => {
                if text("data").is_some() {
                    bail!(
                        "a message goes to a user or to a channel; leave one out, and quote what is to be said"
                    );
                }
                // What would be the channel is what is to be said.
                (format!("/users/{}/pub", encode(&user)), text("channel"))
            }
        };
        let base = base(&text("server").unwrap_or_default(), "--server", &in_url())?;
        Ok(Self {
            trust: Trust::read(matches, &base)?,
            base,
            key: http::key(matches),
            path,
            data: data.filter(|data| data != "-"),
            event: text("event"),
            ttl: text("ttl"),
            content_type: text("type"),
            except: text("except"),
            json: matches.get_flag("json"),
        })
    }

    fn url(&self) -> String {
        let mut url = http::url(&self.base, &self.path);
        let words = [("event", &self.event), ("ttl", &self.ttl)];
        for (n, (name, value)) in
            words.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).enumerate()
        {
            url += &format!("{}{name}={}", if n == 0 { '?' } else { '&' }, encode(value));
        }
        url
    }
}

/// Sends what the command line says.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let args = SendArgs::read(matches)?;
    let data = match &args.data {
        Some(data) => data.clone().into_bytes(),
        None => {
            if io::stdin().is_terminal() {
                let _ = writeln!(io::stderr(), "multiplexor: say it here, then Ctrl-D on a line of its own");
            }
            let mut data = Vec::new();
            io::stdin().read_to_end(&mut data).context("standard input cannot be read")?;
            data
        }
    };
    let config =
        config(&args.trust).timeout_recv_response(Some(SEND_TIMEOUT)).timeout_recv_body(Some(SEND_TIMEOUT));
    let agent = http::agent(config, &args.base);
    let mut request = with_key(agent.post(args.url()), args.key.as_deref());
    if let Some(content_type) = &args.content_type {
        request = request.header("Content-Type", content_type);
    }
    if let Some(except) = &args.except {
        request = request.header("Multiplexor-Except", except);
    }
    let answer = request.send(&data[..]).map_err(|error| no_answer(&args.base, &error))?;
    if answer.status() != 200 {
        bail!("not sent: {}", refusal(answer));
    }
    let mut body = String::new();
    answer
        .into_body()
        .into_reader()
        .take(ANSWER_LEN_MAX)
        .read_to_string(&mut body)
        .context("it was sent, but the answer broke off")?;
    let line = if args.json { body.trim_end().to_owned() } else { report(&body)? };
    // It was sent, whether anybody still reads about it or not.
    let _ = writeln!(io::stdout(), "{line}");
    Ok(ExitCode::SUCCESS)
}

/// The answer as one line for people.
fn report(body: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        channels: Map<String, Value>,
    }
    let answer: Answer =
        serde_json::from_str(body).context("it was sent, but the answer is none of multiplexor's")?;
    if answer.channels.is_empty() {
        return Ok("sent".to_owned());
    }
    let channels = answer.channels.iter().map(|(name, seen)| format!("{name}: {} waiting", seen["waiting"]));
    Ok(format!("sent to {}", channels.collect::<Vec<_>>().join(", ")))
}

const EXAMPLES: &str = "\
Examples:
  multiplexor send news 'hello'
  multiplexor send news,user.42 '{\"n\": 1}' --type application/json --event tick
  multiplexor send --user ann 'hello, ann'
  date | multiplexor send clock";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_line() {
        let body = r#"{"cursor":"a1","channels":{"news":{"waiting":3,"online":true},"a b":{"waiting":0,"online":false}}}"#;
        assert_eq!(report(body).unwrap(), "sent to news: 3 waiting, a b: 0 waiting");
        assert_eq!(report(r#"{"cursor":"a1","channels":{}}"#).unwrap(), "sent");
        assert!(report("hello").is_err());
    }
}
