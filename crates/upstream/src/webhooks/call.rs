//! One call of a webhook: signed, sent, and judged by its status.

use std::time::{Duration, SystemTime};

use access::{WebhookSecret, webhook_signature};
use exchange::hub::WallTime;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Uri};

use super::trouble::CallOutcome;
use crate::http::{CallFailure, Client, HttpAnswer};
use crate::limits::WEBHOOK_ANSWER_LEN_MAX;

/// What is sent.
pub(super) struct Call<'a> {
    pub(super) url: &'a Uri,
    pub(super) secrets: &'a [WebhookSecret],
    pub(super) id: &'a str,
    pub(super) body: &'a Bytes,
    pub(super) timeout: Duration,
}

impl Call<'_> {
    /// Sends it; what came back. Redirects are answers like all others.
    pub(super) async fn send(&self, client: &Client, now: WallTime) -> Result<HttpAnswer, CallFailure> {
        let mut request = Request::new(Full::new(self.body.clone()));
        (*request.method_mut(), *request.uri_mut()) = (Method::POST, self.url.clone());
        let signature = webhook_signature(self.secrets, self.id, now.seconds(), self.body);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("multiplexor/", env!("CARGO_PKG_VERSION"))));
        for (name, text) in [
            ("webhook-id", self.id),
            ("webhook-timestamp", &now.seconds().to_string()),
            ("webhook-signature", &signature),
        ] {
            let value = HeaderValue::from_str(text).expect("names, cursors, digits and base64 are printable");
            headers.insert(HeaderName::from_static(name), value);
        }
        client.tell(request, self.timeout, WEBHOOK_ANSWER_LEN_MAX).await
    }
}

/// What an answer means.
pub(super) fn judge(answered: Result<HttpAnswer, CallFailure>, now: SystemTime) -> CallOutcome {
    let (status, headers) = match answered {
        Ok(answered) => (answered.status.as_u16(), answered.headers),
        Err(failure) => return CallOutcome::Failed(failure.to_string(), None),
    };
    let asked = retry_after(&headers, now);
    match status {
        200..300 => CallOutcome::Taken,
        410 => CallOutcome::Gone,
        // These are about when it was sent, and not about what.
        408 | 425 | 429 => CallOutcome::Failed(format!("it answers {status}"), asked),
        400..500 => CallOutcome::Refused(status, asked),
        300..400 => CallOutcome::Failed(format!("it answers {status}; redirects are not followed"), asked),
        _ => CallOutcome::Failed(format!("it answers {status}"), asked),
    }
}

/// How long the receiver wants to be left alone (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test")]
mod tests {
    use super::*;

    fn outcome(status: u16, retry_after: Option<&str>) -> CallOutcome {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, text.parse().unwrap());
        }
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        judge(Ok(HttpAnswer { status: status.try_into().unwrap(), headers, body: Vec::new() }), now)
    }

    #[test]
    fn a_status_says_whether_it_was_taken() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(outcome(status, None), CallOutcome::Taken, "{status}");
        }
        assert_eq!(outcome(410, Some("5")), CallOutcome::Gone);
        for status in [400, 401, 403, 404, 405, 413, 422, 499] {
            assert_eq!(outcome(status, None), CallOutcome::Refused(status, None), "{status}");
        }
        for status in [301, 302, 307, 308, 408, 425, 429, 500, 502, 503, 504] {
            assert!(matches!(outcome(status, None), CallOutcome::Failed(_, None)), "{status}");
        }
    }

    #[test]
    fn who_asks_to_be_left_alone_says_for_how_long_or_until_when() {
        let asked = |text| match outcome(503, Some(text)) {
            CallOutcome::Failed(_, asked) => asked.map(|asked| asked.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!((asked("7"), asked(" 0 ")), (Some(7), Some(0)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:47 GMT"), Some(10));
        for nonsense in ["", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:27 GMT", "99999999999999999999"] {
            assert_eq!(asked(nonsense), None, "{nonsense}");
        }
        assert_eq!(
            outcome(429, Some("3")),
            CallOutcome::Failed("it answers 429".into(), Some(Duration::from_secs(3)))
        );
        assert_eq!(outcome(400, Some("3")), CallOutcome::Refused(400, Some(Duration::from_secs(3))));
    }
}
