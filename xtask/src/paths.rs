//! The paths of a Rust source file: what its `use` lines name, and what its code names by a path.

use crate::source::{code_only, tests_begin};

/// What a file names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Paths {
    /// Of `use`: the name it has here, and the path it stands for; `*` is the name of all there is.
    pub(crate) uses: Vec<(String, Vec<String>)>,
    /// Of at least two parts, anywhere else.
    pub(crate) inline: Vec<Vec<String>>,
    /// Modules that are declared for tests only.
    pub(crate) test_modules: Vec<String>,
}

/// Reads the code of a file, without the tests at its end.
pub(crate) fn read(text: &str) -> Paths {
    let code = code_only(text);
    let end = tests_begin(&code).map_or(usize::MAX, |line| line - 1);
    let code: Vec<&str> = code.lines().take(end).collect();
    let mut paths = Paths::default();
    for pair in code.windows(2).filter(|pair| pair[0].trim() == "#[cfg(test)]") {
        let module = pair[1].split_once("mod ").and_then(|(_, name)| name.trim().strip_suffix(';'));
        paths.test_modules.extend(module.map(str::to_owned));
    }
    let tokens = tokens(&code.join("\n"));
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at += 1;
            read_tree(&tokens, &mut at, &[], &mut paths.uses);
        } else if is_word(&tokens[at]) && (at == 0 || tokens[at - 1] != "::") {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|mark| mark == "::")
                && tokens.get(at + 2).is_some_and(|next| is_word(next))
            {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            if path.len() > 1 {
                paths.inline.push(path);
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    paths
}

/// One tree of a `use`: a path, and behind it nothing, `as NAME`, `*`, or trees in braces.
fn read_tree(tokens: &[String], at: &mut usize, before: &[String], uses: &mut Vec<(String, Vec<String>)>) {
    let mut path = before.to_vec();
    let mut names_itself = false;
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match &**token {
            "::" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token != "}") {
                    read_tree(tokens, at, &path, uses);
                }
                *at += 1;
                return;
            }
            "as" => {
                let name = tokens.get(*at).cloned().unwrap_or_default();
                *at += 1;
                uses.push((name, path));
                // What ends the tree is next.
                *at += usize::from(tokens.get(*at).is_some_and(|end| end == "," || end == ";"));
                return;
            }
            "," | ";" => break,
            "}" => {
                *at -= 1;
                break;
            }
            "self" if !path.is_empty() => names_itself = true,
            word => path.push(word.to_owned()),
        }
    }
    let is_tree = names_itself || path.len() > before.len();
    if let Some(last) = path.last().cloned().filter(|_| is_tree) {
        uses.push((last, path));
    }
}

/// Words, `::`, and single marks.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = match first {
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            ':' if rest.starts_with("::") => 2,
            c => c.len_utf8(),
        };
        tokens.push(rest[..len].to_owned());
        rest = rest[len..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, uses: &[(&str, &str)], inline: &[&str]) {
        let paths = read(text);
        let found: Vec<(String, String)> =
            paths.uses.into_iter().map(|(name, path)| (name, path.join("::"))).collect();
        let found: Vec<(&str, &str)> = found.iter().map(|(name, path)| (&**name, &**path)).collect();
        assert_eq!(found, uses, "{text}");
        assert_eq!(paths.inline.iter().map(|path| path.join("::")).collect::<Vec<_>>(), inline, "{text}");
    }

    #[test]
    fn trees_of_use_are_read() {
        check("use crate::a;", &[("a", "crate::a")], &[]);
        check(
            "pub use a::{self, b::{C, D as E}, f::*};\nuse super::g;",
            &[("a", "a"), ("C", "a::b::C"), ("E", "a::b::D"), ("*", "a::f::*"), ("g", "super::g")],
            &[],
        );
        check("use {a, b::c,};", &[("a", "a"), ("c", "b::c")], &[]);
        check("use super::{super::a::B as _, c};", &[("_", "super::super::a::B"), ("c", "super::c")], &[]);
    }

    #[test]
    fn paths_in_code_are_found_but_none_in_tests() {
        check(
            "fn f(x: &a::B) -> c::D<e::F> { g(); crate::h::i::<J>(\"k::l\") } // m::n\n",
            &[],
            &["a::B", "c::D", "e::F", "crate::h::i"],
        );
        check("fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use a::b;\n}\n", &[], &[]);
        assert_eq!(read("#[cfg(test)]\nmod trial;\nmod b;\n").test_modules, ["trial"]);
    }
}
