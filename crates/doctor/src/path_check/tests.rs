//! Judgements of answers as they come through proxies set up well and badly.

use super::*;

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n\
    Access-Control-Allow-Origin: *\r\n\r\nretry: 1\nid: a\n\nevent: gap\ndata: {}\n\n";

/// That a stream answered so has these findings that are worse than a note.
fn check(raw: &str, ended: bool, expected: &[&str]) {
    let findings = stream(&ProbeAnswer::of(raw, ended), &SSE);
    let bad: Vec<&str> =
        findings.iter().filter(|finding| finding.level > Level::Note).map(|finding| finding.name).collect();
    assert_eq!(bad, expected, "{findings:?}");
}

#[test]
fn a_stream_that_comes_as_it_was_sent_is_fine() {
    check(GOOD, false, &[]);
}

#[test]
fn silence_is_a_buffer() {
    check("", false, &["sse-buffered"]);
    check("", true, &["sse"]);
    check(GOOD.split("retry").next().unwrap(), false, &["sse-buffered"]);
}

#[test]
fn what_was_changed_is_told() {
    check(&GOOD.replace("event: gap", "event: x"), false, &["last-event-id"]);
    check(&GOOD.replace("text/event-stream", "application/json"), false, &["sse"]);
    check(
        &GOOD.replace("Cache-Control: no-cache, ", "Content-Encoding: gzip\r\nCache-Control: "),
        false,
        &["sse-compressed"],
    );
    check(&GOOD.replace("no-cache, no-transform", "max-age=60"), false, &["cache-control"]);
    check(&GOOD.replace("Origin: *", "Origin: *\r\nAccess-Control-Allow-Origin: *"), false, &["origin"]);
    check(&GOOD.replace("Access-Control", "X"), false, &["origin"]);
    check(&GOOD.replace("HTTP/1.1", "HTTP/1.0"), false, &["version"]);
    check(&GOOD.replace("200 OK", "403 No"), false, &["sse"]);
}

#[test]
fn a_poll_tells_who_answers() {
    let poll = |raw: &str| reached(&ProbeAnswer::of(raw, false), "http://a").map(|finding| finding.level);
    let good =
        "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\n{\"cursor\":\"a\",\"messages\":[],\"gap\":true}";
    assert_eq!(poll(good).unwrap(), Level::Ok);
    assert_eq!(poll(&good.replace("1.1", "1.0")).unwrap(), Level::Warning);
    assert_eq!(poll(&good.replace("no-store", "max-age=1")).unwrap(), Level::Problem);
    for bad in [
        "",
        "HTTP/1.1 301 Moved\r\nLocation: https://a/\r\n\r\n",
        "HTTP/1.1 502 Bad\r\n\r\n",
        "HTTP/1.1 403 No\r\n\r\n",
    ] {
        assert_eq!(poll(bad).unwrap(), Level::Problem, "{bad}");
    }
    assert!(poll("HTTP/1.1 200 OK\r\n\r\n<html>").is_err());
    assert!(poll("HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    let ours = "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n\r\n{\"detail\":\"here is the IN line\"}";
    assert!(poll(ours).unwrap_err().to_string().contains("here is the IN line"));
    let refused = reached(&ProbeAnswer::of(&ours.replace("404", "429"), false), "http://a").unwrap();
    assert!(refused.text.contains("here is the IN line"));
}

#[test]
fn an_upgrade_goes_through_or_not() {
    let level = |raw: &str| websocket(&ProbeAnswer::of(raw, false))[0].level;
    let good =
        format!("HTTP/1.1 101 Go\r\nSec-WebSocket-Accept: {WS_ACCEPT}\r\n\r\n{{\"cursor\":1}}{{\"pong\":1}}");
    assert_eq!(level(&good), Level::Ok);
    for bad in [
        &good.replace("pong", "x"),
        &good.replace("cursor", "x"),
        &good.replace("s3p", "x"),
        "",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 400 Bad\r\n\r\n",
    ] {
        assert_eq!(level(bad), Level::Problem, "{bad}");
    }
}

#[test]
fn a_compressed_stream_is_fine_where_it_was_asked_for() {
    let raw = |body: &str| {
        GOOD.split("retry").next().unwrap().replace("Cache", "Content-Encoding: gzip\r\nCache") + body
    };
    let judged = |body: &str| stream(&ProbeAnswer::of(&raw(body), false), &GZIP)[0].level;
    assert_eq!(judged(&"x".repeat(GZIP_BEGIN_LEN)), Level::Problem);
    assert_eq!(judged(&"x".repeat(GZIP_BEGIN_LEN + 1)), Level::Ok);
}
