//! What a client says, and what is to be done about it.

use codec::http::{self, Body};
use codec::http2;
use codec::ws::{self, FrameFact};
use dialect::hub::Stage;
use dialect::native::{self, Context};
use dialect::{
    Answer, Code, Heard, Input, Intent, Moment, Origins, Problem, Request, State, Transport, Wait,
};

use crate::answer;
use crate::conn::{Manner, Upload};
use crate::limits::{
    BODY_LEN_MAX, FRAGMENTS_MAX, HEAD_LEN_MAX, INFLATE_RATIO_MAX, MESSAGE_LEN_MAX, SMALL_LEN_MAX,
};
use crate::{Action, Coding, Conn, Ending, Env, Notice, Phase};

impl Conn {
    /// Takes what is complete at the front of `bytes`: returns how much of it, and what is to be done.
    /// To be called again with the rest until it says [`Action::More`].
    pub fn receive(&mut self, bytes: &mut [u8], env: Env<'_>) -> (usize, Action) {
        self.receive_with(bytes, None, env)
    }

    /// The same of a connection of which its dialect keeps this, since [`Action::Up`].
    pub fn receive_with(
        &mut self,
        bytes: &mut [u8],
        state: Option<&mut dyn State>,
        env: Env<'_>,
    ) -> (usize, Action) {
        if bytes.is_empty() {
            return (0, Action::More);
        }
        match self.phase {
            Phase::Request => self.receive_request(bytes, env),
            Phase::Waiting if self.shape.hears() && self.has_backlog() => (0, Action::More),
            Phase::Waiting if self.shape.is_ws() => self.receive_frame(bytes, state, env),
            Phase::Waiting if self.shape.hears() => self.receive_words(bytes, state, env),
            Phase::Asking => (0, Action::More),
            // The next request of a pipelining client waits its turn.
            Phase::Waiting if self.shape.ending() == Ending::OnePoll => (0, Action::More),
            // A stream's client has nothing to say.
            Phase::Waiting | Phase::Closing => (bytes.len(), Action::More),
        }
    }

    /// Whether bytes may pile up for this connection, and how many.
    pub fn input_len_max(&self) -> usize {
        match self.phase {
            Phase::Waiting if self.shape.ending() == Ending::OnePoll => crate::limits::AHEAD_LEN_MAX,
            Phase::Asking => crate::limits::AHEAD_LEN_MAX,
            Phase::Waiting => crate::limits::INPUT_LEN_MAX,
            Phase::Request => HEAD_LEN_MAX + crate::limits::AHEAD_LEN_MAX,
            Phase::Closing => 0,
        }
    }

    /// The answer to a request that cannot be carried out; the connection stays if it can.
    pub fn refuse(&mut self, problem: Problem, origins: &Origins) -> Action {
        self.answer(&problem.into(), origins)
    }

    /// The same, told by an event where it passes, and where `chance` is given: a random number, for who comes again.
    pub fn refuse_for_now(&mut self, problem: Problem, chance: Option<u64>, origins: &Origins) -> Action {
        match chance.and_then(|chance| native::told_by_event(&problem, chance)) {
            Some(told) => self.answer(&told, origins),
            None => self.refuse(problem, origins),
        }
    }

    fn receive_request(&mut self, bytes: &[u8], env: Env<'_>) -> (usize, Action) {
        if self.extra.as_ref().is_some_and(|extra| extra.upload.is_some()) {
            return self.receive_body(bytes, env);
        }
        match http2::begins(bytes) {
            None => return (0, Action::More),
            Some(true) => {
                self.phase = Phase::Closing;
                return (bytes.len(), Action::Http2);
            }
            Some(false) => {}
        }
        match self.foreign(bytes, env) {
            None => (0, Action::More),
            Some(Some(classic)) => self.receive_foreign(bytes, classic, env),
            Some(None) => self.receive_http(bytes, env),
        }
    }

