//! The WAIT line as a whole, over a kernel that is memory: connections that say anything, cut anywhere, while
//! messages are published, readers stop, time passes, and shards are replaced. In the end nothing of them is left.

use std::time::Duration;

use testkit::kernel::SimPeer;
use testkit::scene::Scene;
use testkit::telegraph::Telegraph;
use wait::access::{TokenSecret, Tokens};
use wait::exchange::hub::{Door, Limits, Pattern, Rule};
use wait::{Classic, Dialects, Shows, WaitSettings};

/// What happens, a byte each and what it takes. Every connection gets the bytes behind its `SAY`.
pub(crate) fn line(data: &[u8]) {
    for classic in [Classic::Dklab, Classic::Realplexor, Classic::Guest] {
        let (telegraph, dialects) = Telegraph::given();
        line_of(classic, dialects, data);
        assert_eq!(telegraph.up(), 0, "a dialect keeps something of connections that are gone");
    }
}

fn line_of(classic: Classic, dialects: Dialects, data: &[u8]) {
    let (limits, settings) = peopled();
    let settings = WaitSettings { dialects, ..settings };
    let mut scene = Scene::speaking(classic, 1, 2, limits, settings);
    let mut peers: Vec<SimPeer> = Vec::new();
    let mut rest = data;
    for _ in 0..STEPS_MAX {
        let Some((what, more)) = rest.split_first() else { break };
        rest = more;
        let (kind, number) = (what & 7, usize::from(what >> 3));
        if kind == CONNECT && peers.len() < PEERS_MAX {
            peers.push(SimPeer::connect(&scene.world, number % scene.shards.len()));
        }
        let Some(peer) = (!peers.is_empty()).then(|| peers[number % peers.len()].clone()) else { continue };
        match kind {
            SAY => rest = say(&peer, rest),
            PUBLISH => drop(scene.publish(["a", "b", "a,b"][number % 3], ["x", "{\"n\":1}"][number & 1])),
            PASS => {
                scene.pass(10 << (number % 12));
                // There are twelve times; of the numbers that are left, some have another shard go on in the place of one.
                if number >= 24 {
                    let shard = number % scene.shards.len();
                    let seats = scene.freeze(shard);
                    scene.thaw(shard, seats);
                }
            }
            READ => drop(peer.take_some(number * 64)),
            WINDOW => peer.set_window(number * 32),
            LEAVE if number & 1 == 0 => peer.half_close(),
            LEAVE => peer.hang_up(),
            RESET => peer.reset(),
            _ => {}
        }
        scene.settle();
    }
    for peer in &peers {
        peer.hang_up();
    }
    // What lingers is read for a while, and then cut off.
    scene.pass(60_000);
    let left: usize = scene.shards.iter().map(wait::Shard::connections).sum();
    assert_eq!(left, 0, "connections are left of clients that are gone");
    for name in ["a", "b"] {
        let waiting = scene.exchange.admin().channel(name).map_or(0, |channel| channel.waiting);
        assert_eq!(waiting, 0, "clients that are gone still count as waiting");
    }
    // Those who are found gone in one tick are told of in the next one at the latest.
    (0..4).for_each(|_| scene.exchange.admin().tick());
    let (page, _) = scene.exchange.admin().present("a", None, 10);
    assert_eq!((page.count, page.anonymous), (0, 0), "users are left of clients that are gone");
}

/// On one channel clients speak and are told who is there; who they are, tokens say, whose secret is a row of `x`.
pub(crate) fn peopled() -> (Limits, WaitSettings) {
    let open = Some(Door::Open);
    let rule = Rule { presence: open, publish: open, ..Rule::new(Pattern::new("a").expect("it is one")) };
    let secret = TokenSecret::new(&"x".repeat(32)).expect("it is long enough");
    let settings = WaitSettings {
        slow_reader: 4_096,
        stream_age: Duration::from_secs(30),
        tokens: Tokens { secrets: vec![secret], ..Tokens::default() },
        shows: Shows { tokens: true, ..Shows::NOTHING },
        ..WaitSettings::default()
    };
    (Limits { presence_history: 4, rules: vec![rule], ..Limits::default() }, settings)
}

/// Says the bytes up to the length that the first one tells; what is behind them is left.
fn say<'a>(peer: &SimPeer, rest: &'a [u8]) -> &'a [u8] {
    let Some((len, rest)) = rest.split_first() else { return rest };
    let (said, rest) = rest.split_at(usize::from(*len).min(rest.len()));
    peer.send(said);
    rest
}

const CONNECT: u8 = 0;
const SAY: u8 = 1;
const PUBLISH: u8 = 2;
const PASS: u8 = 3;
const READ: u8 = 4;
const WINDOW: u8 = 5;
const LEAVE: u8 = 6;
const RESET: u8 = 7;

const STEPS_MAX: usize = 200;
const PEERS_MAX: usize = 8;
