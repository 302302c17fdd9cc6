//! Numbers with units, as people write them.

use std::time::Duration;

pub(crate) fn whole_number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// `500ms`, `25s`, `10m`, `1h`, `7d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    in_line::age(text).map(Duration::from_millis)
}

/// `100`, `64KiB`, `1MiB`, `2GiB`, in bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit_len = match unit {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    whole_number(number)?.checked_mul(unit_len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in
            [("500ms", 500), ("25s", 25_000), ("10m", 600_000), ("1h", 3_600_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "25",
            "s",
            "-1s",
            "1.5s",
            "1 s",
            "1S",
            "1h30m",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_may_have_a_unit() {
        for (text, len) in [("100", 100), ("64KiB", 65_536), ("1MiB", 1 << 20), ("2GiB", 2 << 30), ("0", 0)] {
            assert_eq!(size(text), Some(len), "{text}");
        }
        for bad in ["", "KiB", "1KB", "1k", "1 MiB", "-1", "0x10", "99999999999GiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
