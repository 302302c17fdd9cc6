//! What a publisher says beside the data: the event's name, how long it is kept, the media type.
//!
//! Each by a query parameter or by a header, the query winning, since it is what stands in a URL
//! that somebody typed.

use axum::http::{HeaderMap, header};
use dialect::hub::{Audience, ConnectionId, Millis, Payload};
use dialect::native::{check_content_type, check_event, check_key, read_ttl};
use dialect::{Code, Problem};
use exchange::ConnectionIds;

use crate::response::excerpt;

/// What a publisher said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PublishOptions {
    pub(crate) event: Option<Box<str>>,
    pub(crate) ttl: Option<Millis>,
    pub(crate) content_type: Option<Box<str>>,
    /// Under which a repeat is known as such.
    pub(crate) key: Option<Box<str>>,
}

impl PublishOptions {
    /// Reads the query and the headers. Parameters with other names are left alone.
    pub(crate) fn read(query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let (mut event, mut ttl) = (None, None);
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "event" => event = Some(value.into_owned()),
                "ttl" => ttl = Some(value.into_owned()),
                _ => {}
            }
        }
        let event = or_header(event, headers, "multiplexor-event", Code::Event)?;
        let ttl = or_header(ttl, headers, "multiplexor-ttl", Code::Ttl)?;
        identity_only(headers)?;
        Ok(Self {
            event: event.map(check_event).transpose()?.flatten(),
            ttl: ttl.map(|text| read_ttl(&text)).transpose()?,
            content_type: content_type(headers)?,
            key: key(query, headers)?,
        })
    }
}

/// The idempotency key, from the query or the header.
pub(crate) fn key(query: &str, headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    let said = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "key");
    let key = or_header(said.map(|(_, value)| value.into_owned()), headers, "idempotency-key", Code::Key)?;
    key.map(check_key).transpose()
}

/// Which connection is not to be given a message, from the header; `None`: each may have it.
pub(crate) fn except(headers: &HeaderMap, ids: &ConnectionIds) -> Result<Option<ConnectionId>, Problem> {
    let said = or_header(None, headers, "multiplexor-except", Code::Connection)?;
    said.map(|text| check_except(&text, ids)).transpose()
}

/// Whether there is a connection of this id nobody has to know: where there is none, all are given the message.
pub(crate) fn check_except(text: &str, ids: &ConnectionIds) -> Result<ConnectionId, Problem> {
    ids.read(text).ok_or_else(|| {
        let why = format!(
            "{:?} is no id of a connection; give the 22 characters that its client was told as `connection`",
            excerpt(text)
        );
        Problem::bad(Code::Connection, why)
    })
}

/// A payload that this connection is not to be given, where there is one.
pub(crate) fn withheld(payload: Payload, except: Option<ConnectionId>) -> Payload {
    match except {
        Some(id) => payload.limited_to(Audience::Except(id)),
        None => payload,
    }
}

/// The value from the query, else the header of this name.
fn or_header(
    value: Option<String>,
    headers: &HeaderMap,
    name: &str,
    code: Code,
) -> Result<Option<String>, Problem> {
    let Some(header) = headers.get(name).filter(|_| value.is_none()) else { return Ok(value) };
    match std::str::from_utf8(header.as_bytes()) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(_) => Err(Problem::bad(code, format!("the header {name} is not UTF-8; send UTF-8"))),
    }
}

/// The media type of a request; `None`: it says nothing.
pub(crate) fn content_type(headers: &HeaderMap) -> Result<Option<Box<str>>, Problem> {
    match headers.get(header::CONTENT_TYPE) {
        Some(value) => check_content_type(value.as_bytes()),
        None => Ok(None),
    }
}

