//! Who a client is: credentials to a session, what it may listen to, and the end of its time.

use std::sync::Arc;

use access::{About, AuthAnswer, Denied, Signed, Subject, Verdict};
use exchange::hub::limits::QUOTED_CHARS_MAX;
use exchange::hub::{Session, asked_count, excerpt, presence_of};
use exchange::{Denial, Side};
use transport::dialect::native::{Credentials, Shown};
use transport::dialect::{Code, PageOrigin, Problem, Wait};
use transport::{Ending, Notice, Phase};

use super::Shard;
use super::verdicts::problem_of;
use crate::guests::Clocks;
use crate::kernel::Kernel;
use crate::limits::{GUESTS_PER_TURN, TIMERS_PER_TURN};

/// Who makes a request.
pub(super) enum Who {
    /// Whoever has this session; `None`: it showed nothing, or nobody asks for it.
    Session(Option<Session>),
    /// Somebody else must be asked.
    Unknown(Subject, About),
}

impl<K: Kernel> Shard<K> {
    /// Who makes this request. `verdict`: what was said when somebody was asked. What was said of a user before the
    /// application ended that one counts no longer.
    pub(super) fn identify(
        &mut self,
        index: usize,
        wait: &Wait,
        verdict: Option<&Verdict>,
    ) -> Result<Who, Problem> {
        let who = self.identify_by_shown(index, wait, verdict)?;
        if let Who::Session(Some(session)) = &who {
            self.check_ended(session)?;
        }
        Ok(who)
    }

    /// Whether what a session stands for was said after the application ended its user, if it ever did.
    pub(super) fn check_ended(&self, session: &Session) -> Result<(), Problem> {
        if !self.exchange.ended_users().refuse(session, self.exchange.wall()) {
            return Ok(());
        }
        let user = excerpt(session.user().unwrap_or_default());
        let why = match session.issued() {
            Some(_) => {
                "and what is shown was issued before that; sign in again, and come with what is issued then"
            }
            None => {
                "and what is shown does not say when it was issued; come with a token or a signed URL that has `iat`"
            }
        };
        Err(Problem::new(403, Code::UserEnded, format!("the application ended the user {user:?}, {why}")))
    }

    fn identify_by_shown(
        &mut self,
        index: usize,
        wait: &Wait,
        verdict: Option<&Verdict>,
    ) -> Result<Who, Problem> {
        let Some(credentials) = wait.credentials.as_deref() else { return Ok(Who::Session(None)) };
        let Credentials { shown, ambient, foreign } = credentials;
        if let Shown::Headers(lines) = shown {
            return self.identify_by_headers(index, wait, lines, verdict);
        }
        let tokens = Arc::clone(&self.tokens);
        if tokens.is_empty() {
            return Ok(Who::Session(None));
        }
        self.check_page(index, *ambient, foreign.as_deref())?;
        let session = match shown {
            Shown::Signature { path, expires, user, iat, signature } => {
                let signed = Signed { path, expires, user, iat, signature };
                tokens.session_of_url(signed, &wait.names, self.exchange.wall())
            }
            Shown::Tokens(tokens) => self.session_of_any(index, tokens),
            Shown::Headers(_) => unreachable!("they were looked at above"),
        };
        match session {
            Err(denied) if verdict.is_none() && self.asks_for_keys(&denied) => {
                Ok(Who::Unknown(Subject::KEYS, About::Keys))
            }
            session => session.map(|session| Who::Session(Some(session))).map_err(unauthorized),
        }
    }

