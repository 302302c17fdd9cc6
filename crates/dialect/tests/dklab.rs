//! Facts about the dialect of 2009: whose words bytes are, which ids they name, what is data in them.

use codec::http::loose::{behind_blank_line, head_len, is_http, is_like_http};
use multiplexor_dialect::Claim;
use multiplexor_dialect::dklab::{self, ids, is_id, is_online_command, whose};
use multiplexor_dialect::hub::{Audience, Kind, Message, Origin, Payload, Position, Target};
use multiplexor_dialect::native::Paths;

/// Whose words they are, and that it is told once and for all, however they come.
fn words(bytes: &str, expected: Option<Claim>) {
    words_beside(None, bytes, expected);
}

/// The same, where what begins with `prefix` is an application's.
fn words_beside(prefix: Option<&str>, bytes: &str, expected: Option<Claim>) {
    assert_eq!(whose(bytes.as_bytes(), Paths::default().all(), prefix), expected, "{bytes:?}");
    let mut told = None;
    for cut in 0..=bytes.len() {
        let now = whose(&bytes.as_bytes()[..cut], Paths::default().all(), prefix);
        assert!(told.is_none() || now == told, "{bytes:?} cut at {cut}: {now:?} after {told:?}");
        told = now;
    }
}

/// The ids, separated by blanks.
fn found(bytes: &str, expected: &str) {
    let got = ids(bytes.as_bytes(), false).map(|ids| ids.join(" "));
    assert_eq!(got.unwrap_or_else(|| "-".into()), expected, "{bytes:?}");
}

/// The data, and its content type.
fn data(bytes: &str, expected: &str, content_type: Option<&str>) {
    let payload = dklab::payload(bytes.into());
    assert_eq!(payload.data(), expected.as_bytes(), "{bytes:?}");
    assert_eq!(payload.content_type.as_deref(), content_type, "{bytes:?}");
    assert_eq!((&payload.bytes[..], payload.origin), (bytes.as_bytes(), Origin::WholeInput));
}

