//! What holds for any input, however it is cut.

use multiplexor_codec::{http, sse, ws};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// What a server writes, a browser reads: the data with every line end turned into LF.
    #[test]
    fn an_event_stream_is_read_as_it_was_written(
        events in vec(any_event(), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut wire = Vec::new();
        let mut expected = Vec::new();
        let mut last_id = String::new();
        for (id, name, data, comment) in &events {
            if let Some(comment) = comment {
                sse::encode_comment(comment, &mut wire);
            }
            let id_bytes = id.as_ref().map(|id| id.as_bytes());
            sse::encode(&sse::Event { id: id_bytes, event: name.as_deref(), data: data.as_deref() }, &mut wire);
            last_id = id.clone().unwrap_or(last_id);
            if let Some(data) = data {
                let event = name.clone().unwrap_or_else(|| "message".to_owned());
                let data = with_line_feeds(data);
                expected.push(sse::Dispatched { event, data, last_id: last_id.clone() });
            }
        }
        let mut reader = sse::SseReader::new(1 << 20);
        let mut told = Vec::new();
        for part in parts(&wire, &cuts) {
            reader.push(part, &mut told).unwrap();
        }
        prop_assert_eq!(told, expected);
        prop_assert_eq!(reader.last_id(), last_id);
    }

    /// Whatever bytes come, the event stream tells the same however they are cut.
    #[test]
    fn any_event_stream_is_independent_of_cuts(
        wire in vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\r\n: dataid\xef\xbb\xbf".to_vec())], 0..200),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        limit in 0_usize..100,
    ) {
        let read = |parts: Vec<&[u8]>| {
            let (mut reader, mut told) = (sse::SseReader::new(limit), Vec::new());
            let fault = parts.iter().find_map(|part| reader.push(part, &mut told).err());
            (told, fault)
        };
        prop_assert_eq!(read(vec![&wire]), read(parts(&wire, &cuts)));
    }

    /// Messages arrive whole, in order, whatever their fragments, their masks and the cuts.
    #[test]
    fn messages_arrive_as_they_were_sent(
        messages in vec(any_message(), 0..6),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut wire = Vec::new();
        for message in &messages {
            message.send(&mut wire);
        }
        let limits = ws::MessageLimits { message_bytes: 1 << 20, fragments: 100, inflate_ratio: 100, deflate: false };
        let (mut reader, mut held, mut told) = (ws::FrameReader::new(), Vec::new(), Vec::new());
        for part in parts(&wire, &cuts) {
            held.extend_from_slice(part);
            while let Some((fact, consumed)) = reader.decode(&mut held, &limits).unwrap() {
                match fact {
                    ws::FrameFact::Text(text) => told.push((true, text.as_bytes().to_vec())),
                    ws::FrameFact::Binary(bytes) => told.push((false, bytes.to_vec())),
                    ws::FrameFact::Ping(bytes) => prop_assert_eq!(bytes, b"between"),
                    ws::FrameFact::Fragment => {}
                    fact => panic!("nobody sent {fact:?}"),
                }
                held.drain(..consumed);
            }
            reader = ws::FrameReader::thaw(reader.freeze());
        }
        let sent: Vec<_> = messages.iter().map(|message| (message.is_text, message.payload.clone())).collect();
        prop_assert_eq!(told, sent);
        prop_assert!(held.is_empty());
        prop_assert_eq!(reader.freeze(), None);
    }

    /// Text in fragments is judged as the whole would be, and the verdict comes no later.
    #[test]
    fn text_in_fragments_is_judged_as_a_whole(
        text in vec(prop::sample::select(b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\xff".to_vec()), 0..12),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let fragments = parts(&text, &cuts);
        let limits = ws::MessageLimits { message_bytes: 100, fragments: 100, inflate_ratio: 100, deflate: false };
        let mut reader = ws::FrameReader::new();
        let mut verdict = Ok(());
        for (index, fragment) in fragments.iter().enumerate() {
            let mut wire = client_fragment(index == 0, index + 1 == fragments.len(), true, fragment);
            if let Err(fault) = reader.decode(&mut wire, &limits) {
                verdict = Err(fault);
                break;
            }
        }
        prop_assert_eq!(verdict, str::from_utf8(&text).map(drop).map_err(|_| ws::Error::Utf8));
    }

    /// Frames of a server are frames: their header and payload are read back.
    #[test]
    fn a_server_frame_is_read_back(len in 0_usize..70_000, byte: u8) {
        let payload = vec![byte; len];
        let mut wire = Vec::new();
        ws::encode_frame(ws::Opcode::Binary, &payload, &mut wire);
        let (header, header_len) = ws::decode_header(&wire).unwrap().unwrap();
        prop_assert_eq!((header.fin, header.rsv, header.opcode, header.mask), (true, 0, ws::Opcode::Binary, None));
        prop_assert_eq!(header.len, payload.len() as u64);
        prop_assert_eq!(&wire[header_len..], &payload[..]);
    }

    /// A mask applied twice is no mask, in one piece or in two.
    #[test]
    fn unmasking_is_its_own_inverse(mask: [u8; 4], data in vec(any::<u8>(), 0..100), at: prop::sample::Index, offset in 0_usize..20) {
        let at = at.index(data.len() + 1);
        let mut masked = data.clone();
        ws::unmask(mask, offset, &mut masked);
        let naive: Vec<_> = data.iter().enumerate().map(|(i, byte)| byte ^ mask[(offset + i) % 4]).collect();
        prop_assert_eq!(&masked, &naive);
        ws::unmask(mask, offset, &mut masked[..at]);
        ws::unmask(mask, offset + at, &mut masked[at..]);
        prop_assert_eq!(masked, data);
    }

    /// Frames of any kind, right and wrong, tell the same however they are cut, the first fault included.
    #[test]
    fn any_frames_are_independent_of_cuts(
        frames in vec((prop::sample::select(b"\x81\x82\x01\x02\x00\x00\x80\x80\x89\x8a\x88\x09\x83\xc1".to_vec()),
            any::<bool>(), prop::sample::select(vec![&b""[..], b"a", b"\xc3", b"\xa9", b"\x03\xe8", b"longer than most"])), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
        mostly_masked in 0..20,
    ) {
        let mut wire = Vec::new();
        for (first, has_mask, payload) in &frames {
            let start = wire.len();
            ws::encode_client_frame(ws::Opcode::Text, [0; 4], payload, &mut wire);
            wire[start] = *first;
            if !has_mask && mostly_masked == 0 {
                wire[start + 1] &= 0x7f;
            }
        }
        let limits = ws::MessageLimits { message_bytes: 30, fragments: 3, inflate_ratio: 100, deflate: false };
        let read = |parts: Vec<&[u8]>| {
            let (mut reader, mut held, mut told) = (ws::FrameReader::new(), Vec::new(), Vec::new());
            for part in parts {
                held.extend_from_slice(part);
                loop {
                    let consumed = match reader.decode(&mut held, &limits) {
                        Ok(None) => break,
                        Ok(Some((fact, consumed))) => {
                            told.push(format!("{fact:?}"));
                            consumed
                        }
                        Err(fault) => {
                            told.push(format!("{fault:?}"));
                            return (told, 0);
                        }
                    };
                    held.drain(..consumed);
                }
            }
            (told, held.len())
        };
        prop_assert_eq!(read(vec![&wire]), read(parts(&wire, &cuts)));
    }

    /// Arbitrary frames never panic, and nothing is consumed that was not given.
    #[test]
    fn arbitrary_frames_are_answered(mut bytes in vec(any::<u8>(), 0..64)) {
        let given = bytes.len();
        let limits = ws::MessageLimits { message_bytes: 40, fragments: 2, inflate_ratio: 100, deflate: false };
        if let Ok(Some((_, consumed))) = ws::FrameReader::new().decode(&mut bytes, &limits) {
            prop_assert!(consumed <= given);
        }
    }

    /// A chunked body is its chunks put together, wherever it was cut; what follows is left alone.
    #[test]
    fn chunks_are_put_together(
        chunks in vec((vec(any::<u8>(), 1..40), "(;[a-z=]{0,8})?", any::<bool>()), 0..6),
        trailers in vec("[A-Za-z-]{1,8}: [ -~]{0,10}", 0..3),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (mut wire, mut data) = (Vec::new(), Vec::new());
        for (chunk, extension, upper) in &chunks {
            let size = if *upper { format!("{:X}", chunk.len()) } else { format!("{:03x}", chunk.len()) };
            wire.extend_from_slice(format!("{size}{extension}\r\n").as_bytes());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(b"\r\n");
            data.extend_from_slice(chunk);
        }
        wire.extend_from_slice(b"0\r\n");
        trailers.iter().for_each(|line| wire.extend_from_slice(format!("{line}\r\n").as_bytes()));
        wire.extend_from_slice(b"\r\n");
        let body_len = wire.len();
        wire.extend_from_slice(b"GET /");

        let (mut body, mut out, mut consumed) = (http::Body::new(http::BodyFraming::Chunked), Vec::new(), 0);
        for part in parts(&wire, &cuts) {
            consumed += body.decode(part, &mut out, data.len()).unwrap().0;
        }
        prop_assert_eq!((consumed, body.is_done()), (body_len, true));
        prop_assert_eq!(out, data);
    }

    /// An arbitrary body never panics, is told the same at any cut, and keeps to its limit.
    #[test]
    fn arbitrary_chunks_are_answered(
        wire in vec(prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\r\n0012;a".to_vec())], 0..60),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
        limit in 0_usize..10,
    ) {
        let read = |parts: Vec<&[u8]>| {
            let (mut body, mut out, mut consumed) = (http::Body::new(http::BodyFraming::Chunked), Vec::new(), 0);
            for part in parts {
                match body.decode(part, &mut out, limit) {
                    Ok((taken, _)) => consumed += taken,
                    Err(fault) => return Err((fault, out.len() <= limit)),
                }
            }
            Ok((consumed, body.is_done(), out))
        };
        let told = read(vec![&wire]);
        if let Ok((consumed, _, out)) = &told {
            prop_assert!(*consumed <= wire.len() && out.len() <= limit);
        } else if let Err((_, within_limit)) = told {
            prop_assert!(within_limit);
        }
        prop_assert_eq!(told, read(parts(&wire, &cuts)));
    }

    /// Arbitrary bytes never panic, and no head is longer than what was given.
    #[test]
    fn arbitrary_heads_are_answered(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(Some((_, head_len))) = http::decode(&bytes, &http::HeadLimits::default()) {
            prop_assert!(head_len <= bytes.len());
        }
    }

    /// Bytes that are nearly a request: once something is told of a beginning, more bytes do not
    /// change it, and nothing is told that the beginning did not say.
    #[test]
    fn what_a_head_says_does_not_depend_on_cuts(
        pieces in vec(prop::sample::select(PIECES.to_vec()), 0..16),
        head_bytes in 10_usize..120,
    ) {
        let bytes = pieces.concat();
        let limits = http::HeadLimits { head_bytes, headers: 4, body_bytes: 10 };
        let tell = |bytes: &[u8]| {
            let told = http::decode(bytes, &limits);
            told.map(|told| told.map(|(request, head_len)| (format!("{request:?}"), head_len)))
        };
        let whole = tell(&bytes);
        // Nothing but the target and the host makes the two differ.
        let framing = http::decode_framing(&bytes, &limits);
        match http::decode(&bytes, &limits) {
            Ok(told) => prop_assert_eq!(framing, Ok(told.map(|(request, _)| request.framing))),
            Err(
                http::Error::Target
                | http::Error::Host
                | http::Error::HostMissing
                | http::Error::HostRepeated,
            ) => {}
            Err(error) => prop_assert_eq!(framing, Err(error)),
        }
        if let Ok(Some((_, head_len))) = &whole {
            prop_assert!(*head_len <= bytes.len());
        }
        for cut in 0..bytes.len() {
            let told = tell(&bytes[..cut]);
            if told != Ok(None) {
                prop_assert_eq!(&told, &whole, "cut at {}", cut);
            }
        }
    }
}

/// Pieces of requests, good and bad: put together at random they reach every branch of the head.
const PIECES: [&[u8]; 24] = [
    b"GET / HTTP/1.1\r\n",
    b"POST /a?b HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n",
    b"GET ",
    b"/",
    b" HTTP/1.1\r\n",
    b" HTTP/2.0\r\n",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 50\r\n",
    b"Content-Length: x\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: x\r\n",
    b"X: y\n",
    b"X : y\r\n",
    b"X: \rz\r\n",
    b" folded\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"\0",
    b"\xff",
    b"Connection: close\r\n",
];

type AnyEvent = (Option<String>, Option<String>, Option<Vec<u8>>, Option<String>);

fn any_event() -> impl Strategy<Value = AnyEvent> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b"\r\n\r\n: ".to_vec())];
    let text = "[a\r\n:é\u{feff} ]{0,12}".prop_map(String::into_bytes);
    let data = prop_oneof![vec(byte, 0..30), text];
    (
        prop::option::of("[0-9a-zA-Z:-]{1,12}"),
        prop::option::of("[a-zé: ]{0,6}[a-z]"),
        prop::option::of(data),
        prop::option::of("[a-z\r\n:]{0,10}"),
    )
        .prop_map(|(id, name, data, comment)| {
            (id, name.map(|name| name.trim_start().to_owned()), data, comment)
        })
}

/// The data as an EventSource tells it.
fn with_line_feeds(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, byte) in data.iter().enumerate() {
        match byte {
            b'\n' if index > 0 && data[index - 1] == b'\r' => {}
            b'\r' => out.push(b'\n'),
            byte => out.push(*byte),
        }
    }
    out
}

