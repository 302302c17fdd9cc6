//! The application is asked about what clients publish, message by message: it lets one be said, as it is or otherwise,
//! or refuses it. Silence is a refusal.
//!
//! The messages of one sender are asked about one after the other, so they stay in order; senders take turns by where they
//! come from, as they do for all that there is only so much of.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use access::{
    About, AskedMessage, AuthAnswer, AuthFinding, Denied, MessageAnswer, Question, Subject, Tally, Verdict,
    WebhookSecret, answer_about_message, webhook_signature,
};
use exchange::hub::{Asker, Code, WallTime};
use exchange::{Commands, Exchange};
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Parts;
use crate::counters::Counters;
use crate::http::{Client, told};
use crate::limits::{MESSAGE_ANSWER_LEN_MAX, MESSAGES_EACH_MAX, SENDERS_MAX};
use crate::tell::tell;
use crate::turns::Turns;

/// Where the application is asked about messages of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishHook {
    /// Its address.
    pub url: Uri,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Calls under way at once.
    pub calls: usize,
    /// What they are signed with, if with anything.
    pub secrets: Vec<WebhookSecret>,
}

/// The hook, and all that it is asked about.
pub(crate) struct MessageCalls {
    hook: PublishHook,
    client: Client,
    exchange: Arc<Exchange>,
    findings: Arc<Commands<AuthFinding>>,
    counters: Arc<Counters>,
    /// Those with messages that wait, or are asked about.
    senders: HashMap<Subject, Sender>,
    /// Senders whose next message waits for a call to end.
    ready: Turns<Subject>,
    /// How many of whose messages are asked about.
    calling: Tally,
    calls: usize,
    /// What their ids are made of: the time of the start, and how many there were.
    begun: u64,
    number: u64,
    failing: bool,
}

/// A sender, of whose messages one is asked about at a time.
#[derive(Default)]
struct Sender {
    waiting: VecDeque<WaitingMessage>,
    is_calling: bool,
}

/// A message that waits, and since when.
struct WaitingMessage {
    shard: u16,
    subject: Subject,
    asker: Asker,
    message: Arc<AskedMessage>,
    asked: Instant,
}

/// A call that is to be made.
pub(crate) struct MessageCall {
    waiting: WaitingMessage,
    id: String,
    at: WallTime,
    hook: PublishHook,
    client: Client,
}

/// A call that has ended, and what the application said.
pub(crate) struct MessageCalled {
    waiting: WaitingMessage,
    answer: Result<MessageAnswer, String>,
}

impl MessageCalls {
    pub(crate) fn new(hook: PublishHook, Parts { client, exchange, findings, counters }: Parts) -> Self {
        let begun = exchange.wall().millis();
        Self {
            hook,
            client,
            exchange,
            findings,
            counters,
            senders: HashMap::new(),
            ready: Turns::new(SENDERS_MAX),
            calling: Tally::default(),
            calls: 0,
            begun,
            number: 0,
            failing: false,
        }
    }

    /// A shard asks about a message. Calls that begin by it are added to `calls`.
    pub(crate) fn ask(&mut self, question: Question, calls: &mut Vec<MessageCall>) {
        let Question { shard, subject, asker, about: About::Message(message) } = question else { return };
        let key = message.sender;
        let waiting = WaitingMessage { shard, subject, asker, message, asked: Instant::now() };
        let sender = self.senders.entry(key).or_default();
        if sender.waiting.len() >= MESSAGES_EACH_MAX {
            self.counters.publish_hook_busy.add();
            let why = "this client's messages wait for the application already; wait for their answers";
            return self.tell(&waiting, AuthAnswer::Unanswered(429, busy(why)));
        }
        sender.waiting.push_back(waiting);
        if sender.waiting.len() == 1 && !sender.is_calling {
            self.stand_in_line(asker, key);
        }
        self.begin(calls);
    }

    /// A call has ended.
    pub(crate) fn called(&mut self, called: MessageCalled, calls: &mut Vec<MessageCall>) {
        let MessageCalled { waiting, answer } = called;
        self.calling.remove(waiting.asker);
        self.calls -= 1;
        self.note(answer.as_ref().err());
        let said = match answer {
            Ok(MessageAnswer::AsItIs) => AuthAnswer::Allowed(None),
            Ok(MessageAnswer::Instead(data)) => AuthAnswer::Allowed(Some(data)),
            Ok(MessageAnswer::Refused(detail)) => {
                self.counters.publish_hook_refused.add();
                AuthAnswer::Unanswered(403, Denied { code: Code::PublishHook, detail })
            }
            Err(_) => {
                self.counters.publish_hook_failed.add();
                let detail =
                    "the application was asked about the message, and gave no good answer; try again soon";
                AuthAnswer::Unanswered(503, Denied { code: Code::PublishHook, detail: detail.to_owned() })
            }
        };
        self.tell(&waiting, said);
        self.go_on(waiting.message.sender, |sender| sender.is_calling = false);
        self.begin(calls);
    }

