//! Pages for people, `/`, `/demo` and the client it loads; and for programs the description of the line.
//!
//! The demo waits on the WAIT line like any client. Where that is depends on the name by which the browser calls
//! this machine, so `/demo/wait.json` says it, and the page's policy allows that address besides our own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::response::{json as json_answer, json_text};
use crate::state::InLine;

/// The client that the demo loads.
pub(crate) async fn client(request: Request) -> Response {
    embedded(&web::CLIENT, &request, "")
}

/// A page for whoever looks at it, a few lines for programs.
pub(crate) async fn front(request: Request) -> Response {
    if web::is_browser(said(&request, header::ACCEPT)) {
        return embedded(&web::IN, &request, "");
    }
    ([(header::VARY, "Accept")], FRONT_LINES).into_response()
}

/// The line as programs read it.
pub(crate) async fn openapi() -> Response {
    json_text(OPENAPI)
}

pub(crate) async fn demo(State(line): State<Arc<InLine>>, request: Request) -> Response {
    let sources = wait_authority(&line, &request).map(|to| format!("http://{to} ws://{to}"));
    embedded(&web::DEMO, &request, &sources.unwrap_or_default())
}

/// Where the WAIT line is for whoever asks.
pub(crate) async fn wait(State(line): State<Arc<InLine>>, request: Request) -> Response {
    let prefix = &line.sources.wait.prefix;
    json_answer(&json!({ "wait": wait_authority(&line, &request).map(|to| format!("http://{to}{prefix}")) }))
}

pub(crate) fn embedded(page: &web::Page, request: &Request, sources: &str) -> Response {
    let asked = web::Asked {
        query: request.uri().query().unwrap_or_default(),
        accept_encoding: said(request, header::ACCEPT_ENCODING),
        if_none_match: said(request, header::IF_NONE_MATCH),
    };
    let answer = page.answer_reaching(&asked, sources);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(answer.cache));
    for (name, value) in answer.headers {
        // All values are our own but for the name of a host, which the guard knows.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn said(request: &Request, name: header::HeaderName) -> &[u8] {
    request.headers().get(name).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Host and port of the WAIT line, by the name of this machine that the browser uses.
fn wait_authority(line: &InLine, request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok()?;
    reachable(&line.sources.wait.addresses, host.host())
}

/// One of the addresses, as somebody reaches it who calls this machine `host`: best one that listens on all
/// addresses or on that very one, and any other if need be.
fn reachable(addresses: &[SocketAddr], host: &str) -> Option<String> {
    let called = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_called = |ip: IpAddr| match called {
        Ok(called) => called == ip,
        Err(_) => host == "localhost" && ip.is_loopback(),
    };
    let best = |address: &&SocketAddr| address.ip().is_unspecified() || is_called(address.ip());
    let address = addresses.iter().find(best).or_else(|| addresses.first())?;
    Some(match (address.ip(), &called) {
        // All addresses of the older kind are not those of the newer.
        (IpAddr::V4(ip), Ok(IpAddr::V6(_))) if ip.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())).to_string()
        }
        (ip, _) if ip.is_unspecified() => format!("{host}:{}", address.port()),
        _ => address.to_string(),
    })
}

/// Made from the code by the tests of this crate, see `openapi.rs`.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

const FRONT_LINES: &str =
    "This is the IN line of Multiplexor, a push server: application servers publish messages here.
To publish:  curl -d hello http://ADDRESS/pub/CHANNEL
To look:     /demo in a browser, /channels, /stats, /metrics; all there is stands in /openapi.json\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], host: &str, expected: &str) {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        assert_eq!(reachable(&addresses, host).unwrap(), expected, "{addresses:?} by {host}");
    }

    #[test]
    fn the_wait_line_is_where_the_browser_reaches_it() {
        check(&["0.0.0.0:8088"], "127.0.0.1", "127.0.0.1:8088");
        check(&["0.0.0.0:8088"], "push.example", "push.example:8088");
        check(&["[::]:8088"], "[::1]", "[::1]:8088");
        check(&["0.0.0.0:8088"], "[::1]", "127.0.0.1:8088");
        check(&["127.0.0.1:1"], "localhost", "127.0.0.1:1");
        check(&["10.0.0.1:1", "127.0.0.1:2"], "localhost", "127.0.0.1:2");
        check(&["10.0.0.1:1", "127.0.0.1:2"], "127.0.0.1", "127.0.0.1:2");
        check(&["10.0.0.1:1", "0.0.0.0:2"], "push.example", "push.example:2");
        check(&["10.0.0.1:1", "[2001:db8::1]:2"], "push.example", "10.0.0.1:1");
        assert_eq!(reachable(&[], "localhost"), None);
    }
}
