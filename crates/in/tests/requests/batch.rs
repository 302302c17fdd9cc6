//! Batches: every form of them, and that they are nothing but many publishes.

use std::time::Duration;

use crate::harness::{Answer, Line, SHARD};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use exchange::Mail;
use exchange::hub::Message;
use in_line::InSettings;
use proptest::prelude::*;
use serde_json::{Value, json};

const LINES: &str = "Content-Type: application/x-ndjson\r\n";

async fn publish(line: &Line, headers: &str, body: &str) -> Answer {
    line.ask("POST /pub", headers, body.as_bytes()).await
}

/// Everything the one shard was given, as far as a client could tell.
fn delivered(line: &Line) -> Vec<String> {
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let told = |message: &Message| {
        let names: Vec<&str> = message.targets().iter().map(|target| &*target.name).collect();
        let payload = message.payload();
        let ttl = message.expires().map(|expires| expires - message.time);
        format!("{names:?} {:?} {:?} {:?} {ttl:?}", payload.data(), payload.event, payload.content_type)
    };
    let messages = mail.iter().filter_map(|mail| match mail {
        Mail::Delivery(delivery) => Some(&delivery.message),
        Mail::Order(_) => None,
    });
    messages.map(told).collect()
}

/// Which items of an answer are refused, and with what code.
fn codes(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["error"]["code"].as_str().unwrap_or("")).collect()
}

