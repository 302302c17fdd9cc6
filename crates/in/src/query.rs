//! What several questions have in common: numbers in queries.

use std::fmt::Display;
use std::str::FromStr;

use dialect::{Code, Problem};

use crate::response::excerpt;

/// A whole number within a range.
pub(crate) fn read_number<N: FromStr + PartialOrd + Display>(
    name: &str,
    text: &str,
    min: N,
    max: N,
) -> Result<N, Problem> {
    text.parse().ok().filter(|number| (&min..=&max).contains(&number)).ok_or_else(|| {
        let text = excerpt(text);
        Problem::bad(Code::Number, format!("{name} is {text:?}; give a whole number from {min} to {max}"))
    })
}
