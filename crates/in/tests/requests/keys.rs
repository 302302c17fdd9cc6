//! Idempotency keys and the rate of publishing.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Line, SHARD};
use in_line::{Handover, InSettings, Pause};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

async fn publish(line: &Line, target: &str, headers: &str) -> Value {
    line.ask(&format!("POST {target}"), headers, b"x").await.json()
}

fn lines(answer: &str) -> Vec<Value> {
    answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let line = Line::start(InSettings::default()).await;
    let first = publish(&line, "/pub/a?key=1", "").await;
    line.listen(&["a"]);
    assert_eq!(publish(&line, "/pub/a", "Idempotency-Key: 1\r\n").await, first);
    let item = r#"{"channel":"a","data":"x","key":"1"}"#;
    assert_eq!(line.ask("POST /pub", "", item.as_bytes()).await.json(), first);
    let other = r#"{"channel":"a","data":"x"}"#;
    assert_eq!(line.ask("POST /pub?key=1", "", other.as_bytes()).await.json(), first);
    assert_ne!(publish(&line, "/pub/a?key=2", "").await, first);
    assert_eq!(line.exchange.admin().totals().published, 2);
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!((&stats["in"]["repeated"], &stats["in"]["keys"]), (&json!(3), &json!(2)));
}

#[tokio::test]
async fn another_message_under_a_key_is_refused() {
    let line = Line::start(InSettings::default()).await;
    let first = publish(&line, "/pub/a,b?key=1&event=e&ttl=60", "").await;
    for (target, headers) in [
        ("/pub/a?key=1&event=e&ttl=60", ""),
        ("/pub/b,a?key=1&event=e&ttl=60", ""),
        ("/pub/a,b,c?key=1&event=e&ttl=60", ""),
        ("/pub/a,b?key=1&ttl=60", ""),
        ("/pub/a,b?key=1&event=&ttl=60", ""),
        ("/pub/a,b?key=1&event=e", ""),
        ("/pub/a,b?key=1&event=e&ttl=61", ""),
        ("/pub/a,b?key=1&event=e&ttl=60", "Content-Type: text/x\r\n"),
    ] {
        line.ask(&format!("POST {target}"), headers, b"x").await.check(422, "key-reused");
    }
    line.ask("POST /pub/a,b?key=1&event=e&ttl=60", "", b"y").await.check(422, "key-reused");
    assert_eq!(publish(&line, "/pub/a,b?key=1&event=e&ttl=60", "").await, first, "the first is known still");
    assert_eq!(line.exchange.admin().totals().published, 1);
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!(stats["in"]["refused"]["key-reused"], json!(9), "{stats}");
}

#[tokio::test]
async fn repeats_within_a_batch_are_known_too() {
    let line = Line::start(InSettings::default()).await;
    let items = r#"{"channel":"a","data":1}
        {"channel":"a","data":2,"key":"k"}
        {"channel":"a","data":3}
        {"channel":"a","data":2,"key":"k"}
        {"channel":"a","data":1,"key":""}
        {"channel":"a","data":3,"key":"k"}"#;
    let answers = lines(&line.ask("POST /pub", "", items.as_bytes()).await.body);
    assert_eq!(answers[1], answers[3]);
    assert_eq!(answers[4]["error"]["code"], json!("key"));
    assert_eq!(answers[5]["error"]["code"], json!("key-reused"));
    assert_eq!(line.exchange.admin().totals().published, 3);
    line.ask("POST /pub?key=1", "", items.as_bytes()).await.check(400, "key");
}

