//! Takeover: what clients say to the application by way of us, and what it says to them.

use access::{AppRequest, PageAnswer};
use codec::http;
use dialect::hub::{Cursors, Epoch, Stage};
use dialect::{Dialects, Origins, Shows, native};
use transport::{Action, Conn, Env};
use upstream::hyper::body::Bytes;
use upstream::hyper::header::{HeaderName, HeaderValue};
use upstream::hyper::{Response, Uri};
use upstream::{Relayed, answered, request};

/// A client's bytes, where paths under `/app/` are the application's: what is passed on is under it however it is read,
/// has nothing in it that is between neighbours, and says at its end from where it came.
pub(crate) fn passed(data: &[u8]) {
    let env = Env {
        cursors: Cursors::new(Epoch::new(7)),
        now: 1_800_000_000_000,
        classic_limit: 5_120,
        dialects: &Dialects::default(),
        compression: true,
        origins: &Origins::NONE,
        shows: &Shows::NOTHING,
        paths: &native::Paths::default(),
        stage: Stage::Serving,
        is_short: false,
        takeover: Some("/app/"),
        tls: false,
        gate: None,
    };
    for classic in [dialect::Classic::None, dialect::Classic::Dklab, dialect::Classic::Realplexor] {
        let (mut conn, mut bytes, mut at) = (Conn::of(classic), data.to_vec(), 0);
        loop {
            let (taken, action) = conn.receive(&mut bytes[at..], env);
            match action {
                Action::Send(_) | Action::Next if taken > 0 => {}
                Action::Pass(passed) => return check_passed(&passed),
                Action::Take(_) | Action::Listen(_) => {
                    assert!(!data[at..].starts_with(b"GET /app/"), "what is the application's was taken");
                    break;
                }
                _ => break,
            }
            at += taken;
        }
    }
}

fn check_passed(passed: &transport::Passed) {
    let path = passed.target.split('?').next().unwrap_or_default();
    let is_passed = native::is_passed(&passed.method, path, "/app/", &native::Paths::default());
    assert!(path.starts_with("/app/") && is_passed.is_ok(), "{path}");
    assert!(!["TRACE", "CONNECT"].contains(&&*passed.method));
    let page = AppRequest {
        method: passed.method.clone(),
        target: passed.target.clone(),
        headers: passed.headers.clone(),
        body: passed.body.clone(),
        from: Some([192, 0, 2, 1].into()),
    };
    let Some(request) = request(&page, &Uri::from_static("http://application")) else { return };
    let all = request.headers();
    for hop in [
        "connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "content-length",
        "keep-alive",
    ] {
        assert!(!all.contains_key(hop), "{hop} is between neighbours");
    }
    for name in ["x-forwarded-for", "forwarded", "cookie", "host"] {
        assert!(all.get_all(name).iter().count() <= 1, "{name} is there twice");
    }
    assert!(all["x-forwarded-for"].as_bytes().ends_with(b"192.0.2.1"));
    assert!(all.get("forwarded").is_none_or(|line| line.as_bytes().ends_with(b"for=192.0.2.1")));
    assert_eq!(request.uri().host(), Some("application"));
}

/// An answer of the application: status, headers and body as lines. What goes to the client is one answer, no shorter and
/// no longer than it says, with nothing in it that was for us; whom it wants to be held waits for channels, or is told.
pub(crate) fn page(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let blank = rest.windows(2).position(|two| two == b"\n\n");
    let (head, body) = blank.map_or((rest, &[][..]), |at| (&rest[..at], &rest[at + 2..]));
    let mut answer = Response::new(Bytes::copy_from_slice(body));
    *answer.status_mut() = (200 + u16::from(*first) * 2).try_into().expect("it has three digits");
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            answer.headers_mut().append(name, value);
        }
    }
    for is_head in [false, true] {
        match answered(&answer, is_head) {
            // It says for how long in no number that one could keep to.
            None => assert!(answer.headers().contains_key("multiplexor-lasts")),
            Some(Relayed::Page(page)) => check_page(&page, answer.status().as_u16(), is_head),
            Some(Relayed::Hold { names, .. }) => {
                assert!(!is_head, "nobody waits for a head");
                if let Err(problem) = native::names_in_path(&names) {
                    assert!(!problem.detail.is_empty());
                }
            }
        }
    }
}

/// As a strict reader reads it.
fn check_page(page: &PageAnswer, status: u16, is_head: bool) {
    let PageAnswer { head, body } = page;
    let line_end = head.windows(2).position(|two| two == b"\r\n").expect("there is a line");
    assert!(head.starts_with(format!("HTTP/1.1 {status} ").as_bytes()));
    // A head of a request is read the same way, but for its first line.
    let whole = [b"GET / HTTP/1.0", &head[line_end..], b"\r\n"].concat();
    let limits = http::HeadLimits { head_bytes: 1 << 20, body_bytes: 1 << 20, ..http::HeadLimits::default() };
    let read = match http::decode(&whole, &limits) {
        Ok(Some((read, len))) => {
            assert_eq!(len, whole.len(), "the head ends where it ends");
            read
        }
        // An answer may say a length that no request may; and more headers than one has.
        Err(http::Error::TooManyHeaders | http::Error::BodyTooLong) => return,
        Err(http::Error::HostRepeated | http::Error::Host) => return,
        other => panic!("{other:?}: {:?}", String::from_utf8_lossy(head)),
    };
    for (name, _) in read.all_headers() {
        let name = name.to_ascii_lowercase();
        assert!(
            !["multiplexor-channels", "multiplexor-lasts", "transfer-encoding", "connection"]
                .contains(&&*name)
        );
    }
    let has_none = is_head || matches!(status, 204 | 304);
    assert!(!has_none || body.is_empty(), "who gets no body gets none");
    if !has_none {
        assert_eq!(read.header("content-length"), Some(body.len().to_string().as_bytes()));
    }
}
