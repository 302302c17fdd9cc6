//! What strangers may send: each grammar as a function of bytes.
//!
//! A function panics where a promise is broken: a decoder that panics, tells something else when the bytes
//! are cut in another way, or holds more than its limit; a loop that leaves a connection behind. libFuzzer
//! calls them for hours (`fuzz/libfuzzer`), and `tests/smoke.rs` in every test run: with their corpora, and
//! with what chance makes of these.

mod credentials;
mod grammars;
mod line;
mod records;
mod relay;
pub mod seats;
mod tls;
mod words;

/// A function of bytes, by name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its corpus and of its libFuzzer binary.
    pub name: &'static str,
    /// What is tried.
    pub run: fn(&[u8]),
}

/// All there are.
pub const TARGETS: &[Target] = &[
    Target { name: "http", run: grammars::http },
    Target { name: "websocket", run: grammars::websocket },
    Target { name: "event_stream", run: grammars::event_stream },
    Target { name: "inflate", run: grammars::inflate },
    Target { name: "proxy", run: grammars::proxy },
    Target { name: "forwarded", run: credentials::forwarded },
    Target { name: "passed", run: relay::passed },
    Target { name: "page", run: relay::page },
    Target { name: "native", run: words::native },
    Target { name: "command", run: words::command },
    Target { name: "multiplexor", run: words::multiplexor },
    Target { name: "realplexor", run: words::realplexor },
    Target { name: "token", run: credentials::token },
    Target { name: "claims", run: credentials::claims },
    Target { name: "url", run: credentials::url },
    Target { name: "jwks", run: credentials::jwks },
    Target { name: "answer", run: credentials::answer },
    Target { name: "frozen", run: seats::frozen },
    Target { name: "line", run: line::line },
    Target { name: "records", run: records::records },
    Target { name: "tls", run: tls::tls },
];

/// The target of that name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}

/// The two parts of what follows the first byte, cut where that byte says.
fn cut(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (at, data) = data.split_first()?;
    Some(data.split_at(usize::from(*at) % (data.len() + 1)))
}
