//! What goes to the application and what comes from it, by way of us: each is written anew, and what is between two
//! neighbours only stays there (RFC 9110, section 7.6.1).

use std::net::IpAddr;

use access::{AppRequest, PageAnswer, Way, forward};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Request, Response, Uri};

/// What the application's answer is to us.
#[derive(Debug)]
pub enum Relayed {
    /// The client's.
    Page(PageAnswer),
    /// The wish that the client be held.
    Hold {
        /// On these channels, as in a path; whether they are any is not known here.
        names: Box<str>,
        /// For so many seconds at the most.
        lasts: Option<u64>,
    },
}

/// A client's request as the application gets it, `base` before its path. `None`: they make no request.
pub fn request(page: &AppRequest, base: &Uri) -> Option<Request<Full<Bytes>>> {
    let AppRequest { method, target, headers, body, from } = page;
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = method.parse().ok()?;
    *request.uri_mut() = format!("{}{target}", base.to_string().trim_end_matches('/')).parse().ok()?;
    let all = request.headers_mut();
    for (name, value) in headers {
        let name = HeaderName::try_from(&**name).ok()?;
        all.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    remove_hops(all);
    join_cookies(all)?;
    say_from(all, Way::ForwardedFor, HeaderName::from_static(FORWARDED_FOR), *from)?;
    // Who reads that header finds there what it reads in the other; it is made for nobody.
    if all.contains_key(FORWARDED) {
        say_from(all, Way::Forwarded, FORWARDED, *from)?;
    }
    Some(request)
}

/// What the application's answer is to us. Nobody waits who asked for a head only.
/// `None`: it is none that can be passed on, or says for how long in no whole number of seconds.
pub fn answered(answer: &Response<Bytes>, is_head: bool) -> Option<Relayed> {
    // No client here has asked for another protocol.
    if answer.status().is_informational() {
        return None;
    }
    Some(match names(answer.headers()) {
        Some(names) if !is_head => {
            // Whoever limits the time must not be taken for one who does not.
            let lasts = match answer.headers().get(LASTS) {
                Some(seconds) => Some(seconds.to_str().ok()?.parse().ok()?),
                None => None,
            };
            Relayed::Hold { names, lasts }
        }
        _ => Relayed::Page(page_answer(answer, is_head)),
    })
}

/// Writes behind what others said of it from where the request came to us.
fn say_from(all: &mut HeaderMap, way: Way, name: HeaderName, from: Option<IpAddr>) -> Option<()> {
    let line = forward(way, all.get_all(&name).iter().map(HeaderValue::as_bytes), from);
    all.insert(name, HeaderValue::from_bytes(&line).ok()?);
    Some(())
}

/// Several lines are one to an application that speaks HTTP/1.1 (RFC 9113, section 8.2.3).
fn join_cookies(all: &mut HeaderMap) -> Option<()> {
    let lines: Vec<&[u8]> = all.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() > 1 {
        let line = HeaderValue::from_bytes(&lines.join(&b"; "[..])).ok()?;
        all.insert(COOKIE, line);
    }
    Some(())
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
    let is_number = |len: &HeaderValue| !len.is_empty() && len.as_bytes().iter().all(u8::is_ascii_digit);
    match told_len.filter(|len| has_no_body && is_number(len)) {
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

/// Removes what is between two neighbours only, and lengths, which are told anew. Nobody may name headers so that are
/// for whoever reads last: what a proxy wrote about where a request came from would be lost.
fn remove_hops(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name| !is_for_all(name))
        .collect();
    let always = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH, EXPECT];
    let old = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in always.into_iter().chain(old).chain(named) {
        headers.remove(name);
    }
}

/// Whether a header is meant for whoever reads last, whatever `Connection` says of it.
fn is_for_all(name: &HeaderName) -> bool {
    let known = [AUTHORIZATION, CONTENT_TYPE, COOKIE, FORWARDED, HOST, ORIGIN];
    known.contains(name) || name.as_str().starts_with("x-forwarded-") || name.as_str() == "x-real-ip"
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

    /// The headers that the application gets, as lines.
    fn passed(headers: &[(&str, &str)], from: &str) -> String {
        let page = AppRequest {
            method: "GET".into(),
            target: "/x?y".into(),
            headers: headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().into())).collect(),
            body: Vec::new(),
            from: from.parse().ok(),
        };
        let request = request(&page, &"http://app/base/".parse().unwrap()).unwrap();
        assert_eq!(request.uri(), "http://app/base/x?y");
        let mut lines: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect();
        lines.sort();
        lines.join("; ")
    }

    #[test]
    fn the_application_is_told_every_step_of_the_way() {
        let both = [
            ("X-Forwarded-For", "1.1.1.1, \""),
            ("X-Forwarded-For", "2.2.2.2"),
            ("Forwarded", "for=1.1.1.1"),
            ("forwarded", "for=\""),
            ("forwarded", "for=2.2.2.2"),
        ];
        assert_eq!(
            passed(&both, "::1"),
            "forwarded: for=1.1.1.1, for=2.2.2.2, for=\"[::1]\"; x-forwarded-for: 1.1.1.1, \", 2.2.2.2, ::1"
        );
        assert_eq!(passed(&[], "192.0.2.7"), "x-forwarded-for: 192.0.2.7");
        let said = [("x-forwarded-for", "1.1.1.1"), ("forwarded", "for=1.1.1.1")];
        let told = "forwarded: for=1.1.1.1, for=unknown; x-forwarded-for: 1.1.1.1, unknown";
        assert_eq!(passed(&said, "a UNIX socket"), told);
    }

    #[test]
    fn nobody_takes_away_what_a_proxy_wrote() {
        let named = [
            ("connection", "close, X-Forwarded-For, Cookie, x-hop"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-hop", "1"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ];
        assert_eq!(passed(&named, "192.0.2.7"), "cookie: a=1; b=2; x-forwarded-for: 1.1.1.1, 192.0.2.7");
    }
}
