//! What the IN line shows to people, over real sockets.

use crate::harness::Line;
use in_line::InSettings;
use serde_json::json;

#[tokio::test]
async fn people_get_pages_and_programs_get_lines() {
    let line = Line::start(InSettings::default()).await;
    let lines = line.ask("GET /", "", b"").await;
    assert!(lines.body.starts_with("This is the IN line"), "{lines:?}");
    let page = line.ask("GET /", "Accept: text/html,*/*;q=0.8\r\n", b"").await;
    assert!(page.body.starts_with("<!doctype html>"), "{page:?}");
    for link in ["\"/demo\"", "\"/openapi.json\"", "\"/metrics\"", "\"/stats\""] {
        assert!(page.body.contains(link), "{link} in {page:?}");
    }
}

#[tokio::test]
async fn the_demo_may_reach_the_wait_line_by_the_name_it_was_called() {
    let line = Line::start(InSettings { hosts: vec!["push.example".into()], ..InSettings::default() }).await;
    for (host, wait) in [
        ("127.0.0.1:1", "127.0.0.1:8088"),
        ("push.example", "push.example:8088"),
        ("[::1]:10010", "127.0.0.1:8088"),
    ] {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let page = line.say(get("/demo").as_bytes()).await;
        let sources = format!("connect-src 'self' http://{wait} ws://{wait};");
        assert!(page.contains(&sources), "{sources} in {page}");
        let document = line.say(get("/demo/wait.json").as_bytes()).await;
        let document: serde_json::Value = serde_json::from_str(document.lines().last().unwrap()).unwrap();
        assert_eq!(document, json!({ "wait": format!("http://{wait}") }));
    }
}

#[tokio::test]
async fn the_guard_stands_before_the_pages_too() {
    let line = Line::start(InSettings::default()).await;
    for path in ["/", "/demo", "/demo/wait.json", "/multiplexor.js"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        assert!(line.say(head.as_bytes()).await.starts_with("HTTP/1.1 403 "), "{path}");
        line.ask(&format!("GET {path}"), "Origin: http://evil.example\r\n", b"").await.check(403, "origin");
    }
}

#[tokio::test]
async fn what_is_loaded_may_be_kept_and_what_is_asked_may_not() {
    let line = Line::start(InSettings::default()).await;
    for (target, cache) in [
        ("/multiplexor.js", "public, max-age=3600, stale-while-revalidate=86400"),
        ("/multiplexor.js?v=1", "public, max-age=31536000, immutable"),
        ("/demo", "no-cache"),
        ("/demo/wait.json", "no-store"),
        ("/stats", "no-store"),
    ] {
        let answer = line.ask(&format!("GET {target}"), "", b"").await;
        assert!(answer.head.contains(&format!("cache-control: {cache}\r\n")), "{target}: {}", answer.head);
    }
    let kept = line.ask("GET /demo", "If-None-Match: *\r\n", b"").await;
    assert_eq!((kept.status, &*kept.body), (304, ""));
}
