//! From where a client wants to read: `since`, `Last-Event-ID`.

use hub::{Cursors, Millis, Read, Start, excerpt};

use crate::limits::SINCE_AHEAD_MS_MAX;
use crate::{Code, Problem};

/// Reads a `since`: a cursor, an age (`90s`, `10m`, `1h`, `2d`), `0` for all history, or a time in
/// seconds since the Unix epoch.
pub fn since(text: &str, cursors: Cursors, now: Millis) -> Result<Start, Problem> {
    if let Some(read) = cursors.read(text) {
        return Ok(match read {
            Read::Here(position) => Start::After(position),
            Read::Unlisted(position) => Start::Unlisted(position),
            Read::Elsewhere => Start::Lost,
        });
    }
    if text == "0" {
        return Ok(Start::Everything);
    }
    if let Some(age) = age(text) {
        return Ok(Start::Time(now.saturating_sub(age)));
    }
    let Some(time) = seconds(text) else {
        return Err(Problem::bad(
            Code::Since,
            format!(
                "`since` is {:?}; give a cursor as you got it, an age such as 90s, 10m or 1h, \
                 a Unix time in seconds, or 0 for all history",
                excerpt(text)
            ),
        ));
    };
    let last = now.saturating_add(SINCE_AHEAD_MS_MAX);
    if time <= last { Ok(Start::Time(time)) } else { Err(ahead(time, last)) }
}

/// A time to come is a mistake: whoever waits from then on would get nothing, without a word.
fn ahead(time: Millis, last: Millis) -> Problem {
    // What would be a time of the last decades if it were milliseconds is just that.
    let said = time / 1_000;
    let hint = if (last / 2..=last).contains(&said) {
        format!("; milliseconds? then give {}", said / 1_000)
    } else {
        String::new()
    };
    Problem::bad(
        Code::Since,
        format!("`since` is {said}, a time more than a day from now; give a Unix time in seconds{hint}"),
    )
}

/// Reads a `Last-Event-ID`. What is none of ours is treated as of another epoch, since an
/// `EventSource` would give up for good if it were refused.
pub fn last_event_id(text: &[u8], cursors: Cursors) -> Start {
    let read =
        std::str::from_utf8(text).ok().and_then(|text| if text == "0" { None } else { cursors.read(text) });
    match read {
        Some(Read::Here(position)) => Start::After(position),
        Some(Read::Unlisted(position)) => Start::Unlisted(position),
        Some(Read::Elsewhere) => Start::Lost,
        None if text == b"0" => Start::Everything,
        None => Start::Lost,
    }
}

/// Whether a parameter of the query is a `Last-Event-ID`: what event-source-polyfill, reconnecting-eventsource and others
/// send, who cannot set the header.
pub fn is_last_event_id(name: &str) -> bool {
    matches!(name, "lastEventId" | "last-event-id" | "last_event_id")
}

/// The milliseconds of `90s`, `10m`, `1h`, `2d`, `500ms`.
pub fn age(text: &str) -> Option<Millis> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<Millis>().ok()?.checked_mul(unit)
}

/// The milliseconds of seconds with or without decimals, rounded down.
fn seconds(text: &str) -> Option<Millis> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let millis = format!("{decimals:0<3}")[..3].parse::<Millis>().ok()?;
    whole.parse::<Millis>().ok()?.checked_mul(1_000)?.checked_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub::{Epoch, Position};

    const NOW: Millis = 1_795_348_412_000;

    fn check(text: &str, expected: Option<Start>) {
        let cursors = Cursors::new(Epoch::new(7));
        assert_eq!(since(text, cursors, NOW).ok(), expected, "{text}");
    }

    #[test]
    fn since_is_a_cursor_an_age_or_a_time() {
        let place = Position::from_bits(42);
        check(&Cursors::new(Epoch::new(7)).text(place), Some(Start::After(place)));
        check(&Cursors::new(Epoch::new(8)).text(place), Some(Start::Lost));
        check("0", Some(Start::Everything));
        check("10m", Some(Start::Time(NOW - 600_000)));
        check("500ms", Some(Start::Time(NOW - 500)));
        check("9999999d", Some(Start::Time(0)));
        check("0.5", Some(Start::Time(500)));
        check("1795348412", Some(Start::Time(1_795_348_412_000)));
        check("1795348412.5", Some(Start::Time(1_795_348_412_500)));
        for bad in ["", "x", "-1", "10 m", "1.", ".5", "m", "10y", "99999999999999999999", "1e3"] {
            check(bad, None);
        }
    }

    #[test]
    fn a_time_to_come_is_a_mistake() {
        check("1795434812", Some(Start::Time(NOW + 86_400_000)));
        check("1795434812.001", None);
        let detail = |text: &str| since(text, Cursors::new(Epoch::new(7)), NOW).unwrap_err().detail;
        let hint = "a time more than a day from now; give a Unix time in seconds; milliseconds? then give 1795348412";
        assert_eq!(detail("1795348412007"), format!("`since` is 1795348412007, {hint}"));
        for far in ["2795348412", "1795434812.001", "18446744073709551"] {
            assert!(detail(far).ends_with("in seconds"), "{}", detail(far));
        }
    }

    #[test]
    fn a_strange_last_event_id_is_of_another_epoch() {
        let cursors = Cursors::new(Epoch::new(7));
        assert_eq!(last_event_id(b"hello", cursors), Start::Lost);
        assert_eq!(last_event_id(b"\xff", cursors), Start::Lost);
        assert_eq!(last_event_id(b"0", cursors), Start::Everything);
        let place = Position::from_bits(42);
        assert_eq!(last_event_id(cursors.text(place).as_bytes(), cursors), Start::After(place));
    }
}
