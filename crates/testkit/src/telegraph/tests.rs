//! Runs the conversations of the telegraph: what its clients say, and what they are told, at every cut of the input.
//!
//! The format is told in [`crate::conversation`]; facts are the lines that are told, in which the id of a connection is `ID` and
//! cursors are `C`. `hello USER` is a greeting with a token of this user. Settings: `before=CHANNEL:TEXT` publishes something first,
//! `after=CHANNEL:TEXT` when all was said; `there=USER:CHANNEL` has somebody else join first, `comes=` then; `goes=on`: they leave; `pass=SECONDS`
//! lets time go by then.

#![allow(clippy::unwrap_used, reason = "in a test")]

use std::path::Path;

use wait::access::{TokenSecret, Tokens, make_token};
use wait::exchange::hub::{Door, Limits, Pattern, Rule};
use wait::{Classic, Shows, WaitSettings};

use super::Telegraph;
use crate::conversation::{Case, Word, read_folder};
use crate::kernel::SimPeer;
use crate::scene::Scene;

#[test]
fn conversations_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/telegraph/conversations");
    let cases = read_folder(&folder, hello);
    assert!(cases.len() > 10);
    for case in cases {
        case.check(|parts| run(&case, parts));
    }
}

fn run(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let (telegraph, mut scene) = scene();
    publish(&scene, case, "before");
    let others = meet(&mut scene, case, "there");
    let peer = scene.peer();
    let mut told = Vec::new();
    for part in parts {
        peer.send(part);
        scene.settle();
        told.extend(peer.take());
    }
    publish(&scene, case, "after");
    scene.settle();
    let others = [others, meet(&mut scene, case, "comes")];
    if case.settings.iter().any(|(key, _)| key == "goes") {
        others.iter().flatten().for_each(SimPeer::hang_up);
        scene.settle();
    }
    scene.pass(1_000 * case.setting("pass").unwrap_or(0) as u64);
    scene.exchange.admin().tick();
    scene.settle();
    told.extend(peer.take());
    let text = String::from_utf8(told).unwrap();
    let mut facts: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(shown).collect();
    if peer.is_ended() {
        facts.push("ends".to_owned());
    }
    others.iter().flatten().chain([&peer]).for_each(SimPeer::hang_up);
    scene.settle();
    assert_eq!((telegraph.up(), scene.shards[0].connections()), (0, 0), "nothing is kept of who has gone");
    facts
}

fn scene() -> (std::sync::Arc<Telegraph>, Scene) {
    let (telegraph, dialects) = Telegraph::given();
    let door = |names: &str| Rule::new(Pattern::new(names).unwrap());
    let rules = vec![
        Rule { presence: Some(Door::Open), ..door("room.*") },
        Rule { listen: Some(Door::Token), ..door("closed.*") },
    ];
    let limits = Limits { rules, presence_list: 1_000, ..Limits::default() };
    let settings = WaitSettings {
        dialects,
        tokens: Tokens { secrets: vec![secret()], ..Tokens::default() },
        shows: Shows { tokens: true, ..Shows::NOTHING },
        ..WaitSettings::default()
    };
    (telegraph, Scene::speaking(Classic::Guest, 1, 1, limits, settings))
}

fn secret() -> TokenSecret {
    TokenSecret::new(&"x".repeat(32)).unwrap()
}

fn publish(scene: &Scene, case: &Case, when: &str) {
    for (_, said) in case.settings.iter().filter(|(key, _)| key == when) {
        let (channel, text) = said.split_once(':').unwrap();
        scene.publish(channel, text);
    }
}

/// Somebody else comes to a channel.
fn meet(scene: &mut Scene, case: &Case, when: &str) -> Option<SimPeer> {
    let (_, said) = case.settings.iter().find(|(key, _)| key == when)?;
    let (user, channel) = said.split_once(':').unwrap();
    Some(scene.says(format!("{}JOIN {channel}\n", greeting(user))))
}

/// `hello USER`.
fn hello(words: &[Word]) -> Option<Vec<u8>> {
    let [Word::Plain(word), Word::Plain(user)] = words else { return None };
    (word == "hello").then(|| greeting(user).into_bytes())
}

/// A greeting with a token of this user, who may listen everywhere.
fn greeting(user: &str) -> String {
    let claims = format!("{{\"sub\":\"{user}\",\"listen\":[\"*\"],\"exp\":4000000000}}");
    format!("HELLO {}\n", make_token(&secret(), &claims))
}

/// A line in which what differs from run to run is named.
fn shown(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut words = words;
    let places: &[(usize, &str)] = match words[0] {
        "WELCOME" => &[(1, "C"), (2, "ID")],
        "STILL" => &[(1, "C")],
        "UPTO" | "CAME" | "WENT" | "SAID" if words[2] != "-" => &[(2, "C")],
        "HERE" => &[(3, "C")],
        _ => &[],
    };
    places.iter().for_each(|(at, name)| words[*at] = name);
    words.join(" ")
}
