//! A connection on trial: driven as a shard drives one, and telling what it is asked to do in words.

use std::sync::{Arc, LazyLock};

use multiplexor_transport::codec::{http, ws};
use multiplexor_transport::dialect::hub::{After, Cursors, Epoch, Position, Stage};
use multiplexor_transport::dialect::native::Paths;
use multiplexor_transport::dialect::realplexor::Realplexor;
use multiplexor_transport::dialect::{Command, Cors, Dialects, Listen, Origins, Shows, Transport, Wait};
use multiplexor_transport::{Action, Conn, Env, Frozen, Pages, Phase, PollEnd, Shape};
use testkit::conversation::quoted;

/// A connection and what it told so far.
pub(crate) struct Line {
    pub(crate) conn: Conn,
    pub(crate) facts: Vec<String>,
    /// The raw bytes and actions, for comparing one connection with another.
    pub(crate) exact: Vec<String>,
    /// Polls are answered at once, with nothing.
    pub(crate) answers_polls: bool,
    /// Heads of answers are shown whole.
    pub(crate) shows_heads: bool,
    over: bool,
}

impl Line {
    pub(crate) fn of(conn: Conn) -> Self {
        Self { conn, facts: vec![], exact: vec![], answers_polls: false, shows_heads: false, over: false }
    }

    /// Bytes come in. As the shard does it: what is not consumed is kept and comes again with the next.
    pub(crate) fn feed(&mut self, part: &[u8]) {
        if self.over {
            return;
        }
        let mut bytes = self.conn.take_input();
        bytes.extend_from_slice(part);
        let mut at = 0;
        loop {
            let len = bytes.len() - at;
            let (taken, action) = self.conn.receive(&mut bytes[at..], env());
            assert!(taken <= len, "never more than was given");
            at += taken;
            if matches!(action, Action::More) {
                break;
            }
            assert!(taken > 0, "whatever is done is done for some bytes");
            self.act(action);
        }
        self.keep(&bytes[at..]);
    }

    /// The facts, and what is left over at the end.
    pub(crate) fn end(mut self) -> Vec<String> {
        let held = self.conn.take_input().len();
        if held > 0 {
            self.facts.push(format!("holds {held} bytes"));
        } else if self.conn.is_mid_request() {
            self.facts.push("is inside a body".to_owned());
        }
        self.facts
    }

    fn keep(&mut self, bytes: &[u8]) {
        if bytes.len() > self.conn.input_len_max() {
            self.tell("sends too much ahead".to_owned());
            self.over = true;
        } else if !bytes.is_empty() && self.conn.phase != Phase::Closing {
            self.conn.extra_mut().input = bytes.to_vec();
        }
        self.conn.tidy();
    }

    fn act(&mut self, action: Action) {
        match &action {
            Action::Send(bytes) | Action::Close(bytes) => self.exact.push(quoted(bytes)),
            Action::Next => {}
            other => self.exact.push(format!("{other:?}")),
        }
        match action {
            Action::More | Action::Next => {}
            Action::Send(bytes) => self.tell(said(&bytes, self.shows_heads)),
            Action::Close(bytes) => {
                assert_eq!(self.conn.phase, Phase::Closing);
                self.tell(format!("{}, then closes", said(&bytes, self.shows_heads)));
            }
            Action::Wait { wait, head } => self.wait(&wait, &head),
            Action::Up { .. } => unreachable!("no dialect of these tests stays up"),
            Action::Command(command) => self.tell(command_words(&command)),
            Action::Take(id) => {
                assert_eq!((self.conn.phase, self.conn.shape), (Phase::Waiting, Shape::Dklab));
                self.tell(format!("takes {id}"));
            }
            Action::Listen(listen) => self.listen(&listen),
            Action::Pass(passed) => self.tell(format!("passes on {} {}", passed.method, passed.target)),
            Action::Overflow => {
                assert_eq!(self.conn.phase, Phase::Closing);
                self.tell("says too much".to_owned());
            }
            Action::Http2 => {
                assert_eq!(self.conn.phase, Phase::Closing);
                self.tell("speaks HTTP/2".to_owned());
            }
        }
    }