/// Clients get the bytes that came in, so a coding would reach them undecoded.
pub(crate) fn identity_only(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => Err(Problem::new(
            415,
            Code::ContentEncoding,
            "the body is compressed (Content-Encoding); send the data as it is to reach the clients",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    fn read(query: &str, headers: &[(&'static str, &[u8])]) -> Result<PublishOptions, &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
        }
        PublishOptions::read(query, &map).map_err(|problem| problem.code.name())
    }

    fn check_event(
        query: &str,
        headers: &[(&'static str, &[u8])],
        expected: Result<Option<&str>, &'static str>,
    ) {
        let expected = expected
            .map(|event| PublishOptions { event: event.map(Into::into), ..PublishOptions::default() });
        assert_eq!(read(query, headers), expected, "{query}");
    }

    fn check_ttl(text: &str, expected: Result<Millis, &'static str>) {
        let expected = expected.map(|ttl| PublishOptions { ttl: Some(ttl), ..PublishOptions::default() });
        assert_eq!(read(&format!("ttl={text}"), &[]), expected, "{text}");
        assert_eq!(read("", &[("multiplexor-ttl", text.as_bytes())]), expected, "{text}");
    }

    fn check_type(sent: &[u8], expected: Result<Option<&str>, &'static str>) {
        let expected = expected
            .map(|kind| PublishOptions { content_type: kind.map(Into::into), ..PublishOptions::default() });
        assert_eq!(read("", &[("content-type", sent)]), expected);
    }

    #[test]
    fn an_event_is_named_by_query_or_header() {
        check_event("event=tick", &[], Ok(Some("tick")));
        check_event("", &[("multiplexor-event", b"tock")], Ok(Some("tock")));
        check_event("event=tick", &[("multiplexor-event", b"tock")], Ok(Some("tick")));
        check_event("event=%D1%87%D0%B0%D1%82+x&_=1", &[], Ok(Some("чат x")));
        check_event("", &[("multiplexor-event", "чат".as_bytes())], Ok(Some("чат")));
        check_event("event=", &[], Ok(None));
        check_event("event=a%0Ab", &[], Err("event"));
        check_event("", &[("multiplexor-event", b"\xff")], Err("event"));
        check_event(&format!("event={}", "x".repeat(255)), &[], Ok(Some(&"x".repeat(255))));
        check_event(&format!("event={}", "x".repeat(256)), &[], Err("event"));
    }

    #[test]
    fn a_ttl_is_seconds() {
        for (text, millis) in
            [("0", 0), ("60", 60_000), ("0.5", 500), ("1.25", 1_250), ("0.0009", 0), ("007", 7_000)]
        {
            check_ttl(text, Ok(millis));
        }
        for bad in ["", "x", "-1", "1e3", ".5", "1.", "1s", "99999999999999999999", "99999999999999", "NaN"] {
            check_ttl(bad, Err("ttl"));
        }
    }

    #[test]
    fn a_key_makes_repeats_known() {
        let said = |key: &str| Ok(PublishOptions { key: Some(key.into()), ..PublishOptions::default() });
        assert_eq!(read("key=a+b", &[]), said("a b"));
        assert_eq!(read("", &[("idempotency-key", b"\"x\"")]), said("\"x\""));
        assert_eq!(read("key=q", &[("idempotency-key", b"h")]), said("q"));
        assert_eq!(read("key=", &[]), Err("key"));
        assert_eq!(read("key=a%00", &[]), Err("key"));
        assert_eq!(read("", &[("idempotency-key", &[b'x'; 256])]), Err("key"));
    }

    #[test]
    fn the_form_default_is_no_type() {
        check_type(b"text/plain; charset=utf-8", Ok(Some("text/plain; charset=utf-8")));
        check_type(b"application/x-www-form-urlencoded", Ok(None));
        check_type(b"Application/X-WWW-form-urlencoded; charset=utf-8", Ok(None));
        check_type(b"", Ok(None));
        check_type(b"Multipart/Form-Data; boundary=x", Err("content-type"));
        check_type(b"text/\xff", Err("content-type"));
        check_type(&[b'x'; 256], Err("content-type"));
    }

    #[test]
    fn a_compressed_body_is_refused() {
        assert_eq!(read("", &[("content-encoding", b"gzip")]), Err("content-encoding"));
        assert_eq!(read("", &[("content-encoding", b"identity")]), Ok(PublishOptions::default()));
    }
}
