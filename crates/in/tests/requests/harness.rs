//! The IN line over real sockets, in front of a real exchange with one shard that the test plays.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use exchange::hub::{Epoch, Limits, Page, ShardId, Start};
use exchange::{Clock, Exchange, Immediate, Wake};
use in_line::{Classic, Handover, InListener, InSettings, Socket, WaitLine, serve};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const SHARD: ShardId = ShardId(0);

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

/// The notifier of those who follow.
pub(crate) struct Notifier {
    socket: UnixStream,
    count: AtomicUsize,
}

impl Wake for Notifier {
    fn wake(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        (&self.socket).write_all(&[1]).unwrap();
    }
}

impl Notifier {
    /// How often it was written to.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

pub(crate) struct Line {
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) address: SocketAddr,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<std::io::Result<()>>,
}

/// An answer, taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Line {
    pub(crate) async fn start(settings: InSettings) -> Self {
        Self::start_after(settings, Handover::default()).await
    }

    pub(crate) async fn start_after(settings: InSettings, handover: Handover) -> Self {
        let wakers: Vec<Arc<dyn Wake>> = vec![Arc::new(Nobody)];
        let exchange =
            Exchange::new(Limits::default(), Epoch::new(7), 1, Clock::system(), Box::new(Immediate), wakers);
        let (notifier, notices) = UnixStream::pair().unwrap();
        notifier.set_nonblocking(true).unwrap();
        notices.set_nonblocking(true).unwrap();
        let notifier = Arc::new(Notifier { socket: notifier, count: AtomicUsize::new(0) });
        let exchange = Arc::new(exchange.with_follower_notifier(Arc::clone(&notifier) as Arc<dyn Wake>));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { drop(stopped.await) };
        let counters =
            Box::new(|| vec![vec![("accepted", 1), ("closed", 0)], vec![("accepted", 2), ("closed", 5)]]);
        let served = tokio::spawn(serve(
            vec![InListener { socket: Socket::Inet(listener), classic: Classic::Dklab, tls: None }],
            settings.into(),
            Arc::clone(&exchange),
            WaitLine {
                addresses: vec!["0.0.0.0:8088".parse().unwrap()],
                counters,
                asked: Box::new(Vec::new),
                certificates: None,
                webhooks: Box::new(Vec::new),
                reload: Box::new(|| Err("nothing can be reloaded".to_owned())),
                reloads: Arc::default(),
                upgrades: Arc::default(),
                settings: Box::new(|| None),
                lines_lost: || 0,
                notices: Some(notices.into()),
                prefix: String::new(),
            },
            None,
            None,
            handover,
            shutdown,
        ));
        Self { notifier, address, exchange, stop, served }
    }

    pub(crate) fn listen(&self, names: &[&str]) -> Page {
        self.exchange.registry().subscribe(SHARD, names, Start::Now).unwrap()
    }

    /// Sends bytes, and reads until the line closes.
    pub(crate) async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// `request` is `METHOD target`; `headers` end with a line end each.
    pub(crate) async fn ask(&self, request: &str, headers: &str, body: &[u8]) -> Answer {
        let len = body.len();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len}\r\n{headers}\r\n"
        );
        let answer = self.say(&[head.as_bytes(), body].concat()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        Answer { status: head[9..12].parse().unwrap(), head: head.to_lowercase(), body: body.to_owned() }
    }

    pub(crate) async fn check(&self, request: &str, status: u16, code: &str) {
        let answer = self.ask(request, "", b"").await;
        answer.check(status, code);
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// A problem document of this status and code.
    pub(crate) fn check(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.json()["code"]), (status, &json!(code)), "{self:?}");
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert!(self.head.contains("cache-control: no-store"), "{}", self.head);
    }
}
