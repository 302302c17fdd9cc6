//! What is answered on this line, byte for byte as by the servers of old.

use std::collections::BTreeMap;

use dialect::hub::{ChannelInfo, Position, Start};
use dialect::realplexor::{Command, event_line, is_id, online_line, watch_from};

use super::connection_log::tell;
use super::stats;
use crate::limits::WATCH_PAGE;
use crate::state::InLine;

/// To a publisher who speaks HTTP.
pub(super) const PUBLISHED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// To whoever may not. The word is spelled so on the wire, and clients look for it.
pub(super) fn denied(why: &str) -> Vec<u8> {
    said("403 Access Deined", &format!("{why}\n"))
}

/// The answer to a question; `None`: the connection ends without one.
pub(super) async fn run(line: &InLine, command: &Command, login: Option<&str>) -> Option<Vec<u8>> {
    let mut body = String::new();
    match command {
        Command::Online(prefixes) => online(line, &IdScope::new(prefixes, login), &mut body),
        Command::Watch(cursor, prefixes) => watch(line, *cursor, &IdScope::new(prefixes, login), &mut body),
        Command::Stats if login.is_some() => return None,
        Command::Stats => body = stats::stats(line).await,
    }
    let count = || body.lines().count();
    tell(|| match command {
        Command::Online(_) => format!("DEBUG: sending {} online identifiers", count()),
        Command::Watch(..) => format!("DEBUG: sending {} events", count()),
        Command::Stats => "DEBUG: sending stats".to_owned(),
    });
    Some(said("200 OK", &body))
}

fn said(status: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.0 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n{body}").into()
}

/// Of which ids somebody asks, and may.
struct IdScope(Option<Vec<String>>);

impl IdScope {
    /// Whoever is logged in asks of his own ids only.
    fn new(prefixes: &[String], login: Option<&str>) -> Self {
        let own = login.map(|login| format!("{login}_"));
        Self(match (prefixes.is_empty(), own) {
            (true, None) => None,
            (true, Some(own)) => Some(vec![own]),
            (false, None) => Some(prefixes.to_vec()),
            (false, Some(own)) => {
                Some(prefixes.iter().filter(|prefix| prefix.starts_with(&own)).cloned().collect())
            }
        })
    }

    fn has(&self, id: &str) -> bool {
        let asked = self.0.as_ref().is_none_or(|list| list.iter().any(|start| id.starts_with(start)));
        asked && is_id(id)
    }
}

fn online(line: &InLine, scope: &IdScope, body: &mut String) {
    for (id, channel) in channels(line, &|id, online| online && scope.has(id)) {
        online_line(&id, channel.waiting, body);
    }
}

/// The channels that pass, by id.
pub(super) fn channels(line: &InLine, pass: &dyn Fn(&str, bool) -> bool) -> BTreeMap<String, ChannelInfo> {
    let mut found = BTreeMap::new();
    line.exchange.admin().channels(pass, |step| {
        found.extend(step.drain(..).map(|channel| (channel.name.to_string(), channel)));
    });
    found
}

fn watch(line: &InLine, cursor: Option<u64>, scope: &IdScope, body: &mut String) {
    let Some(cursor) = cursor else {
        return event_line("FAKE", line.exchange.last_change().to_bits(), "FAKE", body);
    };
    // The latest of each id only.
    let mut last: BTreeMap<String, (Position, bool)> = BTreeMap::new();
    let mut from = Position::from_bits(watch_from(cursor));
    if from > line.exchange.end() {
        return;
    }
    loop {
        let page = line.exchange.admin().changes(Start::After(from), WATCH_PAGE);
        for change in page.changes.iter().filter(|change| scope.has(&change.name)) {
            last.insert(change.name.to_string(), (change.position, change.what.is_online()));
        }
        from = page.position;
        if !page.more {
            break;
        }
    }
    let mut events: Vec<_> = last.iter().map(|(id, (position, online))| (position, online, id)).collect();
    events.sort();
    for (position, online, id) in events {
        event_line(if *online { "online" } else { "offline" }, position.to_bits(), id, body);
    }
}