    pub(crate) fn receive_http(&mut self, bytes: &[u8], env: Env<'_>) -> (usize, Action) {
        let (request, head_len) = match http::decode(bytes, &HTTP_LIMITS) {
            Ok(Some(head)) => head,
            Ok(None) => return (0, Action::More),
            Err(error) => return (bytes.len(), self.malformed(error, env)),
        };
        self.close |= !request.keep_alive || request.minor == 0;
        if request.framing == http::BodyFraming::None || request.framing == http::BodyFraming::Length(0) {
            return (head_len, self.carry_out(&request, &[], env));
        }
        if env.is_short
            && !matches!(request.framing, http::BodyFraming::Length(len) if len <= SMALL_LEN_MAX as u64)
        {
            self.close = true;
            return (bytes.len(), self.refuse(Problem::new(503, Code::Memory, SHORT_OF_MEMORY), env.origins));
        }
        let go_on = request.expect_continue();
        let upload =
            Upload { head: bytes[..head_len].to_vec(), body: Body::new(request.framing), bytes: Vec::new() };
        self.extra_mut().upload = Some(upload);
        let action =
            if go_on { Action::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()) } else { Action::Next };
        (head_len, action)
    }

    fn receive_body(&mut self, bytes: &[u8], env: Env<'_>) -> (usize, Action) {
        let upload = self.extra_mut().upload.as_mut().expect("the caller looked");
        match upload.body.decode(bytes, &mut upload.bytes, BODY_LEN_MAX) {
            Err(error) => (bytes.len(), self.malformed(error, env)),
            Ok((taken, false)) => (taken, Action::More),
            Ok((taken, true)) => {
                let upload = self.extra_mut().upload.take().expect("it was there above");
                let (request, _) = http::decode(&upload.head, &HTTP_LIMITS)
                    .ok()
                    .flatten()
                    .expect("the head was decoded before its body was read");
                (taken, self.carry_out(&request, &upload.bytes, env))
            }
        }
    }

    /// A complete request.
    fn carry_out(&mut self, request: &http::RequestHead<'_>, body: &[u8], env: Env<'_>) -> Action {
        let is_head = request.method == "HEAD";
        self.manner = if is_head { Manner::Head } else { Manner::Whole(native::Remark::NOTHING) };
        self.close |= env.stage == Stage::Ending;
        let path = env.paths.strip(request.path);
        let repeated = request.repeated();
        let facts = Request {
            method: request.method,
            path: path.unwrap_or(request.path),
            query: request.query,
            header: &|name| match repeated.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, all)) => Some(all),
                None => request.header(name),
            },
            upgrade: request.upgrade_websocket(),
            tls: env.tls,
            body,
        };
        self.note_page(&facts, env.origins);
        if let Some(Err(stopped)) = env.gate.map(|gate| gate.pass(request)) {
            self.close |= stopped.ends;
            let chance = native::hears_refusals(&facts).then_some(stopped.chance);
            return self.refuse_for_now(stopped.problem, chance, env.origins);
        }
        let prefix = env.paths.prefix();
        let address = env.gate.and_then(|gate| gate.said());
        let Env { cursors, now, shows, stage, .. } = env;
        let publishes = env.paths.publishes();
        let context = Context { cursors, now, shows, stage, publishes, prefix, address };
        if let Some(action) = self.pass(request, &facts, context, env) {
            return action;
        }
        // `OPTIONS *` is about the server and not about a path (RFC 9110, 9.3.7).
        if path.is_none() && request.path != "*" {
            return self.refuse(native::not_found(request.path, prefix), env.origins);
        }
        match native::intent(&facts, context) {
            Ok(Intent::Wait(wait)) => self.begin(request, wait, env),
            Ok(Intent::Answer(answer)) => self.answer(&answer, env.origins),
            Err(problem) => self.refuse(problem, env.origins),
        }
    }

    fn begin(&mut self, request: &http::RequestHead<'_>, wait: Box<Wait>, env: Env<'_>) -> Action {
        if wait.head_only {
            return self.answer(&answer::only_head(wait.transport), env.origins);
        }
        let mut head = match self.opening(request, &wait, env) {
            Ok(head) => head,
            Err(problem) => return self.refuse(problem, env.origins),
        };
        if wait.speech.is_some() {
            self.manner = Manner::Whole(native::Remark::NOTHING);
        } else if wait.older.is_some() {
            self.manner = Manner::Whole(native::Remark::on_wait("", &wait.names));
        } else if wait.transport == Transport::Poll {
            self.manner = Manner::Whole(native::Remark::on_wait(request.query, &wait.names));
        } else if let Some(warning) = native::warning_of_wait(request.query, &wait.names) {
            answer::tell_warning(&mut head, &warning);
        }
        self.wait_as(&wait);
        Action::Wait { wait, head }
    }

    /// The head of what a client gets that waits so; empty for a long poll. Settles how it is compressed.
    pub(crate) fn opening(
        &mut self,
        request: &http::RequestHead<'_>,
        wait: &Wait,
        env: Env<'_>,
    ) -> Result<Vec<u8>, Problem> {
        let (compression, cors) = (env.compression && wait.compression, self.cors(env.origins));
        let extension = (compression && wait.transport == Transport::WebSocket)
            .then(|| ws::accept_deflate(request.headers("sec-websocket-extensions")))
            .flatten();
        let deflates = match wait.transport {
            Transport::WebSocket => extension.is_some(),
            Transport::Poll | Transport::Sse | Transport::Stream => compression && request.accepts_gzip(),
        };
        let is_stream = matches!(wait.transport, Transport::Sse | Transport::Stream);
        let coding = Coding::new(deflates, is_stream && request.minor == 1);
        let head = match wait.transport {
            Transport::Poll => Vec::new(),
            Transport::Sse => answer::sse_head(coding, cors),
            Transport::Stream => answer::stream_head(wait.bare, coding, cors),
            Transport::WebSocket => handshake(request, extension)?,
        };
        self.coding = coding;
        Ok(head)
    }

    /// Bytes that are no request: nothing after them can be understood.
    fn malformed(&mut self, error: http::Error, env: Env<'_>) -> Action {
        self.close = true;
        if let Some(extra) = &mut self.extra {
            extra.upload = None;
        }
        self.refuse(Problem::new(error.status(), Code::Http, error.to_string()), env.origins)
    }

    /// Gives this answer to a request; the connection ends with it, or is ready for the next.
    pub fn answer(&mut self, answer: &Answer, origins: &Origins) -> Action {
        let answer = answer::answer(answer, self.close, self.manner == Manner::Head, self.cors(origins));
        self.give(answer)
    }

    /// Gives the whole answer to a request; the connection ends with it, or is ready for the next.
    pub(crate) fn give(&mut self, answer: Vec<u8>) -> Action {
        if self.close {
            self.phase = Phase::Closing;
            Action::Close(answer)
        } else {
            self.answered();
            Action::Send(answer)
        }
    }

    fn receive_frame(
        &mut self,
        bytes: &mut [u8],
        state: Option<&mut dyn State>,
        env: Env<'_>,
    ) -> (usize, Action) {
        let len = bytes.len();
        let mut reader =
            self.extra.as_mut().map(|extra| std::mem::take(&mut extra.reader)).unwrap_or_default();
        let limits = ws::MessageLimits { deflate: self.coding.deflates(), ..WS_LIMITS };
        let decoded = reader.decode(bytes, &limits);
        if matches!(decoded, Ok(Some(_)))
            && reader.held_bytes() == 0
            && let Some(extra) = &mut self.extra
        {
            // The message is whole.
            extra.deadline_ms = None;
        }
        let (taken, action) = match decoded {
            Ok(None) if env.is_short && len > SMALL_LEN_MAX => (len, close_frame(TRY_LATER, SHORT_OF_MEMORY)),
            Ok(None) => (0, Action::More),
            Ok(Some((FrameFact::Fragment, _))) if env.is_short && reader.held_bytes() > SMALL_LEN_MAX => {
                (len, close_frame(TRY_LATER, SHORT_OF_MEMORY))
            }
            Ok(Some((fact, taken))) => (taken, self.act_on(fact, state, env)),
            Err(error) => (len, close_frame(error.close_code(), &error.to_string())),
        };
        if matches!(action, Action::Close(_)) {
            self.phase = Phase::Closing;
        } else if reader.held_bytes() > 0 {
            self.extra_mut().reader = reader;
        }
        (taken, action)
    }

    fn act_on(&mut self, fact: FrameFact<'_>, state: Option<&mut dyn State>, env: Env<'_>) -> Action {
        let mut out = Vec::new();
        match fact {
            FrameFact::Text(text) => return self.hear(Input::Text(&text), state, env).1,
            FrameFact::Binary(bytes) => return self.hear(Input::Binary(&bytes), state, env).1,
            FrameFact::Ping(bytes) => ws::encode_frame(ws::Opcode::Pong, bytes, &mut out),
            FrameFact::Pong(_) | FrameFact::Fragment => return Action::Next,
            FrameFact::Close { code: Some(code), .. } => return close_frame(code, ""),
            FrameFact::Close { code: None, .. } => {
                ws::encode_frame(ws::Opcode::Close, &[], &mut out);
                return Action::Close(out);
            }
        }
        Action::Send(out)
    }

    /// Words of a dialect that goes without a framing of messages.
    fn receive_words(
        &mut self,
        bytes: &[u8],
        state: Option<&mut dyn State>,
        env: Env<'_>,
    ) -> (usize, Action) {
        let (taken, action) = self.hear(Input::Bytes(bytes), state, env);
        if matches!(action, Action::More) && env.is_short && bytes.len() > SMALL_LEN_MAX {
            let mut out = Vec::new();
            self.farewell(TRY_LATER, SHORT_OF_MEMORY, env.cursors, &mut out);
            return (bytes.len(), Action::Close(out));
        }
        if matches!(action, Action::Close(_)) {
            self.phase = Phase::Closing;
        }
        if taken > 0
            && let Some(extra) = &mut self.extra
        {
            // What had begun is whole.
            extra.deadline_ms = None;
        }
        (taken, action)
    }

    /// What the dialect of this connection makes of what its client said.
    fn hear(&mut self, input: Input<'_>, state: Option<&mut dyn State>, env: Env<'_>) -> (usize, Action) {
        let dialect = env.dialects.of(self.shape.dialect());
        let (taken, heard) = dialect.command(state, input, Moment { cursors: env.cursors, now: env.now });
        let action = match heard {
            Heard::More if matches!(input, Input::Bytes(_)) => return (0, Action::More),
            Heard::More | Heard::Nothing => Action::Next,
            Heard::Command(command) => Action::Command(command),
            Heard::Refused(problem, id) => {
                let mut out = Vec::new();
                self.tell(Notice::Error { problem: &problem, id: id.as_deref() }, env.cursors, &mut out);
                Action::Send(out)
            }
            Heard::Answer(out) => Action::Send(out),
            Heard::End(out) => Action::Close(out),
        };
        (taken, action)
    }
}

