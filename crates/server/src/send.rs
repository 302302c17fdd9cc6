//! `multiplexor send`: publishes one message and says who waited for it.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ArgMatches;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{self, SERVER, Trust, base, config, encode, encode_names, no_answer, refusal, with_key};
use crate::limits::{ANSWER_LEN_MAX, SEND_TIMEOUT};

/// What is to be sent, and where.
pub(crate) struct Wish {
    base: String,
    key: Option<String>,
    names: String,
    /// `None`: standard input.
    trust: Trust,
    data: Option<String>,
    event: Option<String>,
    ttl: Option<String>,
    content_type: Option<String>,
    json: bool,
}

impl Wish {
    /// Reads it from the command line.
    pub(crate) fn read(matches: &ArgMatches) -> anyhow::Result<Self> {
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        let base = base(&text("server").unwrap_or_default(), "--server", SERVER)?;
        Ok(Self {
            trust: Trust::read(matches, &base)?,
            base,
            key: client::key(matches),
            names: encode_names(text("channel").unwrap_or_default().split(',')),
            data: text("data").filter(|data| data != "-"),
            event: text("event"),
            ttl: text("ttl"),
            content_type: text("type"),
            json: matches.get_flag("json"),
        })
    }

    fn url(&self) -> String {
        let mut url = client::url(&self.base, &format!("/pub/{}", self.names));
        let words = [("event", &self.event), ("ttl", &self.ttl)];
        for (n, (name, value)) in
            words.iter().filter_map(|(name, value)| Some((name, value.as_ref()?))).enumerate()
        {
            url += &format!("{}{name}={}", if n == 0 { '?' } else { '&' }, encode(value));
        }
        url
    }
}

/// Sends it.
pub(crate) fn run(wish: &Wish) -> anyhow::Result<ExitCode> {
    let data = match &wish.data {
        Some(data) => data.clone().into_bytes(),
        None => {
            let mut data = Vec::new();
            io::stdin().read_to_end(&mut data).context("standard input cannot be read")?;
            data
        }
    };
    let config =
        config(&wish.trust).timeout_recv_response(Some(SEND_TIMEOUT)).timeout_recv_body(Some(SEND_TIMEOUT));
    let agent = client::agent(config, &wish.base);
    let mut request = with_key(agent.post(wish.url()), wish.key.as_deref());
    if let Some(content_type) = &wish.content_type {
        request = request.header("Content-Type", content_type);
    }
    let answer = request.send(&data[..]).map_err(|error| no_answer(&wish.base, &error))?;
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
    let line = if wish.json { body.trim_end().to_owned() } else { report(&body)? };
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
    let channels = answer.channels.iter().map(|(name, seen)| format!("{name}: {} waiting", seen["waiting"]));
    Ok(format!("sent to {}", channels.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_line() {
        let body = r#"{"cursor":"a1","channels":{"news":{"waiting":3,"online":true},"a b":{"waiting":0,"online":false}}}"#;
        assert_eq!(report(body).unwrap(), "sent to news: 3 waiting, a b: 0 waiting");
        assert!(report("hello").is_err());
    }
}
