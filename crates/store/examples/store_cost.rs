//! What the store costs, beside a bare loop of write and fdatasync on the same disk: figures as lines of JSON, for
//! `bench/run store`. Run it with `--release`, and the name of a folder that is not there yet.

#![allow(clippy::print_stdout, reason = "it is what the example is for")]

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use exchange::hub::{Epoch, Kind, Limits, Payload, Publish};
use exchange::{Clock, Exchange, Journal, Pending, PublishError, Receipt, Wake};
use multiplexor_store::{Folder, Keeper, Log, Options, Stats, Sync};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let root = std::env::args().nth(1).expect("give the name of a folder that is not there yet");
    let root = Path::new(&root);
    std::fs::create_dir(root).expect("the folder is not there yet, and can be made");
    single(root);
    for publishers in [64, 1_024] {
        many(root, publishers, 1);
    }
    many(root, 64, 64);
    recovery(root);
    std::fs::remove_dir_all(root).expect("it is ours");
}

/// One publish after the other, and the bare loop in turn.
fn single(root: &Path) {
    let store = Store::open(&root.join("single"), Sync::Always);
    let mut file = File::create(root.join("bare")).expect("the disk takes it");
    for _ in 0..ROUNDS {
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            bare.push(micros(|| write(&mut file, 1)));
            ours.push(micros(|| wait(&store.say(0, LEN))));
        }
        let (bare, ours) = (median(bare), median(ours));
        println!(r#"{{"what": "single", "bare_us": {bare:.1}, "ours_us": {ours:.1}}}"#);
    }
    store.end();
}

/// Publishers who each wait for the answer to so many messages at once; and a bare loop that writes as much as all of
/// them together, and syncs it.
fn many(root: &Path, publishers: usize, each: usize) {
    let folder = root.join("many");
    let mut file = File::create(root.join("bare")).expect("the disk takes it");
    for _ in 0..ROUNDS {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < SPAN {
            write(&mut file, publishers * each);
            count += publishers * each;
        }
        let bare = count as f64 / start.elapsed().as_secs_f64();
        let store = Store::open(&folder, Sync::Always);
        let ours = store.rate(publishers, each);
        store.end();
        std::fs::remove_dir_all(&folder).expect("it is ours");
        println!(
            r#"{{"what": "many", "publishers": {publishers}, "each": {each}, "bare": {bare:.0}, "ours": {ours:.0}}}"#
        );
    }
}

/// A million messages are written, and read again.
fn recovery(root: &Path) {
    let folder = root.join("million");
    let store = Store::open(&folder, Sync::Os);
    for n in 0..MILLION {
        store.say(n % CHANNELS, len(n));
    }
    store.end();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let store = Store::open(&folder, Sync::Os);
        let seconds = start.elapsed().as_secs_f64();
        let messages = store.exchange.admin().totals().history_messages;
        println!(r#"{{"what": "recovery", "messages": {messages}, "seconds": {seconds:.3}}}"#);
        store.end();
    }
}

/// A store at work.
struct Store {
    exchange: Arc<Exchange>,
    journal: Arc<Journal>,
    thread: JoinHandle<()>,
}

impl Store {
    fn open(folder: &Path, sync: Sync) -> Self {
        let disk = Folder::take(folder).expect("the folder can be used");
        let options = Options { len_max: 4 << 30, sync, volatile: 0 };
        let (log, found) = Log::open(disk, options, "boot", 7).expect("it can be read");
        let journal = Arc::<Journal>::default();
        let clock = Clock::system_after(found.past.time());
        let (epoch, reserved) = (Epoch::new(log.epoch()), log.reserved());
        let wakers: Vec<Arc<dyn Wake>> = Vec::new();
        let (past, facts) = (found.past, Arc::clone(&journal));
        let exchange = Arc::new(Exchange::again(limits(), epoch, 7, clock, facts, wakers, past, reserved));
        let keeper = Keeper::new(log, Arc::clone(&journal), 0, Arc::new(Stats::default()));
        let other = Arc::clone(&exchange);
        Self { exchange, journal, thread: std::thread::spawn(move || keeper.run(&other)) }
    }

    /// Publishes a message, as soon as there is room for it.
    fn say(&self, channel: usize, len: usize) -> Pending {
        loop {
            match self.exchange.publisher().publish(publish(channel, len), None) {
                Ok(Receipt::Ordered(pending)) => return pending,
                Err(PublishError::Full(_)) => std::thread::sleep(Duration::from_millis(1)),
                other => panic!("it is ordered or has to wait: {other:?}"),
            }
        }
    }

    /// Messages a second.
    fn rate(&self, publishers: usize, each: usize) -> f64 {
        let (start, mut count) = (Instant::now(), 0);
        let mut open: VecDeque<Pending> = (0..publishers).map(|_| self.ask(each)).collect();
        while start.elapsed() < SPAN {
            // The one in front is answered first, and most of the others with it.
            wait(open.front().expect("there are publishers"));
            while open.front().is_some_and(|first| first.look().is_some()) {
                open.pop_front();
                count += each;
                open.push_back(self.ask(each));
            }
        }
        let rate = count as f64 / start.elapsed().as_secs_f64();
        open.iter().for_each(wait);
        rate
    }

    /// What one publisher says at once; the last of it is answered last.
    fn ask(&self, each: usize) -> Pending {
        let mut batch: VecDeque<Publish> = (0..each).map(|n| publish(n, LEN)).collect();
        let mut receipts = Vec::new();
        while !batch.is_empty() {
            self.exchange.publisher().publish_many(&mut batch, &mut receipts);
        }
        match receipts.pop() {
            Some(Ok(Receipt::Ordered(pending))) => pending,
            other => panic!("it is ordered: {other:?}"),
        }
    }

    fn end(self) {
        self.journal.end();
        self.thread.join().expect("the store's thread does not panic");
    }
}

fn publish(channel: usize, len: usize) -> Publish {
    let payload = Payload::new(vec![b'x'; len], Kind::Either);
    let channels = [format!("user.{channel}").into()].into_iter().collect();
    Publish { channels, aliases: Default::default(), payload, ttl: None }
}

/// Nothing is evicted.
fn limits() -> Limits {
    Limits {
        history_messages: 2_000_000,
        history_bytes: 1 << 40,
        history_budget: 1 << 40,
        ..Limits::default()
    }
}

fn write(file: &mut File, records: usize) {
    file.write_all(&vec![b'x'; records * (LEN + RECORD_LEN)]).expect("the disk takes it");
    file.sync_data().expect("the disk takes it");
}

fn wait(pending: &Pending) {
    struct Unpark(Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut pending = pending.clone();
    while Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)).is_pending() {
        std::thread::park();
    }
}

fn micros(run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Lengths from 50 to 150 bytes, since an allocator rounds each of them differently.
fn len(n: usize) -> usize {
    50 + n % 101
}

const MILLION: usize = 1_000_000;
const CHANNELS: usize = 1_000;
const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_secs(1);
/// Bytes of a payload, and what a record has beside it.
const LEN: usize = 200;
const RECORD_LEN: usize = 30;
