//! What the program prints when it listens: where, and two lines to paste.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use access::Tokens;
use cli::grouped;
use serde_json::json;
use tls::Pair;

use crate::log;
use settings::{Address, LogForm, Tls};

/// What there is to say.
pub(crate) struct Banner<'a> {
    pub(crate) wait: &'a [Address],
    pub(crate) in_addresses: &'a [Address],
    /// What stands before the paths of the WAIT line.
    pub(crate) prefix: &'a str,
    /// Which of them speak TLS.
    pub(crate) tls: &'a Tls,
    pub(crate) shards: usize,
    /// Connections each shard may hold, if there is a limit.
    pub(crate) connections: Option<u64>,
    /// Publishers show a key.
    pub(crate) needs_key: bool,
    /// What clients show.
    pub(crate) token: BannerToken,
}

/// The token that a client shows in the lines to paste.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BannerToken {
    /// None: nothing is asked for, or something else is.
    Nothing,
    /// One that is made with a secret, which this program can do, too.
    OfSecret,
    /// One that only the application can make.
    OfApplication,
}

impl BannerToken {
    /// What is shown where one can listen only by showing who one is.
    pub(crate) fn of(tokens: &Tokens) -> Self {
        match (tokens.is_empty(), tokens.secrets.is_empty()) {
            (true, _) => Self::Nothing,
            (false, true) => Self::OfApplication,
            (false, false) => Self::OfSecret,
        }
    }
}

