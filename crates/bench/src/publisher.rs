//! Sends the messages: each in a request of its own or many in one, over connections that stay, or as pages do, by WebSocket.

mod spoken;

use std::net::TcpStream;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags};
use serde::Serialize;

use crate::answer;
use crate::clock::{SeededRandom, now_ns, timespec};
use crate::histogram::Durations;
use crate::marker::{Stamp, write_payload};
use crate::plan::{Endpoint, Schedule, SendPlan};
use crate::template::{Fill, Template};
use spoken::SpokenAnswer;

/// How messages are made and where they go.
#[derive(Clone, Debug)]
pub(crate) struct MessageMaker {
    pub(crate) target: Endpoint,
    pub(crate) path: Template,
    /// What is sent: `{payload}`, or more around it.
    pub(crate) body: Template,
    /// Further header lines, each with its line end.
    pub(crate) headers: String,
    /// Whether messages go by WebSocket, each as a command, and not by HTTP.
    pub(crate) spoken: bool,
    pub(crate) schedule: Schedule,
    pub(crate) name_len: usize,
    pub(crate) payload_len: usize,
}

/// What became of the requests.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PublishCounts {
    /// Messages whose request was answered well.
    pub(crate) answered: u64,
    /// Messages whose request was not.
    pub(crate) refused: u64,
    /// From the first request to the last answer.
    pub(crate) span_s: f64,
    #[serde(skip)]
    pub(crate) answers: Durations,
    /// What went wrong first.
    pub(crate) error: Option<String>,
}

impl MessageMaker {
    /// Sends `sending.count` messages from number `first` on, and waits for all answers.
    pub(crate) fn run(&self, sending: SendPlan, first: u32) -> anyhow::Result<PublishCounts> {
        let mut job = Job {
            publisher: self,
            sending,
            next: first,
            end: first + sending.count,
            first,
            begun_ns: now_ns(),
            chance: SeededRandom::new(u64::from(first)),
            lanes: Vec::new(),
            told: PublishCounts::default(),
        };
        job.run()?;
        job.told.span_s = (now_ns() - job.begun_ns) as f64 / 1e9;
        Ok(job.told)
    }

    /// Appends the request for the messages from `number` on.
    fn request(&self, number: u32, count: u32, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        let mut payload = Vec::new();
        for number in number..number + count.max(1) {
            payload.clear();
            write_payload(Stamp { number, sent_ns: now_ns() }, self.payload_len, &mut payload);
            self.body.fill(&self.fill(number, &payload), &mut body);
        }
        if self.spoken {
            return spoken::write(&body, out);
        }
        out.extend_from_slice(b"POST ");
        self.path.fill(&self.fill(number, b""), out);
        let len = body.len();
        let head = format!(
            " HTTP/1.1\r\nHost: {}\r\n{}Content-Length: {len}\r\n\r\n",
            self.target.host, self.headers
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&body);
    }

    /// Makes a WebSocket of a new connection.
    fn shake(&self, socket: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
        socket.set_read_timeout(Some(SHAKE_TIMEOUT))?;
        let mut head = Vec::new();
        self.path.fill(&self.fill(0, b""), &mut head);
        let head = format!("{} HTTP/1.1\r\nHost: {}\r\n", String::from_utf8_lossy(&head), self.target.host);
        spoken::shake(socket, &head)
    }

    fn fill<'a>(&self, number: u32, payload: &'a [u8]) -> Fill<'a> {
        Fill {
            channel: self.schedule.channel_of(number),
            name_len: self.name_len,
            cursor: "",
            value: "",
            payload,
        }
    }
}

struct Job<'a> {
    publisher: &'a MessageMaker,
    sending: SendPlan,
    /// The next message to send, and the one after the last.
    next: u32,
    end: u32,
    first: u32,
    begun_ns: u64,
    chance: SeededRandom,
    lanes: Vec<Lane>,
    told: PublishCounts,
}

/// A connection, with at most one request on its way.
struct Lane {
    socket: TcpStream,
    /// What is left to write.
    out: Vec<u8>,
    answer: Vec<u8>,
    /// Messages in the request on its way; 0: none is.
    count: u32,
    asked_ns: u64,
}

