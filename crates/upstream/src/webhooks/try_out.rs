//! One call by hand, to see whether a receiver takes it and finds the signature right.

use std::io;
use std::time::Duration;

use access::WebhookSecret;
use exchange::hub::WallTime;
use hyper::Uri;
use hyper::body::Bytes;

use super::call::Call;
use crate::http::Client;

/// What a receiver answered.
#[derive(Debug)]
pub struct TestAnswer {
    /// Its status.
    pub status: u16,
    /// As much of its body as is read.
    pub body: Vec<u8>,
    /// What was sent: the id, and the body.
    pub sent: (String, String),
}

/// Sends one event, `webhook.test`, as a server would. The error says why there is no answer.
pub async fn test_webhook(
    url: &Uri,
    secrets: &[WebhookSecret],
    timeout: Duration,
    now: WallTime,
) -> io::Result<TestAnswer> {
    let id = format!("test_{}", now.millis());
    let seconds = now.seconds();
    let body = format!(
        "{{\"events\":[{{\"type\":\"webhook.test\",\"time\":{seconds}.{:03}}}]}}",
        now.millis() % 1_000
    );
    let bytes = Bytes::from(body.clone());
    let call = Call { url, secrets, id: &id, body: &bytes, timeout };
    let answered = call.send(&Client::new([url]), now).await.map_err(io::Error::other)?;
    Ok(TestAnswer { status: answered.status.as_u16(), body: answered.body, sent: (id, body) })
}