fn written(payload: Payload) -> String {
    let target = |name: &str| Target { name: name.into(), alias: None };
    let targets = [target("a"), target("b")].into_iter().collect();
    let message = Message::new(Position::from_bits(1), 0, None, targets, payload);
    let mut out = Vec::new();
    dklab::write(&message, 1, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn native(data: &[u8], content_type: Option<&str>, kind: Kind) -> Payload {
    Payload {
        data: 7..7 + u32::try_from(data.len()).expect("a test says little"),
        content_type: content_type.map(Into::into),
        ..Payload::new([b"behind ", data].concat(), kind)
    }
}

#[test]
fn what_an_input_is_limited_by_is_never_given_away() {
    let payload = Payload::new(*b"data", Kind::Text);
    let limited = Payload { origin: Origin::WholeInput, ..payload.limited_to(Audience::Only("ann")) };
    let text = written(limited);
    assert!(text.ends_with("\r\n\r\ndata") && !text.contains("ann"), "{text}");
}

#[test]
fn what_is_an_applications_is_never_searched() {
    for modern in [
        "GET /app/x?identifier=a; HTTP/1.1\r\n",
        "POST /app/ ",
        "GET http://a/app/x?identifier=b;",
        "TRACE /app/",
    ] {
        words_beside(Some("/app/"), modern, Some(Claim::Ours));
        words_beside(Some("/"), modern, Some(Claim::Ours));
    }
    for classic in [
        "GET /apps?identifier=a; ",
        "GET /app ",
        "GET /?identifier=a; ",
        "POST / ",
        "identifier=a;",
        "GET http:/a",
    ] {
        words_beside(Some("/app/"), classic, Some(Claim::Theirs));
    }
    for open in ["GET /ap", "GET http://a", "GET HTTPS:", "GET "] {
        words_beside(Some("/app/"), open, None);
    }
    words_beside(Some("/"), "GET /?identifier=a; ", Some(Claim::Theirs));
    words_beside(Some("/"), "GET / HTTP/1.1\r\n", Some(Claim::Ours));
}

#[test]
fn a_request_line_for_one_of_our_paths_is_modern() {
    for modern in [
        "GET /sub/a?identifier=b HTTP/1.1\r\n",
        "POST /sub/ ",
        "GET /sub ",
        "GET /sse/a?identifier=b HTTP/1.1\r\n",
        "GET /poll/a ",
        "GET /healthz?x",
        "GET /multiplexor.js ",
        "GET / HTTP/1.1\r\nReferer: http://a/?identifier=IFRAME\r\n",
        "GET /?identifer=a HTTP/1.1\r\n",
        "GET /?xidentifier=a ",
        "HEAD /\r\n",
        "\r\n\r\nGET /sub/",
        "get /sub/a ",
    ] {
        words(modern, Some(Claim::Ours));
    }
}

#[test]
fn everything_else_is_classic() {
    for classic in [
        "identifier=a\n",
        "GET /?identifier=a HTTP/1.1",
        "GET /?x=1&identifier=a,b&y",
        "GET /?identifier=a ",
        "POST / HTTP/1.1",
        "GET /subs",
        "GET /su ",
        "GET /healthz/",
        "GET http://a/sub/a HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "test 1\nidentifier=10\n",
        "HTTP/1.1 200 OK\n",
        "\x16\x03\x01",
        " GET /sub/a",
    ] {
        words(classic, Some(Claim::Theirs));
    }
    for open in [
        "",
        "\r\n",
        "GE",
        "GET ",
        "GET /",
        "GET /su",
        "GET /sub",
        "GET /healthz",
        "GET /?",
        "GET /?identifier=a",
    ] {
        words(open, None);
    }
}

#[test]
fn a_marker_counts_anywhere_and_the_first_one_wins() {
    found("identifier=a\n", "a");
    found("GET /?identifier=u_7 HTTP/1.1", "u_7");
    found("Cookie: x=1;identifier=A9;", "A9");
    found("-identifier=a ", "a");
    found("identifier=a&identifier=b&", "a");
    found("identifier=1.5:abc ", "1");
    found("identifier=x\u{e9}", "x");
    found("xidentifier=a _identifier=b Identifier=c identifier =d identifier=e ", "e");
}

#[test]
fn a_list_is_taken_whole_when_its_end_has_come() {
    found("identifier=", "-");
    found("identifier=q1", "-");
    found("identifier=q1,", "-");
    found("identifier=q1,q2", "-");
    found("identifier=q1,q2 ", "q1 q2");
    found("identifier=,q1,,q1,q2,\n", "q1 q2");
    found("identifier= identifier=,, identifier=.a identifier=b ", "b");
    found(&format!("identifier={} identifier=b ", "x".repeat(256)), "b");
    assert_eq!(ids(b"identifier=a,b", true).unwrap().len(), 2, "the end of all input is an end too");
}

#[test]
fn other_names_are_invisible() {
    assert!(is_id("user_42") && is_id("1"));
    for name in ["", "user.42", "a b", "чат", "a-b"] {
        assert!(!is_id(name), "{name}");
    }
}

#[test]
fn online_is_a_command_as_a_whole() {
    for yes in ["ONLINE", "online\n", "OnLine \r\n\r\n"] {
        assert!(is_online_command(yes.as_bytes()), "{yes:?}");
    }
    for no in ["", "ONLIN", "ONLINE x", " ONLINE", "ONLINES"] {
        assert!(!is_online_command(no.as_bytes()), "{no:?}");
    }
}

#[test]
fn data_begin_behind_the_first_blank_line() {
    data("HTTP/1.1 200 OK\nX-Multiplexor: identifier=a\n\nhey", "hey", None);
    data("HTTP/1.1 200 OK\r\nContent-Type:  a/b; c\r\n\r\nhey\r\n\r\n", "hey\r\n\r\n", Some("a/b; c"));
    data("HTTP/1.1 200 OK\ncontent-type: a/b\n\r\nhey", "hey", Some("a/b"));
    data("Content-Type: a/b\n\nhey", "hey", None);
    data("X: 1\nContent-Type: a/b\n\nhey", "hey", None);
    data("identifier=a\nhey", "identifier=a\nhey", None);
    data("HTTP/1.1 200 OK\nContent-Type: a/b\n", "HTTP/1.1 200 OK\nContent-Type: a/b\n", None);
    data("HTTP/1.1 200 OK\nContent-Type: a\x01b\n\n", "", None);
    data("\nhey", "hey", None);
    assert_eq!(behind_blank_line(b"a\r\n\rb\n"), None);
    assert_eq!((head_len(b"\n\na\n\nb"), head_len(b"\r\n\r\n")), (Some(5), None));
}

#[test]
fn data_that_are_no_text_are_binary() {
    let kind = |bytes: &[u8]| dklab::payload(bytes.to_vec()).kind;
    assert_eq!(kind(b"identifier=a\n\n\xff"), Kind::Binary);
    let of =
        |content_type: &str| kind(format!("HTTP/1.0 200 OK\nContent-Type: {content_type}\n\nx").as_bytes());
    assert_eq!(of("image/png"), Kind::Binary);
    assert_eq!(of("text/plain; charset=utf-8"), Kind::Text);
    assert_eq!(of("application/json"), Kind::Either, "nothing is refused here");
    assert_eq!(kind(b"\xff identifier=a\n\nx"), Kind::Either);
}

#[test]
fn what_came_in_this_dialect_goes_as_it_came() {
    let whole = "HTTP/1.1 200 OK\nX-Multiplexor: identifier=a,b\n\nhey";
    assert_eq!(written(dklab::payload(whole.into())), whole);
}

#[test]
fn what_came_otherwise_gets_a_head() {
    let head = |kind: &str, len| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\
             X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nX-Multiplexor: identifier=b\r\n\r\n"
        )
    };
    assert_eq!(written(native(b"hey", None, Kind::Either)), head("text/plain; charset=utf-8", 3) + "hey");
    assert_eq!(
        written(native(b"{}", Some("application/json"), Kind::Json)),
        head("application/json", 2) + "{}"
    );
    assert_eq!(written(native(b"", None, Kind::Binary)), head("application/octet-stream", 0));
}

#[test]
fn a_request_of_http_is_told_by_its_first_line() {
    assert!(is_like_http(b"GET /?identifier=a&x") && is_like_http(b"\nPOST /a HTTP/1.1\r\nHost: b\r\n"));
    assert!(!is_like_http(b"GET x /a") && !is_like_http(b"identifier=a /\n") && !is_like_http(b" /"));
    assert!(is_http(b"GET /a HTTP/1.1\r\n") && is_http(b"\r\nPOST /?identifier=a HTTP/1.0\nX: y"));
    for no in ["GET /a HTTP/1.1", "HTTP/1.1 200 OK\n", "GET /a\n", "identifier=a HTTP/1.1\n", "\n"] {
        assert!(!is_http(no.as_bytes()), "{no:?}");
    }
}
