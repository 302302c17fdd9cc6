//! What a client says on the wire, and how it reads frames: independent of the codecs under test.

/// A request without a body, with these header lines, each of which ends with CR LF.
pub fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
}

/// Asks for Server-Sent Events; in HTTP/1.0, so that they come without chunks around them.
pub fn sse(target: &str) -> String {
    old(&get(target, "Accept: text/event-stream\r\n"))
}

/// Asks for a stream of JSON lines; in HTTP/1.0, too.
pub fn stream(target: &str) -> String {
    old(&get(target, "Accept: application/x-ndjson\r\n"))
}

/// The same request in HTTP/1.0.
pub fn old(request: &str) -> String {
    request.replacen("HTTP/1.1", "HTTP/1.0", 1)
}

/// Asks for a long poll.
pub fn poll(target: &str) -> String {
    get(target, "")
}

/// Asks for a WebSocket.
pub fn websocket(target: &str) -> String {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    get(target, &format!("Upgrade: websocket\r\nConnection: Upgrade\r\n{key}"))
}

/// A text frame of a client.
pub fn text_frame(text: &str) -> Vec<u8> {
    client_frame(0x81, text.as_bytes())
}

/// A frame of a client with this first byte; its mask is all zeros.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(len) if len < 126 => frame.push(0x80 | len),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("a test says little").to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A frame of a server: its opcode, what it says as text, and how long it is; `None` until it is whole.
///
/// The code of a close frame is put in front of its reason.
pub fn server_frame(bytes: &[u8]) -> Option<(u8, String, usize)> {
    let [first, second, ..] = bytes else { return None };
    assert!(first & 0xf0 == 0x80 && second & 0x80 == 0, "a server's frame is whole and has no mask");
    let (len, head_len) = match second {
        126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
        127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?, 10),
        len => (usize::from(*len), 2),
    };
    let payload = bytes.get(head_len..head_len + len)?;
    let opcode = first & 0x0f;
    let text = match (opcode, payload) {
        (8, [high, low, reason @ ..]) => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason))
        }
        _ => String::from_utf8(payload.to_vec()).expect("what the server says here is text"),
    };
    Some((opcode, text, head_len + len))
}

/// All frames of a server, as text; none is cut off.
pub fn server_frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (_, text, len) = server_frame(bytes).expect("the last frame is whole");
        frames.push(text);
        bytes = &bytes[len..];
    }
    frames
}

/// The id of a connection in what was said; empty: there is none.
pub fn connection(text: &str) -> &str {
    let after = text.split_once("\"connection\":\"").map_or("", |(_, after)| after);
    after.split('"').next().unwrap_or_default()
}

/// What follows the head of an answer, which must have this status.
pub fn body(bytes: &[u8], status: u16) -> &[u8] {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head has an end");
    assert!(bytes.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{}", bytes.escape_ascii());
    &bytes[end + 4..]
}
