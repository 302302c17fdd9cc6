//! The settings file: TOML, from which the same table reads its values.
//!
//! It is read to its end whatever is wrong on the way, and all of that is told at once, each error
//! with the file, the line, what is allowed and the name that may have been meant.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::written::excerpt;
use super::{Errors, Origin, Setting, TABLE, Value};
use crate::limits::FILE_LEN_MAX;

/// What a settings file says. By default: nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    values: BTreeMap<&'static str, (Value, Origin)>,
}

impl File {
    /// Reads the file of this name.
    pub(crate) fn load(name: &str) -> Result<Self, Errors> {
        let text = text(name).map_err(|error| Errors::from_iter([format!("{name}: {error}")]))?;
        Self::read(name, &text)
    }

    /// Reads a file's text.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, Errors> {
        let (table, faults) = DeTable::parse_recoverable(text);
        let mut reader = Reader { name, text, file: Self::default(), errors: Vec::new() };
        for fault in faults {
            reader.fault(fault.message(), fault.span().map_or(text.len(), |span| span.start));
        }
        // What stands in a line that is no TOML is not worth a second error.
        let broken: Vec<usize> = reader.errors.iter().map(|(line, _)| *line).collect();
        reader.table(table.get_ref());
        let (first, rest) = reader.errors.split_at(broken.len());
        let rest = rest.iter().filter(|(line, _)| !broken.contains(line));
        let mut errors: Vec<_> = first.iter().chain(rest).collect();
        errors.sort();
        if errors.is_empty() {
            return Ok(reader.file);
        }
        Err(errors.into_iter().map(|(line, error)| format!("{name}:{line}: {error}")).collect())
    }

    /// What it says about a setting, and where.
    pub(crate) fn value(&self, name: &str) -> Option<(Value, Origin)> {
        self.values.get(name).cloned()
    }

    /// How many settings it has.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// The text of a file, if it is one.
fn text(name: &str) -> Result<String, String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; give the path of a settings file".to_owned(),
        _ => format!("the settings file cannot be read: {error}"),
    };
    let file = fs::File::open(name).map_err(told)?;
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(format!("the settings file has more than {FILE_LEN_MAX} bytes; is it the right one?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the settings file is not UTF-8 from byte {at} on; save it as UTF-8")
    })
}

/// Goes through a file and collects what it says and what is wrong.
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    file: File,
    /// Lines, and what is wrong in them.
    errors: Vec<(usize, String)>,
}

