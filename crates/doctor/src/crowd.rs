//! How many may wait at once on the way: that many event streams are opened, and kept for some seconds.

use std::time::{Duration, Instant};

use crate::finding::{Finding, Level};
use crate::limits::{CROWD_HOLD, FIRST_WORD_MAX};
use crate::wire::{Dialogue, LineAddress, ProbeAnswer, SSE_HEADERS};

/// Opens `count` streams, waits for the first word of each, and then for a while whether all of them stay.
pub(crate) fn crowd(place: &LineAddress, count: usize) -> Finding {
    let mut waiting = Vec::with_capacity(count);
    let mut end = None;
    for _ in 0..count {
        match place.begin("", SSE_HEADERS) {
            Ok(dialogue) => waiting.push(dialogue),
            Err(error) => {
                end = Some(format!("the next connection failed: {error:#}"));
                break;
            }
        }
    }
    // One deadline for all: they wait at the same time.
    let deadline = Instant::now() + FIRST_WORD_MAX + CROWD_HOLD;
    let heard: Vec<bool> = waiting.iter_mut().map(|dialogue| hears(dialogue, deadline)).collect();
    let refused =
        waiting.iter().zip(&heard).find(|(_, heard)| !**heard).map(|(dialogue, _)| &dialogue.answer);
    let is_ours = refused.is_some_and(|answer| answer.problem().is_some());
    let end = refused.map(what_it_met).or(end);
    let begun = heard.iter().filter(|heard| **heard).count();
    std::thread::sleep(CROWD_HOLD);
    let stayed =
        waiting.iter_mut().zip(&heard).filter(|(_, heard)| **heard).filter_map(|(one, _)| stays(one)).count();
    let mut finding = judge(count, begun, stayed, end);
    if is_ours {
        // No line of a proxy is against that.
        finding.name = "crowd-refused";
    }
    finding
}

fn hears(dialogue: &mut Dialogue, deadline: Instant) -> bool {
    dialogue.read(deadline.saturating_duration_since(Instant::now()).max(GLANCE), begins);
    begins(&dialogue.answer)
}

fn begins(answer: &ProbeAnswer) -> bool {
    answer.status == 200 && answer.says("event: cursor")
}

fn stays(dialogue: &mut Dialogue) -> Option<()> {
    dialogue.read(GLANCE, |_| false);
    (!dialogue.answer.ended).then_some(())
}

fn what_it_met(answer: &ProbeAnswer) -> String {
    let time = Duration::from_millis(u64::try_from(answer.time.as_millis()).unwrap_or(u64::MAX));
    match answer.status {
        0 if answer.ended => format!("the next one was closed without an answer after {time:?}"),
        0 => "the next one got no answer".to_owned(),
        200 => "the next one got an answer that does not begin".to_owned(),
        status => match answer.problem() {
            Some(detail) => format!("the server itself refused the next one with {status}: {detail}"),
            None => format!("the next one got {status} after {time:?}"),
        },
    }
}

fn judge(count: usize, begun: usize, stayed: usize, end: Option<String>) -> Finding {
    let mut finding = if let Some(end) = end {
        let text = format!("crowd: {begun} of {count} could wait at once; {end}");
        Finding::new("crowd", Level::Problem, text)
    } else if stayed < begun {
        let text = format!(
            "crowd: {begun} could wait at once, but {} were cut within {CROWD_HOLD:?}",
            begun - stayed
        );
        Finding::new("crowd", Level::Problem, text)
    } else {
        Finding::new("crowd", Level::Ok, format!("crowd: {count} waited at once for {CROWD_HOLD:?}"))
    };
    finding.connections = Some(begun as u64);
    finding
}

/// What is there already is read within this time.
const GLANCE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_could_not_wait_is_told() {
        let full = judge(200, 32, 32, Some("the next one got 503 after 5s".to_owned()));
        assert_eq!((full.level, full.connections), (Level::Problem, Some(32)));
        assert_eq!(full.text, "crowd: 32 of 200 could wait at once; the next one got 503 after 5s");
        assert_eq!(judge(200, 200, 150, None).level, Level::Problem);
        assert_eq!(judge(200, 200, 200, None).level, Level::Ok);
    }
}
