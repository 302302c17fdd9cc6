//! Runs the conversation files: each case at every cut of its input.
//!
//! The format is told in `testkit::conversation`. Facts are in the words written below; what is
//! left over at the end, because it is incomplete, is the fact `waits with N bytes`.

use std::path::{Path, PathBuf};

use multiplexor_codec::{http, sse, ws};
use testkit::conversation::{self, Case, Word, hexadecimal, quoted};

#[test]
fn http() {
    for case in cases("http", |_| None) {
        case.check(|parts| http_facts(&case, parts));
    }
}

#[test]
fn websocket() {
    for case in cases("ws", frame) {
        case.check(|parts| websocket_facts(&case, parts));
    }
}

#[test]
fn event_stream() {
    for case in cases("sse", |_| None) {
        case.check(|parts| event_stream_facts(&case, parts));
    }
}

fn cases(folder: &str, directive: impl Fn(&[Word]) -> Option<Vec<u8>>) -> Vec<Case> {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations").join(folder);
    let cases = conversation::read_folder(&root, directive);
    assert!(!cases.is_empty());
    cases
}

/// Requests and bodies, one after the other, as a connection would read them.
///
/// Settings: `head_bytes`, `headers`, `body_bytes`; `show=NAME` tells that header's values.
fn http_facts(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let limits = http::HeadLimits {
        head_bytes: case.setting("head_bytes").unwrap_or(2048),
        headers: case.setting("headers").unwrap_or(http::HEADERS_MAX),
        body_bytes: case.setting("body_bytes").unwrap_or(1000),
    };
    let (mut held, mut facts) = (Vec::new(), Vec::new());
    let mut body = None;
    for part in parts {
        held.extend_from_slice(part);
        loop {
            let step = match &mut body {
                None => http_head(case, &held, &limits, &mut facts, &mut body),
                Some((state, data)) => http_body(&held, &limits, &mut facts, state, data),
            };
            if body.as_ref().is_some_and(|(state, _)| state.is_done()) {
                body = None;
            }
            match step {
                Ok(0) => break,
                Ok(consumed) => drop(held.drain(..consumed)),
                Err(fault) => {
                    facts.push(format!("error {} {fault:?}", fault.status()));
                    return facts;
                }
            };
        }
    }
    match body {
        Some((_, data)) => facts.push(format!("waits inside a body of {} bytes", data.len())),
        None if !held.is_empty() => facts.push(format!("waits with {} bytes", held.len())),
        None => {}
    }
    facts
}

type HttpBody = (http::Body, Vec<u8>);

fn http_body(
    held: &[u8],
    limits: &http::HeadLimits,
    facts: &mut Vec<String>,
    state: &mut http::Body,
    data: &mut Vec<u8>,
) -> Result<usize, http::Error> {
    let (consumed, done) = state.decode(held, data, limits.body_bytes)?;
    assert_eq!(done, state.is_done());
    facts.extend(done.then(|| format!("body {}", quoted(data))));
    Ok(consumed)
}

fn http_head(
    case: &Case,
    held: &[u8],
    limits: &http::HeadLimits,
    facts: &mut Vec<String>,
    body: &mut Option<HttpBody>,
) -> Result<usize, http::Error> {
    let Some((request, consumed)) = http::decode(held, limits)? else { return Ok(0) };
    let mut fact = format!("{} {} HTTP/1.{}", request.method, request.path, request.minor);
    if !request.query.is_empty() {
        fact += &format!(" query {}", quoted(request.query.as_bytes()));
    }
    let marks = [
        (!request.keep_alive, " close"),
        (request.upgrade_websocket(), " websocket"),
        (request.expect_continue(), " expects continue"),
    ];
    fact.extend(marks.iter().filter(|(is_set, _)| *is_set).map(|(_, words)| *words));
    facts.push(fact);
    for (_, name) in case.settings.iter().filter(|(key, _)| key == "show") {
        facts.extend(request.headers(name).map(|value| format!("{name}: {}", quoted(value))));
        assert_eq!(request.header(name), request.headers(name).next());
    }
    let state = http::Body::new(request.framing);
    match request.framing {
        http::BodyFraming::None => {}
        _ if state.is_done() => facts.push("body \"\"".to_owned()),
        _ => *body = Some((state, Vec::new())),
    }
    Ok(consumed)
}

/// Frames of a client. Settings: `message_bytes`, `fragments`.
///
/// Between any two parts the reader is frozen and thawed, which must change nothing.
fn websocket_facts(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let limits = ws::MessageLimits {
        message_bytes: case.setting("message_bytes").unwrap_or(1 << 20),
        fragments: case.setting("fragments").unwrap_or(100),
        inflate_ratio: 100,
        deflate: false,
    };
    let (mut held, mut facts) = (Vec::new(), Vec::new());
    let mut reader = ws::FrameReader::new();
    for part in parts {
        held.extend_from_slice(part);
        loop {
            let consumed = match reader.decode(&mut held, &limits) {
                Ok(Some((fact, consumed))) => {
                    facts.push(websocket_fact(&fact));
                    if matches!(fact, ws::FrameFact::Close { .. }) {
                        return facts;
                    }
                    consumed
                }
                Ok(None) => break,
                Err(fault) => {
                    facts.push(format!("error {} {fault:?}", fault.close_code()));
                    return facts;
                }
            };
            held.drain(..consumed);
        }
        let frozen = reader.freeze();
        reader = ws::FrameReader::thaw(frozen.clone());
        assert_eq!(reader.freeze(), frozen);
    }
    if !held.is_empty() {
        facts.push(format!("waits with {} bytes", held.len()));
    }
    facts
}

