//! How clients of Realplexor wait: a head at once, all that is due in one array when something is, and the end.

use codec::http::loose::{head_len, header, is_like_http};

use super::{Found, OPTIONS, Reading, Realplexor, RequestForm, Tag, held, reply, whose};
use crate::due::Reply;
use crate::{Claim, Dialect, Held, HeldError, Listen, Ours, State, Substitute, Wants};

impl Dialect for Realplexor {
    fn claims(&self, bytes: &[u8], ours: Ours<'_>) -> Option<Claim> {
        whose(bytes, ours.paths.all(), ours.application, &self.marker)
    }

    fn wants(&self, bytes: &[u8], ended: bool, limit: usize) -> Wants {
        let form = RequestForm::of(bytes, limit);
        if form == RequestForm::Open {
            return Wants::Undecided;
        }
        let http = form.is_http();
        let reading = Reading { ended, decodes: http, query: true };
        let Found::List(list) = self.marker.find(bytes, reading) else { return Wants::Nothing };
        if form == RequestForm::Http(b"OPTIONS") {
            return Wants::Answer(OPTIONS);
        }
        let head_only = form == RequestForm::Http(b"HEAD");
        let wishes = list.wishes();
        let mut has: &[u8] = &[];
        if http && wishes.first().is_some_and(|(id, _)| self.page_ids.contains(id)) {
            // Who asks for a page may say which one it has, in any line of the head.
            if !ended && head_len(bytes).is_none() {
                return Wants::Undecided;
            }
            has = header(bytes, "if-none-match").unwrap_or_default();
        }
        Wants::Listen(Box::new(Listen { wishes, http, head_only, has: has.into() }))
    }

    fn is_told_late(&self, input: &[u8], _: Ours<'_>) -> bool {
        is_like_http(input)
    }

    fn is_logged(&self) -> bool {
        true
    }

    fn substitute(&self, listen: &Listen) -> Option<Substitute> {
        let (id, _) = listen.wishes.first()?;
        let page = self.page(id)?;
        let told = if page.about.content_type == "text/html" {
            "IFRAME marker received, sending content"
        } else {
            "SCRIPT marker received, sending content"
        };
        Some(Substitute { bytes: page.answer(listen), told })
    }

    fn write_head(&self, listen: &Listen, mark: &[u8], out: &mut Vec<u8>) {
        let mark = listen.http.then_some(mark);
        reply::write_head(&self.charset, mark, listen.head_only, out);
    }

    fn write_reply(&self, reply: &Reply<'_>, tag: Option<Tag>, out: &mut Vec<u8>) {
        reply::write_reply(reply, tag, out);
    }

    fn freeze(&self, held: &Held, _: Option<&dyn State>) -> Vec<u8> {
        held::freeze(held)
    }

    fn thaw(&self, bytes: &[u8]) -> Result<(Held, Option<Box<dyn State>>), HeldError> {
        Ok((held::thaw(bytes)?, None))
    }
}
