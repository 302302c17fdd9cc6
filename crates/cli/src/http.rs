//! What the command line clients share: the way to a server, and its refusals in plain words.

mod unix_socket;

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::ArgMatches;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use settings::{UNIX, keys};
use tls::rustls::crypto::aws_lc_rs::default_provider;
use ureq::Agent;
use ureq::RequestBuilder;
use ureq::config::ConfigBuilder;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::DefaultResolver;

use crate::limits::{ANSWER_LEN_MAX, CONNECT_TIMEOUT};
use unix_socket::ToSocket;

/// The IN line, where nothing else is said: where it listens by default.
pub(crate) fn in_url() -> String {
    format!("http://{}", keys::IN.default_text())
}

/// The WAIT line, where nothing else is said: where it listens by default, which is everywhere.
pub(crate) fn wait_url() -> String {
    format!("http://{}", keys::WAIT.default_text().replace("0.0.0.0", "127.0.0.1"))
}

/// The beginning of a configuration: an answer is an answer whatever its status, and a proxy of the
/// environment is not for a server of one's own.
pub(crate) fn config(trust: &Trust) -> ConfigBuilder<AgentScope> {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT));
    let Trust(Some(authorities)) = trust else { return config };
    let provider = Arc::new(default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(authorities));
    config.tls_config(tls.build())
}

/// By whose word a server of `https://` is trusted; `None`: the server speaks plain HTTP.
#[derive(Debug, Default)]
pub(crate) struct Trust(Option<Vec<Certificate<'static>>>);

impl Trust {
    /// Those of the file that `--ca` names, else those of the system.
    pub(crate) fn read(matches: &ArgMatches, base: &str) -> anyhow::Result<Self> {
        if !base.starts_with("https://") {
            return Ok(Self(None));
        }
        let said = matches.get_one::<String>("ca").map(Path::new);
        let file = authorities(said).context(
            "this system has no list of authorities where one is looked for; name a file with --ca",
        )?;
        let found = tls::read_authorities(file)?;
        Ok(Self(Some(found.iter().map(|found| Certificate::from_der(found).to_owned()).collect())))
    }
}

/// The file of whom to trust: the one that is said, else that of this system, where there is one.
pub fn authorities(said: Option<&Path>) -> Option<&Path> {
    said.or_else(|| SYSTEM_CA.iter().map(Path::new).find(|file| file.exists()))
}

/// Where systems keep whom they trust: Debian and Alpine, Fedora, SUSE.
const SYSTEM_CA: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// The API key to show, if there is one: the first of those that the variable of a server may have.
pub(crate) fn key(matches: &ArgMatches) -> Option<String> {
    let said = matches.get_one::<String>("key")?;
    said.split(',').map(str::trim).find(|key| !key.is_empty()).map(str::to_owned)
}

/// A request with its key, or without one.
pub(crate) fn with_key<B>(request: RequestBuilder<B>, key: Option<&str>) -> RequestBuilder<B> {
    match key {
        Some(key) => request.header("Authorization", format!("Bearer {key}")),
        None => request,
    }
}

/// An agent that finds its way to the server of this base.
pub(crate) fn agent(config: ConfigBuilder<AgentScope>, base: &str) -> Agent {
    match socket_and_prefix(base) {
        Some((path, _)) => {
            Agent::with_parts(config.build(), ToSocket(path.into()), DefaultResolver::default())
        }
        None => config.build().new_agent(),
    }
}

/// The URL of what is at this target of a server. Through a socket, what stands for its host is not looked up.
pub(crate) fn url(base: &str, target: &str) -> String {
    match socket_and_prefix(base) {
        Some((_, prefix)) => format!("http://127.0.0.1{prefix}{target}"),
        None => format!("{base}{target}"),
    }
}

/// The path of a socket, and what stands before all paths behind it: `unix:/run/wait.sock:/push`, as nginx has it.
fn socket_and_prefix(base: &str) -> Option<(&str, &str)> {
    let path = base.strip_prefix(UNIX)?;
    Some(path.find(":/").map_or((path, ""), |at| (&path[..at], &path[at + 1..])))
}

/// The base of URLs, without its last slash.
pub(crate) fn base(url: &str, flag: &str, example: &str) -> anyhow::Result<String> {
    if url.strip_prefix(UNIX).is_some_and(|path| path.len() > 1 && path.starts_with('/')) {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    match url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")) {
        Some(rest) if !rest.trim_end_matches('/').is_empty() => Ok(url.trim_end_matches('/').to_owned()),
        _ => bail!(
            "{flag} is {url:?}; give a URL such as {example}, or a UNIX socket by its absolute path, such as unix:/run/multiplexor.sock"
        ),
    }
}

/// One part of a path, or one value of a query.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The names of a path, separated by commas.
pub(crate) fn encode_names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(encode).collect::<Vec<_>>().join(",")
}

/// Why there was no answer, in plain words.
pub(crate) fn no_answer(base: &str, error: &ureq::Error) -> anyhow::Error {
    match error {
        ureq::Error::Io(error)
            if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
        {
            anyhow!("no server answers at {base}; start one with: multiplexor")
        }
        ureq::Error::ConnectionFailed => anyhow!("no server answers at {base}; start one with: multiplexor"),
        ureq::Error::HostNotFound => anyhow!("there is no host of that name: {base}"),
        ureq::Error::Timeout(_) => anyhow!("the server at {base} did not answer in time"),
        error => anyhow!("the server at {base} gave no answer: {error}"),
    }
}

/// What a refusal says, in the server's own words where it has some.
pub(crate) fn refusal(answer: Response<ureq::Body>) -> String {
    #[derive(Deserialize)]
    struct Problem {
        detail: String,
    }
    let status = answer.status();
    let mut body = Vec::new();
    let read = answer.into_body().into_reader().take(ANSWER_LEN_MAX).read_to_end(&mut body);
    let problem = read.ok().and_then(|_| serde_json::from_slice::<Problem>(&body).ok());
    problem.map_or_else(|| format!("it answered {status}"), |problem| problem.detail)
}

/// All but what a URL leaves alone everywhere.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_plain_url() {
        assert_eq!(base("http://a:1/", "--server", "http://a:1").unwrap(), "http://a:1");
        assert_eq!(base("http://a/b", "--server", "http://a:1").unwrap(), "http://a/b");
        assert_eq!(base("unix:/a:/b/", "--server", "http://a:1").unwrap(), "unix:/a:/b");
        for bad in ["", "unix:", "unix:a", "unix:/", "a:1", "http://", "https://", "ftp://a"] {
            assert!(
                base(bad, "--server", "http://a:1").unwrap_err().to_string().contains("--server"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_socket_may_have_a_prefix_behind_it() {
        assert_eq!(url("http://a/b", "/c"), "http://a/b/c");
        assert_eq!(url("unix:/run/a.sock", "/c"), "http://127.0.0.1/c");
        assert_eq!(url("unix:/run/a.sock:/push", "/c"), "http://127.0.0.1/push/c");
        assert_eq!(socket_and_prefix("unix:/run/a.sock:/push"), Some(("/run/a.sock", "/push")));
        assert_eq!(socket_and_prefix("http://a:/b"), None);
    }

    #[test]
    fn names_are_encoded_one_by_one() {
        assert_eq!(
            encode_names(["user.42", "a/b c", "чат", "50%"].into_iter()),
            "user.42,a%2Fb%20c,%D1%87%D0%B0%D1%82,50%25"
        );
    }
}