    /// Begins the calls for which there is room: for who has fewer under way than are left for all others.
    fn begin(&mut self, calls: &mut Vec<MessageCall>) {
        loop {
            let left = self.hook.calls.saturating_sub(self.calls);
            let Some((_, key)) = self.ready.pop_of(|asker| self.calling.count(asker) < left) else { return };
            let Some(sender) = self.senders.get_mut(&key) else { continue };
            let Some(waiting) = sender.waiting.pop_front() else { continue };
            if waiting.asked.elapsed() >= self.hook.timeout {
                self.give_up(&waiting);
                self.go_on(key, |_| ());
                continue;
            }
            sender.is_calling = true;
            self.calls += 1;
            self.calling.add(waiting.asker);
            self.counters.publish_hook_calls.add();
            self.number += 1;
            let id = format!("message_{:x}_{}", self.begun, self.number);
            let (hook, client, at) = (self.hook.clone(), self.client.clone(), self.exchange.wall());
            calls.push(MessageCall { waiting, id, at, hook, client });
        }
    }

    /// A sender's turn is over: it stands in line again with its next message, or is forgotten.
    fn go_on(&mut self, key: Subject, change: impl FnOnce(&mut Sender)) {
        let Some(sender) = self.senders.get_mut(&key) else { return };
        change(sender);
        match sender.waiting.front().map(|next| next.asker) {
            Some(asker) if !sender.is_calling => self.stand_in_line(asker, key),
            None if !sender.is_calling => drop(self.senders.remove(&key)),
            _ => {}
        }
    }

    /// A sender waits for its turn. Where there is no room, all that waits of somebody is refused.
    fn stand_in_line(&mut self, asker: Asker, key: Subject) {
        let Some(over) = self.ready.push(asker, key) else { return };
        let Some(sender) = self.senders.remove(&over) else { return };
        sender.waiting.iter().for_each(|waiting| self.give_up(waiting));
    }

    /// It is not asked about in time.
    fn give_up(&self, waiting: &WaitingMessage) {
        self.counters.publish_hook_busy.add();
        let why = "too many messages wait for the application at this moment; try again soon";
        self.tell(waiting, AuthAnswer::Unanswered(503, busy(why)));
    }

    /// Says in the log when the application begins to fail, and when it answers again.
    fn note(&mut self, failed: Option<&String>) {
        match failed {
            Some(why) if !self.failing => {
                let url = told(&self.hook.url);
                warn!(url, why, "the hook for messages failed; they are refused, until it answers again");
            }
            None if self.failing => info!("the hook for messages answers again"),
            _ => {}
        }
        self.failing = failed.is_some();
    }

    fn tell(&self, waiting: &WaitingMessage, said: AuthAnswer) {
        let verdict = Verdict { subject: waiting.subject, until: WallTime::PAST, said };
        tell(&self.findings, waiting.shard, &Arc::new(verdict));
    }
}

impl MessageCall {
    pub(crate) async fn make(self) -> MessageCalled {
        let answer = self.answer().await;
        MessageCalled { waiting: self.waiting, answer }
    }

    async fn answer(&self) -> Result<MessageAnswer, String> {
        let body = self.waiting.message.body.clone();
        let seconds = self.at.seconds();
        let signature = webhook_signature(&self.hook.secrets, &self.id, seconds, &body);
        let mut request = Request::new(Full::from(body));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, self.hook.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("multiplexor/", env!("CARGO_PKG_VERSION"))));
        let signed = [("webhook-id", self.id.clone()), ("webhook-timestamp", seconds.to_string())];
        let signature = Some(("webhook-signature", signature)).filter(|(_, signature)| !signature.is_empty());
        for (name, text) in signed.into_iter().chain(signature) {
            let value = HeaderValue::try_from(text).expect("digits, words and base64 are printable");
            headers.insert(HeaderName::from_static(name), value);
        }
        let answer = self.client.ask(request, self.hook.timeout, MESSAGE_ANSWER_LEN_MAX).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        answer_about_message(answer.status().as_u16(), answer.body())
    }
}

fn busy(why: &str) -> Denied {
    Denied { code: Code::PublishHookBusy, detail: why.to_owned() }
}
