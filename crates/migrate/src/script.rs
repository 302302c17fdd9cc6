//! What an old configuration file says: values given to `%CONFIG`, without any Perl to run it.
//!
//! It knows assignments of texts, numbers and lists, and the few functions by which such files find their own
//! folder. Whatever else stands there is an error that names the line and what would be right; reading goes on
//! behind it, so that all errors are told at once.

mod expression;

use std::collections::BTreeMap;

use settings::{Errors, Source};

use crate::limits::VALUE_LEN_MAX;
use crate::token::{ConfigFault, Lexer, Token};

/// What files say, by key; a later one beats an earlier one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct OldConfig(pub(crate) BTreeMap<String, (OldValue, Source)>);

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OldValue {
    Undefined,
    Text(String),
    List(Vec<String>),
}

impl OldConfig {
    /// Takes in what a file says.
    pub(crate) fn read(&mut self, name: &str, text: &str) -> Result<(), Errors> {
        let faults = if ["%CONFIG", "$CONFIG", "::CONFIG"].iter().any(|mark| text.contains(mark)) {
            Parser::read(name, text, self)
        } else {
            self.read_plain(name, text)
        };
        let told = |fault: ConfigFault| format!("{name}:{}: {}", fault.line, fault.text);
        if faults.is_empty() { Ok(()) } else { Err(faults.into_iter().map(told).collect()) }
    }

    fn say(&mut self, name: &str, line: usize, key: String, value: OldValue) {
        self.0.insert(key, (value, Source::File(name.to_owned(), line)));
    }

    /// The plain form, which never mentions `%CONFIG`: lines `KEY = "value"`.
    fn read_plain(&mut self, name: &str, text: &str) -> Vec<ConfigFault> {
        let mut faults = Vec::new();
        for (number, line) in text.lines().enumerate() {
            match plain(line) {
                Some(None) => {}
                Some(Some((key, value))) => {
                    self.say(name, number + 1, key.to_owned(), OldValue::Text(value.to_owned()));
                }
                None => {
                    let text = "this is no line of a configuration of Dklab_Realplexor; such a line is \
                                $CONFIG{KEY} = 'value'; or KEY = \"value\"";
                    faults.push(ConfigFault { line: number + 1, text: text.to_owned() });
                }
            }
        }
        faults
    }
}

/// A line of the plain form; within it nothing where it is blank or a comment.
fn plain(line: &str) -> Option<Option<(&str, &str)>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Some(None);
    }
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let value = match value.strip_prefix('"') {
        Some(quoted) => {
            let (value, rest) = quoted.split_once('"')?;
            let rest = rest.trim().trim_start_matches(';').trim_start();
            (rest.is_empty() || rest.starts_with('#')).then_some(value)?
        }
        None => value.split('#').next().unwrap_or_default().trim(),
    };
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_key.then_some(Some((key, value)))
}

struct Parser<'a> {
    name: &'a str,
    tokens: Lexer<'a>,
    /// The token that comes next, once it was looked at.
    peeked: Option<Option<(usize, Token)>>,
    /// Where the last token stood.
    line: usize,
    /// Brackets that are open.
    brackets: usize,
    /// Expressions within expressions.
    depth: usize,
    /// A token could not be read, so that nobody knows where the next one begins.
    broken: bool,
    variables: BTreeMap<String, OldValue>,
    said: &'a mut OldConfig,
}

type Parsed<T> = Result<T, ConfigFault>;

impl<'a> Parser<'a> {
    /// Reads to the end, whatever is wrong on the way.
    fn read(name: &'a str, text: &'a str, said: &'a mut OldConfig) -> Vec<ConfigFault> {
        let tokens = Lexer::new(text);
        let (line, brackets, depth, variables) = (1, 0, 0, BTreeMap::new());
        let mut reader =
            Parser { name, tokens, peeked: None, line, brackets, depth, broken: false, variables, said };
        let mut faults = Vec::new();
        loop {
            match reader.statement() {
                Ok(true) => {}
                Ok(false) => return faults,
                Err(fault) => {
                    faults.push(fault);
                    if !reader.broken {
                        faults.extend(reader.skip().err());
                    }
                }
            }
            if reader.broken {
                return faults;
            }
        }
    }