impl Reader<'_> {
    /// Something is no TOML. Mostly it is a value without its quotes, so what is allowed is told too.
    fn fault(&mut self, message: &str, at: usize) {
        let line = self.line(at);
        if self.errors.iter().any(|(other, _)| *other == line) {
            return;
        }
        let written = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = written.split_once('=').map_or(written, |(key, _)| key).trim();
        let error = match setting(key) {
            _ if message == "duplicate key" => {
                format!("{} is there already; keep one of them", excerpt(key))
            }
            Some(setting) => {
                format!("this is no TOML: {message}; for {key}, {}", setting.advice_toml())
            }
            None => format!("this is no TOML: {message}"),
        };
        self.errors.push((line, error));
    }

    /// The whole file.
    fn table(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match setting(key.get_ref()) {
                Some(setting) => self.setting(setting, value),
                None => self.unknown(key, value),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let line = self.line(value.span().start);
        match setting.read_toml(value.get_ref()) {
            Ok(value) => {
                let origin = Origin::File(self.name.to_owned(), line);
                self.file.values.insert(setting.name, (value, origin));
            }
            Err(error) => self.errors.push((line, error)),
        }
    }

    /// A key that is none of ours. A table is none at all, so its keys are told one by one.
    fn unknown(&mut self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        let name = key.get_ref().as_ref();
        let names = || TABLE.iter().map(|setting| setting.name);
        match value.get_ref() {
            DeValue::Table(table) if !table.is_empty() => {
                for inner in table.keys() {
                    let full = format!("{name}.{}", inner.get_ref());
                    let near = nearest(&full, names()).or_else(|| nearest(inner.get_ref(), names()));
                    self.no_setting(&full, near, inner.span());
                }
            }
            _ => self.no_setting(name, nearest(name, names()), key.span()),
        }
    }

    fn no_setting(&mut self, name: &str, near: Option<&str>, span: Range<usize>) {
        let near = near.and_then(setting);
        let right = near.map_or_else(
            || "`multiplexor config --default` prints all settings".to_owned(),
            |setting| format!("did you mean {}? There, {}", setting.name, setting.advice_toml()),
        );
        let line = self.line(span.start);
        self.errors.push((line, format!("there is no setting {}; {right}", excerpt(name))));
    }

    /// The line of a place in the text, counted from 1.
    fn line(&self, at: usize) -> usize {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

/// The line of the table of this name.
fn setting(name: &str) -> Option<&'static Setting> {
    TABLE.iter().find(|setting| setting.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_errors(text: &str, expected: &Expect) {
        expected.assert_eq(&File::read("x.toml", text).unwrap_err().to_string());
    }

    #[test]
    fn an_unknown_key_is_told_with_the_one_that_was_meant() {
        check_errors(
            "poll_timout = \"10s\"\nhistory.age = \"1h\"\n\nnonsense = 1\n[server]\ndrain = \"1s\"\nport = 80\n",
            &expect![[r#"
                x.toml:1: there is no setting poll_timout; did you mean poll_timeout? There, give a duration from 100ms to 1h, such as "25s"
                x.toml:2: there is no setting history.age; did you mean history_age? There, give a duration from 0s to 30d, such as "1h"
                x.toml:4: there is no setting nonsense; `multiplexor config --default` prints all settings
                x.toml:6: there is no setting server.drain; did you mean drain? There, give a duration from 0s to 10m, such as "2s"
                x.toml:7: there is no setting server.port; `multiplexor config --default` prints all settings"#]],
        );
    }

    #[test]
    fn a_wrong_type_is_told() {
        check_errors(
            "heartbeat = 25\nhistory_messages = \"100\"\nlog = [\"text\"]\nwait = [1]\nin_hosts = true\n\
             payload_limit = 1.5\nin = {}\nshards = \"3\"\ngrace = 1979-05-27\n",
            &expect![[r#"
                x.toml:1: heartbeat is the number 25; give a duration from 100ms to 1h, such as "25s"
                x.toml:2: history_messages is the text "100"; give a whole number from 0 to 100000, such as 100
                x.toml:3: log is a list; give "text" or "json"
                x.toml:4: wait is a list with the number 1; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088"
                x.toml:5: in_hosts is true; give a host name without a port, such as "push.example"
                x.toml:6: payload_limit is the number 1.5; give a size from 1 to 256MiB, such as "1MiB"
                x.toml:7: in is a table; give an IP address and a port, such as "127.0.0.1:10010" or "[::1]:8088"
                x.toml:8: shards is the text "3"; give a whole number from 1 to 1024, or "auto"
                x.toml:9: grace is the time 1979-05-27; give a duration from 0s to 1h, such as "30s""#]],
        );
    }

    #[test]
    fn a_value_out_of_range_is_told() {
        check_errors(
            "grace = \"2d\"\nshards = 0\nslow_reader = -1\nhistory_bytes = \"1MB\"\nlog = \"xml\"\n\
             wait = \"8088\"\nin = []\nin_hosts = [\"a:1\"]\nhistory_messages = 0x7fffffff\n",
            &expect![[r#"
                x.toml:1: grace is "2d"; give a duration from 0s to 1h, such as "30s"
                x.toml:2: shards is 0; give a whole number from 1 to 1024, or "auto"
                x.toml:3: slow_reader is -1; give a size from 1KiB to 1GiB, such as "1MiB"
                x.toml:4: history_bytes is "1MB"; give a size from 0 to 64GiB, such as "1MiB"
                x.toml:5: log is "xml"; give "text" or "json"
                x.toml:6: wait is "8088"; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088"
                x.toml:7: in is an empty list; give an IP address and a port, such as "127.0.0.1:10010" or "[::1]:8088"
                x.toml:8: in_hosts is "a:1"; give a host name without a port, such as "push.example"
                x.toml:9: history_messages is 2147483647; give a whole number from 0 to 100000, such as 100"#]],
        );
    }

    #[test]
    fn what_is_no_toml_is_told_with_what_would_be() {
        check_errors(
            "poll_timeout = 25s\nlog = \"text\"\nlog = \"json\"\ngrace 3s\ndrain = \"1s\nheartbeat = \"1d\"\n",
            &expect![[r#"
                x.toml:1: this is no TOML: string values must be quoted, expected literal string; for poll_timeout, give a duration from 100ms to 1h, such as "25s"
                x.toml:3: log is there already; keep one of them
                x.toml:4: this is no TOML: key with no value, expected `=`"#]],
        );
    }

    #[test]
    fn values_have_several_forms() {
        let file = "wait = \"10.0.0.1:1\"\nhistory_bytes = 0x10\npayload_limit = \"1_0\"";
        assert!(File::read("x", file).is_err());
        let file = File::read("x", "wait = \"10.0.0.1:1\"\nhistory_bytes = 0x1_0\n").unwrap();
        assert_eq!(file.value("wait").unwrap().1, Origin::File("x".to_owned(), 1));
        assert_eq!(file.value("history_bytes").unwrap().0, Value::Number(16));
    }

    #[test]
    fn many_errors_are_counted() {
        let many: String = (0..30).map(|n| format!("nonsense{n} = 1\n")).collect();
        let told = File::read("x", &many).unwrap_err().to_string();
        assert!(told.ends_with("and 10 more errors"), "{told}");
    }
}
