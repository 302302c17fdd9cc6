//! The name that somebody may have meant.

use dialect::slips;

/// The one of `names` that is nearest to `said`, if any is near enough to be meant.
pub fn nearest<'a>(said: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let said = said.to_lowercase().replace(['-', '.', ' '], "_");
    let near = |name: &str| (name.chars().count() / CHARS_PER_SLIP).max(1);
    names.filter_map(|name| Some((slips(&said, name, near(name))?, name))).min().map(|(_, name)| name)
}

/// So many letters of a name allow for one slip.
const CHARS_PER_SLIP: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

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
