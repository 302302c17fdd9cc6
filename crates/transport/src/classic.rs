//! What clients of 2009 say: bytes of any kind with a marker in them that names the channel.
//!
//! On a listener with that dialect the first bytes of every request decide whose words it is in. A request
//! of HTTP that turns out to have no marker is answered like any other, since it may be a stray browser;
//! bytes that are no HTTP wait for more, up to the limit.

use codec::http::{self, Body};
use dialect::Classic;
use dialect::multiplexor::{self, Words, whose};
use dialect::native::PATHS;

use crate::limits::BODY_LEN_MAX;
use crate::receive::HTTP_LIMITS;
use crate::{Action, Conn, Env, Phase, Shape};

impl Conn {
    /// Whether the bytes at the front are in the words of 2009; `None` until they tell. What does not tell
    /// within the limit is for plain HTTP to judge.
    pub(crate) fn is_classic(&self, bytes: &[u8], limit: usize) -> Option<bool> {
        match self.classic {
            Classic::None => Some(false),
            Classic::Multiplexor => match whose(bytes, PATHS) {
                Some(words) => Some(words == Words::Classic),
                None => (bytes.len() > limit).then_some(false),
            },
        }
    }

    /// Looks for the marker. Nothing is taken until it is there, or the request is whole without it.
    pub(crate) fn receive_classic(&mut self, bytes: &[u8], env: Env<'_>) -> (usize, Action) {
        let request_len = whole_request(bytes);
        let request = &bytes[..request_len.unwrap_or(bytes.len())];
        if let Some(id) =
            multiplexor::ids(request, request_len.is_some()).and_then(|ids| ids.into_iter().next())
        {
            self.phase = Phase::Waiting;
            self.shape = Shape::Multiplexor;
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

fn breaks_http(bytes: &[u8]) -> bool {
    let fault = http::decode(bytes, &HTTP_LIMITS).err();
    let too_long = matches!(fault, Some(http::Error::TargetTooLong | http::Error::HeadTooLong));
    too_long && multiplexor::is_like_http(bytes)
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
        Err(_) => multiplexor::head_len(bytes).filter(|_| multiplexor::is_http(bytes)),
    }
}
