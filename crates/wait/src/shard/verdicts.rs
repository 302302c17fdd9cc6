//! Waiting for a verdict: a connection whose credentials somebody else must judge is parked meanwhile.
//!
//! The shard never waits itself. It puts the question, goes on, and finds the verdict in its mail.

use std::sync::Arc;

use access::{About, AppRequest, AuthAnswer, Denied, HeldSession, Question, Subject, Tokens, Verdict};
use exchange::hub::Asker;
use transport::dialect::native::names_in_path;
use transport::dialect::{Code, Problem, Transport, Wait};
use transport::{Passed, Phase};

use super::Shard;
use crate::askers::Want;
use crate::kernel::Kernel;
use crate::limits::VERDICTS_PER_TURN;
use crate::questions::{Parking, Waiter, Wanted};

impl<K: Kernel> Shard<K> {
    /// The connection waits for a verdict; its request is kept.
    pub(super) fn park(&mut self, index: usize, wait: Wait, head: Vec<u8>, subject: Subject, about: About) {
        let waiter = Waiter { token: self.token(index), ticket: self.asking.ticket() };
        let asker = self.asker(index);
        let wanted = match about {
            About::Headers(_) => Wanted::Name,
            About::Keys => Wanted::Keys,
            About::Page(_) => Wanted::Page,
            About::Message(_) => Wanted::Message,
        };
        let parking = self.asking.park(subject, waiter, asker, wanted);
        let is_asked = parking != Parking::First || self.ask(subject, asker, about);
        if !is_asked {
            self.asking.forget(subject);
        }
        if parking == Parking::Full || !is_asked {
            let Denied { code, detail } = wanted.busy();
            return self.refuse_wait(index, Problem::new(503, code, detail), &wait);
        }
        self.slab[index].conn.park(wait, head, waiter.ticket);
        // The answer comes before, whatever the application does; this is for whoever is forgotten.
        self.set_timer(index, self.settings.verdict_timeout);
    }

    /// Puts a question. False: there are too many, or nobody to ask.
    pub(super) fn ask(&mut self, subject: Subject, asker: Asker, about: About) -> bool {
        self.counters.asked.add(1);
        let question = Question { shard: self.id.0, asker, subject, about };
        self.desk.questions.as_ref().is_some_and(|questions| questions.put(question))
    }

    /// The application answers this request.
    pub(super) fn pass(&mut self, index: usize, passed: Passed) {
        if self.draining.is_some() {
            return self.refuse(
                index,
                Problem::new(503, Code::Draining, "this server is going down; ask again at once"),
                &[],
            );
        }
        let Passed { method, target, headers, body, wait, head, foreign } = passed;
        if let Err(problem) = foreign.map_or(Ok(()), |origin| self.check_page(index, true, Some(&origin))) {
            return self.refuse(index, problem, &[]);
        }
        let from = self.neighbour(index);
        let page = AppRequest { method, target, headers, body, from };
        // Nobody else may have the answer.
        let subject = Subject::of(&format!("page {} {}", self.id.0, self.asking.ticket()));
        self.park(index, wait, head, subject, About::Page(Arc::new(page)));
    }

    /// The application wants this client to wait for channels.
    fn hold(&mut self, index: usize, mut wait: Wait, head: Vec<u8>, held: &HeldSession) {
        let names =
            names_in_path(&held.names).and_then(|names| self.check_count(names.len()).map(|()| names));
        let names = names.and_then(|names| self.check_names(&names).map(|()| names));
        wait.names = match names {
            Ok(names) => names,
            Err(problem) => {
                let why = format!("the application wants this client to be held, but {}", problem.detail);
                return self.refuse(index, Problem::new(502, Code::TakeoverChannels, why), &[]);
            }
        };
        wait.bare = wait.transport == Transport::Sse && wait.names.len() == 1;
        self.slab[index].conn.hold(&wait);
        self.begin_as(index, wait, head, held.session.clone());
    }