impl Banner<'_> {
    /// Prints it to standard output.
    pub(crate) fn print(&self, form: LogForm) {
        let text = match form {
            LogForm::Text => self.text(),
            LogForm::Json => self.json(),
        };
        log::write_in_time(io::stdout(), text);
    }

    /// For people.
    fn text(&self) -> String {
        let mut lines = vec![format!("multiplexor {}", env!("CARGO_PKG_VERSION"))];
        for (n, address) in self.wait.iter().enumerate() {
            let about = if n == 0 { self.about() } else { String::new() };
            let url = place(scheme(&self.tls.wait, n), address);
            lines.push(format!("WAIT line  {url:<23} {about}").trim_end().to_owned());
        }
        let in_line = self.in_addresses.iter().enumerate();
        lines.extend(
            in_line
                .map(|(n, address)| format!("IN line    {}", place(scheme(&self.tls.in_line, n), address))),
        );
        if let ([wait, ..], [publish, ..]) = (self.wait, self.in_addresses) {
            let (publish, listen) = (
                url(scheme(&self.tls.in_line, 0), publish, "/pub/news"),
                url(scheme(&self.tls.wait, 0), wait, &format!("{}/sub/news", self.prefix)),
            );
            lines.push(String::new());
            let shown = |is_needed, variable| {
                if is_needed { format!("-H \"Authorization: Bearer ${variable}\" ") } else { String::new() }
            };
            let key = shown(self.needs_key, "MULTIPLEXOR_KEY");
            let token = shown(self.token != BannerToken::Nothing, "TOKEN");
            lines.push(format!("publish:   curl -d 'hello' {key}{publish}"));
            lines.push(format!("subscribe: curl -N -H 'Accept: text/event-stream' {token}{listen}"));
            let made = match self.token {
                BannerToken::Nothing => None,
                BannerToken::OfSecret => {
                    Some("$(multiplexor token make news), or as your application makes it")
                }
                BannerToken::OfApplication => Some("… is one that your application makes"),
            };
            lines.extend(made.map(|made| format!("           where TOKEN={made}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// For machines: one line.
    fn json(&self) -> String {
        let line = json!({
            "event": "listening",
            "version": env!("CARGO_PKG_VERSION"),
            "wait": texts(self.wait),
            "in": texts(self.in_addresses),
            "wait_prefix": self.prefix,
            "wait_schemes": schemes(&self.tls.wait, self.wait.len()),
            "in_schemes": schemes(&self.tls.in_line, self.in_addresses.len()),
            "shards": self.shards,
            "connections_per_shard": self.connections,
        });
        format!("{line}\n")
    }

    fn about(&self) -> String {
        let shards = if self.shards == 1 { "1 shard".to_owned() } else { format!("{} shards", self.shards) };
        match self.connections {
            Some(count) if self.shards == 1 => format!("({shards}, {} connections)", grouped(count)),
            Some(count) => format!("({shards}, {} connections each)", grouped(count)),
            None => format!("({shards})"),
        }
    }
}

/// How the listener of this number is called.
fn scheme(tls: &[Vec<Pair>], number: usize) -> &'static str {
    if tls.get(number).is_some_and(|pairs| !pairs.is_empty()) { "https" } else { "http" }
}

fn schemes(tls: &[Vec<Pair>], count: usize) -> Vec<&'static str> {
    (0..count).map(|number| scheme(tls, number)).collect()
}

fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(Address::to_string).collect()
}

/// Where something listens, as it is shown.
fn place(scheme: &str, address: &Address) -> String {
    if address.path().is_some() { address.to_string() } else { format!("{scheme}://{address}") }
}

/// What to paste behind `curl`: a URL, quoted where a shell would take its brackets for a pattern.
fn url(scheme: &str, address: &Address, path: &str) -> String {
    let address = match address {
        Address::Inet(address) => *address,
        Address::Unix(socket) => {
            return format!("--unix-socket '{}' {scheme}://localhost{path}", socket.display());
        }
    };
    let url = format!("{scheme}://{}{path}", reachable(address));
    if address.is_ipv6() { format!("'{url}'") } else { url }
}

/// The address to which one connects in order to reach `address` from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::TokenSecret;
    use expect_test::{Expect, expect};

    fn check(wait: &[&str], shards: usize, connections: Option<u64>, form: LogForm, expected: &Expect) {
        let wait: Vec<Address> = wait.iter().map(|address| address.parse().unwrap()).collect();
        let in_addresses = ["127.0.0.1:10010".parse().unwrap()];
        let tls = &Tls::default();
        let (needs_key, token) = (false, BannerToken::Nothing);
        let banner = Banner {
            wait: &wait,
            in_addresses: &in_addresses,
            prefix: "",
            tls,
            shards,
            connections,
            needs_key,
            token,
        };
        expected.assert_eq(&if form == LogForm::Text { banner.text() } else { banner.json() });
    }

    #[test]
    fn people_get_lines_to_paste() {
        check(
            &["0.0.0.0:8088"],
            2,
            Some(20_000),
            LogForm::Text,
            &expect![[r#"
                multiplexor 0.1.0
                WAIT line  http://0.0.0.0:8088     (2 shards, 20,000 connections each)
                IN line    http://127.0.0.1:10010

                publish:   curl -d 'hello' http://127.0.0.1:10010/pub/news
                subscribe: curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8088/sub/news
            "#]],
        );
        check(
            &["[::]:80", "10.0.0.1:81"],
            1,
            None,
            LogForm::Text,
            &expect![[r#"
                multiplexor 0.1.0
                WAIT line  http://[::]:80          (1 shard)
                WAIT line  http://10.0.0.1:81
                IN line    http://127.0.0.1:10010

                publish:   curl -d 'hello' http://127.0.0.1:10010/pub/news
                subscribe: curl -N -H 'Accept: text/event-stream' 'http://[::1]:80/sub/news'
            "#]],
        );
    }

    #[test]
    fn a_token_is_shown_where_one_is_taken_and_made_where_one_can_be() {
        let wait: [Address; 1] = ["127.0.0.1:1".parse().unwrap()];
        let finds = Tokens { finds_keys: true, ..Tokens::default() };
        let secret = TokenSecret::new(&"s".repeat(32)).unwrap();
        let both = Tokens { secrets: vec![secret], ..finds.clone() };
        for (tokens, is_shown, words) in [
            (Tokens::default(), false, "/sub/news\n"),
            (finds, true, "where TOKEN=… is one that your application makes\n"),
            (both, true, "where TOKEN=$(multiplexor token make news), or as your application makes it\n"),
        ] {
            let text = Banner {
                wait: &wait,
                in_addresses: &wait,
                prefix: "",
                tls: &Tls::default(),
                shards: 1,
                connections: None,
                needs_key: false,
                token: BannerToken::of(&tokens),
            }
            .text();
            assert!(text.ends_with(words), "{text}");
            assert_eq!(text.contains("Bearer $TOKEN"), is_shown, "{text}");
        }
    }

    #[test]
    fn machines_get_one_line() {
        check(
            &["0.0.0.0:8088"],
            2,
            Some(20_000),
            LogForm::Json,
            &expect![[r#"
            {"event":"listening","version":"0.1.0","wait":["0.0.0.0:8088"],"in":["127.0.0.1:10010"],"wait_prefix":"","wait_schemes":["http"],"in_schemes":["http"],"shards":2,"connections_per_shard":20000}
        "#]],
        );
    }
}
