//! Requests that are the application's: passed on as they came; then answered as it says, or held.

use codec::http;
use dialect::native::{self, Context};
use dialect::{PageOrigin, Request, Wait};

use crate::{Action, Conn, Env};

/// A request for the application.
#[derive(Debug)]
pub struct Passed {
    /// The method.
    pub method: Box<str>,
    /// Path and query.
    pub target: Box<str>,
    /// All headers, as they came.
    pub headers: Vec<(Box<str>, Box<[u8]>)>,
    /// The body.
    pub body: Vec<u8>,
    /// How the client would wait, should it be held; channels are not known yet.
    pub wait: Wait,
    /// The head of what it would get then.
    pub head: Vec<u8>,
    /// The origin of the foreign page that shows a cookie, or the like, in a handshake: what it would be told
    /// it could read, other than an answer (CORS).
    pub foreign: Option<String>,
}

impl Conn {
    /// The request is the application's, where it is.
    pub(crate) fn pass(
        &mut self,
        request: &http::RequestHead<'_>,
        facts: &Request<'_>,
        context: Context<'_>,
        env: Env<'_>,
    ) -> Option<Action> {
        let prefix = env.takeover?;
        match native::is_passed(request.method, request.path, prefix, env.paths) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(answer) => return Some(self.answer(&answer, env.origins)),
        }
        let wait = native::wait_of_page(facts, context);
        let head = match self.opening(request, &wait, env) {
            Ok(head) => head,
            Err(problem) => return Some(self.refuse(problem, env.origins)),
        };
        let shows = ["cookie", "authorization"].into_iter().any(|name| request.header(name).is_some());
        let is_foreign = matches!(self.page, PageOrigin::FOREIGN | PageOrigin::CROSS_SITE);
        let foreign = (facts.upgrade && shows && is_foreign)
            .then(|| String::from_utf8_lossy(request.header("origin").unwrap_or_default()).into_owned());
        let question = if request.query.is_empty() { "" } else { "?" };
        let headers = request.all_headers().map(|(name, value)| (name.into(), value.into())).collect();
        Some(Action::Pass(Box::new(Passed {
            method: request.method.into(),
            target: [request.path, question, request.query].concat().into(),
            headers,
            body: facts.body.to_vec(),
            wait,
            head,
            foreign,
        })))
    }

    /// The application's own answer. `head` is without its last line.
    pub fn answer_passed(&mut self, head: &[u8], body: &[u8]) -> Action {
        let close: &[u8] = if self.close { b"Connection: close\r\n" } else { b"" };
        self.give([head, close, b"\r\n", body].concat())
    }

    /// The client is held.
    pub fn hold(&mut self, wait: &Wait) {
        self.wait_as(wait);
    }
}
