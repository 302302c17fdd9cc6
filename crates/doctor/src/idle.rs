//! How long those who wait may be silent: what is closed meanwhile, by whom it may be.

use std::time::Duration;

use crate::finding::{Finding, Level, rounded};
use crate::limits::FIRST_WORD_MAX;
use crate::wire::{LineAddress, ProbeAnswer, SSE_HEADERS, WS_HEADERS};

/// What waits in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silent {
    Poll,
    Sse,
    WebSocket,
}

impl Silent {
    pub(crate) const ALL: [Self; 3] = [Self::Poll, Self::Sse, Self::WebSocket];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Poll => "long poll",
            Self::Sse => "event stream",
            Self::WebSocket => "WebSocket",
        }
    }

    /// What asks for it.
    pub(crate) fn headers(self) -> &'static str {
        match self {
            Self::Poll => "",
            Self::Sse => SSE_HEADERS,
            Self::WebSocket => WS_HEADERS,
        }
    }
}

/// Waits for as long as `patience`.
pub(crate) fn idle(place: &LineAddress, kind: Silent, patience: Duration) -> Vec<Finding> {
    let Ok(mut dialogue) = place.begin("", kind.headers()) else { return Vec::new() };
    dialogue.read(FIRST_WORD_MAX.min(patience), |answer| {
        answer.says(if kind == Silent::Sse { "\nid" } else { "cursor" })
    });
    let begun = dialogue.answer.body.len();
    // A handshake that failed is told of already.
    if kind == Silent::WebSocket && dialogue.answer.status != 101 {
        return Vec::new();
    }
    let left = patience.saturating_sub(dialogue.answer.time);
    if !dialogue.answer.ended {
        dialogue.read(left, |_| false);
    }
    vec![silence(&dialogue.answer, begun, kind, patience)]
}

fn silence(answer: &ProbeAnswer, begun: usize, kind: Silent, patience: Duration) -> Finding {
    let (words, time) = (kind.words(), rounded(answer.time));
    let said = |level, text: String| Finding::new("idle", level, format!("idle {words}: {text}"));
    let polled = kind == Silent::Poll && answer.status == 200;
    if polled && answer.ended {
        return said(Level::Ok, format!("answered after {time:?}, as its time was over"));
    }
    if answer.ended && kind == Silent::Poll && answer.status != 0 {
        return said(
            Level::Problem,
            format!("ended with {} after {time:?}, before the server answered", answer.status),
        );
    }
    if answer.ended {
        return said(Level::Problem, format!("closed after {time:?}, before the server said that it lives"));
    }
    if answer.body.len() > begun && kind != Silent::Poll {
        return said(Level::Ok, format!("open for {patience:?}, and the server was heard meanwhile"));
    }
    if patience >= HEARTBEAT_SURE && kind != Silent::WebSocket {
        return said(
            Level::Warning,
            format!(
                "open, but nothing came in {patience:?}; the server says something every 25 s unless it is set otherwise"
            ),
        );
    }
    said(Level::Ok, format!("open for {patience:?}; no heartbeat was due, or none came"))
}

/// Longer than the time after which a server that is set as usual says that it lives.
const HEARTBEAT_SURE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache, no-transform\r\n\
        Access-Control-Allow-Origin: *\r\n\r\nretry: 1\nid: a\n\nevent: gap\ndata: {}\n\n";

    #[test]
    fn an_idle_connection_stays_open() {
        let minute = Duration::from_secs(60);
        let level =
            |raw: &str, ended, begun, kind| silence(&ProbeAnswer::of(raw, ended), begun, kind, minute).level;
        assert_eq!(level(GOOD, false, 1, Silent::Sse), Level::Ok);
        assert_eq!(level(GOOD, false, 1_000, Silent::Sse), Level::Warning);
        assert_eq!(level(GOOD, true, 1, Silent::Sse), Level::Problem);
        assert_eq!(level("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, 0, Silent::Poll), Level::Ok);
        assert_eq!(level("HTTP/1.1 504 Late\r\n\r\n", true, 0, Silent::Poll), Level::Problem);
        assert_eq!(level("", true, 0, Silent::WebSocket), Level::Problem);
    }
}
