//! The IN line over real sockets, in front of a real exchange with one shard that the test plays.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Line, SHARD};
use exchange::hub::Kind;
use exchange::{Mail, Order};
use in_line::InSettings;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_message_is_published() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["news"]);
    let answer =
        line.ask("POST /pub/sport,news?event=goal&ttl=60", "Content-Type: text/plain\r\n", b"one").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let cursor = line.exchange.cursors().text(line.exchange.end());
    let seen =
        json!({ "sport": { "waiting": 0, "online": false }, "news": { "waiting": 1, "online": true } });
    assert_eq!(answer.json(), json!({ "cursor": cursor, "channels": seen }));
    assert!(
        answer.body.find("sport") < answer.body.find("news"),
        "in the publisher's order: {}",
        answer.body
    );
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let [Mail::Delivery(delivery)] = &mail[..] else { panic!("{mail:?}") };
    let payload = delivery.message.payload();
    assert_eq!(payload.data(), b"one");
    assert_eq!((payload.event, payload.content_type), (Some("goal"), Some("text/plain")));
    assert_eq!(payload.kind, Kind::Text);
    assert_eq!(delivery.message.expires(), Some(delivery.message.time + 60_000));
}

#[tokio::test]
async fn bytes_that_are_no_text_are_binary() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    line.ask("POST /pub/a", "", b"\xff\x00").await;
    line.ask("POST /pub/a", "Content-Type: image/png\r\n", b"text").await;
    line.ask("POST /pub/a", "Content-Type: application/x-www-form-urlencoded\r\n", "чат".as_bytes()).await;
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let kinds: Vec<Kind> = mail
        .iter()
        .map(|mail| match mail {
            Mail::Delivery(delivery) => delivery.message.payload().kind,
            Mail::Order(order) => panic!("{order:?}"),
        })
        .collect();
    assert_eq!(kinds, [Kind::Binary, Kind::Binary, Kind::Either]);
}

#[tokio::test]
async fn a_publisher_is_told_what_would_be_right() {
    let line = Line::start(InSettings::default()).await;
    for target in ["/pub", "/pub/"] {
        line.check(&format!("POST {target}"), 400, "channel-list").await;
    }
    line.check("POST /pub/a,,b", 400, "channel-name").await;
    line.check("POST /pub/$a", 400, "channel-name").await;
    line.check("POST /pub/a?ttl=soon", 400, "ttl").await;
    line.check("POST /pub/a?event=%0A", 400, "event").await;
    line.check("GET /pub/a", 405, "method").await;
    line.check("POST /channels", 405, "method").await;
    line.check("GET /sub/a", 404, "not-found").await;
    assert!(line.ask("GET /pub/a", "", b"").await.head.contains("allow: post"));
    line.ask("POST /pub/a", "Content-Encoding: gzip\r\n", b"x").await.check(415, "content-encoding");
}

