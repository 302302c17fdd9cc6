//! Publishing by WebSocket, as pages do: the handshake, a message as a frame, and what the server says to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, bail};
use codec::ws::{Opcode, decode_header, encode_client_frame};

use crate::answer::decode_head;

/// What a server says to a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SpokenAnswer {
    /// It is published.
    Taken,
    /// It is not: why.
    Refused(String),
}

/// Makes a WebSocket of a connection; what came behind the handshake's answer is returned. `head`: what stands behind `GET `, up to
/// and with the host's line end.
pub(super) fn shake(socket: &mut TcpStream, head: &str) -> anyhow::Result<Vec<u8>> {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: bXVsdGlwbGV4b3IgYmVuYw==\r\n\r\n";
    socket.write_all(format!("GET {head}{upgrade}").as_bytes())?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let len = socket.read(&mut chunk).context("the answer to a publisher's handshake")?;
        answer.extend_from_slice(&chunk[..len]);
        match decode_head(&answer) {
            Ok(Some(head)) if head.status == 101 => return Ok(answer.split_off(head.len)),
            Ok(None) if len > 0 => {}
            Ok(Some(head)) => bail!("a publisher's handshake is answered with status {}", head.status),
            _ => bail!("a publisher's handshake is not answered"),
        }
    }
}

/// Appends a message as a frame.
pub(super) fn write(text: &[u8], out: &mut Vec<u8>) {
    encode_client_frame(Opcode::Text, MASK, text, out);
}

/// The first answer to a message in these bytes. What is no answer, and what is read, is taken from them.
pub(super) fn read(bytes: &mut Vec<u8>) -> Result<Option<SpokenAnswer>, String> {
    loop {
        let Some((header, head_len)) = decode_header(bytes).map_err(|_| "no WebSocket frame".to_owned())?
        else {
            return Ok(None);
        };
        let end = usize::try_from(header.len).map_or(usize::MAX, |len| head_len.saturating_add(len));
        if bytes.len() < end {
            return Ok(None);
        }
        let frame: Vec<u8> = bytes.drain(..end).collect();
        let payload = &frame[head_len..];
        if payload.starts_with(b"{\"published\":") {
            return Ok(Some(SpokenAnswer::Taken));
        }
        if payload.starts_with(b"{\"error\":") {
            return Ok(Some(SpokenAnswer::Refused(String::from_utf8_lossy(payload).into_owned())));
        }
        if header.opcode == Opcode::Close {
            return Err("the server closed the WebSocket".to_owned());
        }
    }
}

/// Any will do: no cache is in between.
const MASK: [u8; 4] = [7, 77, 177, 207];

#[cfg(test)]
mod tests {
    use codec::ws::encode_frame;

    use super::*;

    #[test]
    fn answers_are_found_at_every_cut_and_all_else_is_passed_over() {
        let mut wire = Vec::new();
        for text in [
            "{\"cursor\":\"a\"}",
            "{\"published\":\"c7\"}",
            "{\"cursor\":\"b\"}",
            "{\"error\":{\"status\":403}}",
        ] {
            encode_frame(Opcode::Text, text.as_bytes(), &mut wire);
        }
        let expected =
            [SpokenAnswer::Taken, SpokenAnswer::Refused("{\"error\":{\"status\":403}}".to_owned())];
        for cut in 0..=wire.len() {
            let (mut bytes, mut said) = (Vec::new(), Vec::new());
            for part in [&wire[..cut], &wire[cut..]] {
                bytes.extend_from_slice(part);
                said.extend(std::iter::from_fn(|| read(&mut bytes).unwrap()));
            }
            assert_eq!(said, expected, "cut at {cut}");
            assert!(bytes.is_empty());
        }
        encode_frame(Opcode::Close, b"", &mut wire);
        assert!(read(&mut wire.split_off(wire.len() - 2)).is_err());
    }
}