    fn listen(&mut self, listen: &Listen) {
        assert_eq!((self.conn.phase, self.conn.shape), (Phase::Waiting, Shape::Realplexor));
        let wish = |(id, after): &(Box<str>, After)| match after {
            After::Now => format!(" !{id}"),
            After::Recent => format!(" {id}"),
            After::Cursor(cursor) => format!(" {cursor}:{id}"),
            After::Mark(mark) => format!(" @{mark}:{id}"),
        };
        let wishes: String = listen.wishes.iter().map(wish).collect();
        let form = if listen.http { " by HTTP" } else { "" };
        let head = if listen.head_only { ", the head only" } else { "" };
        let has =
            if listen.has.is_empty() { String::new() } else { format!(", has {}", quoted(&listen.has)) };
        self.tell(format!("listens{form}{wishes}{head}{has}"));
    }

    fn wait(&mut self, wait: &Wait, head: &[u8]) {
        assert_eq!(self.conn.phase, Phase::Waiting);
        self.tell(wait_words(wait));
        if self.shows_heads && !head.is_empty() {
            self.tell(format!("head {}", quoted(head)));
        }
        if wait.transport == Transport::Poll && self.answers_polls {
            self.answer_poll();
        }
    }

    fn answer_poll(&mut self) {
        let mut out = Vec::new();
        self.conn.poll_answer(
            [].into_iter(),
            PollEnd { connection: Some(&"x".repeat(22)), ..PollEnd::at(Position::from_bits(5)) },
            cursors(),
            Cors::default(),
            &mut Pages::default(),
            &mut out,
        );
        if self.conn.closes() {
            self.conn.phase = Phase::Closing;
            self.tell(format!("{}, then closes", said(&out, false)));
        } else {
            self.conn.answered();
            self.tell(said(&out, false));
        }
    }

    fn tell(&mut self, fact: String) {
        self.facts.push(fact);
    }
}

/// No page is listed.
static ORIGINS: Origins = Origins::NONE;
/// Our paths, with nothing before them.
pub(crate) static OURS: LazyLock<Paths> = LazyLock::new(Paths::default);

static NOTHING: Shows = Shows::NOTHING;

pub(crate) static DIALECTS: LazyLock<Dialects> = LazyLock::new(|| {
    let page_ids = Arc::new(["IFRAME".into(), "SCRIPT".into()]);
    Dialects { realplexor: Realplexor { page_ids, ..Realplexor::default() }, ..Dialects::default() }
});

pub(crate) fn cursors() -> Cursors {
    Cursors::new(Epoch::new(0))
}

pub(crate) fn env() -> Env<'static> {
    Env {
        cursors: cursors(),
        now: 1_000_000,
        classic_limit: 5_120,
        dialects: &DIALECTS,
        compression: true,
        origins: &ORIGINS,
        shows: &NOTHING,
        paths: &OURS,
        stage: Stage::Serving,
        takeover: None,
        tls: false,
        gate: None,
        is_short: false,
    }
}

/// What another process makes of this connection.
pub(crate) fn handed_over(conn: &Conn) -> Conn {
    let frozen = conn.freeze(NOW_MS).expect("nobody is asked about it");
    let bytes = postcard::to_stdvec(&frozen).expect("plain data fit a vector");
    let read: Frozen = postcard::from_bytes(&bytes).expect("what was written can be read");
    let thawed = Conn::thaw(read, NOW_MS).expect("these data are ours");
    assert_eq!(thawed.freeze(NOW_MS), Some(frozen), "nothing is lost on the way");
    thawed
}

/// What the clock of a shard says.
pub(crate) const NOW_MS: u64 = 5_000;

