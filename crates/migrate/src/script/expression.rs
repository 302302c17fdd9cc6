//! What a value is: texts and numbers, joined and reckoned with, lists, and the functions for paths.

use std::path::Path;

use super::{OldValue, Parsed, Parser, described, is_config};
use crate::limits::{EXPRESSION_DEPTH_MAX, VALUE_LEN_MAX};
use crate::token::{TextPiece, Token};

impl Parser<'_> {
    /// A value, of parts that are joined or reckoned with.
    pub(crate) fn expression(&mut self) -> Parsed<OldValue> {
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(self.fault("brackets are nested too deeply; write the value itself"));
        }
        let mut value = self.product()?;
        while let Some(&Token::Mark(sign @ ('.' | '+' | '-'))) = self.peek()? {
            self.advance()?;
            let other = self.product()?;
            value = if sign == '.' {
                OldValue::Text(self.joined(&value, &other)?)
            } else {
                self.reckoned(sign, &value, &other)?
            };
        }
        self.depth -= 1;
        Ok(value)
    }

    fn product(&mut self) -> Parsed<OldValue> {
        let mut value = self.primary()?;
        while let Some(&Token::Mark(sign @ ('*' | '/'))) = self.peek()? {
            self.advance()?;
            let other = self.primary()?;
            value = self.reckoned(sign, &value, &other)?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Parsed<OldValue> {
        let Some(token) = self.advance()? else { return Err(self.fault("a value is missing at the end")) };
        match token {
            Token::Number(number) => Ok(OldValue::Text(number)),
            Token::Text(pieces) => self.put_together(pieces).map(OldValue::Text),
            Token::Words(words) => Ok(OldValue::List(words)),
            Token::Word(word) => self.function(&word),
            Token::Scalar(name) if is_config(&name) => {
                let key = self.key()?;
                let value = self.said.0.get(&key).map(|(value, _)| value.clone());
                value
                    .ok_or_else(|| self.fault(&format!("$CONFIG{{{key}}} has no value yet; write it itself")))
            }
            Token::Scalar(name) => self.value_of(&name),
            Token::Mark('[') => {
                let mut list = Vec::new();
                while self.peek()? != Some(&Token::Mark(']')) {
                    self.item(&mut list)?;
                    if !matches!(self.peek()?, Some(Token::Mark(']' | ','))) {
                        self.advance()?;
                        return Err(self.fault(", or ] is missing in the list"));
                    }
                    if self.peek()? == Some(&Token::Mark(',')) {
                        self.advance()?;
                    }
                }
                self.advance()?;
                Ok(OldValue::List(list))
            }
            Token::Mark('(') => {
                let value = self.expression()?;
                self.expect(')', ") is missing; a list stands in [ ]")?;
                Ok(value)
            }
            Token::Mark('-') => match self.advance()? {
                Some(Token::Number(number)) => Ok(OldValue::Text(format!("-{number}"))),
                _ => Err(self.fault("a number must follow -; write the value itself")),
            },
            token => Err(self.fault(&format!(
                "{} stands where a value should; write the value itself: 'text', 300 or ['a', 'b']",
                described(&token)
            ))),
        }
    }

    /// One more item of a list, or several.
    pub(crate) fn item(&mut self, list: &mut Vec<String>) -> Parsed<()> {
        match self.expression()? {
            OldValue::Text(text) => list.push(text),
            // What qw() gives flows into the list around it.
            OldValue::List(more) => list.extend(more),
            OldValue::Undefined => return Err(self.fault("undef stands in a list; leave it out")),
        }
        let len: usize = list.iter().map(String::len).sum();
        if len > VALUE_LEN_MAX { Err(self.too_long()) } else { Ok(()) }
    }

    /// A bare word in the place of a value.
    fn function(&mut self, word: &str) -> Parsed<OldValue> {
        let name = word.rsplit("::").next().unwrap_or_default();
        match name {
            "undef" => return Ok(OldValue::Undefined),
            "__FILE__" => return Ok(OldValue::Text(self.name.to_owned())),
            "dirname" | "basename" | "abs_path" | "realpath" | "rel2abs" => {}
            _ => return Err(self.needs_perl(word)),
        }
        let bracket = self.peek()? == Some(&Token::Mark('('));
        self.depth += 1;
        if self.depth > EXPRESSION_DEPTH_MAX {
            return Err(self.fault("brackets are nested too deeply; write the value itself"));
        }
        let value = if bracket {
            self.advance()?;
            let value = self.expression()?;
            self.expect(')', &format!(") is missing behind {name}("))?;
            value
        } else {
            self.primary()?
        };
        self.depth -= 1;
        let OldValue::Text(path) = value else {
            return Err(self.fault(&format!("{name} wants a path; write the path itself")));
        };
        Ok(OldValue::Text(match name {
            "dirname" => folder(&path),
            "basename" => Path::new(&path)
                .file_name()
                .map_or_else(|| path.clone(), |name| name.to_string_lossy().into()),
            _ => absolute(&path),
        }))
    }

    fn value_of(&self, name: &str) -> Parsed<OldValue> {
        let value = self.variables.get(name).cloned();
        value.ok_or_else(|| {
            self.fault(&format!(
                "${name} has no value in this file, and only Perl could know it; write the value"
            ))
        })
    }

    /// A text of its pieces.
    pub(crate) fn put_together(&self, pieces: Vec<TextPiece>) -> Parsed<String> {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                TextPiece::Literal(literal) => text.push_str(&literal),
                TextPiece::Variable(name) => match self.value_of(&name)? {
                    OldValue::Text(value) => text.push_str(&value),
                    _ => return Err(self.fault(&format!("${name} is no text; write the text itself"))),
                },
            }
        }
        if text.len() > VALUE_LEN_MAX { Err(self.too_long()) } else { Ok(text) }
    }

    pub(crate) fn joined(&self, one: &OldValue, other: &OldValue) -> Parsed<String> {
        match (one, other) {
            (OldValue::Text(one), OldValue::Text(other)) if one.len() + other.len() > VALUE_LEN_MAX => {
                Err(self.too_long())
            }
            (OldValue::Text(one), OldValue::Text(other)) => Ok(format!("{one}{other}")),
            _ => Err(self.fault("only texts can be joined by a point; write the whole text")),
        }
    }

    fn reckoned(&self, sign: char, one: &OldValue, other: &OldValue) -> Parsed<OldValue> {
        let number = |value: &OldValue| match value {
            OldValue::Text(text) => text.parse::<f64>().ok(),
            _ => None,
        };
        let result = match (number(one), sign, number(other)) {
            (Some(one), '+', Some(other)) => one + other,
            (Some(one), '-', Some(other)) => one - other,
            (Some(one), '*', Some(other)) => one * other,
            (Some(one), '/', Some(other)) => one / other,
            _ => {
                return Err(
                    self.fault(&format!("{sign} wants numbers on both sides; write the number itself"))
                );
            }
        };
        if !result.is_finite() {
            return Err(self.fault("this gives no number; write the number itself"));
        }
        Ok(OldValue::Text(result.to_string()))
    }
}

/// The folder of a path, as Perl's `dirname` tells it.
fn folder(path: &str) -> String {
    match Path::new(path).parent() {
        Some(parent) if parent.as_os_str().is_empty() => ".".to_owned(),
        Some(parent) => parent.to_string_lossy().into_owned(),
        None => path.to_owned(),
    }
}

/// The path from the root; of a file that is there without links in it.
fn absolute(path: &str) -> String {
    let found = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path));
    found.map_or_else(|_| path.to_owned(), |path| path.to_string_lossy().into_owned())
}
