//! What clients say in a dialect besides our own: bytes of any kind, in which that dialect finds what is wanted.
//!
//! On a listener with such, the first bytes of every request decide whose words it is in. A request
//! of HTTP that turns out to want nothing is answered like any other, since it may be a stray browser;
//! bytes that are no HTTP wait for more, up to the limit.

use codec::http::loose::{head_len, is_http, is_like_http};
use codec::http::{self, Body};
use dialect::{Claim, Classic, Ours, Up, Wants};

use crate::limits::BODY_LEN_MAX;
use crate::receive::HTTP_LIMITS;
use crate::{Action, Conn, Env, Phase, Shape};

impl Conn {
    /// The dialect in whose words the bytes at the front are, if they are in no words of ours; `None` until they tell. What does
    /// not tell within the limit is for plain HTTP to judge.
    #[expect(clippy::option_option, reason = "not yet, and none, are two answers")]
    pub(crate) fn foreign(&self, bytes: &[u8], env: Env<'_>) -> Option<Option<Classic>> {
        let ours = Ours { paths: env.paths, application: env.takeover };
        for classic in self.dialects.iter() {
            match env.dialects.of(classic).claims(bytes, ours) {
                Some(Claim::Theirs) => return Some(Some(classic)),
                Some(Claim::Ours) => {}
                // Those behind it wait until it tells: how bytes are cut decides nothing.
                None => return (bytes.len() > env.classic_limit).then_some(None),
            }
        }
        Some(None)
    }

    /// Does what the dialect finds. Nothing is taken until something is there, or the request is whole without it.
    pub(crate) fn receive_foreign(
        &mut self,
        bytes: &[u8],
        classic: Classic,
        env: Env<'_>,
    ) -> (usize, Action) {
        let dialect = env.dialects.of(classic);
        if hear(bytes, env) == HeadSeen::NotYet {
            return (0, Action::More);
        }
        let request_len = whole_request(bytes);
        let request = &bytes[..request_len.unwrap_or(bytes.len())];
        let action = match dialect.wants(request, request_len.is_some(), env.classic_limit) {
            Wants::Undecided => return (0, Action::More),
            Wants::Nothing => None,
            Wants::Take(channel) => Some(Action::Take(channel)),
            Wants::Listen(listen) => Some(Action::Listen(listen)),
            Wants::Answer(answer) => Some(Action::Close(answer.to_vec())),
            Wants::Up(up) => return self.begin_up(classic, *up),
        };
        if let Some(action) = action {
            self.do_foreign(classic, &action);
            return (bytes.len(), action);
        }
        // The limit is looked at behind the search: a long request may well name something. What breaks the
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

    /// The connection stays up, and its client says more.
    fn begin_up(&mut self, classic: Classic, Up { taken, wait, state }: Up) -> (usize, Action) {
        self.close = true;
        self.wait_in(shape_of(classic), &wait);
        (taken, Action::Up { wait: Box::new(wait), state })
    }

    /// The connection does what was found to be wanted, and ends with it.
    fn do_foreign(&mut self, classic: Classic, action: &Action) {
        self.close = true;
        self.phase = Phase::Closing;
        if !matches!(action, Action::Close(_)) {
            self.phase = Phase::Waiting;
            self.shape = shape_of(classic);
        }
    }
}

/// The shape of those who speak it.
fn shape_of(classic: Classic) -> Shape {
    Shape::of_dialect(classic).expect("a dialect whose clients wait has a shape")
}

/// Whether all was seen that a proxy says of a request.
#[derive(PartialEq, Eq)]
enum HeadSeen {
    NotYet,
    All,
}

/// Shows the gate the head of a request, where it looks at heads: what a proxy says may come behind the marker.
fn hear(bytes: &[u8], env: Env<'_>) -> HeadSeen {
    let Some(gate) = env.gate.filter(|gate| gate.reads_heads()) else { return HeadSeen::All };
    if !is_like_http(bytes) {
        return HeadSeen::All;
    }
    match head_len(bytes) {
        Some(len) => gate.hear(Some(&bytes[..len])),
        None if bytes.len() <= env.classic_limit => return HeadSeen::NotYet,
        None => gate.hear(None),
    }
    HeadSeen::All
}

fn breaks_http(bytes: &[u8]) -> bool {
    let fault = http::decode(bytes, &HTTP_LIMITS).err();
    let too_long = matches!(fault, Some(http::Error::TargetTooLong | http::Error::HeadTooLong));
    too_long && is_like_http(bytes)
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
        Err(_) => head_len(bytes).filter(|_| is_http(bytes)),
    }
}