/// Bytes for the client in words: an answer of HTTP, or a frame.
fn said(bytes: &[u8], shows_heads: bool) -> String {
    match bytes.starts_with(b"HTTP/") {
        true => answer_words(bytes, shows_heads),
        false => frame_words(bytes),
    }
}

/// `STATUS BODY`, of a problem `STATUS CODE`; of what is compressed, that it is. What a head promises is checked.
fn answer_words(bytes: &[u8], shows_heads: bool) -> String {
    let head_len = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head has an end") + 4;
    let (head, body) = bytes.split_at(head_len);
    let head = std::str::from_utf8(head).expect("our heads are ASCII");
    let status = &head["HTTP/1.1 ".len()..][..3];
    assert!(head.starts_with(http::status_line(status.parse().expect("three digits"))), "{head}");
    let lengths: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("Content-Length: ")).collect();
    match lengths[..] {
        [length] if !body.is_empty() => assert_eq!(length, body.len().to_string()),
        [_] => {}
        _ => assert!(body.is_empty() && lengths.is_empty(), "{head}"),
    }
    if shows_heads {
        return format!("says {}", quoted(bytes));
    }
    let problem = head.contains("\r\nContent-Type: application/problem+json\r\n");
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(document) if problem => {
            assert_eq!(document["status"].to_string(), status);
            format!("answers {status} {}", document["code"].as_str().expect("a problem has a code"))
        }
        _ if head.contains("\r\nContent-Encoding: gzip\r\n") => {
            assert!(body.is_empty() || body.starts_with(b"\x1f\x8b"), "{head}");
            format!("answers {status} in gzip")
        }
        _ if body.is_empty() => format!("answers {status}"),
        _ => format!("answers {status} {}", quoted(&body[..body.len().min(24)])),
    }
}

/// `frame OPCODE PAYLOAD`; of a problem, its status, code and id.
fn frame_words(bytes: &[u8]) -> String {
    let (header, header_len) = ws::decode_header(bytes).expect("our frames are right").expect("and whole");
    assert_eq!((header.fin, header.rsv, header.mask), (true, 0, None));
    let payload = &bytes[header_len..];
    assert_eq!(header.len, payload.len() as u64);
    match header.opcode {
        ws::Opcode::Close if payload.is_empty() => "frame close".to_owned(),
        ws::Opcode::Close => {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            format!("frame close {code} {}", quoted(&payload[2..]))
        }
        ws::Opcode::Text => match serde_json::from_slice::<serde_json::Value>(payload) {
            Ok(value) if value["error"].is_object() => {
                let id = value.get("id").map(|id| format!(" id {id}")).unwrap_or_default();
                format!("frame error {} {}{id}", value["error"]["status"], value["error"]["code"])
            }
            _ => format!("frame text {}", quoted(payload)),
        },
        opcode => format!("frame {opcode:?} {}", quoted(payload)).to_ascii_lowercase(),
    }
}

fn wait_words(wait: &Wait) -> String {
    let Wait { names, start, transport, bare, head_only, .. } = wait;
    assert!(!head_only, "a head is an answer");
    format!("waits {transport:?} [{}] {start:?}{}", names.join(" "), if *bare { " bare" } else { "" })
}

fn command_words(command: &Command) -> String {
    let id_words = |id: &Option<Box<serde_json::value::RawValue>>| {
        id.as_ref().map(|id| format!(" id {}", id.get())).unwrap_or_default()
    };
    match command {
        Command::Subscribe { names, start, presence, id } => {
            assert!(!presence);
            format!("subscribe [{}] {start:?}{}", names.join(" "), id_words(id))
        }
        Command::Unsubscribe { names, id } => format!("unsubscribe [{}]{}", names.join(" "), id_words(id)),
        Command::Publish { name, id, .. } => format!("publish {name}{}", id_words(id)),
        Command::Renew { token, id } => format!("renew {token}{}", id_words(id)),
        Command::Ping { value, .. } => format!("ping {value}"),
    }
}
