//! Whether a request arrives as it was sent, the name of its channel and the host it asks; and whose it is taken for.

use crate::finding::{Finding, Level};
use crate::front::Front;
use crate::limits::FIRST_WORD_MAX;
use crate::wire::{CHANNEL, LineAddress, ProbeAnswer, SSE_HEADERS};

/// Whether a name with slashes and dots arrives as it was asked for: the gap tells which channel was meant.
pub(crate) fn names(place: &LineAddress, cursor: &str) -> Vec<Finding> {
    let name = format!("{CHANNEL}//a/../b");
    let path = format!("{}?since={cursor}", name.replace('/', "%2F"));
    let Ok(mut dialogue) = place.begin_at(&path, SSE_HEADERS) else { return Vec::new() };
    dialogue.read(FIRST_WORD_MAX, |answer| answer.says("event: cursor"));
    vec![judge_names(&dialogue.answer, &name)]
}

fn judge_names(answer: &ProbeAnswer, name: &str) -> Finding {
    let text = match answer.status {
        200 if answer.says(&format!("\"{name}\"")) => {
            return Finding::new("names", Level::Ok, "names: slashes and dots in a name arrive as they are");
        }
        // A stream that is held back has a finding of its own.
        0 | 200 if !answer.says("event: gap") => {
            return Finding::new("names", Level::Note, "names: not seen, as the stream is held back");
        }
        200 => "slashes and dots are decoded, merged or taken out on the way, so they become another channel"
            .to_owned(),
        status => format!("refused with {status} where slashes and dots are in a name"),
    };
    Finding::new("names", Level::Warning, format!("names: {text}"))
}

/// Whether a page of this very address counts as one: `Host` must arrive as it was sent.
pub(crate) fn host(place: &LineAddress) -> Vec<Finding> {
    let headers =
        format!("Accept: text/event-stream\r\nOrigin: {}\r\nCookie: multiplexor_token=x\r\n", place.origin());
    let Ok(answer) = place.ask("", &headers, FIRST_WORD_MAX, |answer| answer.status != 0) else {
        return Vec::new();
    };
    if answer.status != 403 || !answer.says("\"origin\"") {
        return Vec::new();
    }
    let text =
        "Host: not passed on, so a page of this address that shows a cookie is taken for a foreign one";
    vec![Finding::new("host", Level::Problem, text)]
}

/// Whether a client can choose the address that limits count: what it makes up must not arrive alone.
pub(crate) fn address(place: &LineAddress, front: Option<Front>) -> Vec<Finding> {
    let headers = format!("X-Forwarded-For: {MADE_UP}\r\nForwarded: for={MADE_UP}\r\n");
    let Ok(mut dialogue) = place.begin_path("/healthz", &headers) else { return Vec::new() };
    dialogue.read(FIRST_WORD_MAX, |answer| answer.says("ok"));
    let said = dialogue.answer.header("multiplexor-address");
    judge_address(said.as_deref(), dialogue.is_at_home(), front).into_iter().collect()
}

fn judge_address(said: Option<&str>, is_at_home: bool, front: Option<Front>) -> Option<Finding> {
    let (level, text) = match said {
        Some(MADE_UP) if is_at_home => (
            Level::Note,
            "not seen from here, since the proxy's own words are passed over, and this may be its machine; ask from another one"
                .to_owned(),
        ),
        Some(MADE_UP) => (
            Level::Problem,
            "a made-up X-Forwarded-For arrives alone, so a client chooses the address that limits count".to_owned(),
        ),
        Some(address) => (Level::Ok, format!("the server takes this client for {address}")),
        None => {
            let front = front?.name();
            let text = format!(
                "no header tells the server who its clients are, so limits by address count them as {front}; `proxies` names whom to believe"
            );
            (Level::Note, text)
        }
    };
    Some(Finding::new("address", level, format!("address: {text}")))
}

/// An address that is nobody's (RFC 5737).
const MADE_UP: &str = "192.0.2.66";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_a_client_made_up_is_told() {
        let level = |said, is_at_home, front| judge_address(said, is_at_home, front).map(|one| one.level);
        assert_eq!(level(Some(MADE_UP), false, None), Some(Level::Problem));
        assert_eq!(level(Some(MADE_UP), true, None), Some(Level::Note), "it may be the proxy's own machine");
        assert_eq!(level(Some("10.0.0.1"), false, None), Some(Level::Ok));
        assert_eq!(level(None, false, Some(Front::Nginx)), Some(Level::Note));
        assert_eq!(level(None, false, None), None, "nobody is in front");
    }

    #[test]
    fn a_name_that_became_another_is_told() {
        let level = |raw: &str| judge_names(&ProbeAnswer::of(raw, false), "a//b").level;
        let gap = |name: &str| {
            format!("HTTP/1.1 200 OK\r\n\r\nevent: gap\ndata: {{\"channels\":[\"{name}\"]}}\n\n")
        };
        assert_eq!(level(&gap("a//b")), Level::Ok);
        assert_eq!(level(&gap("a/b")), Level::Warning);
        assert_eq!(level("HTTP/1.1 404 Not Found\r\n\r\n"), Level::Warning);
        assert_eq!(level(""), Level::Note, "a stream that is held back has a finding of its own");
    }
}