    /// One statement; false at the end of all.
    fn statement(&mut self) -> Parsed<bool> {
        let Some(token) = self.advance()? else { return Ok(false) };
        match token {
            Token::Mark(';') => return Ok(true),
            Token::Word(word) => match &*word {
                "return" => return Ok(false),
                "use" | "no" | "require" => self.module()?,
                "our" | "my" | "local" => self.declaration()?,
                "push" => self.push()?,
                "package" => {
                    let package = self.advance()?;
                    if package != Some(Token::Word("main".to_owned())) {
                        return Err(self.fault("a package of its own hides %CONFIG; delete this line"));
                    }
                }
                _ => return Err(self.needs_perl(&word)),
            },
            Token::Hash(name) if is_config(&name) => self.all()?,
            Token::Scalar(name) if is_config(&name) => self.one()?,
            Token::Scalar(name) => self.variable(name)?,
            // What a file of Perl ends with: 1;
            Token::Number(_) | Token::Text(_) => {}
            _ => {
                return Err(
                    self.fault("this is no statement of a configuration; write $CONFIG{KEY} = value;")
                );
            }
        }
        match self.advance()? {
            None | Some(Token::Mark(';')) => Ok(true),
            Some(token) => Err(self.fault(&format!(
                "{} stands where the statement should end; put ; in front of it, or write the value alone",
                described(&token)
            ))),
        }
    }

    /// Behind `use`: modules that such files need to say what they say.
    fn module(&mut self) -> Parsed<()> {
        let known = match self.advance()? {
            Some(Token::Word(module)) => MODULES.contains(&&*module),
            Some(Token::Number(_)) => true,
            _ => false,
        };
        if !known {
            return Err(
                self.fault("this module needs Perl to run; delete the line, and write values themselves")
            );
        }
        while !matches!(self.peek()?, None | Some(Token::Mark(';'))) {
            self.advance()?;
        }
        Ok(())
    }

    /// Behind `our` or `my`: the hash, or a variable.
    fn declaration(&mut self) -> Parsed<()> {
        match self.advance()? {
            Some(Token::Hash(name)) if is_config(&name) => match self.peek()? {
                None | Some(Token::Mark(';')) => Ok(()),
                _ => self.all(),
            },
            Some(Token::Scalar(name)) if !is_config(&name) => match self.peek()? {
                None | Some(Token::Mark(';')) => Ok(()),
                _ => self.variable(name),
            },
            _ => {
                Err(self
                    .fault("only %CONFIG and plain variables are known here; write the values themselves"))
            }
        }
    }

    /// Behind `$name`: a value for later use.
    fn variable(&mut self, name: String) -> Parsed<()> {
        self.expect('=', "= and a value must follow the variable")?;
        let value = self.expression()?;
        self.variables.insert(name, value);
        Ok(())
    }

    /// Behind `%CONFIG`: keys with values, in one list.
    fn all(&mut self) -> Parsed<()> {
        self.expect('=', "= must follow %CONFIG")?;
        self.expect('(', "a list in ( ) must follow %CONFIG =")?;
        loop {
            let key = match self.advance()? {
                Some(Token::Mark(')')) => return Ok(()),
                Some(Token::Mark(',')) => continue,
                Some(Token::Hash(name)) if is_config(&name) => continue,
                Some(Token::Word(key) | Token::Number(key)) => key,
                Some(Token::Text(pieces)) => self.put_together(pieces)?,
                None => return Err(self.fault("the list of %CONFIG has no closing )")),
                Some(_) => return Err(self.fault("a key must stand here, as in KEY => 'value'")),
            };
            let line = self.line;
            match self.advance()? {
                Some(Token::Arrow | Token::Mark(',')) => {}
                _ => return Err(self.fault("=> and a value must follow the key")),
            }
            let value = self.expression()?;
            self.said.say(self.name, line, key, value);
            if !matches!(self.peek()?, Some(Token::Mark(',' | ')') | Token::Arrow)) {
                self.advance()?;
                return Err(
                    self.fault("the value is not over where , or ) should stand; write the value alone")
                );
            }
        }
    }

    /// Behind `$CONFIG`: one key and its value.
    fn one(&mut self) -> Parsed<()> {
        let line = self.line;
        let key = self.key()?;
        let joins = self.peek()? == Some(&Token::Mark('.'));
        if joins {
            self.advance()?;
        }
        self.expect('=', "= and a value must follow $CONFIG{KEY}")?;
        let mut value = self.expression()?;
        if joins {
            let before = self.said.0.get(&key).map(|(value, _)| value.clone());
            value = OldValue::Text(
                self.joined(&before.unwrap_or_else(|| OldValue::Text(String::new())), &value)?,
            );
        }
        self.said.say(self.name, line, key, value);
        Ok(())
    }

