//! Who may ask at all: the rules for `Host` and `Origin`.
//!
//! The IN line trusts whoever reaches it, and a browser on an administrator's machine reaches it
//! too. A foreign page must not publish through that browser: its requests carry a foreign `Origin`.
//! Nor by a name of its own that it makes resolve to this machine: then `Host` is that name.

use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use dialect::{Code, Problem, is_same_origin};

use crate::response::excerpt;

/// Checks a request by its target's authority, if it has one, and its headers. `tls`: it came to us through TLS.
pub(crate) fn check(
    version: Version,
    authority: Option<&Authority>,
    headers: &HeaderMap,
    allowed: &[String],
    tls: bool,
) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.to_str().unwrap_or("(not readable)"));
    if hosts.next().is_some() || (host.is_none() && version >= Version::HTTP_11) {
        return Err(Problem::bad(Code::Host, "the request has no Host header, or several; send exactly one"));
    }
    for name in [host, authority.map(Authority::as_str)].into_iter().flatten() {
        if !host_is_ours(name, allowed) {
            return Err(foreign_host(name));
        }
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("(not readable)");
        let proto = headers.get_all(PROTO).iter().next_back().map(HeaderValue::as_bytes);
        if !host.is_some_and(|host| is_same_origin(origin, host, tls, proto)) {
            return Err(foreign_origin(origin));
        }
    }
    Ok(())
}

/// Checks that no page of another site asks. Older browsers, and all of them where the line is reached neither by TLS
/// nor as this machine, do not say whose page it is by `Sec-Fetch-Site`; an image sends no `Origin`. Then `Referer`
/// tells, and a browser that says nothing at all, as pages can make it, is not believed.
pub(crate) fn check_page(map: &HeaderMap) -> Result<(), Problem> {
    let header = |name: &str| map.get(name).map(HeaderValue::as_bytes);
    let foreign = match header("sec-fetch-site") {
        Some(site) => site != b"same-origin" && site != b"none",
        None => match header("referer") {
            Some(page) => !is_own_page(page, header("host").unwrap_or_default()),
            None => !map.contains_key("origin") && header("user-agent").is_some_and(is_browser),
        },
    };
    if foreign {
        let why = "the request comes from a web page of another site, or from a browser that does not say from which; \
                   pages may not use the IN line, publish from your application's server instead";
        return Err(Problem::new(403, Code::Origin, why));
    }
    Ok(())
}

/// Whether an address is one of this host, scheme aside.
fn is_own_page(page: &[u8], host: &[u8]) -> bool {
    let rest = page.strip_prefix(b"http://").or_else(|| page.strip_prefix(b"https://"));
    rest.is_some_and(|rest| {
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        !host.is_empty() && rest[..end].eq_ignore_ascii_case(host)
    })
}

/// All browsers of the last 25 years begin so.
pub(crate) fn is_browser(agent: &[u8]) -> bool {
    agent.starts_with(b"Mozilla/")
}

/// Whether `host`, with or without a port, is an IP address, `localhost` or an allowed name.
pub(crate) fn host_is_ours(host: &str, allowed: &[String]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port))
        });
    }
    let name = match host.find(':') {
        Some(colon) if is_port(&host[colon..]) => &host[..colon],
        Some(_) => return false,
        None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Whether `text` is `:` and a port.
fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

fn foreign_host(host: &str) -> Problem {
    Problem::new(
        403,
        Code::Host,
        format!(
            "the IN line was called by the name {:?}; call it by its IP address or as localhost, \
             or start the server with --in-hosts and the name",
            excerpt(host)
        ),
    )
}

fn foreign_origin(origin: &str) -> Problem {
    Problem::new(
        403,
        Code::Origin,
        format!(
            "the request comes from a web page of {:?}; pages may not use the IN line, publish from \
             your application's server instead",
            excerpt(origin)
        ),
    )
}

/// The header by which a proxy says with what scheme it was called.
const PROTO: &str = "x-forwarded-proto";

#[cfg(test)]
mod tests {
    use super::*;

    /// `headers` as `name: value` separated by `; `.
    fn check_headers(headers: &str, expected: Result<(), &str>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers.split("; ").filter_map(|header| header.split_once(": ")) {
            map.append(header::HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let got = check(Version::HTTP_11, None, &map, &["push.example".into()], false);
        assert_eq!(got.map_err(|problem| problem.code.name()), expected, "{headers}");
    }

    #[test]
    fn a_host_is_an_address_or_a_known_name() {
        for good in [
            "127.0.0.1",
            "127.0.0.1:10010",
            "[::1]",
            "[::1]:10010",
            "10.1.2.3:80",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "push.example:10010",
            "Push.Example",
        ] {
            check_headers(&format!("host: {good}"), Ok(()));
        }
        for bad in [
            "evil.example",
            "evil.example:10010",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "push.example.evil",
            "localhost@evil.example",
            "127.0.0.1:x",
            "[::1",
            "[::1]x",
            "::1",
            "[evil]",
            ":10010",
        ] {
            check_headers(&format!("host: {bad}"), Err("host"));
        }
    }

    #[test]
    fn there_is_exactly_one_host() {
        check_headers("", Err("host"));
        check_headers("host: localhost; host: localhost", Err("host"));
        assert!(check(Version::HTTP_10, None, &HeaderMap::new(), &[], false).is_ok());
    }

    #[test]
    fn the_target_is_a_host_too() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let authority = Authority::from_static("evil.example");
        assert!(check(Version::HTTP_11, Some(&authority), &headers, &[], false).is_err());
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        check_headers("host: localhost:10010; origin: http://localhost:10010", Ok(()));
        check_headers("host: push.example; origin: https://push.example", Ok(()));
        let through =
            |proto| format!("host: push.example; x-forwarded-proto: {proto}; origin: http://push.example");
        check_headers(&through("http"), Ok(()));
        check_headers(&through("https"), Err("origin"));
        for origin in [
            "http://localhost",
            "http://localhost:8080",
            "http://evil.example",
            "null",
            "localhost:10010",
            "",
        ] {
            check_headers(&format!("host: localhost:10010; origin: {origin}"), Err("origin"));
        }
    }
}
