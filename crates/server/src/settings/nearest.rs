//! The name that somebody may have meant.

/// The one of `names` that is nearest to `said`, if any is near enough to be meant.
pub(crate) fn nearest<'a>(said: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let said: String = said.chars().take(SAID_CHARS_MAX).collect::<String>().to_lowercase();
    let said = said.replace(['-', '.', ' '], "_");
    let near = |name: &str| (name.chars().count() / CHARS_PER_SLIP).max(1);
    let found = names.map(|name| (distance(&said, name), name)).min();
    found.filter(|(distance, name)| *distance <= near(name)).map(|(_, name)| name)
}

/// How many slips lead from one word to the other: a letter too many, too few, wrong, or two
/// neighbours the wrong way round.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    // `rows[i][j]` leads from the first `i` letters to the first `j` of the other.
    let mut rows = vec![(0..=other.len()).collect::<Vec<usize>>()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let wrong = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + wrong);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

/// Letters of a wrong name that are looked at; no right one has as many.
const SAID_CHARS_MAX: usize = 64;
/// So many letters of a name allow for one slip.
const CHARS_PER_SLIP: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, slips) in [
            ("grace", "grace", 0),
            ("gracee", "grace", 1),
            ("garce", "grace", 1),
            ("", "in", 2),
            ("log", "lag", 1),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (slips, slips), "{one} {other}");
        }
    }

    #[test]
    fn the_nearest_name_is_found_if_it_is_near() {
        let names = || ["poll_timeout", "grace", "in"].into_iter();
        for said in ["poll-timeout", "pol_timeuot", "POLL.TIMEOUT"] {
            assert_eq!(nearest(said, names()), Some("poll_timeout"), "{said}");
        }
        for said in ["", "port", "timeout", "server"] {
            assert_eq!(nearest(said, names()), None, "{said}");
        }
    }
}
