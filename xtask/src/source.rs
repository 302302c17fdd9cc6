//! A quick look at Rust source: what is code, how long its functions are, where its tests begin.
//!
//! No parser: it knows comments, strings and braces, which is enough to count lines.

/// A function and the lines it takes, its signature included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Of its `fn`, from 1.
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

/// The text with comments and the contents of strings blanked out, line for line as long as before.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = foreign_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn foreign_end(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied().unwrap_or('\0');
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    match (chars[at], next(1)) {
        ('/', '/') => chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |n| at + n),
        ('/', '*') => block_comment_end(chars, at),
        ('"', _) => string_end(chars, at + 1),
        ('\'', '\\') => string_end_at(chars, at + 3, '\''),
        ('\'', _) if next(2) == '\'' => at + 3,
        ('r', '"' | '#') if !in_word || chars[at - 1] == 'b' => raw_string_end(chars, at),
        _ => at,
    }
}

fn block_comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut n) = (0, at);
    while n + 1 < chars.len() {
        match (chars[n], chars[n + 1]) {
            ('/', '*') => (depth, n) = (depth + 1, n + 2),
            ('*', '/') => (depth, n) = (depth - 1, n + 2),
            _ => n += 1,
        }
        if depth == 0 {
            return n;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn string_end_at(chars: &[char], from: usize, mark: char) -> usize {
    chars.iter().skip(from).position(|c| *c == mark).map_or(chars.len(), |n| from + n + 1)
}

/// `r"…"`, `r#"…"#`; a raw name such as `r#type` is code.
fn raw_string_end(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return at;
    }
    let mut n = open + 1;
    while n < chars.len() {
        if chars[n] == '"' && chars[n + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return n + 1 + hashes;
        }
        n += 1;
    }
    chars.len()
}

/// The line, from 1, at which the test module that ends the file begins.
pub(crate) fn tests_begin(code: &str) -> Option<usize> {
    let lines: Vec<&str> = code.lines().collect();
    let at = lines.iter().rposition(|line| *line == "#[cfg(test)]")?;
    let module = lines[at + 1..].iter().position(|line| line.starts_with("mod ") && line.ends_with('{'))?;
    let attributes_only = lines[at + 1..at + 1 + module].iter().all(|line| line.starts_with("#["));
    let ends_file = lines[at..].iter().filter(|line| line.starts_with('}')).count() == 1
        && lines.iter().rev().find(|line| !line.trim().is_empty()).is_some_and(|line| *line == "}");
    (attributes_only && ends_file).then_some(at + 1)
}

/// All functions that have a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    let chars: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    for (at, c) in chars.iter().enumerate() {
        if *c == '\n' {
            line += 1;
        }
        let Some(name) = function_name(&chars, at) else { continue };
        if let Some(end) = body_end(&chars, at) {
            let lines = chars[at..end].iter().filter(|c| **c == '\n').count() + 1;
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The name after a `fn` at `at`.
fn function_name(chars: &[char], at: usize) -> Option<String> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let starts = chars[at..].starts_with(&['f', 'n', ' ']) && !(at > 0 && is_word(&chars[at - 1]));
    let name: String = chars[at..].iter().skip(3).take_while(|c| is_word(c)).collect();
    (starts && !name.is_empty()).then_some(name)
}

/// The place behind the closing brace of the function at `at`; `None` if it has no body.
fn body_end(chars: &[char], at: usize) -> Option<usize> {
    let (mut round, mut curly) = (0_i32, 0_i32);
    for (n, c) in chars.iter().enumerate().skip(at) {
        match c {
            '(' | '[' => round += 1,
            ')' | ']' => round -= 1,
            '{' => curly += 1,
            '}' => curly -= 1,
            ';' if round == 0 && curly == 0 => return None,
            _ => {}
        }
        if *c == '}' && curly == 0 && round == 0 {
            return Some(n + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"{ // \\\" \", x)", "f(          , x)"),
            ("r#\"a \" b\"# + br\"{\"", "           + b    "),
            ("let c = '{'; 'a: loop", "let c =    ; 'a: loop"),
            ("'\\'' '\\u{7f}' x", "              x"),
            ("r#type", "r#type"),
        ] {
            assert_eq!(code_only(text), code, "{text}");
        }
    }

    #[test]
    fn functions_are_measured() {
        let text = "fn a() {}\n\
                    trait T { fn none(&self) -> [u8; 2]; }\n\
                    pub(crate) fn b(\n    x: fn(u8) -> u8,\n) -> [u8; 2] {\n    if x { y } else { \"}\" }\n}\n\
                    fn c() { fn d() {\n} }\n";
        let found = functions(&code_only(text));
        let found: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.line, f.lines)).collect();
        assert_eq!(found, [("a", 1, 1), ("b", 3, 5), ("c", 8, 2), ("d", 8, 1 + 1)]);
    }

    #[test]
    fn the_trailing_test_module_is_found() {
        assert_eq!(tests_begin("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n"), Some(3));
        assert_eq!(tests_begin("#[cfg(test)]\nmod tests;\nfn a() {}\n"), None);
        assert_eq!(tests_begin("#[cfg(test)]\nmod tests {\n}\nfn a() {\n}\n"), None);
        assert_eq!(tests_begin("fn a() {}\n"), None);
    }
}
