//! Points in time and numbers as people read them.

/// Seconds since the Unix epoch as `2026-11-22 17:40:00.123 UTC`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are small and not before 1970"
)]
pub(crate) fn utc(seconds: f64) -> String {
    let millis = (seconds.max(0.0) * 1_000.0).round() as u64;
    let (days, rest) = (millis / DAY_MS, millis % DAY_MS);
    let (year, month, day) = date(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03} UTC")
}

/// Digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Year, month and day, so many days after the beginning of 1970. The year is taken to begin in March,
/// so that a leap day is its last; 400 years always have equally many days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

const DAY_MS: u64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        for (seconds, expected) in [
            (0.0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_400.5, "2000-02-29 00:00:00.500 UTC"),
            (951_868_799.999, "2000-02-29 23:59:59.999 UTC"),
            (1_795_369_200.123, "2026-11-22 17:40:00.123 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00:00.000 UTC"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }

    #[test]
    fn digits_come_in_groups() {
        let texts: Vec<_> = [0, 999, 1_000, 20_000, 1_048_576].map(grouped).into();
        assert_eq!(texts, ["0", "999", "1,000", "20,000", "1,048,576"]);
    }
}
