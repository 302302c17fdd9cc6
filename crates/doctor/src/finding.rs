//! What a doctor says: findings, each a sentence with its level and what to paste; as text or as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// To be known; nothing is wrong.
    Note,
    /// It works, but worse than it could.
    Warning,
    /// It stops the crowd, or a transport.
    Problem,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Its name for programs, which stays the same between versions.
    pub(crate) name: &'static str,
    pub(crate) level: Level,
    /// A sentence without its full stop, with the numbers.
    pub(crate) text: String,
    /// How many connections it allows, where it is a limit of them.
    pub(crate) connections: Option<u64>,
    /// What would be better; only where something is to be done.
    pub(crate) remedies: Vec<Remedy>,
}

/// Lines to paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remedy {
    /// Where they belong, such as `as root`.
    pub(crate) place: &'static str,
    pub(crate) lines: Vec<String>,
}

impl Finding {
    pub(crate) fn new(name: &'static str, level: Level, text: impl Into<String>) -> Self {
        Self { name, level, text: text.into(), connections: None, remedies: Vec::new() }
    }

    /// Adds lines to paste.
    pub(crate) fn remedy<L: Into<String>>(
        mut self,
        place: &'static str,
        lines: impl IntoIterator<Item = L>,
    ) -> Self {
        self.remedies.push(Remedy { place, lines: lines.into_iter().map(Into::into).collect() });
        self
    }
}

/// All that was found.
#[derive(Debug)]
pub(crate) struct Diagnosis {
    /// What was looked at: the first line.
    pub(crate) about: String,
    pub(crate) findings: Vec<Finding>,
    /// The last line.
    pub(crate) outcome: String,
    /// What else a program wants to know, beside the findings.
    pub(crate) more: Value,
}

impl Diagnosis {
    /// The worst of its levels.
    pub(crate) fn level(&self) -> Level {
        self.findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.about);
        for finding in &self.findings {
            // A string takes everything.
            let _ = writeln!(text, "{:<9}{}", finding.level.word(), finding.text);
            for remedy in &finding.remedies {
                let _ = writeln!(text, "{:9}  {}:", "", remedy.place);
                for line in &remedy.lines {
                    let _ = writeln!(text, "{:9}    {line}", "");
                }
            }
        }
        let _ = writeln!(text, "\n{}", self.outcome);
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let findings: Vec<Value> = self.findings.iter().map(object).collect();
        let mut report = self.more.clone();
        report["level"] = json!(self.level().word());
        report["outcome"] = json!(self.outcome);
        report["findings"] = json!(findings);
        format!("{report:#}\n")
    }
}

fn object(finding: &Finding) -> Value {
    let mut object = json!({ "name": finding.name, "level": finding.level.word(), "text": finding.text });
    if let Some(connections) = finding.connections {
        object["connections"] = json!(connections);
    }
    if !finding.remedies.is_empty() {
        let remedies = finding.remedies.iter();
        let remedies = remedies.map(|remedy| json!({ "place": remedy.place, "lines": remedy.lines }));
        object["remedies"] = remedies.collect();
    }
    object
}

/// In whole milliseconds, at least one.
pub(crate) fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn report() -> Diagnosis {
        let bad = Finding::new("a", Level::Problem, "it is bad").remedy("as root", ["one", "two"]);
        let mut good = Finding::new("b", Level::Ok, "it is good");
        good.connections = Some(7);
        Diagnosis {
            about: "This".to_owned(),
            findings: vec![bad, good],
            outcome: "That".to_owned(),
            more: json!({ "url": "x" }),
        }
    }

    #[test]
    fn people_get_lines_to_paste() {
        let expected = expect![[r#"
            This

            problem  it is bad
                       as root:
                         one
                         two
            ok       it is good

            That
        "#]];
        expected.assert_eq(&report().text());
    }

    #[test]
    fn programs_get_an_object() {
        let object: Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!((&object["level"], &object["url"]), (&json!("problem"), &json!("x")));
        assert_eq!(object["findings"][0]["remedies"][0]["lines"], json!(["one", "two"]));
        assert_eq!(
            object["findings"][1],
            json!({ "name": "b", "level": "ok", "text": "it is good", "connections": 7 })
        );
    }
}
