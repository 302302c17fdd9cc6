//! What clients of old say: bytes of any kind with a marker in them that names the channels.
//!
//! On a listener with that dialect the first bytes of every request decide whose words it is in. A request
//! of HTTP that turns out to have no marker is answered like any other, since it may be a stray browser;
//! bytes that are no HTTP wait for more, up to the limit.

use codec::http::{self, Body};
use dialect::Classic;
use dialect::dklab::{self, Words, whose};
use dialect::realplexor::{self, Form, Found, Reading};

use crate::limits::BODY_LEN_MAX;
use crate::receive::HTTP_LIMITS;
use crate::{Action, Conn, Env, Listen, Phase, Shape};

impl Conn {
    /// Whether the bytes at the front are in the listener's words of old; `None` until they tell. What does
    /// not tell within the limit is for plain HTTP to judge.
    pub(crate) fn is_classic(&self, bytes: &[u8], env: Env<'_>) -> Option<bool> {
        let words = match self.classic {
            Classic::None => return Some(false),
            Classic::Dklab => whose(bytes, env.paths.all(), env.takeover),
            Classic::Realplexor => realplexor::whose(bytes, env.paths.all(), env.takeover, &env.marker),
        };
        match words {
            Some(words) => Some(words == Words::Classic),
            None => (bytes.len() > env.classic_limit).then_some(false),
        }
    }

    /// Looks for the marker. Nothing is taken until it is there, or the request is whole without it.
    pub(crate) fn receive_classic(&mut self, bytes: &[u8], env: Env<'_>) -> (usize, Action) {
        if hear(bytes, env) == Heard::NotYet {
            return (0, Action::More);
        }
        let request_len = whole_request(bytes);
        let request = &bytes[..request_len.unwrap_or(bytes.len())];
        if self.classic == Classic::Realplexor {
            match find_list(request, request_len.is_some(), env) {
                Ok(Some(action)) => {
                    self.listen(&action);
                    return (bytes.len(), action);
                }
                Ok(None) => {}
                Err(Undecided) => return (0, Action::More),
            }
        } else if let Some(id) =
            dklab::ids(request, request_len.is_some()).and_then(|ids| ids.into_iter().next())
        {
            self.phase = Phase::Waiting;
            self.shape = Shape::Dklab;
            self.close = true;
            return (bytes.len(), Action::Take(id));
        }
        // The limit is looked at behind the search: a long request may well have its marker. What breaks the
        // limits of HTTP itself, and was to be HTTP, is told so.
        if request.len() > env.classic_limit && !breaks_http(bytes) {
            self.phase = Phase::Closing;
            return (bytes.len(), Action::Overflow);
        }
        if request_len.is_some() || request.len() > env.classic_limit {
            self.receive_http(bytes, env)
        } else {
            (0, Action::More)
        }
    }
}

impl Conn {
    /// The connection does what was found to be wanted.
    fn listen(&mut self, action: &Action) {
        self.close = true;
        self.phase = Phase::Closing;
        if matches!(action, Action::Listen(_)) {
            self.phase = Phase::Waiting;
            self.shape = Shape::Realplexor;
        }
    }
}

/// Whether all was seen that a proxy says of a request.
#[derive(PartialEq, Eq)]
enum Heard {
    NotYet,
    All,
}

/// Shows the gate the head of a request, where it looks at heads: what a proxy says may come behind the marker.
fn hear(bytes: &[u8], env: Env<'_>) -> Heard {
    let Some(gate) = env.gate.filter(|gate| gate.reads_heads()) else { return Heard::All };
    if !dklab::is_like_http(bytes) {
        return Heard::All;
    }
    match dklab::head_len(bytes) {
        Some(len) => gate.hear(Some(&bytes[..len])),
        None if bytes.len() <= env.classic_limit => return Heard::NotYet,
        None => gate.hear(None),
    }
    Heard::All
}

/// Whether the words are those of HTTP is not known yet.
struct Undecided;

/// What the first marker of Realplexor asks for, if there is one with its list.
fn find_list(request: &[u8], ended: bool, env: Env<'_>) -> Result<Option<Action>, Undecided> {
    let form = Form::of(request, env.classic_limit);
    if form == Form::Open {
        return Err(Undecided);
    }
    let http = form.is_http();
    let reading = Reading { ended, decodes: http, query: true };
    let Found::List(list) = env.marker.find(request, reading) else { return Ok(None) };
    Ok(Some(match form {
        Form::Http(b"OPTIONS") => Action::Close(realplexor::OPTIONS.to_vec()),
        form => {
            let head_only = form == Form::Http(b"HEAD");
            let wishes = list.wishes();
            let mut has: &[u8] = &[];
            if http && wishes.first().is_some_and(|(id, _)| env.pages.contains(id)) {
                // Who asks for a page may say which one he has, in any line of the head.
                if !ended && dklab::head_len(request).is_none() {
                    return Err(Undecided);
                }
                has = dklab::header(request, "if-none-match").unwrap_or_default();
            }
            Action::Listen(Box::new(Listen { wishes, http, head_only, has: has.into() }))
        }
    }))
}

fn breaks_http(bytes: &[u8]) -> bool {
    let fault = http::decode(bytes, &HTTP_LIMITS).err();
    let too_long = matches!(fault, Some(http::Error::TargetTooLong | http::Error::HeadTooLong));
    too_long && dklab::is_like_http(bytes)
}

/// How long the request of HTTP at the front is, if it is whole. A head that is not right, though it has an
/// end, counts as one: it is refused, and whoever sent it learns why. Bare line feeds are no HTTP at all.
fn whole_request(bytes: &[u8]) -> Option<usize> {
    match http::decode(bytes, &HTTP_LIMITS) {
        Ok(Some((request, head_len))) => {
            let mut body = Body::new(request.framing);
            match body.decode(&bytes[head_len..], &mut Vec::new(), BODY_LEN_MAX) {
                Ok((body_len, true)) => Some(head_len + body_len),
                // Chunks that are none are bytes of any kind, too.
                Ok((_, false)) | Err(_) => None,
            }
        }
        Ok(None) | Err(http::Error::BareLineFeed) => None,
        Err(_) => dklab::head_len(bytes).filter(|_| dklab::is_http(bytes)),
    }
}
