//! What a `Cargo.toml` says, as far as the checks ask: sections and the keys in them.

/// A key of a section.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// As in `[dependencies]`, without the brackets.
    pub(crate) section: &'a str,
    /// The part before the first dot or equals sign.
    pub(crate) key: &'a str,
    /// What follows the equals sign.
    pub(crate) value: &'a str,
    /// From 1.
    pub(crate) line: usize,
}

/// All keys. A dependency written as a section of its own (`[dependencies.hub]`) counts as a key.
pub(crate) fn entries(text: &str) -> Vec<Entry<'_>> {
    let (mut section, mut found) = ("", Vec::new());
    for (n, line) in text.lines().enumerate() {
        let text = line.split(" #").next().unwrap_or_default().trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim_matches(['[', ']']);
            if let Some((kind, key)) =
                section.rsplit_once('.').filter(|(kind, _)| kind.ends_with("dependencies"))
            {
                found.push(Entry { section: kind, key, value: "", line: n + 1 });
            }
        } else if let Some((key, value)) = text.split_once('=').filter(|_| !text.starts_with('#')) {
            let key = key.trim().split('.').next().unwrap_or_default().trim_matches('"');
            found.push(Entry { section, key, value: value.trim(), line: n + 1 });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_their_sections() {
        let text = "[package]\nname = \"a\"\n\n[dependencies]\nhub.workspace = true # ours\n# wait = 1\n\
                    codec = { path = \"../codec\" }\n[dev-dependencies.testkit]\nworkspace = true\n";
        let found: Vec<_> =
            entries(text).iter().map(|e| format!("{} {} {}", e.section, e.key, e.line)).collect();
        assert_eq!(
            found,
            [
                "package name 2",
                "dependencies hub 5",
                "dependencies codec 7",
                "dev-dependencies testkit 8",
                "dev-dependencies.testkit workspace 9"
            ]
        );
    }
}
