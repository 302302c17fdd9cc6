//! Watching who comes and goes, in every form.

use std::time::Duration;

use crate::harness::{Line, SHARD};
use exchange::hub::{ChannelId, Leave, Next};
use in_line::InSettings;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::select;
use tokio::time::sleep;

/// How long a sign of life may take on a slow machine, at the least.
const PATIENCE_MS: u32 = 30_000;

/// Somebody comes to a channel and may be sent away again.
fn come(line: &Line, name: &str) -> ChannelId {
    match line.listen(&[name]).next {
        Next::Live { channels, .. } => {
            line.exchange.shard(SHARD).end_turn();
            channels[0]
        }
        Next::More(_) => panic!("there is no history"),
    }
}

fn go(line: &Line, channel: ChannelId) {
    line.exchange.registry().leave(SHARD, &[Leave::waiting(channel, 1)], Some(0));
    line.exchange.admin().tick();
}

/// The changes of a document as `+name` and `-name`.
fn told(document: &Value) -> String {
    let changes = document["changes"].as_array().unwrap().iter().map(sign);
    changes.collect::<Vec<_>>().join(" ")
}

fn sign(change: &Value) -> String {
    let sign = if change["online"] == json!(true) { '+' } else { '-' };
    format!("{sign}{}", change["channel"].as_str().unwrap())
}

/// A stream that is read line by line.
struct Stream(BufReader<TcpStream>);

