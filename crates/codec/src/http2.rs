//! HTTP/2 as far as it is spoken here: a client that begins with it unasked is told in its own words to use HTTP/1.1.

/// What a client begins with that knows, or thinks so, that HTTP/2 is spoken (RFC 9113, section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection begins so; `None` while these bytes may still become that. No request of HTTP/1 is whole then.
#[inline]
pub fn begins(bytes: &[u8]) -> Option<bool> {
    let len = bytes.len().min(PREFACE.len());
    match bytes[..len] == PREFACE[..len] {
        true if len < PREFACE.len() => None,
        is_preface => Some(is_preface),
    }
}

/// All that is said to such a client (RFC 9113, sections 6.5, 6.8 and 7): settings, of which none is set, since they
/// come first; and that no stream was looked at, because HTTP/1.1 is required.
pub fn refusal() -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * FRAME_HEAD_LEN + 8 + SENTENCE.len());
    frame_head(SETTINGS, 0, &mut out);
    frame_head(GOAWAY, 8 + SENTENCE.len(), &mut out);
    out.extend_from_slice(&0u32.to_be_bytes());
    out.extend_from_slice(&HTTP_1_1_REQUIRED.to_be_bytes());
    out.extend_from_slice(SENTENCE);
    out
}

/// The head of a frame of the whole connection, without flags (RFC 9113, section 4.1).
fn frame_head(kind: u8, len: usize, out: &mut Vec<u8>) {
    let [_, high, middle, low] = u32::try_from(len).unwrap_or_default().to_be_bytes();
    out.extend_from_slice(&[high, middle, low, kind, 0, 0, 0, 0, 0]);
}

/// What whoever looks at the frame reads.
const SENTENCE: &[u8] = b"HTTP/2 is not spoken here: use HTTP/1.1";

const FRAME_HEAD_LEN: usize = 9;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const HTTP_1_1_REQUIRED: u32 = 0xd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_known_when_it_is_whole() {
        for cut in 0..PREFACE.len() {
            assert_eq!(begins(&PREFACE[..cut]), None, "{cut}");
            assert_eq!(begins(&[&PREFACE[..cut], b"\0"].concat()), Some(false), "{cut}");
        }
        assert_eq!(begins(PREFACE), Some(true));
        assert_eq!(begins(&[&PREFACE[..], b"more"].concat()), Some(true));
        assert_eq!(begins(b"POST /sub/ HTTP/1.1"), Some(false));
    }

    #[test]
    fn the_frames_are_as_long_as_they_say() {
        let bytes = refusal();
        assert_eq!(bytes[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0], "settings, of which none is set");
        let (head, payload) = bytes[9..].split_at(9);
        assert_eq!(head, [0, 0, u8::try_from(payload.len()).unwrap(), 7, 0, 0, 0, 0, 0]);
        assert_eq!(payload[..8], [0, 0, 0, 0, 0, 0, 0, 0xd]);
        assert_eq!(&payload[8..], SENTENCE);
    }
}
