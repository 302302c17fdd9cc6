//! What presence of users costs in the hub, that is under the lock: a join, a list for a newcomer, a reload; and the bytes of a user
//! who is there. Lines of JSON, for `bench/run people-hub`. Run it with `--release`.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::hint::black_box;
use std::time::Instant;

use multiplexor_hub::{
    Door, Epoch, Guest, Hub, Leave, Limits, Next, Pattern, Position, Rule, Session, ShardId, Start,
    presence_name,
};

/// As in the program itself: what is measured is mostly memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // First, while no freed memory is there to hide in.
    let plain = crowd(PLAIN);
    let open = crowd(OPEN);
    let bytes = open.bytes.saturating_sub(plain.bytes);
    println!("{{\"what\":\"bytes\",\"plain\":{},\"open\":{},\"each\":{bytes}}}", plain.bytes, open.bytes);
    println!("{{\"what\":\"join\",\"plain_ns\":{},\"open_ns\":{}}}", plain.join_ns, open.join_ns);
    for limit in [64, 200, 1_000] {
        list(limit);
    }
    reload(open.hub);
}

/// A hub with a crowd on one channel.
struct Crowd {
    hub: Hub,
    bytes: usize,
    join_ns: u128,
}

/// Everybody joins the channel, in an order that says nothing of their names, and is told of.
fn crowd(name: &str) -> Crowd {
    let mut hub = hub(64);
    let sessions: Vec<Session> = (0..USERS).map(session).collect();
    // What stands for the channel itself, and for the changes that are kept, is no part of a user.
    let (first, rest) = sessions.split_at(2 * Limits::default().presence_history as usize);
    first.iter().for_each(|session| join(&mut hub, name, session));
    let (before, begun) = (resident(), Instant::now());
    rest.iter().for_each(|session| join(&mut hub, name, session));
    let join_ns = begun.elapsed().as_nanos() / rest.len() as u128;
    Crowd { hub, bytes: (resident() - before) / rest.len(), join_ns }
}

/// Somebody asks who is there, over and over, among a crowd that does not fit into the cache; each list is made anew.
fn list(limit: usize) {
    let mut hub = hub(limit);
    (0..USERS).for_each(|number| join(&mut hub, OPEN, &session(number)));
    let names = [OPEN, &presence_name(OPEN)];
    let mut took: Vec<u128> = (0..LISTS)
        .map(|_| {
            let begun = Instant::now();
            let page = hub.subscribe(ShardId(1), &names, Start::Now, 2).expect("there is room");
            let took = begun.elapsed().as_nanos();
            assert_eq!(page.present[0].page.users.len(), limit);
            leave(&mut hub, ShardId(1), page.next, None);
            took
        })
        .collect();
    took.sort_unstable();
    let (median, p99) = (took[LISTS / 2], took[LISTS * 99 / 100]);
    println!("{{\"what\":\"list\",\"users\":{limit},\"median_ns\":{median},\"p99_ns\":{p99}}}");
}

/// Connections of users end, and others of the same users come at once.
fn reload(mut hub: Hub) {
    let sessions: Vec<Session> = (0..USERS).map(session).collect();
    let before = hub.last();
    let begun = Instant::now();
    for session in &sessions {
        let page = hub.subscribe(guest(session), &[OPEN], Start::Now, 3).expect("there is room");
        leave(&mut hub, ShardId(0), page.next, session.user());
    }
    let ns = begun.elapsed().as_nanos() / USERS as u128;
    let told = hub.last().to_bits() - before.to_bits();
    println!("{{\"what\":\"reload\",\"ns\":{ns},\"told\":{told}}}");
}

fn join(hub: &mut Hub, name: &str, session: &Session) {
    hub.subscribe(guest(session), &[name], Start::Now, 1).expect("there is room");
    let mut released = Vec::new();
    hub.release(Position::END, 1, &mut released);
    black_box(released);
    drop(hub.take_trash());
}

/// A connection ends.
fn leave(hub: &mut Hub, shard: ShardId, next: Next, who: Option<&str>) {
    let Next::Live { channels, .. } = next else { panic!("nothing is read") };
    for channel in channels {
        hub.leave(shard, Leave { who, ..Leave::waiting(channel, 1) }, 30, 3);
    }
}

fn guest(session: &Session) -> Guest<'_> {
    Guest { session: Some(session), ..Guest::from(ShardId(0)) }
}

/// Names of eight bytes, scattered, so that nobody comes in the order of the list.
fn session(number: usize) -> Session {
    let scattered = number.wrapping_mul(61_803) % USERS;
    Session::new(Some(&format!("u{scattered:07}")), None, &[])
}

fn hub(presence_list: usize) -> Hub {
    let rule =
        Rule { presence: Some(Door::Open), ..Rule::new(Pattern::new(OPEN).expect("a name is a pattern")) };
    let limits = Limits { rules: vec![rule], presence_list, ..Limits::default() };
    Hub::new(limits, Epoch::new(1), 7)
}

/// Resident memory of this process in bytes; 0 where it cannot be read.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

const OPEN: &str = "room";
const PLAIN: &str = "plain";
const USERS: usize = 100_000;
const LISTS: usize = 10_000;
