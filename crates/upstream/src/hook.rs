//! The hook: an URL of the application that says who a client is, by the client's own cookies and headers.
//!
//! Whoever shows the same is asked about once: a verdict that holds is given again, and who asks while a call
//! is under way waits for that one. Whatever goes wrong closes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use access::{About, AuthAnswer, AuthFinding, Denied, Question, Subject, Verdict, session_of_answer};
use exchange::hub::{Code, Millis, Session, WallTime};
use exchange::{Commands, Exchange};
use http_body_util::Full;
use hyper::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Parts;
use crate::counters::Counters;
use crate::http::{Client, told};
use crate::limits::{FAILED_AGE, HOOK_ANSWER_LEN_MAX, REFUSED_AGE, SUBJECTS_MAX, VERDICTS_MAX};
use crate::tell::tell;
use crate::turns::Turns;

/// Where the application says who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Its address.
    pub url: Uri,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How long a verdict holds that does not say so itself.
    pub age: Duration,
    /// Calls under way at once.
    pub calls: usize,
}

/// Whether a header is about the one request or connection that it came with, and so cannot go along in another one:
/// how it is framed and routed (RFC 9110, section 7.6.1), what its body is, which answer would do.
pub fn is_of_one_request(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    OF_ONE_REQUEST.contains(&&*name) || name.starts_with("proxy-") || name.starts_with("if-")
}

/// The hook and all that is asked of it.
pub(crate) struct HookCalls {
    hook: Hook,
    client: Client,
    exchange: Arc<Exchange>,
    findings: Arc<Commands<AuthFinding>>,
    counters: Arc<Counters>,
    /// Whom the application knows, each until the session ends: all who wait, and those who did lately.
    sessions: HashMap<Subject, Session>,
    /// Whom it refused, and of whom it gave no good answer; for seconds.
    refusals: HashMap<Subject, Arc<Verdict>>,
    /// The shards that wait for each verdict.
    under_way: HashMap<Subject, Vec<u16>>,
    /// Questions that wait for a call to end.
    waiting: Turns<Waiting>,
    calling: usize,
    /// Whether the last call failed, so that only changes are told in the log.
    failing: bool,
}

/// A question that waits: what its verdict is found by, what is shown, and since when.
type Waiting = (Subject, Arc<str>, Instant);

/// A call that has ended.
pub(crate) struct Called {
    subject: Subject,
    /// What was shown: it may have to be asked anew.
    headers: Arc<str>,
    asked: WallTime,
    /// It was asked before, and its user ended meanwhile.
    again: bool,
    answer: HookAnswer,
}

/// What the application said.
enum HookAnswer {
    Said(Vec<u8>),
    Refused,
    Failed(String),
}

impl HookCalls {
    pub(crate) fn new(hook: Hook, Parts { client, exchange, findings, counters }: Parts) -> Self {
        Self {
            hook,
            client,
            exchange,
            findings,
            counters,
            sessions: HashMap::new(),
            refusals: HashMap::new(),
            under_way: HashMap::new(),
            waiting: Turns::new(SUBJECTS_MAX),
            calling: 0,
            failing: false,
        }
    }

    /// A shard asks. Calls that begin by it are added to `calls`.
    pub(crate) fn ask(&mut self, question: Question, calls: &mut Vec<Call>) {
        let Question { shard, subject, asker, about: About::Headers(headers) } = question else { return };
        if let Some(verdict) = self.known(subject) {
            self.counters.hook_shared.add();
            tell(&self.findings, shard, &verdict);
        } else if let Some(shards) = self.under_way.get_mut(&subject) {
            self.counters.hook_shared.add();
            if !shards.contains(&shard) {
                shards.push(shard);
            }
        } else {
            self.under_way.insert(subject, vec![shard]);
            if let Some((subject, ..)) = self.waiting.push(asker, (subject, headers, Instant::now())) {
                self.give_up(subject);
            }
            self.begin(calls);
        }
    }

    /// The verdict on a subject, if there is one that holds.
    fn known(&self, subject: Subject) -> Option<Arc<Verdict>> {
        let of = |session: &Session| {
            let until = session.expires().unwrap_or_default();
            Arc::new(Verdict { subject, until, said: AuthAnswer::Session(session.clone()) })
        };
        // What was said of a user before the application ended it is forgotten.
        let session = self.sessions.get(&subject).filter(|session| !self.is_over(session)).map(of);
        let verdict = session.or_else(|| self.refusals.get(&subject).map(Arc::clone))?;
        (self.exchange.wall() < verdict.until).then_some(verdict)
    }

    /// A call has ended.
    pub(crate) fn called(&mut self, called: Called, calls: &mut Vec<Call>) {
        self.calling -= 1;
        let Called { subject, headers, asked, again, answer } = called;
        let (until, said) = self.judge(answer, asked);
        match &said {
            // The application ended the user while it was asked. Once: a clock that is behind makes all that is said older.
            AuthAnswer::Session(session) if !again && self.is_over(session) => {
                let call = self.call(subject, headers);
                calls.push(Call { again: true, ..call });
            }
            _ => self.settle(subject, until, said),
        }
        self.begin(calls);
    }

    /// Whether the application ended the user after this was said.
    fn is_over(&self, session: &Session) -> bool {
        self.exchange.ended_users().refuse(session, self.exchange.wall())
    }