    /// Who shows these headers. Nobody is asked where all may listen, unless a client may want more later.
    fn identify_by_headers(
        &mut self,
        index: usize,
        wait: &Wait,
        lines: &str,
        verdict: Option<&Verdict>,
    ) -> Result<Who, Problem> {
        let is_open = self.check_wait(None, wait).is_ok();
        // Whoever says something is to be known, also where all may.
        let is_speech = wait.speech.is_some();
        // Who names no channel may have some joined.
        let is_known = is_open && !wait.names.is_empty();
        if is_known && !self.slab[index].conn.shape.hears() && !is_speech && !self.asks_for_past(wait) {
            return Ok(Who::Session(None));
        }
        let foreign = wait.credentials.as_ref().and_then(|credentials| credentials.foreign.as_deref());
        match self.check_page(index, true, foreign) {
            Err(_) if is_open => return Ok(Who::Session(None)),
            checked => checked?,
        }
        let subject = Subject::of(lines);
        let known = self.asking.verdict(subject, self.exchange.wall());
        let Some(verdict) = verdict.or(known.as_deref()) else {
            return Ok(Who::Unknown(subject, About::Headers(lines.into())));
        };
        match (&verdict.said, problem_of(verdict)) {
            // It is asked for anew.
            (AuthAnswer::Session(session), _)
                if self.exchange.ended_users().refuse(session, self.exchange.wall()) =>
            {
                Ok(Who::Unknown(subject, About::Headers(lines.into())))
            }
            (AuthAnswer::Session(session), _) => Ok(Who::Session(Some(session.clone()))),
            (_, Some(problem)) if !is_open => Err(problem),
            _ => Ok(Who::Session(None)),
        }
    }

    /// Whether a token was refused for want of a key that may be at a URL.
    fn asks_for_keys(&self, denied: &Denied) -> bool {
        self.tokens.finds_keys && matches!(denied.code, Code::TokenKey | Code::TokenAlgorithm)
    }

    /// Checks that the page behind a connection may show credentials. `ambient`: a browser sent them by itself.
    pub(super) fn check_page(
        &self,
        index: usize,
        ambient: bool,
        origin: Option<&str>,
    ) -> Result<(), Problem> {
        let origins = &self.settings.origins;
        let is_foreign = match self.slab[index].conn.page {
            PageOrigin::FOREIGN => ambient || !origins.is_empty(),
            PageOrigin::CROSS_SITE => ambient,
            _ => false,
        };
        if !is_foreign {
            return Ok(());
        }
        let origin = excerpt(origin.unwrap_or("another origin"));
        let what = if ambient { "a cookie" } else { "credentials" };
        let why = format!(
            "the request comes with {what} from a page of {origin:?}, which is neither of this host nor listed in \
             `origins` of the server; list it there, or come without"
        );
        Err(Problem::new(403, Code::Origin, why))
    }

    /// The session of a token. Checks of signatures by public keys cost a lot, so that those that come to nothing have a
    /// budget.
    fn session_of(&mut self, index: usize, token: &str) -> Result<Session, Denied> {
        let (subject, now) = (Subject::of(token), self.exchange.wall());
        if let Some(session) = self.sessions.known(subject, now) {
            return Ok(session.clone());
        }
        let (asker, tokens) = (self.asker(index), Arc::clone(&self.tokens));
        let (checks, order_now) = (&self.exchange.shares().checks, self.exchange.now());
        let mut count = 0;
        let mut may_check = || {
            let may = checks.take(asker, order_now);
            count += u32::from(may);
            may
        };
        let found = tokens.session_within(token, now, &mut may_check);
        self.counters.token_checks.add(count.into());
        match &found {
            Ok(session) => {
                checks.give_back(asker, count);
                self.sessions.put(subject, session.clone());
            }
            Err(denied) => self.counters.tokens_busy.add(u64::from(denied.code == Code::TokenBusy)),
        }
        found
    }

    /// The session of the first of these tokens that has one. Where none has, it is told what is wrong with the first, or
    /// with one whose key may be found yet.
    fn session_of_any(&mut self, index: usize, tokens: &[Box<str>]) -> Result<Session, Denied> {
        let (mut refused, mut busy): (Option<Denied>, Option<Denied>) = (None, None);
        for token in tokens {
            match self.session_of(index, token) {
                Ok(session) => return Ok(session),
                // One that was not looked at may be good, and so may be one behind it.
                Err(denied) if denied.code == Code::TokenBusy => busy = Some(denied),
                Err(denied) if refused.is_none() || self.asks_for_keys(&denied) => refused = Some(denied),
                Err(_) => {}
            }
        }
        Err(busy.or(refused).expect("credentials are one token at least"))
    }

