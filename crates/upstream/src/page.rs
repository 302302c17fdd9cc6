//! Takeover: a request that is not ours goes to the application, which answers it, or names channels: then we
//! hold the client.

use std::sync::Arc;
use std::time::Duration;

use access::hub::Asker;
use access::{
    About, AppRequest, AuthAnswer, AuthFinding, Denied, HeldSession, Question, Subject, Tally, Verdict,
};
use exchange::hub::{Code, Session, WallTime};
use exchange::{Commands, Exchange};
use hyper::Uri;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Parts;
use crate::counters::Counters;
use crate::http::{CallFailure, Client, told};
use crate::limits::PAGE_LEN_MAX;
use crate::relay::{Relayed, answered, request};
use crate::tell::tell;
use crate::turns::Turns;

/// Where requests go that are not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// What stands before their path.
    pub url: Uri,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Requests under way at once; as many wait.
    pub calls: usize,
}

/// The application, and the requests under way to it.
pub(crate) struct AppPages {
    takeover: Takeover,
    client: Client,
    exchange: Arc<Exchange>,
    findings: Arc<Commands<AuthFinding>>,
    counters: Arc<Counters>,
    /// How many of whose requests are under way.
    calling: Tally,
    calls: usize,
    /// Requests that wait for others to end.
    waiting: Turns<WaitingRequest>,
    failing: bool,
}

/// A request that waits, and since when.
struct WaitingRequest {
    shard: u16,
    subject: Subject,
    page: Arc<AppRequest>,
    asked: Instant,
}

/// A request that is to be passed on.
pub(crate) struct Pass {
    asker: Asker,
    shard: u16,
    subject: Subject,
    page: Arc<AppRequest>,
    takeover: Takeover,
    client: Client,
}

/// A request that was passed on, and what came of it.
pub(crate) struct PassedRequest {
    asker: Asker,
    shard: u16,
    subject: Subject,
    answer: Result<Relayed, CallFailure>,
}

impl AppPages {
    pub(crate) fn new(takeover: Takeover, Parts { client, exchange, findings, counters }: Parts) -> Self {
        let waiting = Turns::new(takeover.calls);
        let (calling, calls, failing) = (Tally::default(), 0, false);
        Self { takeover, client, exchange, findings, counters, calling, calls, waiting, failing }
    }

    /// A shard has a request for the application. What is passed on by it is added to `passes`.
    pub(crate) fn ask(&mut self, question: Question, passes: &mut Vec<Pass>) {
        let Question { shard, subject, asker, about: About::Page(page) } = question else { return };
        let waiting = WaitingRequest { shard, subject, page, asked: Instant::now() };
        if self.has_room(asker) {
            passes.push(self.begin(asker, waiting));
        } else if let Some(over) = self.waiting.push(asker, waiting) {
            self.give_up(&over);
        }
    }

    /// Whether one more is passed on for whoever this is: who has fewer under way than are left for all others, so that
    /// a newcomer finds room, however slow the application is with what it has.
    fn has_room(&self, asker: Asker) -> bool {
        self.calling.count(asker) < self.left()
    }

    /// How many more may be under way.
    fn left(&self) -> usize {
        self.takeover.calls.saturating_sub(self.calls)
    }

    fn begin(&mut self, asker: Asker, waiting: WaitingRequest) -> Pass {
        self.calling.add(asker);
        self.calls += 1;
        self.counters.pages_passed.add();
        let (takeover, client) = (self.takeover.clone(), self.client.clone());
        let WaitingRequest { shard, subject, page, .. } = waiting;
        Pass { asker, shard, subject, page, takeover, client }
    }

    /// Passes on what waits and has room now.
    fn go_on(&mut self, passes: &mut Vec<Pass>) {
        loop {
            let left = self.left();
            let next = self.waiting.pop_of(|asker| self.calling.count(asker) < left);
            let Some((asker, waiting)) = next else { return };
            if waiting.asked.elapsed() < self.takeover.timeout {
                passes.push(self.begin(asker, waiting));
            } else {
                self.give_up(&waiting);
            }
        }
    }

    /// It is not passed on in time.
    fn give_up(&self, waiting: &WaitingRequest) {
        self.counters.pages_failed.add();
        let why = "the application has as many requests as are allowed at this moment; try again soon";
        self.tell(waiting.shard, waiting.subject, unanswered(503, Code::TakeoverBusy, why));
    }

    /// The application has answered, or not.
    pub(crate) fn passed(&mut self, passed: PassedRequest, passes: &mut Vec<Pass>) {
        self.calling.remove(passed.asker);
        self.calls -= 1;
        let failed = passed.answer.is_err();
        let said = match passed.answer {
            Ok(Relayed::Page(answer)) => AuthAnswer::Page(Arc::new(answer)),
            Ok(Relayed::Hold { names, lasts }) => {
                self.counters.pages_held.add();
                AuthAnswer::Held(Arc::new(HeldSession { names, session: self.session(lasts) }))
            }
            Err(failure) => {
                self.counters.pages_failed.add();
                if !self.failing {
                    warn!(url = told(&self.takeover.url), why = %failure, "the application does not answer what is passed to it");
                }
                match failure {
                    CallFailure::Late(_) => unanswered(
                        504,
                        Code::TakeoverTimeout,
                        "the application did not answer in time; try again soon",
                    ),
                    CallFailure::Incomplete(..) => unanswered(
                        502,
                        Code::Takeover,
                        "the application's answer broke off, or is too long to be passed on",
                    ),
                    CallFailure::Unreadable => unanswered(
                        502,
                        Code::Takeover,
                        "the application's answer cannot be passed on: it changes the protocol, or its Multiplexor-Lasts is \
                         no whole number of seconds",
                    ),
                    CallFailure::Unreachable(_) | CallFailure::Certificates(_) => {
                        unanswered(502, Code::Takeover, "the application cannot be reached; try again soon")
                    }
                }
            }
        };
        if self.failing && !failed {
            info!("the application answers again");
        }
        self.failing = failed;
        self.tell(passed.shard, passed.subject, said);
        self.go_on(passes);
    }

    /// Who is held for a time only.
    fn session(&self, lasts_s: Option<u64>) -> Option<Session> {
        let expires = self.exchange.wall().after(lasts_s?.saturating_mul(1_000));
        Some(Session::new(None, Some(expires), &[]))
    }

    fn tell(&self, shard: u16, subject: Subject, said: AuthAnswer) {
        tell(&self.findings, shard, &Arc::new(Verdict { subject, until: WallTime::PAST, said }));
    }
}

impl Pass {
    pub(crate) async fn make(self) -> PassedRequest {
        let answer = self.answer().await;
        PassedRequest { asker: self.asker, shard: self.shard, subject: self.subject, answer }
    }

    async fn answer(&self) -> Result<Relayed, CallFailure> {
        let request = request(&self.page, &self.takeover.url)
            .ok_or_else(|| CallFailure::Unreachable("its address and this path make no URL".to_owned()))?;
        let is_head = request.method() == hyper::Method::HEAD;
        let answer = self.client.ask(request, self.takeover.timeout, PAGE_LEN_MAX).await?;
        answered(&answer, is_head).ok_or(CallFailure::Unreadable)
    }
}

fn unanswered(status: u16, code: Code, detail: &str) -> AuthAnswer {
    AuthAnswer::Unanswered(status, Denied { code, detail: detail.to_owned() })
}
