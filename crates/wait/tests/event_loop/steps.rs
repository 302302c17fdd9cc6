//! What each request that a stranger can send makes the server do, in steps, by byte sent and received back: no more than fifty
//! plain ones. A step is what was counted, put at about the nanoseconds that it takes; `bench/strangers` measures the time.
#![allow(clippy::cast_precision_loss, reason = "in a test")]

use exchange::hub::{Limits, Publish};
use multiplexor_wait::{Classic, WaitSettings, exchange};
use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::wire::{get, text_frame, websocket};
use transport::dialect::realplexor::payload;

/// What a request costs by itself, and each step of it.
const REQUEST: u64 = 8_000;
const NAME: u64 = 400;
const RECORD: u64 = 800;
const MESSAGE: u64 = 100;
const BYTE: u64 = 3;

const TIMES_MAX: f64 = 50.0;

/// One shard, with a full channel, 1,000 channels with a message each, 200 ids that got 100 messages together, and 200 that
/// got 100 each which are for somebody else.
fn scene(classic: Classic) -> Scene {
    let limits = Limits { history_messages: 1_000, ..Limits::default() };
    let scene = Scene::speaking(classic, 0, 1, limits, WaitSettings::default());
    for n in 0..1_000 {
        scene.publish("full", &n.to_string());
        scene.publish(&format!("n{n}"), "one");
    }
    for n in 1..=100 {
        let publish = |prefix: &str, payload| {
            let aliases = (0..200).map(|_| n.to_string().into()).collect();
            let channels = (0..200).map(|id| format!("{prefix}{id}").into()).collect();
            scene
                .exchange
                .publisher()
                .publish(Publish { channels, aliases, payload, ttl: None }, None)
                .unwrap();
        };
        publish("i", payload(&[], b"1"));
        publish("other", payload(&["somebody"], b"1"));
    }
    scene
}

/// Steps by byte of what a client says, and is told, after `before` was answered.
fn steps_a_byte(classic: Classic, before: &[u8], said: &[u8]) -> f64 {
    let mut scene = scene(classic);
    let peer = SimPeer::connect(&scene.world, 0);
    peer.send(before);
    scene.settle();
    peer.take();
    let start = scene.exchange.admin().totals();
    peer.send(said);
    scene.settle();
    let (told, end) = (peer.take(), scene.exchange.admin().totals());
    let bytes = said.len() + told.len();
    let steps = REQUEST
        + NAME * (end.looked_up - start.looked_up)
        + RECORD * end.channels.saturating_sub(start.channels)
        + MESSAGE * (end.read - start.read)
        + BYTE * bytes as u64;
    steps as f64 / bytes as f64
}

fn post(query: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("POST /sub/{query} HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{body}").into_bytes()
}

/// A plain request waits on a channel that nobody knew before: one name, one record.
fn plain() -> f64 {
    steps_a_byte(Classic::None, b"", get("/sub/a", "Accept: text/event-stream\r\n").as_bytes())
}

fn check(what: &str, classic: Classic, before: &[u8], said: impl AsRef<[u8]>) {
    let (steps, plain) = (steps_a_byte(classic, before, said.as_ref()), plain());
    assert!(steps <= TIMES_MAX * plain, "{what}: {steps:.0} a byte, {:.0} plain ones", steps / plain);
}

fn names(prefix: &str, count: usize) -> String {
    (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(",")
}

#[test]
fn no_request_by_http_costs_more_than_fifty_plain_ones() {
    let check = |what, said: Vec<u8>| check(what, Classic::None, b"", said);
    check("1,000 new names", post("?wait=0", &names("x", 1_000)));
    check("1,001 names", post("?wait=0", &"a,".repeat(1_001)));
    check("the last message of 1,000 channels", post("?wait=0&tail=1", &names("n", 1_000)));
    check("all messages of 1,000 channels", post("?wait=0&since=0", &names("n", 1_000)));
    check("all messages of a channel", get("/sub/full?wait=0&since=0", "").into());
    check("the same, compressed", get("/sub/full?wait=0&since=0", "Accept-Encoding: gzip\r\n").into());
    check("a path that is not there", get(&format!("/{}", "x".repeat(9_000)), "").into());
    check("a stream of 1,000 channels", post("?since=0&transport=sse", &names("n", 1_000)));
    check("a stream of a channel", get("/sub/full?since=0&transport=stream", "").into());
}

#[test]
fn no_command_costs_more_than_fifty_plain_ones() {
    let list = |prefix, count| {
        names(prefix, count).split(',').map(|n| format!("{n:?}")).collect::<Vec<_>>().join(",")
    };
    let check = |what, before: &[u8], text: String| check(what, Classic::None, before, big_frame(&text));
    let open = websocket("/sub/");
    let all = format!("{{\"subscribe\":[{}]}}", list("n", 1_000));
    let subscribed = [open.as_bytes(), &big_frame(&all)].concat();
    check("a ping", open.as_bytes(), r#"{"ping":1}"#.into());
    check("nonsense", open.as_bytes(), "x".repeat(9_000));
    check("1,000 channels", open.as_bytes(), all.clone());
    check("all of them, with all messages", open.as_bytes(), all.replace("]}", "],\"since\":0}"));
    check(
        "1,001 times the same",
        open.as_bytes(),
        format!("{{\"subscribe\":[{}\"a\"]}}", "\"a\",".repeat(1_000)),
    );
    check("leaving 1,000 channels", &subscribed, all.replace("subscribe", "unsubscribe"));
    check("leaving 1,000 others", &subscribed, format!("{{\"unsubscribe\":[{}]}}", list("y", 1_000)));
}

#[test]
fn no_list_of_realplexor_costs_more_than_fifty_plain_ones() {
    let check_list = |what, prefix: &str, count| {
        let ids: Vec<String> = (0..count).map(|n| format!("{prefix}{n}")).collect();
        check(what, Classic::Realplexor, b"", format!("identifier={}\n", ids.join(",")));
    };
    check_list("199 ids, all due", "0:i", 199);
    check_list("199 ids, one due", "99:i", 199);
    check_list("199 ids, nothing due", "1000:i", 199);
    check_list("199 ids, from now on", "i", 199);
    check_list("199 ids, all for somebody else", "0:other", 199);
    check_list("one id", "0:i", 1);
}

/// A text frame of any length.
fn big_frame(text: &str) -> Vec<u8> {
    if text.len() < 1 << 16 { text_frame(text) } else { panic!("a test says little") }
}
