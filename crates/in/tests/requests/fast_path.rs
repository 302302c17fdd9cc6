//! Publishing over a connection that stays: the same answers as from the service, request for request.

use crate::harness::Line;
use in_line::InSettings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that stays, and what came on it.
struct Kept(TcpStream);

impl Kept {
    async fn open(line: &Line) -> Self {
        Self(TcpStream::connect(line.address).await.unwrap())
    }

    async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next answer: its head and its body.
    async fn answer(&mut self) -> (String, String) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let len = head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()).unwrap();
        let mut body = vec![0; len.parse().unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }
}

fn request(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let len = body.len();
    let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Without what is another each time: cursors, the time, and whether the connection stays.
fn comparable(head: &str, body: &str) -> String {
    let differs =
        |line: &str| ["date: ", "connection: ", "keep-alive: "].iter().any(|name| line.starts_with(name));
    let lines = head.lines().filter(|line| !differs(line));
    let (before, rest) = body.split_once("\"cursor\":\"").unwrap_or((body, ""));
    let rest = rest.split_once('"').map_or("", |(_, rest)| rest);
    format!("{}\n{before}{rest}", lines.collect::<Vec<_>>().join("\n"))
}

#[tokio::test]
async fn both_ways_answer_alike() {
    let line = Line::start(InSettings { payload_limit: 10, ..InSettings::default() }).await;
    line.listen(&["a", "чат"]);
    for (target, headers, body) in [
        ("/pub/a", "", &b"one"[..]),
        ("/pub/a,b,%D1%87%D0%B0%D1%82?event=x&ttl=0.5", "Content-Type: text/plain\r\n", b"one"),
        ("/pub/a", "Multiplexor-Event: x\r\nMultiplexor-TTL: 5\r\n", b"one"),
        ("/pub/a", "Connection: keep-alive\r\n", b""),
        ("/pub/a", "", b"\xff\x00"),
        ("/pub/", "", b"x"),
        ("/pub/a,,b", "", b"x"),
        ("/pub/$a", "", b"x"),
        ("/pub/%FF", "", b"x"),
        ("/pub/a?ttl=soon", "", b"x"),
        ("/pub/a", "Content-Encoding: gzip\r\n", b"x"),
        ("/pub/a", "Idempotency-Key: \r\n", b"x"),
        ("/pub/a", "Origin: http://evil.example\r\n", b"x"),
        ("/pub/a", "Host: evil.example\r\n", b"x"),
        ("/pub/a", "", b"0123456789x"),
    ] {
        let headers_closing = format!("{headers}Connection: close\r\n");
        let service = line
            .say(&request(target, &headers_closing.replace("Connection: keep-alive\r\n", ""), body))
            .await;
        let (head, body_of_service) = service.split_once("\r\n\r\n").unwrap();
        let mut kept = Kept::open(&line).await;
        kept.say(&request(target, headers, body)).await;
        let (kept_head, kept_body) = kept.answer().await;
        assert_eq!(
            comparable(kept_head.trim_end(), &kept_body),
            comparable(&head.to_lowercase(), body_of_service),
            "{target} {headers}"
        );
        assert!(kept_head.contains("date: "), "{kept_head}");
        assert!(kept_head.contains("keep-alive: timeout=75\r\n"), "it stays: {kept_head}");
        assert!(!head.to_lowercase().contains("keep-alive"), "it does not stay: {head}");
    }
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!(stats["in"]["requests"], 2 * 15, "all are counted");
}

#[tokio::test]
async fn requests_that_came_together_are_answered_in_order() {
    let line = Line::start(InSettings::default()).await;
    let mut kept = Kept::open(&line).await;
    let all: Vec<u8> = (0..1_000).flat_map(|number| request(&format!("/pub/c{number}"), "", b"x")).collect();
    let (first, rest) = all.split_at(all.len() / 2 + 7);
    kept.say(first).await;
    kept.say(rest).await;
    for number in 0..1_000 {
        let (head, body) = kept.answer().await;
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(body.contains(&format!("{{\"c{number}\":")), "{body}");
    }
}

#[tokio::test]
async fn a_connection_may_ask_for_something_else_at_any_time() {
    let line = Line::start(InSettings::default()).await;
    let mut kept = Kept::open(&line).await;
    let health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let large = vec![b'x'; 200_000];
    kept.say(&[&request("/pub/a", "", b"1")[..], health, &request("/pub/a", "", &large)].concat()).await;
    assert!(kept.answer().await.1.contains("cursor"));
    let (head, body) = kept.answer().await;
    assert!(head.contains("keep-alive: timeout=75\r\n"), "as by the other way: {head}");
    assert_eq!(body, "ok\n");
    assert!(kept.answer().await.1.contains("cursor"));
    let mut kept = Kept::open(&line).await;
    kept.say(&request("/pub/a", "", b"1")).await;
    assert!(kept.answer().await.1.contains("cursor"));
    kept.say(&request("/pub/a", "", &large)).await;
    assert!(kept.answer().await.1.contains("cursor"));
    assert_eq!(line.exchange.admin().totals().published, 3 + 1);
}

#[tokio::test]
async fn who_publishes_at_its_leisure_is_let_go_at_the_end() {
    let line = Line::start(InSettings::default()).await;
    let mut kept = Kept::open(&line).await;
    kept.say(&request("/pub/a", "", b"1")).await;
    kept.answer().await;
    line.stop.send(()).unwrap();
    assert_eq!(kept.0.read(&mut [0]).await.unwrap(), 0);
    line.served.await.unwrap().unwrap();
}
