//! Takeover: a request that is not ours goes to the application, which answers it, or names channels: then we
//! hold the client.

use std::sync::Arc;
use std::time::Duration;

use access::{About, Denied, Held, Page, PageAnswer, Question, Said, Subject, Verdict};
use exchange::Exchange;
use exchange::hub::{Millis, Session};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::{Method, Request, Response, Uri};
use tracing::{info, warn};

use crate::Parts;
use crate::counters::Counters;
use crate::http::{Client, Failure, told};
use crate::limits::PAGE_LEN_MAX;
use crate::tell::tell;

/// Where requests go that are not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// What stands before their path.
    pub url: Uri,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Requests under way at once.
    pub calls: usize,
}

/// The application, and the requests under way to it.
pub(crate) struct Pages {
    takeover: Takeover,
    client: Client,
    exchange: Arc<Exchange>,
    counters: Arc<Counters>,
    calling: usize,
    failing: bool,
}

/// A request that is to be passed on.
pub(crate) struct Pass {
    shard: u16,
    subject: Subject,
    page: Arc<Page>,
    takeover: Takeover,
    client: Client,
}

/// A request that was passed on, and what came of it.
pub(crate) struct Passed {
    shard: u16,
    subject: Subject,
    answer: Result<Answer, Failure>,
}

enum Answer {
    Page(PageAnswer),
    Hold { names: Box<str>, lasts: Option<u64> },
}

impl Pages {
    pub(crate) fn new(takeover: Takeover, (client, exchange, counters): Parts) -> Self {
        Self { takeover, client, exchange, counters, calling: 0, failing: false }
    }

    /// A shard has a request for the application.
    pub(crate) fn ask(&mut self, question: Question) -> Option<Pass> {
        let Question { shard, subject, about: About::Page(page), .. } = question else { return None };
        if self.calling >= self.takeover.calls {
            self.counters.pages_failed.add();
            let why = "the application has as many requests as are allowed at this moment; try again soon";
            self.tell(shard, subject, unanswered(503, "takeover-busy", why));
            return None;
        }
        self.calling += 1;
        self.counters.pages_passed.add();
        let (takeover, client) = (self.takeover.clone(), self.client.clone());
        Some(Pass { shard, subject, page, takeover, client })
    }

    /// The application has answered, or not.
    pub(crate) fn passed(&mut self, passed: Passed) {
        self.calling -= 1;
        let failed = passed.answer.is_err();
        let said = match passed.answer {
            Ok(Answer::Page(answer)) => Said::Page(Arc::new(answer)),
            Ok(Answer::Hold { names, lasts }) => {
                self.counters.pages_held.add();
                Said::Held(Arc::new(Held { names, session: self.session(lasts) }))
            }
            Err(failure) => {
                self.counters.pages_failed.add();
                if !self.failing {
                    warn!(url = told(&self.takeover.url), why = %failure, "the application does not answer what is passed to it");
                }
                match failure {
                    Failure::Late(_) => unanswered(
                        504,
                        "takeover-timeout",
                        "the application did not answer in time; try again soon",
                    ),
                    Failure::Incomplete(..) => unanswered(
                        502,
                        "takeover",
                        "the application's answer broke off, or is too long to be passed on",
                    ),
                    Failure::Unreachable(_) => {
                        unanswered(502, "takeover", "the application cannot be reached; try again soon")
                    }
                }
            }
        };
        if self.failing && !failed {
            info!("the application answers again");
        }
        self.failing = failed;
        self.tell(passed.shard, passed.subject, said);
    }

    /// Who is held for a time only.
    fn session(&self, lasts_s: Option<u64>) -> Option<Session> {
        let expires: Millis = self.exchange.now().saturating_add(lasts_s?.saturating_mul(1_000));
        Some(Session::new(None, Some(expires), &[]))
    }

    fn tell(&self, shard: u16, subject: Subject, said: Said) {
        tell(&self.exchange, shard, &Arc::new(Verdict { subject, until: 0, said }));
    }
}

impl Pass {
    pub(crate) async fn make(self) -> Passed {
        let answer = self.answer().await;
        Passed { shard: self.shard, subject: self.subject, answer }
    }

