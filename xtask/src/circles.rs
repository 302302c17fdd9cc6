//! Files of a crate that need each other in a circle: none of them can be read, changed or tested without the others.
//!
//! A file needs another one where it names something of it, by `use` or by a path. What `use` lines hand on is looked
//! through: who names `crate::Settings` needs the file that defines it, not `lib.rs`. Not counted are
//!
//! - what a file names of the modules that it is a part of: `crate::a::b` may name `crate::a`, which is about the same
//!   thing, and the root of the crate;
//! - tests: files `tests.rs`, modules declared for tests only, and the test module at the end of a file;
//! - what stands behind no path: methods.
//!
//! Two files may need each other.

use std::collections::BTreeMap;

use crate::Finding;
use crate::files::Text;
use crate::paths::{Paths, read};

/// Checks the sources of all crates.
pub(crate) fn check(files: &[Text], findings: &mut Vec<Finding>) {
    let mut crates: BTreeMap<&str, Vec<(&str, &Text)>> = BTreeMap::new();
    for file in files {
        let Some((source, rest)) = file.path.to_str().and_then(|path| path.split_once("/src/")) else {
            continue;
        };
        if source.starts_with("crates/") && rest.ends_with(".rs") {
            crates.entry(source).or_default().push((rest, file));
        }
    }
    for files in crates.values() {
        let graph = Graph::new(files);
        for circle in graph.circles().iter().filter(|circle| circle.len() > LEN_MAX) {
            for at in circle {
                findings.push(Finding::new(&graph.modules[*at].file.path, 0, graph.told(circle, *at)));
            }
        }
    }
}

/// The files of a crate.
struct Graph<'a> {
    modules: Vec<Module<'a>>,
}

struct Module<'a> {
    /// Of the module that the file is; the root's is empty.
    path: Vec<&'a str>,
    file: &'a Text,
    paths: Paths,
}

impl<'a> Graph<'a> {
    fn new(files: &[(&'a str, &'a Text)]) -> Self {
        let mut modules: Vec<Module<'a>> = files
            .iter()
            .map(|(rest, file)| Module { path: module_path(rest), file, paths: read(&file.text) })
            .collect();
        let is_test = |module: &Module<'_>, all: &[Module<'_>]| {
            (1..=module.path.len()).any(|len| {
                let (parent, name) = (&module.path[..len - 1], module.path[len - 1]);
                name == "tests"
                    || all.iter().any(|one| {
                        one.path == parent && one.paths.test_modules.iter().any(|test| *test == name)
                    })
            })
        };
        let kept: Vec<bool> = modules.iter().map(|module| !is_test(module, &modules)).collect();
        let mut kept = kept.into_iter();
        modules.retain(|_| kept.next().unwrap_or_default());
        Self { modules }
    }

    /// The module of this path, if it is a file.
    fn find(&self, path: &[&str]) -> Option<usize> {
        self.modules.iter().position(|module| module.path == path)
    }

    /// The file that defines what `path` names in the module `at`; `None`: it is none of this crate.
    fn resolve(&self, at: usize, path: &[String], depth: usize) -> Option<usize> {
        let here = &self.modules[at].path;
        let mut rest = path.iter().map(String::as_str).peekable();
        let mut base: Vec<&str> = match *rest.peek()? {
            "crate" => {
                rest.next();
                Vec::new()
            }
            "self" => {
                rest.next();
                here.clone()
            }
            "super" => {
                let mut base = here.clone();
                while rest.next_if_eq(&"super").is_some() {
                    base.pop();
                }
                base
            }
            first => {
                self.find(&[here, &[first][..]].concat())?;
                here.clone()
            }
        };
        let mut found = self.find(&base)?;
        for part in rest {
            base.push(part);
            match self.find(&base) {
                Some(deeper) => found = deeper,
                None => return self.handed_on(found, part, depth).or(Some(found)),
            }
        }
        Some(found)
    }

    /// The file that defines a name which the module `at` has from elsewhere.
    fn handed_on(&self, at: usize, name: &str, depth: usize) -> Option<usize> {
        let (_, path) = self.modules[at].paths.uses.iter().find(|(known, _)| known == name)?;
        if depth == 0 { None } else { self.resolve(at, path, depth - 1) }
    }

    /// The files that each file needs.
    fn arrows(&self) -> Vec<Vec<usize>> {
        let needs = |at: usize| {
            let Module { path, paths, .. } = &self.modules[at];
            let named = paths.uses.iter().map(|(_, path)| path).chain(&paths.inline);
            let found = named.filter_map(|named| self.resolve(at, named, HANDS_MAX));
            let mut found: Vec<usize> =
                found.filter(|to| !path.starts_with(&self.modules[*to].path)).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        (0..self.modules.len()).map(needs).collect()
    }

    /// Those that need each other, by way of others or not; each file is in one of them.
    fn circles(&self) -> Vec<Vec<usize>> {
        let arrows = self.arrows();
        let reached: Vec<Vec<bool>> = (0..arrows.len())
            .map(|from| {
                let (mut reached, mut open) = (vec![false; arrows.len()], vec![from]);
                while let Some(at) = open.pop() {
                    for to in &arrows[at] {
                        if !std::mem::replace(&mut reached[*to], true) {
                            open.push(*to);
                        }
                    }
                }
                reached
            })
            .collect();
        let mut circles: Vec<Vec<usize>> = Vec::new();
        for (at, from_here) in reached.iter().enumerate() {
            match circles.iter_mut().find(|circle| from_here[circle[0]] && reached[circle[0]][at]) {
                Some(circle) => circle.push(at),
                None => circles.push(vec![at]),
            }
        }
        circles
    }

    fn told(&self, circle: &[usize], at: usize) -> String {
        let name = |at: &usize| self.modules[*at].path.join("::");
        let needed: Vec<String> =
            self.arrows()[at].iter().filter(|to| circle.contains(to)).map(name).collect();
        format!(
            "it needs {}, and they need it: a circle of {} files, where {LEN_MAX} are the most; let arrows point one way",
            needed.join(", "),
            circle.len()
        )
    }
}