    /// Checks that a client may listen to all of these.
    pub(super) fn check_grants(&self, session: Option<&Session>, names: &[Box<str>]) -> Result<(), Problem> {
        let Some(name) = self.exchange.registry().first_closed(session, names) else { return Ok(()) };
        let name = excerpt(name);
        let shows = &self.settings.shows;
        let (tokens, hook) = (!self.tokens.is_empty(), !shows.headers.is_empty());
        let has_secret = !self.tokens.secrets.is_empty();
        Err(if session.is_none() {
            let token = "show a token whose `listen` names it";
            let token =
                if has_secret { format!("{token}, or come by a signed URL") } else { token.to_owned() };
            let cookie = "sign in at the application, and have the page send its cookies: fetch and EventSource do so to \
                          another origin only where they are told to (`credentials: \"include\"`, `withCredentials`)";
            let what = match (tokens, hook) {
                (false, false) => CLOSED_TO_ALL.to_owned(),
                (true, false) => token,
                (false, true) => cookie.to_owned(),
                (true, true) => format!("{token}; or {cookie}"),
            };
            Problem::new(401, Code::Credentials, format!("the channel {name:?} is closed: {what}"))
        } else {
            let what = if hook {
                "`listen` in the token, or in what the hook said,"
            } else {
                "`listen` in the token"
            };
            let why =
                format!("the credentials shown do not grant to listen to {name:?}; {what} must name it");
            Problem::new(403, Code::Grant, why)
        })
    }

    /// Counts a refusal; one for want of credentials, grants, shares or room is kept for whoever asks why.
    pub(super) fn count_problem(&mut self, index: usize, problem: &Problem, names: &[Box<str>]) {
        self.counters.problems.add(1);
        self.log_refused(index, problem, names);
        if matches!(problem.status, 401 | 403 | 429) || matches!(problem.code, Code::Memory | Code::TokenBusy)
        {
            self.keep_denial(index, problem, names);
        }
    }

    /// Counts and keeps that somebody was not allowed what he asked for.
    pub(super) fn keep_denial(&mut self, index: usize, problem: &Problem, names: &[Box<str>]) {
        self.counters.denied.add(1);
        let from = self.address(index);
        self.exchange.denials().add(Denial {
            at: self.exchange.wall(),
            side: Side::Wait,
            status: problem.status,
            code: problem.code,
            detail: problem.detail.clone(),
            from,
            who: self.guests.session(index).and_then(Session::user).map(|user| excerpt(user).into()),
            what: what_of(names),
            times: 1,
        });
    }

    /// Both clocks, by which timers go and credentials end.
    pub(super) fn clocks(&self) -> Clocks {
        Clocks { now: self.now, wall: self.exchange.wall() }
    }

    /// The connection waits with this session, until that ends.
    pub(super) fn put_session(&mut self, index: usize, session: Option<Session>) {
        if let Some(session) = session {
            let clocks = self.clocks();
            self.follow_user(index, &session);
            self.guests.put(index, session, clocks);
        }
    }

    /// The user of a connection is followed, where anybody follows users, from its first session on.
    fn follow_user(&mut self, index: usize, session: &Session) {
        let before = self.guests.session(index);
        if before.and_then(Session::user) == session.user() {
            return;
        }
        let before = before.cloned();
        let is_followed = session.user().is_some() && self.exchange.registry().rules().follows_users();
        let is_counted = is_followed && self.exchange.registry().user_arrives(session);
        self.unfollow_user(index, before.as_ref());
        if is_followed && !is_counted {
            self.guests.leave_uncounted(index);
        }
    }

    /// The connection of this session waits no longer.
    pub(super) fn unfollow_user(&mut self, index: usize, session: Option<&Session>) {
        if let Some(session) = session.filter(|session| session.user().is_some())
            && self.exchange.registry().rules().follows_users()
            && self.guests.take_counted(index)
        {
            self.leaving.gone.push(session.clone());
        }
    }