    /// A call for which there is room.
    fn call(&mut self, subject: Subject, headers: Arc<str>) -> Call {
        self.calling += 1;
        self.counters.hook_calls.add();
        let asked = self.exchange.wall();
        Call { subject, headers, asked, again: false, hook: self.hook.clone(), client: self.client.clone() }
    }

    /// Begins the calls for which there is room.
    fn begin(&mut self, calls: &mut Vec<Call>) {
        while self.calling < self.hook.calls {
            let Some((subject, headers, asked)) = self.waiting.pop() else { return };
            if asked.elapsed() >= self.hook.timeout {
                self.give_up(subject);
                continue;
            }
            calls.push(self.call(subject, headers));
        }
    }

    /// It is not asked about in time.
    fn give_up(&mut self, subject: Subject) {
        self.counters.hook_busy.add();
        self.settle(subject, WallTime::PAST, busy());
    }

    fn judge(&mut self, answer: HookAnswer, asked: WallTime) -> (WallTime, AuthAnswer) {
        let now = self.exchange.wall();
        let outcome = match answer {
            HookAnswer::Said(json) => session_of_answer(&json, asked, now, millis(self.hook.age))
                .map(|(session, until)| (until, AuthAnswer::Session(session))),
            HookAnswer::Refused => {
                self.counters.hook_refused.add();
                let detail = "the application refuses whoever shows these cookies or headers: sign in there";
                Ok((now.after(millis(REFUSED_AGE)), AuthAnswer::Refused(denied(Code::HookRefused, detail))))
            }
            HookAnswer::Failed(why) => Err(why),
        };
        if self.failing && outcome.is_ok() {
            info!("the hook answers again");
        }
        if let Err(why) = &outcome {
            self.counters.hook_failed.add();
            if !self.failing {
                warn!(
                    url = told(&self.hook.url),
                    why, "the hook failed; who needs it is refused, until it answers again"
                );
            }
        }
        self.failing = outcome.is_err();
        outcome.unwrap_or_else(|_| {
            let detail = "the application was asked who this is, and gave no good answer; try again soon";
            (now.after(millis(FAILED_AGE)), AuthAnswer::Failed(denied(Code::Hook, detail)))
        })
    }

    fn settle(&mut self, subject: Subject, until: WallTime, said: AuthAnswer) {
        let verdict = Arc::new(Verdict { subject, until, said });
        for shard in self.under_way.remove(&subject).unwrap_or_default() {
            tell(&self.findings, shard, &verdict);
        }
        let now = self.exchange.wall();
        if now < until {
            self.make_room(now);
            if let AuthAnswer::Session(session) = &verdict.said {
                self.refusals.remove(&subject);
                self.sessions.insert(subject, session.clone());
            } else {
                self.sessions.remove(&subject);
                self.refusals.insert(subject, verdict);
            }
        }
        self.counters.hook_verdicts.set(self.sessions.len() + self.refusals.len());
    }

    /// Forgets verdicts where there are too many: those that hold no longer; if that is not enough, all refusals, of which
    /// strangers can make any number; and only then sessions.
    fn make_room(&mut self, now: WallTime) {
        let Self { sessions, refusals, .. } = self;
        if sessions.len() + refusals.len() >= VERDICTS_MAX {
            sessions.retain(|_, session| session.expires().is_some_and(|end| now < end));
            refusals.retain(|_, verdict| now < verdict.until);
        }
        if sessions.len() + refusals.len() >= VERDICTS_MAX {
            refusals.clear();
        }
        if sessions.len() >= VERDICTS_MAX {
            sessions.clear();
        }
    }
}

/// A call that is to be made.
pub(crate) struct Call {
    subject: Subject,
    headers: Arc<str>,
    asked: WallTime,
    again: bool,
    hook: Hook,
    client: Client,
}

impl Call {
    pub(crate) async fn make(self) -> Called {
        let answer = self.answer().await.unwrap_or_else(HookAnswer::Failed);
        let Self { subject, headers, asked, again, .. } = self;
        Called { subject, headers, asked, again, answer }
    }

    async fn answer(&self) -> Result<HookAnswer, String> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = self.hook.url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("multiplexor/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in self.headers.lines().filter_map(|line| line.split_once(": ")) {
            // What came in a request's head fits into another one's.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let answer = self.client.ask(request, self.hook.timeout, HOOK_ANSWER_LEN_MAX).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        match answer.status().as_u16() {
            200 => Ok(HookAnswer::Said(answer.into_body().to_vec())),
            401 | 403 => Ok(HookAnswer::Refused),
            other => Err(format!("it answers {other}; it must answer 200 with JSON, or 401 or 403")),
        }
    }
}

const OF_ONE_REQUEST: &[&str] = &[
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "expect",
    "max-forwards",
    "content-length",
    "content-encoding",
    "content-range",
    "content-type",
    "accept",
    "accept-encoding",
    "range",
];

fn busy() -> AuthAnswer {
    AuthAnswer::Failed(denied(
        Code::HookBusy,
        "too many wait for the application to say who they are; try again soon",
    ))
}

fn denied(code: Code, detail: &str) -> Denied {
    Denied { code, detail: detail.to_owned() }
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_one_request_is_known_in_any_case() {
        for name in ["Host", "transfer-encoding", "CONTENT-LENGTH", "Proxy-Authorization", "If-None-Match"] {
            assert!(is_of_one_request(name), "{name}");
        }
        for name in ["cookie", "authorization", "x-user", "user-agent", "accept-language", "x-proxy-user"] {
            assert!(!is_of_one_request(name), "{name}");
        }
    }
}
