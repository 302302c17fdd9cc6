//! Over the kernel of this machine: sockets that go from one set to another, and a shard that goes on in another's place.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;

use exchange::hub::{Epoch, Kind, Limits, Payload, Publish, ShardId};
use exchange::{Clock, Exchange, Immediate, Wake};

use super::*;
use crate::{Desk, DialectSet, Seat, Shard, WaitSettings};

/// A kernel that this wakes.
fn kernel(waker: &Arc<Waker>) -> Linux {
    Linux::new(Arc::clone(waker), Instant::now(), true).unwrap()
}

/// What is reported at once.
fn told(linux: &mut Linux) -> Vec<ReadyEvent> {
    let mut events = Vec::new();
    linux.poll(Some(0), &mut events);
    events
}

#[test]
fn a_socket_goes_from_one_set_to_another() {
    let wakers = [(); 2].map(|()| Arc::new(Waker::new().unwrap()));
    let [mut here, mut there] = [kernel(&wakers[0]), kernel(&wakers[1])];
    let (mut client, server) = UnixStream::pair().unwrap();
    let socket = OwnedFd::from(server);
    here.watch(&socket, 7).unwrap();
    client.write_all(b"x").unwrap();
    let ready = [ReadyEvent::Ready { token: 7, readable: true, writable: false }];
    assert_eq!(told(&mut here), ready);
    here.unwatch(&socket);
    here.unwatch(&socket);
    there.watch(&socket, 7).unwrap();
    assert_eq!((told(&mut here), told(&mut there)), (vec![], ready.to_vec()));
    here.watch(&socket, 9).unwrap();
    assert_eq!(told(&mut here).len(), 1, "it may come back");
}

/// A shard of this machine, and what it needs.
struct Line {
    waker: Arc<Waker>,
    exchange: Arc<Exchange>,
    desk: Desk,
    address: SocketAddr,
}

impl Line {
    fn new() -> (Self, Shard<Linux>) {
        let waker = Arc::new(Waker::new().unwrap());
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::clone(&waker) as Arc<dyn Wake>];
        let (limits, clock) = (Limits::default(), Clock::system());
        let exchange = Exchange::new(limits, Epoch::new(7), 1, clock, Box::new(Immediate), wakers);
        let exchange = Arc::new(exchange);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (listener, address) = Linux::listen(any, Duration::from_secs(60)).unwrap();
        let desk = Desk::new(&exchange, None);
        let line = Self { waker, exchange, desk, address };
        let shard = line.shard(vec![(listener, DialectSet::NONE)]);
        (line, shard)
    }

    fn shard(&self, listeners: Vec<(OwnedFd, DialectSet)>) -> Shard<Linux> {
        let (settings, exchange) = (Arc::new(WaitSettings::default()), Arc::clone(&self.exchange));
        Shard::new(ShardId(0), kernel(&self.waker), listeners, settings, exchange, self.desk.clone(), 1)
    }

    /// A client that has said this.
    fn says(&self, text: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        client.write_all(text.as_bytes()).unwrap();
        client
    }

    fn publish(&self, channel: &str, text: &str) {
        let payload = Payload::new(text.as_bytes(), Kind::Either);
        let (channels, aliases) = ([channel.into()].into_iter().collect(), [].into_iter().collect());
        let publish = Publish { channels, aliases, payload, ttl: None };
        self.exchange.publisher().publish(publish, None).unwrap();
    }

    /// The shard goes on until it has so many connections.
    fn holds(&self, shard: &mut Shard<Linux>, count: usize) {
        let begun = Instant::now();
        while shard.connections() != count {
            assert!(begun.elapsed() < PATIENCE, "{} connections", shard.connections());
            self.waker.wake();
            shard.turn();
        }
    }

    /// The shard goes on until the client has read this.
    fn reads(&self, shard: &mut Shard<Linux>, client: &mut TcpStream, expected: &str) {
        let (mut bytes, mut some) = (Vec::new(), [0; 4_096]);
        let begun = Instant::now();
        while !String::from_utf8_lossy(&bytes).contains(expected) {
            assert!(begun.elapsed() < PATIENCE, "{expected} does not come: {}", bytes.escape_ascii());
            self.waker.wake();
            shard.turn();
            if let Ok(len) = client.read(&mut some) {
                assert!(len > 0, "the connection ended: {}", bytes.escape_ascii());
                bytes.extend_from_slice(&some[..len]);
            }
        }
    }
}

#[test]
fn a_shard_goes_on_in_the_place_of_another() {
    let (line, mut shard) = Line::new();
    let mut stream = line.says("GET /sub/a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    line.reads(&mut shard, &mut stream, "event: cursor");
    let mut half = line.says("GET /sub/a?wait=0 HTTP/1.1\r\nHo");
    line.holds(&mut shard, 2);
    for text in ["one", "two"] {
        let seats: Vec<Seat<OwnedFd>> = shard.freeze();
        assert_eq!((seats.len(), shard.connections()), (2, 0));
        line.publish("a", text);
        let estate = shard.hand_over();
        // It comes while nobody accepts, and is not lost.
        let mut newcomer = line.says("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        shard = line.shard(estate.listeners).resume(&estate.bytes).unwrap();
        for seat in seats {
            shard.thaw(seat).unwrap();
        }
        line.reads(&mut shard, &mut stream, &format!("data: {text}\n"));
        line.reads(&mut shard, &mut newcomer, "HTTP/1.1 200 OK");
        drop(newcomer);
        line.holds(&mut shard, 2);
    }
    half.write_all(b"st: a\r\n\r\n").unwrap();
    line.reads(&mut shard, &mut half, "HTTP/1.1 200 OK");
}

/// After so long nothing comes any more.
const PATIENCE: Duration = Duration::from_secs(30);