#[tokio::test]
async fn an_array_is_answered_by_an_array() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    let body = r#"[{"channel":"a","data":"one"}, {"channel":"$","data":1}, 5, {"channels":["b","a"],"data":{"n":2}}]"#;
    let answer = publish(&line, "", body).await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    let answers = answer.json();
    let answers = answers.as_array().unwrap();
    assert_eq!(codes(answers), ["", "channel-name", "item", ""]);
    assert_eq!(answers[0]["channels"], json!({ "a": { "waiting": 1, "online": true } }));
    let end = line.exchange.cursors().text(line.exchange.end());
    assert_eq!(answers[3]["cursor"], json!(end));
    assert_eq!(delivered(&line).len(), 2);
    assert_eq!(publish(&line, "", "[]").await.body, "[]\n");
    let stats = line.ask("GET /stats", "", b"").await.json();
    assert_eq!((&stats["in"]["published"], &stats["in"]["refused"]["item"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn lines_are_answered_by_lines() {
    let line = Line::start(InSettings::default()).await;
    for headers in ["", LINES] {
        let body = "{\"channel\":\"a\",\"data\":1}\n{\"channel\":\n\n{\"channel\":\"b\",\"data\":\"\\ud800\"}\r\n{\"channel\":\"b\",\"data\":2}";
        let answer = publish(&line, headers, body).await;
        assert!(answer.head.contains("content-type: application/x-ndjson"), "{}", answer.head);
        let answers: Vec<Value> =
            answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(codes(&answers), ["", "item", "data", ""]);
    }
    assert_eq!(line.exchange.admin().totals().published, 4);
    assert_eq!(publish(&line, LINES, "").await.body, "");
}

#[tokio::test]
async fn a_lone_object_is_like_any_other_publish() {
    let line = Line::start(InSettings::default()).await;
    let answer = publish(&line, "", "{\"channel\": \"a\",\n \"data\": \"x\"}").await;
    assert_eq!((answer.status, &answer.json()["channels"]["a"]["waiting"]), (200, &json!(0)));
    publish(&line, "", r#"{"channel":"a"}"#).await.check(400, "item");
    publish(&line, "", r#"{"channel":"a","data":1,"foo":2}"#).await.check(400, "item");
    publish(&line, "", "hello").await.check(400, "batch");
    publish(&line, "", "[{}").await.check(400, "batch");
    publish(&line, "", "").await.check(400, "channel-list");
    publish(&line, "Content-Encoding: gzip\r\n", "x").await.check(415, "content-encoding");
}

#[tokio::test]
async fn a_batch_and_its_items_have_limits() {
    let line = Line::start(InSettings { payload_limit: 10, ..InSettings::default() }).await;
    let body = r#"[{"channel":"a","data":"0123456789"}, {"channel":"a","data":"0123456789x"}]"#;
    let answer = publish(&line, "", body).await.json();
    assert_eq!(codes(answer.as_array().unwrap()), ["", "payload"]);
    let len = in_line::limits::BATCH_LEN_MAX + 1;
    let asking = format!(
        "POST /pub HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {len}\r\n\r\n"
    );
    assert!(line.say(asking.as_bytes()).await.starts_with("HTTP/1.1 413 "));
    publish(&line, LINES, &"1\n".repeat(in_line::limits::BATCH_ITEMS_MAX + 1)).await.check(413, "batch");
}

#[tokio::test]
async fn what_finds_no_room_is_refused_by_itself() {
    let publish_wait = Duration::from_millis(50);
    let settings = InSettings { payload_limit: 40 << 20, publish_wait, ..InSettings::default() };
    let line = Line::start(settings).await;
    line.listen(&["a"]);
    let large = "x".repeat(33 << 20);
    let items = [
        json!({ "channel": "a", "data": large }),
        json!({ "channel": "a", "data": large }),
        json!({ "channel": "a", "data": 1 }),
        json!({ "channel": "b", "data": 2 }),
        json!({ "channel": "a", "data": 3 }),
    ];
    let answers = publish(&line, "", &serde_json::to_string(&items).unwrap()).await.json();
    assert_eq!(codes(answers.as_array().unwrap()), ["", "", "full", "", "full"]);
    line.exchange.shard(SHARD).settle(1, 33 << 20);
    let answers = publish(&line, "", r#"[{"channel":"a","data":1}]"#).await.json();
    assert_eq!(codes(answers.as_array().unwrap()), [""]);
}

#[tokio::test]
async fn a_long_batch_keeps_its_order() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    let items: String = (0..1_000).map(|n| format!("{{\"channel\":\"a\",\"data\":{n}}}\n")).collect();
    assert_eq!(publish(&line, LINES, &items).await.body.lines().count(), 1_000);
    let heard = delivered(&line);
    assert_eq!(heard.len(), 1_000);
    assert!(
        heard.iter().enumerate().all(|(n, heard)| heard.contains(&format!("{:?}", n.to_string().as_bytes())))
    );
}

/// What a publisher may say, in no form yet.
#[derive(Debug, Clone)]
struct Saying {
    channels: Vec<String>,
    data: Vec<u8>,
    event: Option<String>,
    ttl: Option<u16>,
    content_type: Option<&'static str>,
    text: bool,
}

impl Saying {
    fn item(&self) -> Value {
        let mut item = json!({ "channels": self.channels });
        let object = item.as_object_mut().unwrap();
        match std::str::from_utf8(&self.data) {
            Ok(text) if self.text => drop(object.insert("data".into(), json!(text))),
            _ => {
                object.insert("data".into(), json!(STANDARD.encode(&self.data)));
                object.insert("base64".into(), json!(true));
            }
        }
        object.extend(self.event.iter().map(|event| ("event".to_owned(), json!(event))));
        object.extend(self.ttl.iter().map(|ttl| ("ttl".to_owned(), json!(ttl))));
        object.extend(self.content_type.iter().map(|kind| ("content_type".to_owned(), json!(kind))));
        item
    }

    async fn publish_alone(&self, line: &Line) -> Value {
        let mut target = format!("POST /pub/{}?", self.channels.join(","));
        target += &self.event.iter().map(|event| format!("event={event}&")).collect::<String>();
        target += &self.ttl.iter().map(|ttl| format!("ttl={ttl}")).collect::<String>();
        let headers = self.content_type.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
        line.ask(&target, &headers, &self.data).await.json()
    }
}

fn saying() -> impl Strategy<Value = Saying> {
    let data = prop_oneof![
        any::<String>().prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..20),
        Just(b"{\"n\": 1}".to_vec()),
    ];
    let content_type =
        prop::option::of(prop::sample::select(vec!["text/plain", "image/png", "application/json"]));
    let channels = prop::collection::vec("[a-d$]", 1..4);
    (
        channels,
        data,
        prop::option::of("[a-z]{1,5}"),
        prop::option::of(any::<u16>()),
        content_type,
        any::<bool>(),
    )
        .prop_map(|(channels, data, event, ttl, content_type, text)| Saying {
            channels,
            data,
            event,
            ttl,
            content_type,
            text,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_batch_is_nothing_but_many_publishes(sayings in prop::collection::vec(saying(), 0..100)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (one, other) = (Line::start(InSettings::default()).await, Line::start(InSettings::default()).await);
            one.listen(&["a", "b", "c"]);
            other.listen(&["a", "b", "c"]);
            let body: String = sayings.iter().map(|saying| format!("{}\n", saying.item())).collect();
            let together = publish(&one, LINES, &body).await;
            let mut alone = Vec::new();
            for saying in &sayings {
                alone.push(saying.publish_alone(&other).await);
            }
            let together: Vec<Value> = together.body.lines().map(|line| {
                let answer: Value = serde_json::from_str(line).unwrap();
                answer.get("error").cloned().unwrap_or(answer)
            }).collect();
            assert_eq!(together, alone);
            assert_eq!(delivered(&one), delivered(&other));
        });
    }
}
