//! The settings file: TOML, from which the same table reads its values.
//!
//! It is read to its end whatever is wrong on the way, and all of that is told at once, each error
//! with the file, the line, what is allowed and the name that may have been meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use super::reader::{CHANNEL, FileReader, WEBHOOK};
use super::webhook::WebhookEntry;
use super::{ChannelEntry, Errors, Setting, Source, TABLE, Value};
use crate::file_text::{read_up_to, why_unreadable};
use crate::limits::FILE_LEN_MAX;

/// What a settings file says. By default: nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct File {
    pub(crate) values: BTreeMap<&'static str, (Value, Source)>,
    /// Its entries `[[channel]]`, in order.
    pub channels: Vec<ChannelEntry>,
    /// Its entries `[[webhook]]`, in order.
    pub(crate) webhooks: Vec<WebhookEntry>,
    /// What is wrong in it.
    pub(crate) errors: Errors,
    /// The settings that it means to say something about, and does so in the wrong way.
    pub(crate) wrong: BTreeSet<&'static str>,
}

impl File {
    /// Reads the file of this name, to its end. What is wrong is told with the rest of the settings.
    pub fn load(name: &str) -> Self {
        match text(name) {
            Ok(text) => Self::read_whole(name, &text),
            Err(error) => {
                // What it would say of any of them is not known.
                let wrong = TABLE.iter().map(|setting| setting.name).chain([CHANNEL, WEBHOOK]).collect();
                let errors = Errors::from_iter([format!("{name}: {error}")]);
                Self { errors, wrong, ..Self::default() }
            }
        }
    }

    fn read_whole(name: &str, text: &str) -> Self {
        let (mut file, errors) = FileReader::read(name, text);
        file.errors = errors.into_iter().map(|(line, error)| format!("{name}:{line}: {error}")).collect();
        file
    }

    /// Reads a file's text in which nothing is wrong.
    pub fn read(name: &str, text: &str) -> Result<Self, Errors> {
        let file = Self::read_whole(name, text);
        if file.errors.is_empty() { Ok(file) } else { Err(file.errors) }
    }

