//! The words of an old configuration file: as much of Perl as one needs to say what a value is.
//!
//! It gives one token at a time with its line. What it does not know is a mark, over which the reader
//! stumbles with a sentence of its own.

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A bare word, such as `return`, `WAIT_ADDR` or `File::Basename`.
    Word(String),
    /// `$name`.
    Scalar(String),
    /// `%name`.
    Hash(String),
    /// Text in quotes, in pieces where variables stand in it.
    Text(Vec<TextPiece>),
    /// The words of `qw(…)`.
    Words(Vec<String>),
    /// A number, as Perl would print it.
    Number(String),
    /// `=>`
    Arrow,
    /// Any other character that is no space.
    Mark(char),
}

/// A piece of a text in quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextPiece {
    Literal(String),
    /// `$name` or `${name}`.
    Variable(String),
}

/// What is wrong, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigFault {
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Takes a text apart.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    /// Only blanks stand before it in its line.
    at_line_start: bool,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, at_line_start: true }
    }

    /// The next token with its line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, Token)>, ConfigFault> {
        self.skip_blanks();
        let line = self.line;
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let token = match first {
            '\'' | '"' => {
                self.take(1);
                self.text(first, first, line)?
            }
            '0'..='9' => self.number()?,
            '$' | '%' if self.rest[1..].starts_with(is_word_start) || self.rest[1..].starts_with("::") => {
                self.take(1);
                let name = self.word();
                if first == '$' { Token::Scalar(name) } else { Token::Hash(name) }
            }
            '=' if self.rest.starts_with("=>") => {
                self.take(2);
                Token::Arrow
            }
            _ if is_word_start(first) => return self.word_or_quote(line),
            _ => {
                self.take(first.len_utf8());
                Token::Mark(first)
            }
        };
        Ok(Some((line, token)))
    }

    /// A word, or one of the quotes that begin with letters.
    fn word_or_quote(&mut self, line: usize) -> Result<Option<(usize, Token)>, ConfigFault> {
        let word = self.word();
        if matches!(&*word, "__END__" | "__DATA__") {
            self.rest = "";
            return Ok(None);
        }
        if !matches!(&*word, "q" | "qq" | "qw") || self.rest.trim_start().starts_with("=>") {
            return Ok(Some((line, Token::Word(word))));
        }
        let Some(open) = self.rest.chars().next().filter(|c| !c.is_whitespace() && !is_word(*c) && *c != ',')
        else {
            return Ok(Some((line, Token::Word(word))));
        };
        self.take(open.len_utf8());
        let close = match open {
            '(' => ')',
            '[' => ']',
            '{' => '}',
            '<' => '>',
            other => other,
        };
        let quote = if word == "qq" { '"' } else { '\'' };
        let token = match (&*word, self.quoted(quote, open, close, line)?) {
            ("qw", Token::Text(pieces)) => {
                let literal = pieces.into_iter().map(|piece| match piece {
                    TextPiece::Literal(text) | TextPiece::Variable(text) => text,
                });
                Token::Words(literal.collect::<String>().split_whitespace().map(str::to_owned).collect())
            }
            (_, token) => token,
        };
        Ok(Some((line, token)))
    }

    fn text(&mut self, quote: char, close: char, line: usize) -> Result<Token, ConfigFault> {
        self.quoted(quote, close, close, line)
    }

    /// What stands up to the closing character; brackets nest.
    fn quoted(&mut self, quote: char, open: char, close: char, line: usize) -> Result<Token, ConfigFault> {
        let (mut pieces, mut literal, mut depth) = (Vec::new(), String::new(), 0_usize);
        loop {
            let Some(c) = self.take_char() else {
                return Err(ConfigFault {
                    line,
                    text: format!("the text that begins here has no closing {close}"),
                });
            };
            match c {
                '\\' => self.escape(quote, open, close, &mut literal)?,
                _ if c == close && depth == 0 => break,
                _ if c == close => {
                    depth -= 1;
                    literal.push(c);
                }
                _ if c == open => {
                    depth += 1;
                    literal.push(c);
                }
                '$' | '@' if quote == '"' && self.rest.starts_with(|c| is_word_start(c) || c == '{') => {
                    let name = if c == '$' { self.variable() } else { None };
                    let Some(name) = name else { return Err(self.interpolates(c)) };
                    pieces.push(TextPiece::Literal(std::mem::take(&mut literal)));
                    pieces.push(TextPiece::Variable(name));
                }
                _ => literal.push(c),
            }
        }
        pieces.push(TextPiece::Literal(literal));
        Ok(Token::Text(pieces))
    }

    /// What stands behind a backslash.
    fn escape(
        &mut self,
        quote: char,
        open: char,
        close: char,
        literal: &mut String,
    ) -> Result<(), ConfigFault> {
        let Some(c) = self.take_char() else { return Ok(()) };
        let meant = match c {
            _ if c == '\\' || c == open || c == close => c,
            _ if quote == '\'' => {
                literal.push('\\');
                c
            }
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            _ if c.is_ascii_alphanumeric() => {
                let text =
                    format!("\\{c} stands in a text, which only Perl could read; write the character itself");
                return Err(ConfigFault { line: self.line, text });
            }
            _ => c,
        };
        literal.push(meant);
        Ok(())
    }

    /// The name of a plain variable within a text; nothing of one with brackets behind it.
    fn variable(&mut self) -> Option<String> {
        let braced = self.rest.starts_with('{');
        if braced {
            self.take(1);
        }
        let name = self.word();
        let plain = if braced {
            self.rest.starts_with('}')
        } else {
            !self.rest.starts_with(['[', '{']) && !self.rest.starts_with("->")
        };
        if braced && plain {
            self.take(1);
        }
        (plain && !name.is_empty()).then_some(name)
    }

    fn interpolates(&self, sigil: char) -> ConfigFault {
        let text = format!(
            "{sigil} stands in a text in double quotes, where only Perl could put something in its place; write \
             the value itself, or use single quotes if {sigil} is meant"
        );
        ConfigFault { line: self.line, text }
    }

    fn number(&mut self) -> Result<Token, ConfigFault> {
        let len = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let mut text = self.rest[..len].replace('_', "");
        self.take(len);
        let wrong = |line, text: &str| {
            Err(ConfigFault { line, text: format!("{text} is no number; write it in decimal digits") })
        };
        // A point belongs to the number where a digit follows; otherwise it joins texts.
        let decimals = self
            .rest
            .strip_prefix('.')
            .map_or(0, |rest| rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        if decimals > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.push_str(&self.rest[..=decimals]);
            self.take(decimals + 1);
            return Ok(Token::Number(text));
        }
        let radix = match text.as_bytes() {
            [b'0', b'x' | b'X', ..] => Some((16, &text[2..])),
            [b'0', b'b' | b'B', ..] => Some((2, &text[2..])),
            [b'0', _, ..] => Some((8, &text[1..])),
            _ => None,
        };
        match radix {
            Some((radix, digits)) => match u64::from_str_radix(digits, radix) {
                Ok(number) => Ok(Token::Number(number.to_string())),
                Err(_) => wrong(self.line, &text),
            },
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Token::Number(text)),
            None => wrong(self.line, &text),
        }
    }

    /// A name, with the packages before it.
    fn word(&mut self) -> String {
        let mut len = 0;
        loop {
            let rest = &self.rest[len..];
            if rest.starts_with(is_word) {
                len += 1;
            } else if rest.starts_with("::") {
                len += 2;
            } else {
                break;
            }
        }
        let word = self.rest[..len].to_owned();
        self.take(len);
        word
    }

    /// Blanks, comments, and documentation in between (`=pod` to `=cut`).
    fn skip_blanks(&mut self) {
        loop {
            let is_pod = self.at_line_start
                && self
                    .rest
                    .strip_prefix('=')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
            match self.rest.chars().next() {
                Some('#') => self.take(self.rest.find('\n').unwrap_or(self.rest.len())),
                Some('=') if is_pod => self.skip_pod(),
                Some(c) if c.is_whitespace() || c == '\u{feff}' => self.take(c.len_utf8()),
                _ => return,
            }
        }
    }

    fn skip_pod(&mut self) {
        let end = self.rest.find("\n=cut").map_or(self.rest.len(), |at| at + 1);
        self.take(end);
        self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
    }

    fn take_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.take(c.len_utf8());
        Some(c)
    }

    fn take(&mut self, len: usize) {
        let (taken, rest) = self.rest.split_at(len);
        self.line += taken.matches('\n').count();
        if let Some(last) = taken.chars().last() {
            self.at_line_start = last == '\n';
        }
        self.rest = rest;
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Token]) {
        let mut tokens = Lexer::new(text);
        let mut found = Vec::new();
        while let Some((_, token)) = tokens.next().unwrap() {
            found.push(token);
        }
        assert_eq!(found, expected, "{text}");
    }

    fn text(text: &str) -> Token {
        Token::Text(vec![TextPiece::Literal(text.to_owned())])
    }

    fn number(text: &str) -> Token {
        Token::Number(text.to_owned())
    }

    #[test]
    fn single_quotes_keep_all_but_two_characters() {
        check(r"'a\'b\\c\nd'", &[text(r"a'b\c\nd")]);
        check("q(a(b)c) q{x} q/y/ q|#|", &[text("a(b)c"), text("x"), text("y"), text("#")]);
    }

    #[test]
    fn double_quotes_have_escapes_and_variables() {
        check(r#""a\n\"\$b\@c""#, &[text("a\n\"$b@c")]);
        let pieces = |name: &str, end: &str| {
            Token::Text(vec![
                TextPiece::Literal(String::new()),
                TextPiece::Variable(name.to_owned()),
                TextPiece::Literal(end.to_owned()),
            ])
        };
        check(r#""$dir/x" "${dir}x""#, &[pieces("dir", "/x"), pieces("dir", "x")]);
        check(r#""5 $ and 3%""#, &[text("5 $ and 3%")]);
    }

    #[test]
    fn numbers_come_as_perl_prints_them() {
        check("0 300 1_000 0.01 0x10 010 0b11", &["0", "300", "1000", "0.01", "16", "8", "3"].map(number));
        check("1.'x'", &[number("1"), Token::Mark('.'), text("x")]);
    }

    #[test]
    fn comments_and_documentation_are_passed_over() {
        check("# '\n1 # \"\n=pod\n\nwhat's this\n\n=cut\n2\n__END__\n'", &[number("1"), number("2")]);
    }

    #[test]
    fn words_may_be_quoted_in_a_row() {
        let words = Token::Words(vec!["a:1".to_owned(), "b:2".to_owned()]);
        check("qw(a:1\n b:2 )", &[words]);
        check("q => 1", &[Token::Word("q".to_owned()), Token::Arrow, number("1")]);
    }

    #[test]
    fn a_fault_names_its_line() {
        for (text, line, expected) in [
            ("\n'a\nb", 2, "has no closing '"),
            ("\n\n\"$a{b}\"", 3, "$ stands in a text in double quotes"),
            ("\"a@b\"", 1, "@ stands in a text in double quotes"),
            ("1x", 1, "1x is no number"),
            ("\"\\x41\"", 1, "\\x stands in a text"),
        ] {
            let mut tokens = Lexer::new(text);
            let fault = loop {
                match tokens.next() {
                    Ok(token) => assert!(token.is_some(), "{text}"),
                    Err(fault) => break fault,
                }
            };
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.text.contains(expected), "{text}: {}", fault.text);
        }
    }
}
