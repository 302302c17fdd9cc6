//! What somebody wrote, as errors and files repeat it.

use toml::de::DeValue;

/// A text in TOML's quotes. None of ours has a control character.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A value of the wrong type, in words.
pub(crate) fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text {}", quoted(&excerpt(text))),
        DeValue::Integer(_) => format!("the number {}", excerpt(&number(value))),
        DeValue::Float(number) => format!("the number {}", excerpt(number.as_str())),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => format!("the time {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The beginning of what somebody wrote, to be repeated to him.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TOLD_CHARS_MAX).collect()
}

/// An integer in decimal digits, whatever its form in the file.
pub(crate) fn number(value: &DeValue<'_>) -> String {
    let Some(integer) = value.as_integer() else { return String::new() };
    let read = i128::from_str_radix(integer.as_str(), integer.radix());
    read.map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string())
}

/// Letters of a wrong text that are repeated in an error.
const TOLD_CHARS_MAX: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_escaped() {
        assert_eq!(quoted(r#"a"b\c"#), r#""a\"b\\c""#);
    }
}