fn close_frame(code: u16, reason: &str) -> Action {
    let mut out = Vec::new();
    ws::encode_close(code, reason, &mut out);
    Action::Close(out)
}

/// The head of the answer to a WebSocket handshake (RFC 6455, section 4.2).
fn handshake(request: &http::RequestHead<'_>, extension: Option<&str>) -> Result<Vec<u8>, Problem> {
    if request.header("sec-websocket-version") != Some(b"13") {
        return Err(Problem::new(
            426,
            Code::WebsocketVersion,
            "this server speaks WebSocket version 13 only",
        ));
    }
    // A WebSocket over HTTP/2 has no key (RFC 8441, section 5), and Envoy, who makes this of one, adds none and looks for no
    // answer to it. What a key proves, that no page's script made up the handshake, the version proves, too: no script
    // can set either (Fetch, section 2.2.2).
    let mut keys = request.headers("sec-websocket-key");
    let accept = match (keys.next(), keys.next()) {
        (None, _) => None,
        (Some(key), another) => Some(ws::accept_key(key).filter(|_| another.is_none()).ok_or_else(|| {
            let detail = "Sec-WebSocket-Key must be one of 16 bytes in base64, as in dGhlIHNhbXBsZSBub25jZQ==; a proxy that \
                          makes this handshake of another one leaves it out";
            Problem::bad(Code::WebsocketKey, detail)
        })?),
    };
    // A browser takes a connection for failed whose protocols were passed over. One that is a token is not repeated.
    let protocol = request.has_token("sec-websocket-protocol", PROTOCOL).then_some(PROTOCOL);
    Ok(answer::ws_head(accept.as_deref(), extension, protocol))
}

/// What is told while memory is short.
pub const SHORT_OF_MEMORY: &str = "the server is short of memory; try again soon, or send less at once";
/// The code of a WebSocket's end after which its client should come back later.
const TRY_LATER: u16 = 1013;

/// How long a request may be.
pub(crate) const HTTP_LIMITS: http::HeadLimits =
    http::HeadLimits { head_bytes: HEAD_LEN_MAX, headers: http::HEADERS_MAX, body_bytes: BODY_LEN_MAX };

/// The protocol that a WebSocket may name, beside one that is a token.
const PROTOCOL: &str = "multiplexor";

const WS_LIMITS: ws::MessageLimits = ws::MessageLimits {
    message_bytes: MESSAGE_LEN_MAX,
    fragments: FRAGMENTS_MAX,
    inflate_ratio: INFLATE_RATIO_MAX,
    deflate: false,
};
