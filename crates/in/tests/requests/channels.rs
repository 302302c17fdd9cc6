//! What a channel holds, and its end.

use crate::harness::{Line, SHARD};
use exchange::{Mail, Order};
use in_line::InSettings;
use serde_json::{Value, json};

async fn say(line: &Line, names: &str, data: &str) -> Value {
    line.ask(&format!("POST /pub/{names}"), "", data.as_bytes()).await.json()["cursor"].clone()
}

async fn history(line: &Line, query: &str) -> Value {
    line.ask(&format!("GET /channels/a/history{query}"), "", b"").await.json()
}

/// The data on a page, and whether there is a gap and more.
fn told(page: &Value) -> (Vec<i64>, bool, bool) {
    let data = page["messages"].as_array().unwrap().iter().map(|message| message["data"].as_i64().unwrap());
    (data.collect(), page["gap"] == json!(true), page["more"] == json!(true))
}

#[tokio::test]
async fn history_is_read_from_the_oldest() {
    let line = Line::start(InSettings::default()).await;
    let first = say(&line, "b,a", "1").await;
    say(&line, "a", "2").await;
    let last = say(&line, "a", "3").await;
    say(&line, "c", "4").await;
    let page = history(&line, "").await;
    assert_eq!(told(&page), (vec![1, 2, 3], false, false));
    let message = &page["messages"][0];
    assert_eq!((&message["cursor"], &message["channel"]), (&first, &json!("a")));
    assert_eq!(page["cursor"], json!(line.exchange.cursors().text(line.exchange.end())));
    let since = |cursor: &Value| format!("?since={}", cursor.as_str().unwrap());
    assert_eq!(told(&history(&line, &since(&first)).await).0, [2, 3]);
    assert_eq!(told(&history(&line, &since(&last)).await).0, [0; 0]);
    assert_eq!(told(&history(&line, "?tail=1").await).0, [3]);
    assert_eq!(told(&history(&line, "?since=1h&tail=1").await).0, [1, 2, 3]);
    line.check("GET /channels/a/history?limit=0", 400, "number").await;
    line.check("GET /channels/a/history?since=x", 400, "since").await;
    line.check("GET /channels/$/history", 404, "channel-name").await;
    line.check("GET /channels/a/histories", 404, "channel-name").await;
}

#[tokio::test]
async fn history_comes_in_pages() {
    let line = Line::start(InSettings::default()).await;
    for n in 0..7 {
        say(&line, "a", &n.to_string()).await;
    }
    for (query, expected) in [("", (0..7).collect::<Vec<i64>>()), ("&tail=5", (2..7).collect())] {
        let (mut all, mut since) = (Vec::new(), query.to_owned());
        loop {
            let page = history(&line, &format!("?limit=2{since}")).await;
            let (data, gap, more) = told(&page);
            assert!(!gap && data.len() <= 2);
            all.extend(data);
            since = format!("&since={}", page["cursor"].as_str().unwrap());
            if !more {
                break;
            }
        }
        assert_eq!(all, expected);
    }
}

#[tokio::test]
async fn what_is_gone_is_told() {
    let line = Line::start(InSettings::default()).await;
    let first = say(&line, "a", "0").await;
    for n in 1..=101 {
        say(&line, "a", &n.to_string()).await;
    }
    let since = format!("?limit=1&since={}", first.as_str().unwrap());
    assert_eq!(told(&history(&line, &since).await), (vec![2], true, true));
    assert_eq!(told(&history(&line, "?limit=1").await), (vec![2], false, true), "nothing was promised");
    assert!(told(&history(&line, "?since=a0000011").await).1, "of another order");
}

#[tokio::test]
async fn a_channel_nobody_used_has_an_empty_history() {
    let line = Line::start(InSettings::default()).await;
    let end = json!(line.exchange.cursors().text(line.exchange.end()));
    assert_eq!(history(&line, "").await, json!({ "cursor": end, "messages": [] }));
    assert_eq!(
        history(&line, "?since=a0000011").await,
        json!({ "cursor": end, "messages": [], "gap": true })
    );
}

#[tokio::test]
async fn a_deleted_channel_loses_its_past_and_its_subscribers() {
    let line = Line::start(InSettings::default()).await;
    line.listen(&["a"]);
    let first = say(&line, "a", "1").await;
    let mut mail = Vec::new();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    let forgotten = line.ask("DELETE /channels/a?forget=history", "", b"").await.json();
    assert_eq!(forgotten, json!({ "name": "a", "deleted": true }));
    assert_eq!(line.ask("GET /channels/a", "", b"").await.json()["waiting"], json!(1));
    assert_eq!(told(&history(&line, "").await).0, [0; 0]);
    assert!(!told(&history(&line, &format!("?since={}", first.as_str().unwrap())).await).1);
    line.ask("DELETE /channels/a", "", b"").await;
    assert_eq!(line.ask("GET /channels/a", "", b"").await.json()["waiting"], json!(0));
    mail.clear();
    line.exchange.shard(SHARD).take_mail(&mut mail);
    assert!(matches!(&mail[..], [Mail::Order(Order::Deleted { name, .. })] if **name == *"a"), "{mail:?}");
    let unknown = line.ask("DELETE /channels/nobody", "", b"").await.json();
    assert_eq!(unknown, json!({ "name": "nobody", "deleted": false }));
    line.check("DELETE /channels/a?forget=all", 400, "forget").await;
    line.check("DELETE /channels/$", 404, "channel-name").await;
    line.check("DELETE /channels", 405, "method").await;
}