    /// Other keys were found at the URL.
    pub(super) fn put_keys(&mut self, found: &access::FoundKeys) {
        let set = &self.settings.tokens;
        let keys = set.keys.iter().chain(&found.0).cloned().collect();
        self.tokens = Arc::new(Tokens { keys, ..set.clone() });
        // What a key vouched for that is gone must be shown anew.
        self.sessions = access::Sessions::default();
    }

    /// What a connection was parked with for this, if it is still there and its client is.
    pub(super) fn unpark(&mut self, Waiter { token, ticket }: Waiter) -> Option<(usize, Wait, Vec<u8>)> {
        let index = self.find(token).filter(|index| self.slab[*index].conn.is_parked_for(ticket))?;
        if !self.hear_again(index) {
            return None;
        }
        let (wait, head) = self.slab[index].conn.unpark()?;
        Some((index, wait, head))
    }

    /// Those whose verdict has come go on, as long as the turn has time for it; one always.
    pub(super) fn run_told(&mut self) {
        if !self.asking.has_told() {
            return;
        }
        let end = self.kernel.now_us() + self.askers.left_us;
        for _ in 0..VERDICTS_PER_TURN {
            let Some((waiter, verdict)) = self.asking.next_told() else { break };
            if let Some(asked) = self.speaking.asked.remove(&waiter.ticket) {
                self.hear_of_message(asked, &verdict);
                self.askers.push(waiter.token, Want::Look);
                continue;
            }
            let Some((index, wait, head)) = self.unpark(waiter) else { continue };
            match &verdict.said {
                AuthAnswer::Page(answer) => {
                    let action = self.slab[index].conn.answer_passed(&answer.head, &answer.body);
                    self.act(index, action);
                }
                AuthAnswer::Held(held) => self.hold(index, wait, head, held),
                AuthAnswer::Unanswered(status, denied) => {
                    let problem = Problem::new(*status, denied.code, denied.detail.clone());
                    self.refuse(index, problem, &[]);
                }
                _ => self.begin_told(index, wait, head, Some(&verdict)),
            }
            self.askers.push(waiter.token, Want::Look);
            if self.kernel.now_us() >= end {
                break;
            }
        }
        self.askers.left_us = end.saturating_sub(self.kernel.now_us());
    }

    /// Nobody has said anything in all that time.
    pub(super) fn end_parking(&mut self, index: usize) {
        debug_assert_eq!(self.slab[index].conn.phase, Phase::Asking);
        if self.hear_again(index)
            && let Some((wait, _)) = self.slab[index].conn.unpark()
        {
            if wait.speech.is_some() {
                return self.refuse_wait(index, Problem::new(503, Code::Full, NOT_IN_TIME), &wait);
            }
            let why = "the application did not answer in time; try again soon";
            let was_passed = wait.credentials.is_none();
            let (status, code) = if was_passed { (504, Code::TakeoverTimeout) } else { (503, Code::Hook) };
            self.refuse_wait(index, Problem::new(status, code, why), &wait);
        }
    }
}

/// What became of a message is not known.
const NOT_IN_TIME: &str = "the message was not taken in time, by the application or by the store; send it again under the same idempotency key";

/// What a verdict means where channels are closed. `None`: whoever asked is somebody, or it is to be looked at again.
pub(super) fn problem_of(verdict: &Verdict) -> Option<Problem> {
    match &verdict.said {
        AuthAnswer::Session(_)
        | AuthAnswer::Again
        | AuthAnswer::Page(_)
        | AuthAnswer::Held(_)
        | AuthAnswer::Allowed(_) => None,
        AuthAnswer::Refused(denied) => Some(Problem::new(403, denied.code, denied.detail.clone())),
        AuthAnswer::Failed(denied) | AuthAnswer::Unanswered(_, denied) => {
            Some(Problem::new(503, denied.code, denied.detail.clone()))
        }
    }
}
