//! The name of a user, as a token and the application's word say it.

/// The name; `None`: nobody is named, which an empty name says, too. The error says what would be right: a name with control
/// characters could not be asked for in a path of the IN line.
pub(crate) fn user_claim(said: Option<&str>) -> Result<Option<&str>, &'static str> {
    match said {
        Some(name) if name.chars().any(char::is_control) => {
            Err("holds a control character; give a name of printable ones")
        }
        _ => Ok(said.filter(|name| !name.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_printed_and_an_empty_one_is_none() {
        assert_eq!(user_claim(None), Ok(None));
        assert_eq!(user_claim(Some("")), Ok(None));
        assert_eq!(user_claim(Some("Änne 7/2")), Ok(Some("Änne 7/2")));
        for name in ["a\nb", "\0", "a\u{7f}", "\u{85}"] {
            assert!(user_claim(Some(name)).is_err(), "{name:?}");
        }
    }
}