impl Stream {
    async fn open(line: &Line, target: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(line.address).await.unwrap();
        let head = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut stream = Self(BufReader::new(stream));
        assert!(stream.line().await.starts_with("HTTP/1.0 200"));
        while !stream.line().await.is_empty() {}
        stream
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    async fn object(&mut self) -> Value {
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Lines up to a blank one.
    async fn event(&mut self) -> String {
        let mut event = Vec::new();
        loop {
            match self.line().await {
                line if line.is_empty() => return event.join("|"),
                line => event.push(line),
            }
        }
    }
}

#[tokio::test]
async fn a_poll_tells_what_changed_since() {
    let line = Line::start(InSettings::default()).await;
    let a = come(&line, "a");
    come(&line, "user.1");
    go(&line, a);
    let all = line.ask("GET /watch?since=0", "", b"").await.json();
    assert_eq!((told(&all), &all["gap"], &all["more"]), ("+a +user.1 -a".into(), &Value::Null, &Value::Null));
    assert!(all["changes"][0]["time"].is_number());
    let since = all["changes"][0]["cursor"].as_str().unwrap();
    let rest = line.ask(&format!("GET /watch?since={since}"), "", b"").await.json();
    assert_eq!(told(&rest), "+user.1 -a");
    let users = line.ask("GET /watch?since=0&prefix=user.", "", b"").await.json();
    assert_eq!((told(&users), &users["cursor"]), ("+user.1".into(), &all["cursor"]));
    let other = line.ask("GET /watch?since=a0000011", "", b"").await.json();
    assert_eq!(other["gap"], json!(true));
    line.check("GET /watch?since=x", 400, "since").await;
    line.check("GET /watch?transport=x", 400, "transport").await;
}

#[tokio::test]
async fn a_poll_waits_for_a_change() {
    let line = Line::start(InSettings::default()).await;
    let target = format!("GET /watch?since={}", line.exchange.cursors().text(line.exchange.end()));
    let waiting = line.ask(&target, "", b"");
    let change = async {
        tokio::task::yield_now().await;
        come(&line, "a");
    };
    let (answer, _) = tokio::join!(waiting, change);
    assert_eq!(told(&answer.json()), "+a");
    let short = InSettings { poll_timeout: Duration::from_millis(10), ..InSettings::default() };
    let line = Line::start(short).await;
    assert_eq!(told(&line.ask("GET /watch", "", b"").await.json()), "");
}

/// Changes come when they happen, and nobody looks for them meanwhile: one that waits is told through the notifier, once for
/// a turn of a shard.
#[tokio::test]
async fn who_watches_is_woken_by_what_happens_alone() {
    let line = Line::start(InSettings::default()).await;
    let mut stream = Stream::open(&line, "/watch?transport=stream", "").await;
    stream.object().await;
    assert_eq!(line.notifier.count(), 0);
    for round in 1..=3 {
        // What follows at once is told after the pause, without a write.
        for name in ["a", "b", "c"] {
            line.listen(&[&format!("{name}{round}")]);
        }
        line.exchange.shard(SHARD).end_turn();
        for name in ["a", "b", "c"] {
            assert_eq!(sign(&stream.object().await), format!("+{name}{round}"));
        }
        assert!((1..=round).contains(&line.notifier.count()), "{}", line.notifier.count());
    }
}

#[tokio::test]
async fn a_long_feed_comes_in_pages() {
    let line = Line::start(InSettings::default()).await;
    let names: Vec<String> = (0..600).map(|n| format!("c{n}")).collect();
    for name in &names {
        come(&line, name);
    }
    let (mut count, mut since) = (0, "0".to_owned());
    loop {
        let page = line.ask(&format!("GET /watch?since={since}"), "", b"").await.json();
        count += page["changes"].as_array().unwrap().len();
        page["cursor"].as_str().unwrap().clone_into(&mut since);
        if page["more"].is_null() {
            break;
        }
    }
    assert_eq!(count, 600);
    let late = line.ask("GET /watch?since=0&prefix=c599", "", b"").await.json();
    assert_eq!(told(&late), "+c599");
}

#[tokio::test]
async fn changes_that_are_not_wanted_are_no_sign_of_life() {
    let heartbeat = Duration::from_millis(50);
    let line = Line::start(InSettings { heartbeat, ..InSettings::default() }).await;
    let mut stream = Stream::open(&line, "/watch?transport=stream&prefix=user.", "").await;
    let begin = stream.object().await;
    let changes = async {
        for _ in 0..PATIENCE_MS {
            let a = come(&line, "a");
            go(&line, a);
            sleep(Duration::from_millis(1)).await;
        }
    };
    let alive = select! {
        alive = stream.object() => alive,
        () = changes => panic!("changes came more often than signs of life, and there was none of these"),
    };
    assert!(alive["cursor"].is_string() && alive["channel"].is_null() && alive != begin, "{alive}");
}

#[tokio::test]
async fn a_stream_tells_line_by_line() {
    let heartbeat = Duration::from_millis(50);
    let line = Line::start(InSettings { heartbeat, ..InSettings::default() }).await;
    let mut stream = Stream::open(&line, "/watch", "Accept: application/x-ndjson\r\n").await;
    let begin = stream.object().await;
    assert_eq!(begin, json!({ "cursor": line.exchange.cursors().text(line.exchange.end()) }));
    assert_eq!(stream.object().await, begin, "a sign of life");
    come(&line, "a");
    let change = loop {
        let said = stream.object().await;
        if said["channel"].is_string() {
            break said;
        }
    };
    assert_eq!(sign(&change), "+a");
    let since = format!("/watch?transport=stream&since={}", change["cursor"].as_str().unwrap());
    let mut resumed = Stream::open(&line, &since, "").await;
    assert_eq!(resumed.object().await["cursor"], change["cursor"]);
    come(&line, "b");
    let next = loop {
        let said = resumed.object().await;
        if said["channel"].is_string() {
            break said;
        }
    };
    assert_eq!(sign(&next), "+b");
}

#[tokio::test]
async fn events_resume_by_their_id() {
    let line = Line::start(InSettings::default()).await;
    let cursors = line.exchange.cursors();
    let mut stream = Stream::open(&line, "/watch", "Accept: text/event-stream\r\n").await;
    let begin = stream.event().await;
    let (retry, begin) = begin.strip_prefix("retry: ").unwrap().split_once('|').unwrap();
    assert!((2_000..=3_000).contains(&retry.parse().unwrap()), "{retry}");
    let end = cursors.text(line.exchange.end());
    assert_eq!(begin, format!("event: cursor|id: {end}|data: {{\"cursor\":\"{end}\"}}"));
    come(&line, "a");
    let event = stream.event().await;
    let (id, data) = event.split_once("|data: ").unwrap();
    assert_eq!(sign(&serde_json::from_str(data).unwrap()), "+a");
    come(&line, "b");
    let last = format!("Last-Event-ID: {}\r\n", id.strip_prefix("id: ").unwrap());
    let mut resumed = Stream::open(&line, "/watch?transport=sse", &last).await;
    assert!(resumed.event().await.contains(&format!("|event: cursor|{id}|data: ")));
    assert!(resumed.event().await.contains("\"channel\":\"b\""));
    let path = format!("/watch?transport=sse&lastEventId={}", id.strip_prefix("id: ").unwrap());
    let mut resumed = Stream::open(&line, &path, "").await;
    assert!(resumed.event().await.contains(&format!("|event: cursor|{id}|data: ")));
    let mut lost = Stream::open(&line, "/watch?transport=sse", "Last-Event-ID: strange\r\n").await;
    assert_eq!(lost.event().await, "event: gap|data: {}");
    assert!(lost.event().await.starts_with("retry: "));
}

#[tokio::test]
async fn watchers_do_not_hold_up_the_end() {
    let line = Line::start(InSettings::default()).await;
    let mut stream = Stream::open(&line, "/watch?transport=stream", "").await;
    stream.object().await;
    line.stop.send(()).unwrap();
    assert_eq!(stream.line().await, "");
    line.served.await.unwrap().unwrap();
}