    /// A live connection goes on by another token: one of the same user that covers all it listens to.
    pub(super) fn renew(&mut self, index: usize, token: &str) -> Result<Session, Problem> {
        if self.tokens.is_empty() {
            return Err(Problem::bad(
                Code::Token,
                "this server takes no tokens; set token_secret or token_key there",
            ));
        }
        self.check_page(index, false, None)?;
        let session = self.session_of(index, token).map_err(|denied| {
            // A live WebSocket is not kept waiting for it: it may try again.
            if self.asks_for_keys(&denied) {
                let asker = self.asker(index);
                self.ask(Subject::KEYS, asker, About::Keys);
            }
            unauthorized(denied)
        })?;
        self.check_ended(&session)?;
        let before = self.guests.session(index);
        if before.is_some_and(|before| before.user() != session.user()) {
            let why = "the token is of another user than the one before; open a connection of its own for it";
            return Err(Problem::new(403, Code::TokenUser, why));
        }
        let channels = self.channels_of(index);
        let names: Vec<Box<str>> =
            self.exchange.registry().names(&channels).iter().map(|name| (&**name).into()).collect();
        // Hidden channels are listened to by the right to know who is on the others.
        let told: Vec<Box<str>> = names.iter().filter_map(|name| presence_of(name)).map(Box::from).collect();
        self.check_presence_grants(Some(&session), &told)?;
        // Nor are those that the application has joined.
        let joined = self.guests.joined(index);
        let names = names.into_iter().filter(|name| presence_of(name).is_none() && !joined.contains(name));
        self.check_grants(Some(&session), &names.collect::<Vec<_>>())?;
        // Who had no session before begins to count for its user.
        let is_new = before.is_none();
        self.check_user(Some(&session), is_new)?;
        if is_new && let Err(problem) = self.greet(index, &session) {
            session.user().into_iter().for_each(|user| self.exchange.shares().users.leave(user));
            return Err(problem);
        }
        if is_new && session.user().is_some() {
            self.keep_id(index);
        }
        self.put_session(index, Some(session.clone()));
        Ok(session)
    }

    /// Ends those whose time is over.
    pub(super) fn run_expiries(&mut self) {
        if self.guests.len() == 0 {
            return;
        }
        let clocks = self.clocks();
        self.guests.follow(clocks, GUESTS_PER_TURN);
        for index in self.guests.expire(clocks, TIMERS_PER_TURN) {
            self.expire(index);
        }
    }

    /// The session of a waiting connection is over: it is given what it is owed, and told.
    fn expire(&mut self, index: usize) {
        debug_assert_eq!(self.slab[index].conn.phase, Phase::Waiting, "who waits no longer has no session");
        self.counters.expired.add(1);
        if !self.visit(index) || self.slab[index].conn.phase != Phase::Waiting {
            return;
        }
        if self.slab[index].conn.shape.ending() == Ending::OnePoll {
            self.answer_empty(index, self.seen);
            return;
        }
        let mut out = Vec::new();
        self.slab[index].conn.tell(Notice::Expired, self.cursors, &mut out);
        if self.write(index, &out) {
            self.end(index, 1008, "the time of its credentials is over; come back with new ones");
        }
    }
}

/// What somebody asked for, as it is kept with the refusal.
pub(super) fn what_of(names: &[Box<str>]) -> String {
    // The server's own channels stand behind those.
    let names = &names[..asked_count(names)];
    let first = &names[..names.len().min(QUOTED_CHARS_MAX)];
    excerpt(&first.join(",")).into()
}

fn unauthorized(denied: Denied) -> Problem {
    let status = if denied.code == Code::TokenBusy { 503 } else { 401 };
    Problem::new(status, denied.code, denied.detail)
}

/// What somebody can do where nothing is looked at that he could show.
const CLOSED_TO_ALL: &str = "this server looks at no tokens and no cookies, so only the application lets clients in, by its own \
    answers (takeover); or set token_secret, token_key, token_keys_url or hook there";
