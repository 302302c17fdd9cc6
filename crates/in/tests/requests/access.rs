//! Who may do what where API keys are set: every kind of request with every kind of key.

use crate::harness::Line;
use access::hub::{Glob, Grant, Right, Session};
use access::{Key, Keyring, Secret};
use in_line::InSettings;

fn secret(n: u8) -> Secret {
    Secret::new([n; access::limits::KEY_LEN])
}

fn key(n: u8, name: &str, rights: &[Right], names: &str) -> Key {
    let grant = Grant { rights: rights.iter().copied().collect(), names: Glob::new(names).unwrap() };
    Key {
        name: name.into(),
        hash: Some(secret(n).hash()),
        certificate: None,
        session: Session::new(None, None, &[grant]),
    }
}

/// 1 may everything, 2 may publish to a.*, 3 may know of a.*, 4 may know of all.
async fn line() -> Line {
    let keys = vec![
        key(1, "all", &Right::ALL, "*"),
        key(2, "publisher", &[Right::Publish], "a.*"),
        key(3, "looker", &[Right::Presence, Right::History], "a.*"),
        key(4, "watcher", &[Right::Presence], "*"),
    ];
    Line::start(InSettings { keys: Keyring::new(keys), ..InSettings::default() }).await
}

fn bearer(n: u8) -> String {
    format!("Authorization: Bearer {}\r\n", secret(n).reveal())
}

/// A request on a connection that stays open: one to publish is then read ahead of the service.
async fn ask_ahead(line: &Line, request: &str, headers: &str) -> u16 {
    let request = format!("{request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n{headers}\r\n");
    let end = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    line.say(format!("{request}{end}").as_bytes()).await[9..12].parse().unwrap()
}

#[tokio::test]
async fn each_key_may_what_it_was_given() {
    let line = line().await;
    // For each request, the statuses with keys 1 to 4.
    let table: &[(&str, [u16; 4])] = &[
        ("POST /pub/a.1", [200, 200, 403, 403]),
        ("POST /pub/b", [200, 403, 403, 403]),
        ("POST /pub/a.1,b", [200, 403, 403, 403]),
        ("GET /channels", [200, 403, 200, 200]),
        ("GET /channels/a.1", [200, 403, 200, 200]),
        ("GET /channels/b", [200, 403, 403, 200]),
        ("GET /channels/a.1/history", [200, 403, 200, 403]),
        ("GET /channels/b/history", [200, 403, 403, 403]),
        ("GET /watch?tail=1&since=0", [200, 403, 200, 200]),
        ("GET /stats", [200, 403, 403, 200]),
        ("GET /metrics", [200, 403, 403, 200]),
        ("DELETE /channels/a.1", [200, 403, 403, 403]),
        ("GET /nothing", [404, 404, 404, 404]),
    ];
    // Somebody comes online, so that whoever watches is answered at once.
    line.listen(&["a.1"]);
    for (request, statuses) in table {
        for (n, expected) in (1..).zip(statuses) {
            let answer = line.ask(request, &bearer(n), b"").await;
            assert_eq!(answer.status, *expected, "{request} with {n}: {answer:?}");
            assert_eq!(ask_ahead(&line, request, &bearer(n)).await, *expected, "{request} with {n}");
            if *expected == 403 {
                answer.check(403, "grant");
            }
        }
    }
}

#[tokio::test]
async fn without_a_key_there_is_only_what_tells_nothing() {
    let line = line().await;
    let wrong = [
        ("", "credentials"),
        ("Authorization: Basic eDp5\r\n", "api-key"),
        ("Authorization: Bearer\r\n", "api-key"),
        ("Authorization: Bearer mpx_unknown\r\n", "api-key"),
        (&bearer(9), "api-key"),
        (&format!("{}{}", bearer(1), bearer(1)), "credentials"),
    ];
    for request in ["POST /pub/a.1", "POST /pub", "GET /channels", "GET /watch", "GET /stats", "GET /nothing"]
    {
        for (headers, code) in &wrong {
            let answer = line.ask(request, headers, b"").await;
            answer.check(401, code);
            assert_eq!(ask_ahead(&line, request, headers).await, 401, "{request} {headers}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
            assert!(!answer.body.contains("mpx_unknown"), "{answer:?}");
        }
    }
    for request in ["GET /", "GET /healthz", "GET /openapi.json"] {
        assert_eq!(line.ask(request, "", b"").await.status, 200, "{request}");
    }
    let counted = line.ask("GET /stats", &bearer(1), b"").await.body;
    assert!(counted.contains("\"credentials\":24") && counted.contains("\"api-key\":48"), "{counted}");
}

#[tokio::test]
async fn each_item_of_a_batch_is_judged_by_itself() {
    let line = line().await;
    let batch =
        br#"[{"channel":"a.1","data":1},{"channel":"b","data":2},{"channel":"a.2","data":3,"key":"k"}]"#;
    let answer = line.ask("POST /pub", &bearer(2), batch).await;
    let answers: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap();
    assert!(answers[0]["cursor"].is_string() && answers[2]["cursor"].is_string(), "{answer:?}");
    assert_eq!(answers[1]["error"]["code"], "grant");
    assert!(answers[1]["error"]["detail"].as_str().unwrap().contains("\"publisher\""), "{answer:?}");
    let lone = line.ask("POST /pub", &bearer(2), br#"{"channel":"b","data":2}"#).await;
    lone.check(403, "grant");
}

#[tokio::test]
async fn a_key_sees_its_own_channels_only() {
    let line = line().await;
    line.listen(&["a.1", "b"]);
    for (n, seen) in [(1, "a.1 b"), (3, "a.1"), (4, "a.1 b")] {
        let names = |answer: &str, list: &str, name: &str| {
            let page: serde_json::Value = serde_json::from_str(answer).unwrap();
            let names =
                page[list].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>().join(" ")
        };
        let page = line.ask("GET /channels", &bearer(n), b"").await;
        assert_eq!(names(&page.body, "channels", "name"), seen);
        let page = line.ask("GET /watch?since=0", &bearer(n), b"").await;
        assert_eq!(names(&page.body, "changes", "channel"), seen);
    }
}
