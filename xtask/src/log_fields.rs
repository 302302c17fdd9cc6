//! Fields of log lines: programs read them, so each that a line has stands in the table of docs/operations.md, and none but those.

use std::collections::BTreeMap;

use crate::Finding;
use crate::files::Text;
use crate::source::{code_only, tests_begin};

/// Compares the sources of all crates with the page.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    let Some(page) = files.iter().find(|file| file.path.to_string_lossy() == PAGE) else { return };
    let told = told_in(&page.text);
    let mut used = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_source()) {
        for (line, field) in fields(&file.text) {
            used.entry(field).or_insert((&file.path, line));
        }
    }
    for (field, (path, line)) in used.iter().filter(|(field, _)| !told.contains(field)) {
        let what =
            format!("the log's field {field} is not in the table of {PAGE}; take a field that is, or add it");
        findings.push(Finding::new(path, *line, what));
    }
    for field in told.iter().filter(|field| !used.contains_key(*field) && !ALWAYS.contains(&field.as_str())) {
        let what = format!("no line of the log has the field {field}; take it out of the table of fields");
        findings.push(Finding::new(PAGE, 0, what));
    }
}

/// The fields in the first column of the table.
fn told_in(page: &str) -> Vec<String> {
    let table = page.lines().skip_while(|line| !line.starts_with(TABLE)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    let names = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split(','));
    names.map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

/// Each field that a macro of `tracing` names, tests aside, with its line.
fn fields(text: &str) -> Vec<(usize, String)> {
    let code = code_only(text);
    let tests = tests_begin(&code).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("!(") {
        let before = &code[..at];
        let line = before.lines().count();
        if line < tests && MACROS.iter().any(|name| is_last_word(before, name)) {
            let named = arguments(&code[at + 2..]).into_iter().filter_map(field_of);
            found.extend(named.map(|field| (line, field.to_owned())));
        }
    }
    found
}

fn is_last_word(text: &str, word: &str) -> bool {
    let before = text.strip_suffix(word);
    before.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// What stands between the commas up to the bracket that closes.
fn arguments(code: &str) -> Vec<&str> {
    let (mut depth, mut from, mut all) = (0, 0, Vec::new());
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ')' | ']' | '}' => {
                all.push(&code[from..at]);
                break;
            }
            ',' if depth == 0 => {
                all.push(&code[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    all
}

/// `name = …`, or the name of a variable alone, with its sigil.
fn field_of(argument: &str) -> Option<&str> {
    let name = argument.trim().trim_start_matches(['%', '?']);
    let name = name.split_once('=').map_or(name, |(name, _)| name).trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    is_name.then_some(name)
}

const PAGE: &str = "docs/operations.md";
const TABLE: &str = "| field |";
const MACROS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "event"];
/// Those that every line has.
const ALWAYS: [&str; 3] = ["timestamp", "level", "message"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name_and_by_variable() {
        let text = "fn f() {\n    warn!(%url, why = why(a, b), shard, ?error, \"text, {x}\", y.z());\n    format!(\"a\", b);\n}\n";
        let names: Vec<_> = fields(text).into_iter().collect();
        let named = |name: &str| (2, name.to_owned());
        assert_eq!(names, ["url", "why", "shard", "error"].map(named));
        assert_eq!(fields("#[cfg(test)]\nmod tests {\n    fn f() { info!(only_here) }\n}\n"), []);
    }

    #[test]
    fn the_table_and_the_lines_are_compared_both_ways() {
        let page = "# Log\n\n| field | what |\n| --- | --- |\n| `level` | a |\n| `url`, `gone` | b |\n\n| other | table |\n";
        let file = |path: &str, text: &str| Text { path: path.into(), text: text.to_owned() };
        let files = [file(PAGE, page), file("crates/x/src/a.rs", "fn f() { info!(url, more = 1) }\n")];
        let mut findings = Vec::new();
        check(&files, &mut findings);
        let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("field more is not") && told[1].contains("has the field gone"));
    }
}