    /// A file that says this, each with who said so.
    pub fn of(values: impl IntoIterator<Item = (&'static Setting, Value, Source)>) -> Self {
        let values = values.into_iter().map(|(setting, value, origin)| (setting.name, (value, origin)));
        Self { values: values.collect(), ..Self::default() }
    }

    /// What it says about a setting, and where.
    pub fn value(&self, name: &str) -> Option<(Value, Source)> {
        self.values.get(name).cloned()
    }

    /// How many settings it has.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks whether it is empty")]
    pub fn len(&self) -> usize {
        self.values.len()
    }
}

/// The text of a file, if it is one.
fn text(name: &str) -> Result<String, String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; give the path of a settings file".to_owned(),
        _ => format!("the settings file cannot be read: {}", why_unreadable(Path::new(name), &error)),
    };
    let file = fs::File::open(name).map_err(told)?;
    let bytes = read_up_to(file, FILE_LEN_MAX).map_err(told)?.ok_or_else(|| {
        format!("the settings file has more than {FILE_LEN_MAX} bytes; is it the right one?")
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the settings file is not UTF-8 from byte {at} on; save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classic, ListenerEntry};
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
                x.toml:4: wait is a list with the number 1; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:5: in_hosts is true; give a host name without a port, such as "push.example"
                x.toml:6: payload_limit is the number 1.5; give a size from 1 to 256MiB, such as "999000"
                x.toml:7: in is a table; write [[in]], with two brackets, for each one
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
                x.toml:6: wait is "8088"; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:7: in is an empty list; give an IP address and a port, such as "127.0.0.1:10010" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
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
    fn a_wrong_listener_is_told() {
        check_errors(
            "grace = \"1s\"\n[[wait]]\nadress = \"127.0.0.1:1\"\n[[wait]]\naddress = \"127.0.0.1\"\n\
             dialect = \"realplexor\"\n[[wait]]\naddress = \"127.0.0.1:2\"\ndialect = \"pusher\"\nport = 80\n\
             drain = \"1s\"\n[in]\naddress = \"127.0.0.1:3\"\n",
            &expect![[r#"
                x.toml:3: [[wait]] has no adress; did you mean address? There, give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:5: address is "127.0.0.1"; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:9: dialect is "pusher"; give "dklab", "realplexor" or "none"; or a list of native and one of the first two
                x.toml:10: [[wait]] has no port; it may have address, dialect, tls, tls_certificate, tls_key
                x.toml:11: [[wait]] has no drain; it is a setting of the whole server: write it above the first [[…]]
                x.toml:12: in is a table; write [[in]], with two brackets, for each one"#]],
        );
        check_errors(
            "wait = [{ dialect = 5 }, \"x\", 7]\nin = [[]]\n",
            &expect![[r#"
                x.toml:1: [[wait]] has no address; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:1: address is "x"; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:1: address is the number 7; give an IP address and a port, such as "0.0.0.0:8088" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock"
                x.toml:1: dialect is the number 5; give "dklab", "realplexor" or "none"; or a list of native and one of the first two
                x.toml:2: in is a list with a list; give an IP address and a port, such as "127.0.0.1:10010" or "[::1]:8088", or a UNIX socket by its absolute path of 107 bytes at the most, such as "unix:/run/multiplexor.sock""#]],
        );
    }

    #[test]
    fn listeners_have_a_dialect() {
        let none = |address: &str| ListenerEntry {
            dialect: Classic::None,
            ..ListenerEntry::new(address.parse().unwrap())
        };
        let plain = |address: &str| ListenerEntry::new(address.parse().unwrap());
        let table =
            "\n[[wait]]\naddress = \"1.1.1.1:1\"\n[[wait]]\naddress = \"1.1.1.1:2\"\ndialect = \"none\"\n";
        let mixed = "\nwait = [\"1.1.1.1:1\", { address = \"1.1.1.1:2\", dialect = \"none\" }]\n";
        for text in [table, mixed] {
            let (value, origin) = File::read("x", text).unwrap().value("wait").unwrap();
            assert_eq!(value, Value::Listeners(vec![plain("1.1.1.1:1"), none("1.1.1.1:2")]));
            assert_eq!(origin, Source::File("x".to_owned(), 2));
        }
    }

    #[test]
    fn a_list_of_dialects_has_one_classic_one_at_most() {
        for (said, dialect) in [
            ("\"dklab\"", Classic::Dklab),
            ("\"multiplexor\"", Classic::Dklab),
            ("[\"dklab\", \"multiplexor\"]", Classic::Dklab),
            ("[\"native\", \"realplexor\"]", Classic::Realplexor),
            ("\"native\"", Classic::None),
            ("[]", Classic::None),
            ("[\"none\"]", Classic::None),
        ] {
            let text = format!("wait = [{{ address = \"1.1.1.1:1\", dialect = {said} }}]\n");
            let (value, _) = File::read("x", &text).unwrap().value("wait").unwrap();
            let listener = ListenerEntry { dialect, ..ListenerEntry::new("1.1.1.1:1".parse().unwrap()) };
            assert_eq!(value, Value::Listeners(vec![listener]), "{said}");
        }
        check_errors(
            "[[wait]]\naddress = \"1.1.1.1:1\"\ndialect = [\"dklab\", \"realplexor\"]\n[[wait]]\n\
             address = \"1.1.1.1:2\"\ndialect = \"\"\n[[wait]]\naddress = \"1.1.1.1:3\"\n\
             dialect = [\"none\", \"realplexor\"]\n",
            &expect![[r#"
                x.toml:3: dialect is "dklab, realplexor"; give "dklab", "realplexor" or "none"; or a list of native and one of the first two
                x.toml:6: dialect is ""; give "dklab", "realplexor" or "none"; or a list of native and one of the first two
                x.toml:9: dialect is "none, realplexor"; give "dklab", "realplexor" or "none"; or a list of native and one of the first two"#]],
        );
    }

    #[test]
    fn a_wrong_channel_entry_is_told() {
        check_errors(
            "[[channel]]\nmatch = \"a*b\"\n[[channel]]\nhistory_age = \"1h\"\n[[channel]]\nmatch = \"$a\"\n\
             histroy_age = \"1h\"\nttl = 5\ngrace = \"1s\"\nname = 1\n[[channel]]\nmatch = \"chat.*\"\n\
             [[channel]]\nmatch = \"chat.a\"\n[[channel]]\nmatch = [\"a\"]\n[[chanel]]\nmatch = \"c\"\n",
            &expect![[r#"
                x.toml:2: match is "a*b", but a * may stand at the end only, for all names that begin like that; give a channel's name, or the beginning of names and *, such as "chat.*"
                x.toml:3: [[channel]] has no match; give a channel's name, or the beginning of names and *, such as "chat.*"
                x.toml:6: match is "$a", but a channel name begins with $, which is reserved; begin with another character; give a channel's name, or the beginning of names and *, such as "chat.*"
                x.toml:7: [[channel]] has no histroy_age; did you mean history_age? There, give a duration from 0s to 30d, such as "1h"
                x.toml:8: ttl is the number 5; give a duration from 0s to 30d, such as "5m"
                x.toml:9: [[channel]] has no grace; it is a setting of the whole server: write it above the first [[…]]
                x.toml:10: [[channel]] has no name; it may have match, history_messages, history_age, history_bytes, payload_limit, ttl, listen, history, presence, publish, publish_hook, durable, poison
                x.toml:13: no channel is left for "chat.a": the first match counts, and "chat.*" at x.toml:11 takes them all; write the narrower one first
                x.toml:16: match is a list; give a channel's name, or the beginning of names and *, such as "chat.*"
                x.toml:17: there is no setting chanel; did you mean [[channel]]?"#]],
        );
        check_errors(
            "[channel]\nmatch = \"a\"\n",
            &expect!["x.toml:1: channel is a table; write [[channel]], with two brackets, for each pattern"],
        );
        check_errors(
            "channel = []\nmatch = \"a\"\nttl = \"1s\"\n",
            &expect![[r#"
            x.toml:2: there is no setting match but for channels; write it under a [[channel]]
            x.toml:3: there is no setting ttl but for channels; write it under a [[channel]]"#]],
        );
        let many: String = (0..65).map(|n| format!("[[channel]]\nmatch = \"c{n}\"\n")).collect();
        check_errors(
            &many,
            &expect!["x.toml:129: there are more than 64 [[channel]]; put patterns together"],
        );
    }

    #[test]
    fn channels_are_set_in_the_order_of_the_file() {
        let text = "[[channel]]\nttl = \"1m\"\nmatch = \"chat.a\"\n[[channel]]\nmatch = \"chat.*\"\npayload_limit = 5\n";
        let rules: Vec<_> = File::read("x", text).unwrap().channels.iter().map(ChannelEntry::rule).collect();
        let patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern.as_str()).collect();
        assert_eq!(patterns, ["chat.a", "chat.*"]);
        assert_eq!((rules[0].ttl, rules[0].payload_limit, rules[0].history_age), (Some(60_000), None, None));
        assert_eq!((rules[1].ttl, rules[1].payload_limit), (None, Some(5)));
    }

    #[test]
    fn values_have_several_forms() {
        let file = "wait = \"10.0.0.1:1\"\nhistory_bytes = 0x10\npayload_limit = \"1_0\"";
        assert!(File::read("x", file).is_err());
        let file = File::read("x", "wait = \"10.0.0.1:1\"\nhistory_bytes = 0x1_0\n").unwrap();
        assert_eq!(file.value("wait").unwrap().1, Source::File("x".to_owned(), 1));
        assert_eq!(file.value("history_bytes").unwrap().0, Value::Number(16));
    }

    #[test]
    fn many_errors_are_counted() {
        let many: String = (0..30).map(|n| format!("nonsense{n} = 1\n")).collect();
        let told = File::read("x", &many).unwrap_err().to_string();
        assert!(told.ends_with("and 10 more errors"), "{told}");
    }
}
