//! The grammars of `codec`: what they tell is the same however the bytes were cut.

use codec::deflate;
use codec::http::{self, Body};
use codec::{proxy, sse, ws};

use crate::cut;

/// A request's head and body.
pub(crate) fn http(data: &[u8]) {
    let Some((first, _)) = cut(data) else { return };
    let whole = &data[1..];
    let limits = http::HeadLimits { head_bytes: 512, headers: 8, body_bytes: BODY_LEN_MAX };
    let early = http::decode(first, &limits);
    let decoded = http::decode(whole, &limits);
    match (&early, &decoded) {
        (Ok(None), _) => {}
        (Ok(Some((_, early))), Ok(Some((_, len)))) => assert_eq!(early, len, "the head ends elsewhere"),
        (Err(early), Err(late)) => assert_eq!(early, late, "another fault"),
        (early, late) => panic!("first {early:?}, then {late:?}"),
    }
    let Ok(Some((request, head_len))) = decoded else { return };
    assert!(head_len <= whole.len() && request.method.is_ascii() && !request.path.is_empty());
    body(request.framing, &whole[head_len..], usize::from(data[0]));
}

/// The body behind a head, at once and in pieces of `step` bytes.
fn body(framing: http::BodyFraming, bytes: &[u8], step: usize) {
    let (mut at_once, mut out) = (Body::new(framing), Vec::new());
    let whole = at_once.decode(bytes, &mut out, BODY_LEN_MAX);
    assert!(out.len() <= BODY_LEN_MAX);
    let (mut pieces, mut in_pieces, mut taken) = (Body::new(framing), Vec::new(), 0);
    for piece in bytes.chunks(step.max(1)) {
        match pieces.decode(piece, &mut in_pieces, BODY_LEN_MAX) {
            Ok((len, done)) => {
                taken += len;
                if done {
                    break;
                }
            }
            Err(error) => {
                assert_eq!(whole, Err(error), "another fault");
                return;
            }
        }
        pieces = Body::thaw(pieces.freeze()).expect("what was frozen thaws");
    }
    assert_eq!((whole, out), (Ok((taken, pieces.is_done())), in_pieces));
}

/// The header of a proxy, and what follows it.
pub(crate) fn proxy(data: &[u8]) {
    let Some((first, _)) = cut(data) else { return };
    let whole = &data[1..];
    match (proxy::decode(first), proxy::decode(whole)) {
        (Ok(None), Ok(None)) => assert!(whole.len() < proxy::HEADER_BYTES_MAX, "it waits for ever"),
        (Ok(None), _) => {}
        (Ok(Some(early)), Ok(Some(late))) => assert_eq!(early, late, "another header"),
        (Err(_), Err(_)) => {}
        (early, late) => panic!("first {early:?}, then {late:?}"),
    }
    if let Ok(Some((source, len))) = proxy::decode(whole) {
        assert!(len <= whole.len() && proxy::decode(&whole[..len - 1]) == Ok(None), "it ends before its end");
        if let Some(source) = source {
            let mut written = Vec::new();
            proxy::encode(source, source, &mut written);
            assert_eq!(proxy::decode(&written), Ok(Some((Some(source), written.len()))));
        }
    }
}

/// Frames of a client.
pub(crate) fn websocket(data: &[u8]) {
    let Some((first, rest)) = cut(data) else { return };
    let limits =
        ws::MessageLimits { message_bytes: 200, fragments: 4, inflate_ratio: 100, deflate: data[0] & 1 == 1 };
    assert_eq!(frames(&[&data[1..]], &limits), frames(&[first, rest], &limits));
}

/// What these pieces tell, and the fault that ends it.
fn frames(pieces: &[&[u8]], limits: &ws::MessageLimits) -> (Vec<String>, Option<ws::Error>) {
    let (mut reader, mut held, mut told) = (ws::FrameReader::new(), Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match reader.decode(&mut held, limits) {
                Ok(None) => break,
                Err(fault) => return (told, Some(fault)),
                Ok(Some((fact, len))) => {
                    let ends = matches!(fact, ws::FrameFact::Close { .. });
                    told.push(format!("{fact:?}"));
                    held.drain(..len);
                    if ends {
                        return (told, None);
                    }
                }
            }
        }
        assert!(reader.held_bytes() <= 2 * limits.message_bytes + 256, "a fragment too many is kept");
        reader = ws::FrameReader::thaw(reader.freeze());
    }
    (told, None)
}

/// An event stream, as the command line client and the tests read it.
pub(crate) fn event_stream(data: &[u8]) {
    let Some((first, rest)) = cut(data) else { return };
    let read = |pieces: &[&[u8]]| {
        let (mut reader, mut told) = (sse::SseReader::new(64), Vec::new());
        let fault = pieces.iter().find_map(|piece| reader.push(piece, &mut told).err());
        (told, fault)
    };
    assert_eq!(read(&[&data[1..]]), read(&[first, rest]));
}

/// A compressed message of a client: it stays within its limit; what we compress, we read.
pub(crate) fn inflate(data: &[u8]) {
    if let Ok(bytes) = deflate::inflate(data, INFLATED_LEN_MAX) {
        assert!(bytes.len() <= INFLATED_LEN_MAX);
    }
    let mut piece = Vec::new();
    deflate::Deflater::default().piece(data, &mut piece);
    let back = deflate::inflate(&piece, data.len());
    assert_eq!(back.as_deref(), Ok(data), "what was compressed comes back");
}

const BODY_LEN_MAX: usize = 256;
const INFLATED_LEN_MAX: usize = 4_096;
