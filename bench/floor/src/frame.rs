//! The constant bytes: heads, and a frame of a given length around a message.

/// How clients wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Sse,
    Ws,
    Stream,
    Poll,
}

impl Form {
    /// The form with that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [("sse", Self::Sse), ("ws", Self::Ws), ("stream", Self::Stream), ("poll", Self::Poll)]
            .into_iter()
            .find_map(|(known, form)| (known == name).then_some(form))
    }

    /// What a waiting client is answered at once.
    pub(crate) fn head(self) -> &'static [u8] {
        match self {
            Self::Sse => {
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n"
            }
            Self::Stream => b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n",
            Self::Ws => {
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            }
            Self::Poll => b"",
        }
    }

    /// The bytes of a message, `len` of them where that is enough.
    pub(crate) fn frame(self, body: &[u8], len: usize) -> Vec<u8> {
        let end: &[u8] = match self {
            Self::Sse => b"\n\n",
            Self::Stream => b"\n",
            Self::Ws | Self::Poll => b"",
        };
        let begin = |data_len: usize| match self {
            Self::Sse => b"data: ".to_vec(),
            Self::Stream => Vec::new(),
            Self::Ws if data_len < 126 => vec![0x81, u8::try_from(data_len).unwrap_or(0)],
            Self::Ws => [&[0x81, 126], &u16::try_from(data_len).unwrap_or(0).to_be_bytes()[..]].concat(),
            Self::Poll => format!("HTTP/1.1 200 OK\r\nContent-Length: {data_len}\r\n\r\n").into_bytes(),
        };
        let around = begin(len).len() + end.len();
        let data_len = len.saturating_sub(around).max(body.len());
        let mut frame = begin(data_len);
        frame.extend_from_slice(body);
        frame.resize(frame.len() + data_len - body.len(), b'x');
        frame.extend_from_slice(end);
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_length_asked_for_where_it_can() {
        for name in ["sse", "ws", "stream", "poll"] {
            let form = Form::named(name).unwrap();
            assert_eq!(form.frame(&[b'm'; 100], 200).len(), 200, "{name}");
            assert!(form.frame(&[b'm'; 100], 0).len() >= 100, "{name}");
        }
    }
}