impl Job<'_> {
    fn run(&mut self) -> anyhow::Result<()> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for n in 0..self.sending.outstanding {
            let lane = self.connect()?;
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
            epoll::add(&epoll, &lane.socket, EventData::new_u64(n.into()), flags)?;
            self.lanes.push(lane);
        }
        let mut ready = Vec::with_capacity(64);
        let mut due_ns = self.due(0);
        loop {
            let mut wait_ns = None;
            for n in 0..self.lanes.len() {
                if self.next == self.end || self.lanes[n].count > 0 {
                    continue;
                }
                let now = now_ns();
                if now < due_ns {
                    wait_ns = Some(due_ns - now);
                    break;
                }
                self.ask(n);
                due_ns = self.due(self.next - self.first);
            }
            if self.next == self.end && self.lanes.iter().all(|lane| lane.count == 0) {
                return Ok(());
            }
            let timeout = wait_ns.map_or(Duration::from_millis(100), Duration::from_nanos);
            let timeout = timespec(timeout);
            ready.clear();
            match epoll::wait(&epoll, spare_capacity(&mut ready), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for n in ready.iter().map(|event: &epoll::Event| event.data.u64()).collect::<Vec<_>>() {
                let n = usize::try_from(n)?;
                if let Err(why) = self.serve(n) {
                    self.give_up(n, &why);
                    self.lanes[n] = self.connect()?;
                    let flags = EventFlags::IN | EventFlags::OUT | EventFlags::ET;
                    epoll::add(&epoll, &self.lanes[n].socket, EventData::new_u64(n as u64), flags)?;
                }
            }
        }
    }

    /// When the `nth` message is to be sent.
    fn due(&mut self, nth: u32) -> u64 {
        if self.sending.rate <= 0.0 {
            return 0;
        }
        let late = if self.sending.at_random { self.chance.next() } else { 0.0 };
        let after = Duration::from_secs_f64((f64::from(nth) + late) / self.sending.rate);
        self.begun_ns + u64::try_from(after.as_nanos()).unwrap_or(u64::MAX / 2)
    }

    fn connect(&self) -> anyhow::Result<Lane> {
        let mut socket = TcpStream::connect(self.publisher.target.address)?;
        socket.set_nodelay(true)?;
        let answer = if self.publisher.spoken { self.publisher.shake(&mut socket)? } else { Vec::new() };
        socket.set_nonblocking(true)?;
        Ok(Lane { socket, out: Vec::new(), answer, count: 0, asked_ns: 0 })
    }

    fn ask(&mut self, n: usize) {
        let lane = &mut self.lanes[n];
        lane.count = self.sending.batch.max(1).min(self.end - self.next);
        lane.asked_ns = now_ns();
        lane.out.clear();
        self.publisher.request(self.next, lane.count, &mut lane.out);
        self.next += lane.count;
        if let Err(why) = lane.write() {
            self.give_up(n, &why);
        }
    }

    /// Writes and reads what can be; an error ends the lane.
    fn serve(&mut self, n: usize) -> Result<(), String> {
        let lane = &mut self.lanes[n];
        lane.write()?;
        let mut chunk = [0; 16 << 10];
        loop {
            match net::recv(&lane.socket, &mut chunk, RecvFlags::empty()) {
                Ok((0, _)) => return Err("the connection ended before the answer".to_owned()),
                Ok((len, _)) => lane.answer.extend_from_slice(&chunk[..len]),
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
            let Some(keep_alive) = lane.take_answer(self.publisher.spoken)? else { continue };
            self.told.answered += u64::from(lane.count);
            self.told.answers.record(now_ns().saturating_sub(lane.asked_ns));
            lane.count = 0;
            if !keep_alive {
                return Err(String::new());
            }
        }
    }

    /// The request on this lane counts as refused, if there is one.
    fn give_up(&mut self, n: usize, why: &str) {
        let count = std::mem::take(&mut self.lanes[n].count);
        if count > 0 {
            self.told.refused += u64::from(count);
            self.told.error.get_or_insert_with(|| why.to_owned());
        }
    }
}

impl Lane {
    /// Takes an answer that is whole: whether another request may follow. An error: it was refused.
    fn take_answer(&mut self, spoken: bool) -> Result<Option<bool>, String> {
        if spoken {
            return match spoken::read(&mut self.answer)? {
                None => Ok(None),
                Some(SpokenAnswer::Taken) => Ok(Some(true)),
                Some(SpokenAnswer::Refused(why)) => Err(why),
            };
        }
        let Some((head, _)) = answer::decode(&self.answer).map_err(|_| "no HTTP answer".to_owned())? else {
            return Ok(None);
        };
        if !(200..300).contains(&head.status) {
            let body = String::from_utf8_lossy(&self.answer[head.len..]).into_owned();
            return Err(format!("status {}: {body}", head.status));
        }
        self.answer.clear();
        Ok(Some(head.keep_alive))
    }

    fn write(&mut self) -> Result<(), String> {
        while !self.out.is_empty() {
            match net::send(&self.socket, &self.out, SendFlags::NOSIGNAL) {
                Ok(len) => {
                    self.out.drain(..len);
                }
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

/// How long the handshake of a publisher's WebSocket may take.
const SHAKE_TIMEOUT: Duration = Duration::from_secs(5);