    /// `{KEY}`, with or without quotes.
    fn key(&mut self) -> Parsed<String> {
        self.expect('{', "{KEY} must follow $CONFIG")?;
        let key = match self.advance()? {
            Some(Token::Word(key)) => key,
            Some(Token::Text(pieces)) => self.put_together(pieces)?,
            _ => return Err(self.fault("the name of a key must stand in { }")),
        };
        self.expect('}', "} must follow the name of the key")?;
        Ok(key)
    }

    /// Behind `push`: `@{$CONFIG{KEY}}, value…`.
    fn push(&mut self) -> Parsed<()> {
        const FORM: &str = "only push @{$CONFIG{KEY}}, 'value'; is known; write the whole list as one";
        let bracket = self.peek()? == Some(&Token::Mark('('));
        if bracket {
            self.advance()?;
        }
        self.expect('@', FORM)?;
        self.expect('{', FORM)?;
        let line = self.line;
        match self.advance()? {
            Some(Token::Scalar(name)) if is_config(&name) => {}
            _ => return Err(self.fault(FORM)),
        }
        let key = self.key()?;
        self.expect('}', FORM)?;
        let mut list = match self.said.0.get(&key) {
            Some((OldValue::List(list), _)) => list.clone(),
            Some((OldValue::Text(text), _)) => vec![text.clone()],
            _ => Vec::new(),
        };
        while self.peek()? == Some(&Token::Mark(',')) {
            self.advance()?;
            self.item(&mut list)?;
        }
        if bracket {
            self.expect(')', FORM)?;
        }
        self.said.say(self.name, line, key, OldValue::List(list));
        Ok(())
    }

    /// Passes over the rest of a statement that is wrong.
    fn skip(&mut self) -> Parsed<()> {
        self.depth = 0;
        loop {
            match self.advance()? {
                None => return Ok(()),
                Some(Token::Mark(';')) if self.brackets == 0 => return Ok(()),
                // The end of a block, where another statement follows.
                Some(Token::Mark('}')) if self.brackets == 0 => {
                    if let Some(Token::Scalar(_) | Token::Hash(_) | Token::Word(_)) = self.peek()? {
                        return Ok(());
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn peek(&mut self) -> Parsed<Option<&Token>> {
        if self.peeked.is_none() {
            self.peeked = Some(self.token()?);
        }
        Ok(self.peeked.as_ref().and_then(|next| next.as_ref()).map(|(_, token)| token))
    }

    fn advance(&mut self) -> Parsed<Option<Token>> {
        let next = match self.peeked.take() {
            Some(next) => next,
            None => self.token()?,
        };
        let Some((line, token)) = next else { return Ok(None) };
        self.line = line;
        match token {
            Token::Mark('(' | '[' | '{') => self.brackets += 1,
            Token::Mark(')' | ']' | '}') => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        Ok(Some(token))
    }

    fn token(&mut self) -> Parsed<Option<(usize, Token)>> {
        let token = self.tokens.next();
        self.broken |= token.is_err();
        token
    }

    fn expect(&mut self, mark: char, otherwise: &str) -> Parsed<()> {
        if self.advance()? == Some(Token::Mark(mark)) { Ok(()) } else { Err(self.fault(otherwise)) }
    }

    fn needs_perl(&self, word: &str) -> ConfigFault {
        self.fault(&match word {
            "sub" => {
                "this is code that only Perl could run; delete it, and see in docs/realplexor.md what does \
                      such work now"
                    .to_owned()
            }
            "if" | "unless" | "for" | "foreach" | "while" | "do" | "eval" | "BEGIN" => {
                format!("{word} needs Perl to run; write the values that it comes to")
            }
            _ => format!("{word} needs Perl to run; write the value itself: 'text', 300 or ['a', 'b']"),
        })
    }

    fn too_long(&self) -> ConfigFault {
        self.fault(&format!("the value has more than {VALUE_LEN_MAX} bytes; is it the right file?"))
    }

    fn fault(&self, text: &str) -> ConfigFault {
        ConfigFault { line: self.line, text: text.to_owned() }
    }
}

fn is_config(name: &str) -> bool {
    matches!(name, "CONFIG" | "main::CONFIG" | "::CONFIG")
}

/// A token as somebody would write it.
fn described(token: &Token) -> String {
    match token {
        Token::Word(word) | Token::Number(word) => word.clone(),
        Token::Scalar(name) => format!("${name}"),
        Token::Hash(name) => format!("%{name}"),
        Token::Text(_) | Token::Words(_) => "a text".to_owned(),
        Token::Arrow => "=>".to_owned(),
        Token::Mark(mark) => mark.to_string(),
    }
}

/// What such files use, and what changes no value.
const MODULES: &[&str] = &["Cwd", "File::Basename", "strict", "utf8", "vars", "warnings"];

#[cfg(test)]
mod tests;