fn websocket_fact(fact: &ws::FrameFact<'_>) -> String {
    match fact {
        ws::FrameFact::Text(text) => format!("text {}", quoted(text.as_bytes())),
        ws::FrameFact::Binary(bytes) => format!("binary {}", quoted(bytes)),
        ws::FrameFact::Fragment => "fragment".to_owned(),
        ws::FrameFact::Ping(bytes) => format!("ping {}", quoted(bytes)),
        ws::FrameFact::Pong(bytes) => format!("pong {}", quoted(bytes)),
        ws::FrameFact::Close { code: None, .. } => "close".to_owned(),
        ws::FrameFact::Close { code: Some(code), reason } => {
            format!("close {code} {}", quoted(reason.as_bytes()))
        }
    }
}

/// The directive `frame [fin] [rsv1] [rsv2] [rsv3] OPCODE [mask=HEX|unmasked] [len=16|64] [claims=N] [PAYLOAD…]`.
///
/// OPCODE is `cont`, `text`, `binary`, `close`, `ping`, `pong` or `op=N`. `len` spells the length in
/// so many bits whether or not that is needed; `claims` says a length that is not the payload's.
fn frame(words: &[Word]) -> Option<Vec<u8>> {
    let [Word::Plain(name), words @ ..] = words else { return None };
    let (mut first, mut mask, mut len_bits, mut claims) = (0, Some([0x37, 0xfa, 0x21, 0x3d]), 0, None);
    let mut payload = Vec::new();
    for word in words {
        let word = match word {
            Word::Bytes(bytes) => {
                payload.extend_from_slice(bytes);
                continue;
            }
            Word::Plain(word) => word.as_str(),
        };
        match (word, word.split_once('=')) {
            ("fin", _) => first |= 0x80,
            ("rsv1", _) => first |= 0x40,
            ("rsv2", _) => first |= 0x20,
            ("rsv3", _) => first |= 0x10,
            ("cont", _) => {}
            ("text", _) => first |= 1,
            ("binary", _) => first |= 2,
            ("close", _) => first |= 8,
            ("ping", _) => first |= 9,
            ("pong", _) => first |= 10,
            ("unmasked", _) => mask = None,
            (_, Some(("op", number))) => first |= number.parse::<u8>().ok()?,
            (_, Some(("mask", digits))) => mask = Some(hexadecimal(digits)?.try_into().ok()?),
            (_, Some(("len", bits))) => len_bits = bits.parse().ok()?,
            (_, Some(("claims", number))) => claims = Some(number.parse::<u64>().ok()?),
            _ => return None,
        }
    }
    let len = claims.unwrap_or(payload.len() as u64);
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    let mut out = vec![first];
    match (len_bits, len) {
        (0, 0..=125) => out.push(mask_bit | u8::try_from(len).ok()?),
        (0, 126..=0xffff) | (16, _) => {
            out.push(mask_bit | 126);
            out.extend(u16::try_from(len).ok()?.to_be_bytes());
        }
        _ => {
            out.push(mask_bit | 127);
            out.extend(len.to_be_bytes());
        }
    }
    out.extend(mask.iter().flatten());
    let keys = mask.unwrap_or_default();
    out.extend(payload.iter().zip(keys.iter().cycle()).map(|(byte, key)| byte ^ key));
    (name == "frame").then_some(out)
}

/// Events of a stream. Setting: `limit`. The last facts are the id and the advice, if there are any.
fn event_stream_facts(case: &Case, parts: &[&[u8]]) -> Vec<String> {
    let mut reader = sse::SseReader::new(case.setting("limit").unwrap_or(1000));
    let (mut told, mut fault) = (Vec::new(), None);
    for part in parts {
        fault = reader.push(part, &mut told).err();
        if fault.is_some() {
            break;
        }
    }
    let event = |event: &sse::Dispatched| {
        let id = if event.last_id.is_empty() { String::new() } else { format!(" id {}", event.last_id) };
        format!("{} {}{id}", event.event, quoted(&event.data))
    };
    let mut facts: Vec<_> = told.iter().map(event).collect();
    facts.extend(
        (!reader.last_id().is_empty()).then(|| format!("last id {}", quoted(reader.last_id().as_bytes()))),
    );
    facts.extend(reader.retry_ms().map(|retry_ms| format!("retry {retry_ms}")));
    facts.extend(fault.map(|fault| format!("error {fault:?}")));
    facts
}
