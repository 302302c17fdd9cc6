//! Which requests are the application's, where one stands behind us: by their paths, and never by a path that whoever
//! reads it next might take to lead elsewhere.

use std::borrow::Cow;

use super::Paths;
use super::context::method_not_allowed;
use crate::limits::PATH_DECODES_MAX;
use crate::{Answer, Code, Problem};

/// Whether a path is one of the application's: it begins so, and is none of ours.
pub fn is_of_application(path: &str, prefix: &str, ours: &Paths) -> bool {
    path.starts_with(prefix) && !ours.hold(path)
}

/// Whether a request is to be passed on; an error is the answer to one that would be, and must not.
pub fn is_passed(method: &str, path: &str, prefix: &str, ours: &Paths) -> Result<bool, Answer> {
    if !is_of_application(path, prefix, ours) {
        return Ok(false);
    }
    // The one tells what we were told, the other is for those who pass bytes on as they come.
    if ["TRACE", "TRACK", "CONNECT"].iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
        return Err(method_not_allowed(method, METHODS));
    }
    check_path(path).map(|()| true).map_err(|why| {
        let why = format!("the path is not passed on, since {why}");
        Problem::bad(Code::Path, why).into()
    })
}

/// Checks that everybody reads the same steps in a path, however often escapes are read, whatever counts as a slash or a
/// dot, and whatever is cut off a step's end.
fn check_path(path: &str) -> Result<(), &'static str> {
    let mut bytes = Cow::Borrowed(path.as_bytes());
    for round in 0.. {
        let (decoded, is_whole) = decode(&bytes);
        if round == 0 && !is_whole {
            return Err("a `%` in it is followed by no two hexadecimal digits; write `%25`");
        }
        if decoded == *bytes {
            break;
        }
        if round == PATH_DECODES_MAX {
            return Err("its escapes are escaped again and again; escape it once");
        }
        bytes = Cow::Owned(decoded);
    }
    let text = str::from_utf8(&bytes).map_err(|_| "what its escapes stand for is no UTF-8")?;
    if text.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    if text.split(is_slash).any(leads_elsewhere) {
        return Err("a step of it is `.` or `..`, or may be taken for it; write it without");
    }
    Ok(())
}

/// Bytes with each escape replaced by what it stands for; and whether every `%` began one.
fn decode(bytes: &[u8]) -> (Vec<u8>, bool) {
    let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (mut decoded, mut is_whole, mut rest) = (Vec::with_capacity(bytes.len()), true, bytes);
    while let [first, behind @ ..] = rest {
        let escape = match behind {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        is_whole &= *first != b'%' || escape.is_some();
        match escape {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = &behind[2..];
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    (decoded, is_whole)
}

/// Whether a step, without what some readers cut off, is made of dots alone.
fn leads_elsewhere(step: &str) -> bool {
    let step = step.split([';', '?', '#']).next().unwrap_or_default();
    let mut letters = step.chars().filter(|letter| !letter.is_whitespace()).peekable();
    letters.peek().is_some() && letters.all(is_dot)
}

/// A slash, or what becomes one where similar letters are taken for the same (Unicode, NFKC).
fn is_slash(letter: char) -> bool {
    matches!(letter, '/' | '\\' | '\u{2044}' | '\u{2215}' | '\u{fe68}' | '\u{ff0f}' | '\u{ff3c}')
}

/// The same of a dot, or of several in one.
fn is_dot(letter: char) -> bool {
    matches!(letter, '.' | '\u{2024}' | '\u{2025}' | '\u{2026}' | '\u{fe52}' | '\u{ff0e}')
}

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_so_and_is_not_ours_is_the_applications() {
        let ours = Paths::default();
        let check =
            |path, prefix, expected| assert_eq!(is_of_application(path, prefix, &ours), expected, "{path}");
        for ours in ["/", "/sub", "/sub/a", "/healthz", "/readyz", "/multiplexor.js"] {
            check(ours, "/", false);
        }
        check("/a", "/", true);
        check("/subs", "/", true);
        check("/app/x", "/app/", true);
        check("/application", "/app/", false);
        let ours = Paths::under("/push");
        assert!(is_of_application("/sub/a", "/", &ours) && is_of_application("/", "/", &ours));
        assert!(!is_of_application("/push/sub/a", "/", &ours) && !is_of_application("/push", "/", &ours));
    }

    #[test]
    fn a_path_that_may_lead_elsewhere_is_refused() {
        let dots = [
            "..", ".", "...", ". .", "..;", "..;v=1", "..%3b", "..%00", "..%20", "..%3f", "..#", "%2e%2E",
            ".%2e",
        ];
        let encoded = [
            "%252e%252e",
            "%25252e.",
            "..%2f",
            "..%5c",
            "..%255c",
            "..\\",
            "..%c0%af",
            "%c0%ae.",
            "..%e0%80%af",
        ];
        let similar = ["\u{ff0e}\u{ff0e}", "%E2%80%A5", "..%ef%bc%8fx", "\u{2024}."];
        for step in dots.iter().chain(&encoded).chain(&similar) {
            for path in [format!("/app/{step}/x"), format!("/app/a/{step}"), format!("/app/{step}")] {
                assert!(is_passed("GET", &path, "/app/", &Paths::default()).is_err(), "{path}");
            }
        }
        for path in ["/app/%", "/app/%zz", "/app/%0a", "/app/%ff", "/app/%2525252525252541", "/app/\u{85}"] {
            assert!(is_passed("GET", path, "/app/", &Paths::default()).is_err(), "{path}");
        }
    }

    #[test]
    fn all_other_paths_are_passed() {
        let paths = [
            "/app/",
            "/app/a.b/..c/c..",
            "/app//x",
            "/app/a%20b",
            "/app/a;v=1/b",
            "/app/caf%C3%A9",
            "/app/100%25",
            "/app/a%252Fb",
            "/app/a%2Fb",
            "/app/%7Euser",
            "/app/caf\u{e9}",
            "/app/a?b",
            "/app/..a",
            "/app/;x/y",
        ];
        for path in paths {
            assert_eq!(is_passed("GET", path, "/app/", &Paths::default()).ok(), Some(true), "{path}");
        }
        assert_eq!(is_passed("GET", "/other/../x", "/app/", &Paths::default()).ok(), Some(false));
    }

    #[test]
    fn methods_that_are_not_for_applications_are_refused() {
        for method in ["TRACE", "CONNECT", "trace", "TRACK"] {
            let answer = is_passed(method, "/app/x", "/app/", &Paths::default()).unwrap_err();
            assert_eq!((answer.status, answer.headers[0].0), (405, "Allow"), "{method}");
        }
        for method in ["GET", "POST", "DELETE", "PROPFIND"] {
            assert_eq!(is_passed(method, "/app/x", "/app/", &Paths::default()).ok(), Some(true), "{method}");
        }
    }
}
