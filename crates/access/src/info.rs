//! What others may know of a user: any JSON, as the application says it.

use hub::limits::INFO_LEN_MAX;
use serde_json::value::RawValue;

/// The text of it, without white space around what it is made of; the error says what would be right.
pub(crate) fn info(said: Option<&RawValue>) -> Result<Option<String>, String> {
    // What is null is nothing.
    let Some(said) = said.filter(|said| said.get() != "null") else { return Ok(None) };
    let value: serde_json::Value =
        serde_json::from_str(said.get()).map_err(|_| "`info` is no JSON that can be read".to_owned())?;
    let text = value.to_string();
    if text.len() > INFO_LEN_MAX {
        return Err(format!("`info` has {} bytes; at most {INFO_LEN_MAX} are allowed", text.len()));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_json_that_is_short_may_be_known() {
        let read = |text: &str| info(Some(&RawValue::from_string(text.to_owned()).unwrap()));
        assert_eq!(
            read("{ \"a\": [1, null],\n \"b\":\"x y\" }"),
            Ok(Some("{\"a\":[1,null],\"b\":\"x y\"}".to_owned()))
        );
        assert_eq!(
            (read("null"), read("\"x\""), info(None)),
            (Ok(None), Ok(Some("\"x\"".to_owned())), Ok(None))
        );
        let of_len = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
        assert!(read(&of_len(INFO_LEN_MAX)).is_ok());
        assert!(read(&of_len(INFO_LEN_MAX + 1)).unwrap_err().contains("1025 bytes"));
    }
}