#[derive(Clone, Debug)]
struct Message {
    is_text: bool,
    payload: Vec<u8>,
    cuts: Vec<prop::sample::Index>,
    ping_between: bool,
}

fn any_message() -> impl Strategy<Value = Message> {
    let text = "[a-zé€😀\0]{0,40}".prop_map(|text| (true, text.into_bytes()));
    let binary = vec(any::<u8>(), 0..300).prop_map(|bytes| (false, bytes));
    (prop_oneof![text, binary], vec(any::<prop::sample::Index>(), 0..4), any::<bool>())
        .prop_map(|((is_text, payload), cuts, ping_between)| Message { is_text, payload, cuts, ping_between })
}

impl Message {
    fn send(&self, wire: &mut Vec<u8>) {
        let fragments = parts(&self.payload, &self.cuts);
        for (index, fragment) in fragments.iter().enumerate() {
            let is_last = index + 1 == fragments.len();
            wire.extend(client_fragment(index == 0, is_last, self.is_text, fragment));
            if self.ping_between {
                ws::encode_client_frame(ws::Opcode::Ping, [9; 4], b"between", wire);
            }
        }
    }
}

fn client_fragment(is_first: bool, is_last: bool, is_text: bool, payload: &[u8]) -> Vec<u8> {
    let opcode = match (is_first, is_text) {
        (false, _) => ws::Opcode::Continuation,
        (true, true) => ws::Opcode::Text,
        (true, false) => ws::Opcode::Binary,
    };
    let mut wire = Vec::new();
    ws::encode_client_frame(opcode, [0x5a, 0x01, 0xff, 0x80], payload, &mut wire);
    if !is_last {
        wire[0] &= 0x7f;
    }
    wire
}

/// `bytes` cut at these places, some parts perhaps empty; at least one part.
fn parts<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}