    async fn answer(&self) -> Result<Answer, Failure> {
        let request = self
            .request()
            .ok_or_else(|| Failure::Unreachable("its address and this path make no URL".to_owned()))?;
        let is_head = request.method() == Method::HEAD;
        let answer = self.client.ask(request, self.takeover.timeout, PAGE_LEN_MAX).await?;
        match names(answer.headers()) {
            // Nobody waits who asks for a head.
            Some(names) if !is_head => {
                let lasts = text(answer.headers(), LASTS).and_then(|lasts| lasts.parse().ok());
                Ok(Answer::Hold { names, lasts })
            }
            _ => Ok(Answer::Page(page_answer(&answer, is_head))),
        }
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let Page { method, target, headers, body, from } = &*self.page;
        let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
        *request.method_mut() = method.parse().ok()?;
        let base = self.takeover.url.to_string();
        *request.uri_mut() = format!("{}{target}", base.trim_end_matches('/')).parse().ok()?;
        let all = request.headers_mut();
        for (name, value) in headers {
            let name = HeaderName::try_from(&**name).ok()?;
            all.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        remove_hops(all);
        if let Some(from) = from {
            let before = text(all, FORWARDED_FOR).map(|before| format!("{before}, ")).unwrap_or_default();
            all.insert(FORWARDED_FOR, format!("{before}{from}").parse().ok()?);
        }
        Some(request)
    }
}

/// The answer as it goes to the client: what is only between us and the application is left out.
fn page_answer(answer: &Response<Bytes>, is_head: bool) -> PageAnswer {
    let status = answer.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let mut headers = answer.headers().clone();
    let told_len = headers.get(CONTENT_LENGTH).cloned();
    remove_hops(&mut headers);
    headers.remove(CHANNELS);
    headers.remove(LASTS);
    let has_no_body = is_head || matches!(status.as_u16(), 204 | 304);
    match told_len.filter(|_| has_no_body) {
        Some(len) => drop(headers.insert(CONTENT_LENGTH, len)),
        None if has_no_body => {}
        None => drop(headers.insert(CONTENT_LENGTH, HeaderValue::from(answer.body().len()))),
    }
    for (name, value) in &headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    PageAnswer { head, body: if has_no_body { Vec::new() } else { answer.body().to_vec() } }
}

/// Removes what is between two neighbours only (RFC 9110, section 7.6.1), and lengths, which are told anew.
fn remove_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let always = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH, EXPECT];
    let old = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in always.into_iter().chain(old).chain(named) {
        headers.remove(name);
    }
}

/// The channels that are named, as in a path; there, too, other letters than those of ASCII are numbers.
fn names(headers: &HeaderMap) -> Option<Box<str>> {
    let bytes = headers.get_all(CHANNELS).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b',');
    let letter = |byte: &u8| match byte {
        0..0x80 => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let list: String = bytes.iter().map(letter).collect();
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    headers.contains_key(CHANNELS).then(|| names.join(",").into())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn unanswered(status: u16, code: &'static str, detail: &str) -> Said {
    Said::Unanswered(status, Denied { code, detail: detail.to_owned() })
}

/// The header by which the application names channels.
const CHANNELS: &str = "multiplexor-channels";
/// For how many seconds it wants the client to be held at the most.
const LASTS: &str = "multiplexor-lasts";
const FORWARDED_FOR: &str = "x-forwarded-for";

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test")]
mod tests {
    use super::*;

    fn answered(status: u16, headers: &[(&str, &str)], body: &str, is_head: bool) -> String {
        let mut answer = Response::new(Bytes::copy_from_slice(body.as_bytes()));
        *answer.status_mut() = status.try_into().unwrap();
        for (name, value) in headers {
            answer.headers_mut().append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let PageAnswer { head, body } = page_answer(&answer, is_head);
        format!("{}|{}", String::from_utf8(head).unwrap(), String::from_utf8(body).unwrap())
            .replace("\r\n", "; ")
    }

    #[test]
    fn channels_are_named_by_one_header_or_several() {
        let check = |values: &[&[u8]], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CHANNELS, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(names(&headers).as_deref(), expected, "{values:?}");
        };
        check(&[], None);
        check(&[b""], Some(""));
        check(&[b"a, b.c ,d e"], Some("a,b.c,d e"));
        check(&[b"a", b"b,c"], Some("a,b,c"));
        check(&["\u{e9}".as_bytes()], Some("%C3%A9"));
        check(&[b"\xff"], Some("%FF"));
    }

    #[test]
    fn an_answer_goes_on_without_what_is_between_neighbours() {
        let headers = [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
        ];
        assert_eq!(
            answered(200, &headers, "hello", false),
            "HTTP/1.1 200 OK; set-cookie: a=1; set-cookie: b=2; content-length: 5; |hello"
        );
        assert_eq!(answered(207, &[], "", false), "HTTP/1.1 207 Multi-Status; content-length: 0; |");
        assert_eq!(answered(299, &[], "x", false), "HTTP/1.1 299 ; content-length: 1; |x");
        assert_eq!(answered(204, &[], "", false), "HTTP/1.1 204 No Content; |");
        assert_eq!(answered(304, &[("etag", "x")], "", false), "HTTP/1.1 304 Not Modified; etag: x; |");
        assert_eq!(
            answered(200, &[("content-length", "7")], "", true),
            "HTTP/1.1 200 OK; content-length: 7; |"
        );
    }
}
