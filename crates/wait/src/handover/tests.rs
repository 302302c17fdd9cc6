//! Two programs of two shards each, in one: the second goes on in the place of the first.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Instant;

use exchange::hub::{Epoch, Kind, Limits, Payload, Publish};
use exchange::{Canary, Clock, Exchange, HandedOver, Immediate, Order as Mailed, Quota, Shares, Wake};

use super::*;
use crate::{Certificates, Desk, DialectSet, Line, ListenAddress, Listener, ShardWay, WaitSettings, wakers};
use std::sync::Arc;

const SHARDS: usize = 2;
/// Connections of one address.
const ADDRESS_MAX: u32 = 300;
const PATIENCE: Duration = Duration::from_secs(30);

/// A WAIT line of a program, and how its shards are talked to.
struct Program {
    exchange: Arc<Exchange>,
    line: Line,
    outside: ShardPassages,
}

fn shares() -> Shares {
    let quota = Quota { connections: ADDRESS_MAX, requests: 0 };
    Shares::new(quota, 64, Quota::default(), 0)
}

fn start(
    lines: Option<Vec<OwnedFd>>,
    exchange: impl FnOnce(Vec<Arc<dyn Wake>>) -> Exchange,
) -> Result<Program, crate::StartError> {
    let wakers = wakers(SHARDS).unwrap();
    let (outside, inside) = passages(SHARDS).unwrap();
    let exchange = Arc::new(exchange(wakers.iter().map(|waker| Arc::clone(waker) as _).collect()));
    let ways = wakers.into_iter().zip(inside).map(|(waker, passage)| ShardWay { waker, passage });
    let any = ListenAddress::Inet(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listeners = [Listener { address: any, dialects: DialectSet::NONE }];
    let (desk, takes_over) = (Desk::new(&exchange, None), lines.is_some());
    outside.receive(lines.unwrap_or_default()).unwrap();
    let line = Line::start(
        &listeners,
        &Certificates::default(),
        WaitSettings::default(),
        ways.collect(),
        takes_over,
        &exchange,
        &desk,
        7,
    )?;
    Ok(Program { exchange, line, outside })
}

impl Program {
    fn new() -> Self {
        let commit = Box::new(Immediate);
        let program = start(None, |wakers| {
            Exchange::new(Limits::default(), Epoch::new(1), 7, Clock::system(), commit, wakers)
                .with_shares(shares())
        });
        let program = program.unwrap();
        program.line.go();
        program
    }

    fn client(&self, request: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.line.addresses()[0].inet().unwrap()).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        client
    }

    fn publish(&self, text: &str) {
        let payload = Payload::new(text.as_bytes(), Kind::Text);
        let channels = [Box::from("a")].into_iter().collect();
        let publish = Publish { channels, aliases: [].into_iter().collect(), payload, ttl: None };
        self.exchange.publisher().publish(publish, None).unwrap();
    }

    /// All shards come to rest.
    fn rest(&mut self) -> Vec<Rested> {
        let finished = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&finished);
        let canary = Canary::new(SHARDS, move || told.store(true, Ordering::Relaxed));
        self.exchange.admin().order_all(&Mailed::Finish(Arc::new(canary)));
        let began = Instant::now();
        while !finished.load(Ordering::Relaxed) {
            assert!(began.elapsed() < PATIENCE);
            sleep(Duration::from_millis(1));
        }
        self.exchange.admin().order_all(&Mailed::Rest);
        self.outside.rested(PATIENCE).unwrap()
    }

    /// Hands over to another program, whose shards are started with these lines.
    fn hand_over(&mut self) -> (Result<usize, String>, Result<Self, crate::StartError>) {
        let resting = self.exchange.rest().expect("all is at rest");
        let mut pieces: Vec<HandedOver> = Vec::new();
        resting.freeze(|piece| pieces.push(piece));
        let pairs: Vec<_> = (0..SHARDS).map(|_| Parcels::pair().unwrap()).collect();
        let (own, others): (Vec<Parcels>, Vec<OwnedFd>) =
            pairs.into_iter().map(|(own, other)| (own, OwnedFd::from(other))).unzip();
        scope(|scope| {
            let next = scope.spawn(|| {
                start(Some(others), |wakers| {
                    let immediate = Box::new(Immediate);
                    Exchange::thaw(Limits::default(), shares(), immediate, wakers, pieces).unwrap()
                })
            });
            let given = self.outside.give(&own, PATIENCE);
            drop(own);
            (given, next.join().unwrap())
        })
    }
}

fn reads(client: &mut TcpStream, expected: &str) {
    read_until(client, expected).unwrap();
}

/// Reads until this has come; or all, where the connection ends before.
fn read_until(client: &mut TcpStream, expected: &str) -> Result<(), String> {
    let mut text = String::new();
    while !text.contains(expected) {
        let mut some = [0; 4_096];
        match client.read(&mut some).unwrap() {
            0 => return Err(text),
            len => text.push_str(&String::from_utf8_lossy(&some[..len])),
        }
    }
    Ok(())
}

const STREAM: &str = "GET /sub/a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n";

#[test]
fn all_shards_of_another_program_go_on() {
    let mut old = Program::new();
    let mut streams: Vec<TcpStream> = (1..ADDRESS_MAX).map(|_| old.client(STREAM)).collect();
    streams.iter_mut().for_each(|client| reads(client, "event: cursor"));
    let mut poll = old.client("GET /sub/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let began = Instant::now();
    while old.exchange.admin().channel("a").unwrap().waiting < ADDRESS_MAX {
        assert!(began.elapsed() < PATIENCE);
        sleep(Duration::from_millis(1));
    }
    let rested = old.rest();
    let sum = |count: fn(&Rested) -> usize| rested.iter().map(count).sum::<usize>();
    assert_eq!((sum(|shard| shard.seats), sum(|shard| shard.closed)), (ADDRESS_MAX as usize, 0));
    let (given, next) = old.hand_over();
    assert_eq!(given, Ok(ADDRESS_MAX as usize));
    let next = next.unwrap();
    assert_eq!(next.line.addresses()[0].inet(), old.line.addresses()[0].inet());
    // It comes while nobody serves, and is not lost.
    let mut newcomer = old.client(STREAM);
    next.line.go();
    reads(&mut newcomer, "address-connections");
    next.publish("one");
    streams.iter_mut().for_each(|client| reads(client, "data: one\n"));
    reads(&mut poll, "one");
    let began = Instant::now();
    // Whoever came over counts there, and whoever leaves counts no longer.
    while let Err(ended) = read_until(&mut old.client(STREAM), "event: cursor") {
        assert!(ended.contains("address-connections") && began.elapsed() < PATIENCE, "{ended}");
    }
}

#[test]
fn where_nobody_goes_on_all_is_as_if_nothing_had_been() {
    let mut old = Program::new();
    let mut clients: Vec<TcpStream> = (0..5).map(|_| old.client(STREAM)).collect();
    clients.iter_mut().for_each(|client| reads(client, "event: cursor"));
    for round in 0..3 {
        old.rest();
        if round > 0 {
            let lines: Vec<Parcels> = (0..SHARDS).map(|_| Parcels::pair().unwrap().0).collect();
            let why = old.outside.give(&lines, PATIENCE).unwrap_err();
            assert_eq!(why, "the other program has ended");
        }
        old.outside.stay();
        old.publish(&format!("round {round}"));
        clients.iter_mut().for_each(|client| reads(client, &format!("data: round {round}\n")));
        let mut newcomer = old.client(STREAM);
        reads(&mut newcomer, "event: cursor");
    }
}
