//! Refusals that pass, told by an event: an `EventSource` gives up for good on a status other than 200, and none of the
//! libraries that were tried heeds `Retry-After`.

use crate::{Answer, Code, NO_STORE, Problem};

/// The answer to whoever asked for server-sent events and is to come again: a stream of one event, `refused`, that
/// says after how long. It has no id, so what was heard last stays so. `chance` spreads that time. `None`: what is
/// refused now is refused later, too.
pub fn told_by_event(problem: &Problem, chance: u64) -> Option<Answer> {
    let passes = match problem.status {
        429 => true,
        503 => PASSING.contains(&problem.code),
        _ => false,
    };
    if !passes {
        return None;
    }
    let plain = Answer::from(problem.clone());
    let after = plain.headers.iter().find(|(name, _)| *name == "Retry-After");
    let after_ms = after.and_then(|(_, seconds)| seconds.parse::<u64>().ok()).map_or(1_000, |s| s * 1_000);
    let retry_ms = after_ms + chance % (after_ms / 2 + 1);
    let mut body = format!("retry: {retry_ms}\nevent: refused\ndata: ").into_bytes();
    problem.write(&mut body);
    body.extend_from_slice(b"\n\n");
    Some(Answer {
        status: 200,
        content_type: "text/event-stream",
        cache: NO_STORE,
        headers: vec![
            (STATUS, problem.status.to_string()),
            ("Access-Control-Expose-Headers", STATUS.to_owned()),
        ],
        body: body.into(),
    })
}

/// What such an answer would have said otherwise.
const STATUS: &str = "Multiplexor-Status";

/// The codes of 503 that pass.
const PASSING: &[Code] = &[
    Code::Hook,
    Code::HookBusy,
    Code::TokenBusy,
    Code::Full,
    Code::Memory,
    Code::Connections,
    Code::Draining,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_by_one_event() {
        let problem = Problem::new(503, Code::Connections, "it is full\nhere");
        let told =
            |chance| String::from_utf8(told_by_event(&problem, chance).unwrap().body.into_owned()).unwrap();
        let document = String::from_utf8(problem.document()).unwrap();
        assert_eq!(told(0), format!("retry: 1000\nevent: refused\ndata: {document}\n\n"));
        assert!(told(500).starts_with("retry: 1500\n") && told(501).starts_with("retry: 1000\n"));
        assert_eq!(told_by_event(&problem, 0).unwrap().headers[0], ("Multiplexor-Status", "503".to_owned()));
    }

    #[test]
    fn what_does_not_pass_keeps_its_status() {
        for (status, code, passes) in [
            (429, "address-requests", true),
            (429, "user-requests", true),
            (503, "hook", true),
            (503, "hook-busy", true),
            (503, "token-busy", true),
            (503, "takeover", false),
            (401, "credentials", false),
            (403, "grant", false),
            (400, "since", false),
            (502, "takeover-channels", false),
        ] {
            assert_eq!(
                told_by_event(&Problem::new(status, Code::find(code).unwrap(), ""), 7).is_some(),
                passes,
                "{status} {code}"
            );
        }
    }
}
