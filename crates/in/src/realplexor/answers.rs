//! What is answered on this line, byte for byte as by the servers of old.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use dialect::hub::{ChannelInfo, Message, Next, Position, Start};
use dialect::realplexor::{Command, event_line, is_id, limiters, online_line, watch_from};

use super::told::tell;
use crate::limits::{HISTORY_PAGE_MAX, WATCH_PAGE};
use crate::line::Line;

/// To a publisher who speaks HTTP.
pub(super) const PUBLISHED: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// To whoever may not. The word is spelled so on the wire, and clients look for it.
pub(super) fn denied(why: &str) -> Vec<u8> {
    said("403 Access Deined", &format!("{why}\n"))
}

/// The answer to a question; `None`: the connection ends without one.
pub(super) fn run(line: &Line, command: &Command, login: Option<&str>) -> Option<Vec<u8>> {
    let mut body = String::new();
    match command {
        Command::Online(prefixes) => online(line, &Scope::new(prefixes, login), &mut body),
        Command::Watch(cursor, prefixes) => watch(line, *cursor, &Scope::new(prefixes, login), &mut body),
        Command::Stats if login.is_some() => return None,
        Command::Stats => stats(line, &mut body),
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
struct Scope(Option<Vec<String>>);

impl Scope {
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

fn online(line: &Line, scope: &Scope, body: &mut String) {
    for (id, channel) in channels(line, &|id, online| online && scope.has(id)) {
        online_line(&id, channel.waiting, body);
    }
}

/// The channels that pass, by id.
fn channels(line: &Line, pass: &dyn Fn(&str, bool) -> bool) -> BTreeMap<String, ChannelInfo> {
    let mut found = BTreeMap::new();
    line.exchange.channels(pass, |step| {
        found.extend(step.drain(..).map(|channel| (channel.name.to_string(), channel)));
    });
    found
}

fn watch(line: &Line, cursor: Option<u64>, scope: &Scope, body: &mut String) {
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
        let page = line.exchange.changes(Start::After(from), WATCH_PAGE);
        for change in page.changes.iter().filter(|change| scope.has(&change.name)) {
            last.insert(change.name.to_string(), (change.position, change.online));
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

fn stats(line: &Line, body: &mut String) {
    let all = channels(line, &|id, _| is_id(id));
    let mut handle = 0_u64;
    let (mut data, mut waiting, mut online) = (String::new(), String::new(), String::new());
    let mut cleanup = String::new();
    for (id, channel) in &all {
        if channel.messages > 0 {
            let items = held(line, id);
            put(&mut data, format_args!("{id} => {items}\n"));
            put(&mut cleanup, format_args!("{id} => assigned\n"));
        }
        if channel.waiting > 0 {
            // Connections live on the other line and have no number here; as many are shown as there are.
            let handles = (0..channel.waiting).map(|_| {
                handle += 1;
                format!("(0x{handle:X})")
            });
            let handles: Vec<String> = handles.collect();
            put(&mut waiting, format_args!("{id} => {}\n", handles.join(", ")));
        }
        if channel.online {
            put(&mut online, format_args!("{id} => assigned\n"));
        }
    }
    put(
        body,
        format_args!(
            "[data_to_send]\n{data}\n[connected_fhs]\n{waiting}\n[online_timers]\n{online}\n\
             [cleanup_timers]\n{cleanup}\n[pairs_by_fhs]\n"
        ),
    );
}

/// What is held for an id, the greatest cursor first.
fn held(line: &Line, id: &str) -> String {
    let (mut items, mut start) = (Vec::new(), Start::Everything);
    while let Some(page) = line.exchange.history(id, start, HISTORY_PAGE_MAX as usize) {
        items.extend(page.messages);
        match page.next {
            Next::More(resume) => start = Start::More(resume),
            Next::Live { .. } => break,
        }
    }
    let target =
        |message: &Message| message.targets.iter().position(|target| *target.name == *id).unwrap_or(0);
    items.sort_by_key(|message| std::cmp::Reverse((message.outside(target(message)), message.position)));
    let item = |message: &std::sync::Arc<Message>| {
        let mut cursor = Vec::new();
        message.write_outside(target(message), &mut cursor);
        let limited = limiters(&message.payload).map(|ids| ids.collect::<Vec<_>>().join(", "));
        let limited = limited.map(|ids| format!(", limited by ({ids})")).unwrap_or_default();
        format!("[{}: {}b{limited}]", String::from_utf8_lossy(&cursor), message.payload.data().len())
    };
    items.iter().map(item).collect::<Vec<String>>().join(", ")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}