#[tokio::test]
async fn concurrent_repeats_give_one_message() {
    let payload_limit = 1 << 20;
    let line = Arc::new(Line::start(InSettings { payload_limit, ..InSettings::default() }).await);
    line.listen(&["a"]);
    // The first finds no room and is under way while the others come.
    let large = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        line.ask("POST /pub/a", "", &large).await;
    }
    let before = line.exchange.admin().totals().published;
    let mut repeats = JoinSet::new();
    for n in 0..20 {
        let line = Arc::clone(&line);
        repeats.spawn(async move {
            if n % 2 == 0 {
                return publish(&line, "/pub/a?key=k", "").await;
            }
            let items = r#"[{"channel":"a","data":"x","key":"k"},{"channel":"a","data":"x","key":"k"}]"#;
            let answers = line.ask("POST /pub", "", items.as_bytes()).await.json();
            assert_eq!(answers[0], answers[1]);
            answers[0].clone()
        });
    }
    while line.ask("GET /stats", "", b"").await.json()["in"]["waited"] != json!(1) {}
    line.exchange.shard(SHARD).settle(64, 64 << 20);
    let answers = repeats.join_all().await;
    assert!(answers[0]["cursor"].is_string(), "{answers:?}");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(line.exchange.admin().totals().published, before + 1);
}

#[tokio::test]
async fn what_failed_may_be_tried_again() {
    let (publish_wait, payload_limit) = (Duration::from_millis(10), 1 << 20);
    let line = Line::start(InSettings { publish_wait, payload_limit, ..InSettings::default() }).await;
    line.listen(&["a"]);
    for _ in 0..64 {
        line.ask("POST /pub/a", "", &vec![b'x'; 1 << 20]).await;
    }
    line.check("POST /pub/a?key=k", 503, "full").await;
    line.exchange.shard(SHARD).settle(64, 64 << 20);
    let first = publish(&line, "/pub/a?key=k", "").await;
    assert!(first["cursor"].is_string(), "{first}");
    assert_eq!(publish(&line, "/pub/a?key=k", "").await, first);
}

#[tokio::test]
async fn a_rate_refuses_what_is_beyond() {
    let line = Line::start(InSettings { publish_rate: 1, ..InSettings::default() }).await;
    let items = "{\"channel\":\"a\",\"data\":1,\"key\":\"k\"}\n".to_owned()
        + &"{\"channel\":\"a\",\"data\":1}\n".repeat(9);
    let answers = lines(&line.ask("POST /pub", "", items.as_bytes()).await.body);
    let refused = answers.iter().filter(|answer| answer["error"]["code"] == json!("rate")).count();
    assert_eq!(refused as u64 + line.exchange.admin().totals().published, 10);
    assert!(answers[0]["cursor"].is_string());
    let repeat = line.ask("POST /pub/a?key=k", "", b"1").await.json();
    assert_eq!(repeat, answers[0], "a repeat is no further message");
    let refused = loop {
        let answer = line.ask("POST /pub/a", "", b"x").await;
        if answer.status != 200 {
            break answer;
        }
    };
    refused.check(429, "rate");
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
}

#[tokio::test]
async fn what_a_line_remembers_goes_over_to_another_program_and_it_goes_on_where_none_comes() {
    let (pauses, asked) = mpsc::channel(1);
    let handover = Handover { pauses: Some(asked), ..Handover::default() };
    let line = Line::start_after(InSettings::default(), handover).await;
    let first = publish(&line, "/pub/a", "Idempotency-Key: 1\r\n").await;
    // A connection that is idle ends meanwhile.
    let mut idle = TcpStream::connect(line.address).await.unwrap();
    let (still, stands_still) = oneshot::channel();
    let (goes_on, go_on) = oneshot::channel();
    pauses.send(Pause { still, go_on }).await.ok().unwrap();
    let memories = serde_json::to_vec(&stands_still.await.unwrap()).unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    let waits = TcpStream::connect(line.address).await.unwrap();
    drop(goes_on);
    assert_eq!(publish(&line, "/pub/a", "Idempotency-Key: 1\r\n").await, first);
    drop(waits);
    let before = serde_json::from_slice(&memories).unwrap();
    let next = Line::start_after(InSettings::default(), Handover { before, pauses: None }).await;
    assert_eq!(publish(&next, "/pub/a", "Idempotency-Key: 1\r\n").await, first);
    assert_eq!(next.exchange.end(), exchange::hub::Position::START, "it was not published again");
}