#[tokio::test]
async fn a_message_has_a_limit() {
    let line = Line::start(InSettings { payload_limit: 10, ..InSettings::default() }).await;
    assert_eq!(line.ask("POST /pub/a", "", b"0123456789").await.status, 200);
    line.ask("POST /pub/a", "", b"0123456789x").await.check(413, "payload");
    // The sender of a long body gets to read the answer although it sends all of it first.
    line.ask("POST /pub/a", "", &vec![b'x'; 3 << 20]).await.check(413, "payload");
    let chunked =
        b"POST /pub/a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
        8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n";
    assert!(line.say(chunked).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn browsers_of_others_are_refused() {
    let line = Line::start(InSettings { hosts: vec!["push.example".into()], ..InSettings::default() }).await;
    line.ask("POST /pub/a", "Origin: http://evil.example\r\n", b"x").await.check(403, "origin");
    line.ask("POST /pub/a", "Origin: null\r\n", b"x").await.check(403, "origin");
    assert_eq!(line.ask("POST /pub/a", "Origin: http://localhost\r\n", b"x").await.status, 200);
    let by_name = |host: &str| format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert!(line.say(by_name("evil.example").as_bytes()).await.starts_with("HTTP/1.1 403 "));
    assert!(line.say(by_name("push.example:80").as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(line.say(b"GET /healthz HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.0 200 "));
    assert!(
        line.say(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").await.starts_with("HTTP/1.1 400 ")
    );
    assert_eq!(line.exchange.admin().totals().published, 1);
}

#[tokio::test]
async fn channels_are_listed_by_name() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["b", "user.2", "a", "user.1"]);
    line.listen(&["a"]);
    line.ask("POST /pub/quiet", "", b"x").await;
    let names = async |query: &str| {
        let answer = line.ask(&format!("GET /channels{query}"), "", b"").await.json();
        let names =
            answer["channels"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>().join(" "), answer["next"].as_str().map(str::to_owned))
    };
    assert_eq!(names("").await, ("a b user.1 user.2".into(), None));
    assert_eq!(names("?all=1").await, ("a b quiet user.1 user.2".into(), None));
    assert_eq!(names("?prefix=user.").await, ("user.1 user.2".into(), None));
    assert_eq!(names("?limit=2").await, ("a b".into(), Some("b".into())));
    assert_eq!(names("?limit=2&after=b").await, ("user.1 user.2".into(), None));
    let first = line.ask("GET /channels?limit=1", "", b"").await.json();
    assert_eq!(first["channels"][0], json!({ "name": "a", "waiting": 2, "online": true }));
    line.check("GET /channels?limit=0", 400, "number").await;
}

#[tokio::test]
async fn one_channel_is_described() {
    let line = Line::start(InSettings::default()).await;
    let first = line.ask("POST /pub/a%2Fb", "", b"one").await.json();
    let last = line.ask("POST /pub/a%2Fb", "", b"three").await.json();
    let history = json!({ "messages": 2, "bytes": 8, "first": first["cursor"], "last": last["cursor"] });
    let described = line.ask("GET /channels/a%2Fb", "", b"").await.json();
    assert_eq!(described, json!({ "name": "a/b", "waiting": 0, "online": false, "history": history }));
    let unknown = line.ask("GET /channels/nobody", "", b"").await.json();
    let nothing = json!({ "messages": 0, "bytes": 0 });
    assert_eq!(unknown, json!({ "name": "nobody", "waiting": 0, "online": false, "history": nothing }));
    line.check("GET /channels/a,b", 404, "channel-name").await;
    line.check("GET /channels/$a", 404, "channel-name").await;
    line.check("GET /channels/a/b", 404, "channel-name").await;
}

#[tokio::test]
async fn a_canary_shows_that_the_line_is_ready() {
    let line = Line::start(InSettings::default()).await;
    assert_eq!(line.ask("GET /healthz", "", b"").await.body, "ok\n");
    line.check("GET /readyz", 503, "not-ready").await;
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let [Mail::Order(Order::Canary(late))] = &mail[..] else { panic!("{mail:?}") };
    late.passed();
    let exchange = Arc::clone(&line.exchange);
    let shard = tokio::spawn(async move {
        loop {
            let mut mail = Vec::new();
            exchange.shard(SHARD).take_mail(&mut mail);
            for mail in mail {
                if let Mail::Order(Order::Canary(canary)) = mail {
                    canary.passed();
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    for _ in 0..3 {
        let answer = line.ask("GET /readyz", "", b"").await;
        assert_eq!((answer.status, &*answer.body), (200, "ready\n"));
    }
    shard.abort();
}

#[tokio::test]
async fn everything_is_counted() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    line.ask("POST /pub/a", "", b"12345").await;
    line.ask("POST /pub/$", "", b"").await;
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&stats["channels"], &stats["online"], &stats["subscriptions"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(stats["history"], json!({ "messages": 1, "bytes": 5, "evicted": 0 }));
    assert_eq!(stats["shards"], json!([{ "messages": 1, "bytes": 5 }]));
    assert_eq!(stats["wait"], json!({ "accepted": 3, "closed": 5 }));
    assert_eq!((&stats["in"]["requests"], &stats["in"]["published"]), (&json!(2), &json!(1)));
    assert_eq!(stats["in"]["refused"], json!({ "channel-name": 1 }));
}

#[tokio::test]
async fn a_full_mailbox_makes_publishers_wait() {
    let publish_wait = Duration::from_millis(100);
    let line =
        Line::start(InSettings { payload_limit: 40 << 20, publish_wait, ..InSettings::default() }).await;
    line.listen(&["a"]);
    let large = vec![b'x'; 33 << 20];
    assert_eq!(line.ask("POST /pub/a", "", &large).await.status, 200);
    assert_eq!(line.ask("POST /pub/a", "", &large).await.status, 200);
    let answer = line.ask("POST /pub/a", "", b"x").await;
    answer.check(503, "full");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    // What nobody waits for needs no room, and when the shard has delivered, there is room again.
    assert_eq!(line.ask("POST /pub/b", "", b"x").await.status, 200);
    let exchange = Arc::clone(&line.exchange);
    tokio::spawn(async move {
        tokio::time::sleep(publish_wait / 2).await;
        exchange.shard(SHARD).settle(1, 33 << 20);
    });
    assert_eq!(line.ask("POST /pub/a", "", b"x").await.status, 200);
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!(stats["in"]["waited"], json!(2));
}

#[tokio::test]
async fn requests_under_way_are_answered_at_the_end() {
    let line = Line::start(InSettings::default()).await;
    let mut idle = TcpStream::connect(line.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut under_way = TcpStream::connect(line.address).await.unwrap();
    under_way
        .write_all(b"POST /pub/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\non")
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    line.stop.send(()).unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    under_way.write_all(b"e").await.unwrap();
    let mut answer = String::new();
    under_way.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.clear();
    idle.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
    line.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(line.address).await.is_err());
}

#[tokio::test]
async fn a_head_is_enough_for_who_asks_for_it() {
    let line = Line::start(InSettings::default()).await;
    for target in ["/", "/stats", "/healthz", "/channels", "/channels/a", "/demo", "/multiplexor.js"] {
        let answer = line.ask(&format!("HEAD {target}"), "", b"").await;
        assert_eq!((answer.status, &*answer.body), (200, ""), "{target}");
    }
    let front = line.ask("GET /", "", b"").await;
    assert_eq!(front.body.lines().count(), 3);
}

#[tokio::test]
async fn prometheus_reads_what_was_counted() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    line.ask("POST /pub/a", "", b"12345").await;
    line.ask("POST /pub/$", "", b"").await;
    let answer = line.ask("GET /metrics", "", b"").await;
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    for sample in [
        "multiplexor_channels_online 1",
        "multiplexor_messages_total 1",
        "multiplexor_history_bytes 5",
        "multiplexor_mailbox_bytes{shard=\"0\"} 5",
        "multiplexor_in_refused_total{code=\"channel-name\"} 1",
        "multiplexor_in_refused_total{code=\"ttl\"} 0",
        "multiplexor_wait_accepted_total{shard=\"1\"} 2",
    ] {
        assert!(answer.body.lines().any(|line| line == sample), "{sample} in {}", answer.body);
    }
}

#[tokio::test]
async fn what_is_described_is_answered() {
    let poll_timeout = Duration::from_millis(1);
    let line = Line::start(InSettings { poll_timeout, ..InSettings::default() }).await;
    let document = line.ask("GET /openapi.json", "", b"").await.json();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 10);
    for (path, operations) in paths {
        let target = path.replace("{names}", "a,b").replace("{name}", "a");
        for method in operations.as_object().unwrap().keys() {
            let answer = line.ask(&format!("{} {target}", method.to_uppercase()), "", b"").await;
            // Of what is not there, the route says so itself.
            let expected = match () {
                () if target.contains("{cursor}") => json!("message"),
                () if target.contains("/connections/{id}") => json!("connection"),
                () => json!(null),
            };
            let code = if answer.status == 404 { answer.json()["code"].clone() } else { json!(null) };
            assert!(
                answer.status != 405 && (answer.status != 404 || code == expected),
                "{method} {target}: {answer:?}"
            );
        }
    }
}