/// `a.rs` and `a/mod.rs` are `a`, `a/b.rs` is `a::b`; the roots of a crate are the empty path.
fn module_path(rest: &str) -> Vec<&str> {
    let mut path: Vec<&str> = rest.trim_end_matches(".rs").split('/').collect();
    if path.last() == Some(&"mod") || matches!(path[..], ["lib" | "main"]) {
        path.pop();
    }
    path
}

/// Files that may need each other.
const LEN_MAX: usize = 2;
/// How often a name may be handed on.
const HANDS_MAX: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<String> {
        let texts: Vec<Text> = files
            .iter()
            .map(|(path, text)| Text {
                path: format!("crates/x/src/{path}").into(),
                text: (*text).to_owned(),
            })
            .collect();
        let files: Vec<(&str, &Text)> = files.iter().map(|(path, _)| *path).zip(&texts).collect();
        let graph = Graph::new(&files);
        let name = |at: &usize| graph.modules[*at].path.join("::");
        let circles = graph.circles().into_iter().filter(|circle| circle.len() > 1);
        circles.map(|circle| circle.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn files_that_need_each_other_are_a_circle() {
        let root = ("lib.rs", "mod a;\nmod b;\nmod c;\n");
        let (b, c) = (("b.rs", "fn g() { crate::c::h() }\n"), ("c.rs", "use super::a::f;\n"));
        assert_eq!(circles(&[root, ("a.rs", "use crate::b;\n"), b, c]), ["a b c"]);
        assert_eq!(circles(&[root, ("a.rs", "use crate::{b::*, c};\n"), b]), [""; 0]);
    }

    #[test]
    fn what_is_handed_on_is_looked_through() {
        let root = ("lib.rs", "mod a;\nmod b;\npub use a::A;\n");
        assert_eq!(circles(&[root, ("a.rs", "use crate::b::B;\n"), ("b.rs", "use crate::A;\n")]), ["a b"]);
        let a = ("a.rs", "mod c;\npub use c::A;\nuse crate::b::B;\n");
        assert_eq!(circles(&[root, a, ("a/c.rs", "\n"), ("b.rs", "use crate::a::A;\n")]), [""; 0]);
    }

    #[test]
    fn a_part_may_name_what_it_is_a_part_of_and_tests_name_anything() {
        let root = ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod trial;\nfn x() {}\n");
        let (child, tests) =
            (("a/c.rs", "use super::f;\nuse crate::x;\n"), ("a/tests.rs", "use crate::b;\n"));
        let a = ("a.rs", "mod c;\nuse c::g;\n\n#[cfg(test)]\nmod tests;\n");
        let b = ("b.rs", "use crate::a::f;\n\n#[cfg(test)]\nmod tests {\n    use crate::trial;\n}\n");
        assert_eq!(circles(&[root, a, child, tests, b, ("trial.rs", "use crate::b::x;\n")]), [""; 0]);
    }
}
