//! Every key of an old configuration, and the setting of ours that it becomes.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use settings::{Address, Classic, Errors, File, ListenerEntry, Setting, Source, TABLE, Value, keys, nearest};

use crate::script::{OldConfig, OldValue};

/// What old files come to.
#[derive(Debug)]
pub struct Converted {
    /// As settings of ours.
    pub file: File,
    /// For each setting the keys it comes from, in the order of the table.
    pub(crate) from: Vec<(&'static Setting, String)>,
    /// What was said and has no place here, with the reason.
    pub notes: Vec<String>,
    /// How much of the old log to write, 0 to 3.
    pub verbosity: u8,
    /// The user to become; empty: none.
    pub user: String,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// Addresses of a line.
    Line(&'static str),
    Seconds(&'static str),
    /// A number, a size or a text of ours, as it is.
    Plain(&'static str),
    /// 0 or 1.
    Switch(&'static str),
    /// A file, unless it is the one that came with the old server.
    Path(&'static str),
    /// What the program itself heeds, when it runs in the old one's place.
    Verbosity,
    User,
    /// Nothing, for this reason.
    None(&'static str),
}
use Meaning::{Line, Path as PathTo, Plain, Seconds, Switch};

/// Every key, with its default and what becomes of it.
const KEYS: &[(&str, &str, Meaning)] = &[
    ("WAIT_ADDR", "0.0.0.0:8088", Line(keys::WAIT.name())),
    ("IN_ADDR", "127.0.0.1:10010", Line(keys::IN.name())),
    ("WAIT_TIMEOUT", "300", Seconds(keys::CLASSIC_WAIT_TIMEOUT.name())),
    ("WAIT_MAXLEN", "5120", Plain(keys::CLASSIC_WAIT_LIMIT.name())),
    ("IN_MAXLEN", "204800", Plain(keys::REALPLEXOR_IN_LIMIT.name())),
    ("IN_TIMEOUT", "20", Seconds(keys::CLASSIC_IN_TIMEOUT.name())),
    ("OFFLINE_TIMEOUT", "30", Seconds(keys::CLASSIC_GRACE.name())),
    ("MAX_DATA_FOR_ID", "30", Plain(keys::HISTORY_MESSAGES.name())),
    ("CLEAN_ID_AFTER", "3600", Seconds(keys::HISTORY_AGE.name())),
    ("CHARSET", "utf-8", Plain(keys::REALPLEXOR_CHARSET.name())),
    ("USERS_FILE", "dklab_realplexor.htpasswd", PathTo(keys::REALPLEXOR_USERS.name())),
    ("IDENTIFIER", "identifier", Plain(keys::REALPLEXOR_MARKER.name())),
    ("IFRAME_ID", "IFRAME", Plain(keys::REALPLEXOR_IFRAME_ID.name())),
    ("SCRIPT_ID", "SCRIPT", Plain(keys::REALPLEXOR_SCRIPT_ID.name())),
    ("IFRAME_FILE", "dklab_realplexor.html", PathTo(keys::REALPLEXOR_IFRAME_FILE.name())),
    ("SCRIPT_FILE", "dklab_realplexor.js", PathTo(keys::REALPLEXOR_SCRIPT_FILE.name())),
    ("JS_WAIT_URI", "/", Plain(keys::REALPLEXOR_WAIT_URI.name())),
    ("JS_WAIT_RECONNECT_DELAY", "0.01", Seconds(keys::REALPLEXOR_RECONNECT_DELAY.name())),
    ("JS_MAX_BOUNCES", "10", Plain(keys::REALPLEXOR_MAX_BOUNCES.name())),
    ("JS_DEBUG", "1", Switch(keys::REALPLEXOR_DEBUG.name())),
    ("VERBOSITY", "3", Meaning::Verbosity),
    ("SU_USER", "nobody", Meaning::User),
    ("EVENT_CHAIN_LEN", "1000", Meaning::None("the last 100,000 changes are kept, whatever is said")),
    (
        "MAX_MEM_MB",
        "0",
        Meaning::None("memory has a limit by itself, history_budget; the program is never ended for it"),
    ),
    (
        "HOOK_CHECK_VISIBILITY",
        "",
        Meaning::None(
            "it is Perl; limit a message to ids (*id), or close channels by tokens, see docs/access.md",
        ),
    ),
    ("ID_BINDINGS_SERVERS", "127.0.0.1:11211", Meaning::None("nothing ever read it")),
    ("ID_BINDINGS_SERVER_NAME", "default", Meaning::None("nothing ever read it")),
    (
        "DISCONNECT_RESPONSE",
        "",
        Meaning::None("it belongs to dklab_multiplexor of 2009, see docs/classic.md"),
    ),
];

impl Converted {
    /// What these files come to, all errors told at once.
    pub(crate) fn of(said: &OldConfig) -> Result<Self, Errors> {
        let mut conversion =
            Conversion { said, values: Vec::new(), notes: Vec::new(), errors: Errors::default() };
        let (mut verbosity, mut user) = (3, String::new());
        for (key, default, meaning) in KEYS {
            match *meaning {
                Line(setting) => conversion.listeners(key, default, setting),
                Seconds(setting) => conversion.seconds(key, default, setting),
                Plain(setting) => conversion.plain(key, default, setting),
                Switch(setting) => conversion.switch(key, default, setting),
                PathTo(setting) => conversion.path(key, default, setting),
                Meaning::Verbosity => verbosity = conversion.verbosity(key, default),
                Meaning::User => user = conversion.text(key, default, ""),
                Meaning::None(why) => conversion.none(key, why),
            }
        }
        conversion.room_for_history();
        conversion.unknown();
        let Conversion { values, notes, errors, .. } = conversion;
        if !errors.is_empty() {
            return Err(errors);
        }
        let from = TABLE.iter().filter_map(|setting| {
            let (_, _, _, from) = values.iter().find(|(of, ..)| *of == setting)?;
            Some((setting, from.clone()))
        });
        let from = from.collect();
        let file = File::of(values.into_iter().map(|(setting, value, origin, _)| (setting, value, origin)));
        Ok(Self { file, from, notes, verbosity, user })
    }
}

/// Settings in the making.
struct Conversion<'a> {
    said: &'a OldConfig,
    /// A setting, its value, who said so, and in what words.
    values: Vec<(&'static Setting, Value, Source, String)>,
    notes: Vec<String>,
    errors: Errors,
}

impl Conversion<'_> {
    /// What was said of a key, and where.
    fn said(&self, key: &str) -> Option<(&OldValue, &Source)> {
        let (value, origin) = self.said.0.get(key)?;
        Some((value, origin))
    }

    fn origin(&self, key: &str) -> Source {
        self.said(key).map_or(Source::Default, |(_, origin)| origin.clone())
    }

    fn wrong(&mut self, key: &str, what: &str) {
        let place = self.said(key).map_or_else(|| "by default".to_owned(), |(_, origin)| origin.to_string());
        self.errors.push(format!("{place}: {key} {what}"));
    }

    /// The text of a key; `undefined` stands for undef.
    fn text(&mut self, key: &str, default: &str, undefined: &str) -> String {
        match self.said(key) {
            None => default.to_owned(),
            Some((OldValue::Undefined, _)) => undefined.to_owned(),
            Some((OldValue::Text(text), _)) => text.clone(),
            Some((OldValue::List(items), _)) if items.len() == 1 => items[0].clone(),
            Some((OldValue::List(_), _)) => {
                self.wrong(key, &format!("is a list; give one value, such as '{default}'"));
                default.to_owned()
            }
        }
    }

    /// Takes a value for a setting, as somebody would write it there.
    fn take(&mut self, key: &str, said: &str, setting: &str, text: String) {
        let setting = named(setting);
        match setting.parse(text) {
            Some(value) => self.put(key, setting, value),
            None => {
                let (name, allowed) = (setting.name, setting.allowed());
                self.wrong(key, &format!("is {said}; {name}, which it becomes, may be: {allowed}"));
            }
        }
    }

    fn put(&mut self, key: &str, setting: &'static Setting, value: Value) {
        let origin = self.origin(key);
        let from =
            if origin == Source::Default { format!("{key} by default") } else { format!("{key}, {origin}") };
        self.values.push((setting, value, origin, from));
    }

    fn listeners(&mut self, key: &str, default: &str, setting: &str) {
        let items: Vec<String> = match self.said(key) {
            None | Some((OldValue::Undefined, _)) => vec![default.to_owned()],
            Some((OldValue::List(items), _)) => items.clone(),
            Some((OldValue::Text(text), _)) => {
                text.split([' ', ',']).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
        };
        let mut listeners = Vec::new();
        for item in &items {
            match address(item) {
                Some(address) => {
                    listeners.push(ListenerEntry::new(Address::Inet(address)).speaking(Classic::Realplexor))
                }
                None => self
                    .wrong(key, &format!("has \"{item}\"; give an address and a port, such as '{default}'")),
            }
        }
        if items.is_empty() {
            self.wrong(key, &format!("is empty; give an address and a port, such as '{default}'"));
        }
        self.put(key, named(setting), Value::Listeners(listeners));
    }

    fn seconds(&mut self, key: &str, default: &str, setting: &str) {
        let said = self.text(key, default, default);
        match said.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(time) => {
                let text = named(setting).written(&Value::Duration(time));
                self.take(key, &format!("{said} seconds"), setting, text);
            }
            None => self.wrong(key, &format!("is \"{said}\"; give seconds, such as {default}")),
        }
    }

    fn plain(&mut self, key: &str, default: &str, setting: &str) {
        let said = self.text(key, default, default);
        self.take(key, &format!("\"{said}\""), setting, said.clone());
    }

    fn switch(&mut self, key: &str, default: &str, setting: &str) {
        let said = self.text(key, default, "0");
        let text = if matches!(&*said, "" | "0") { "off" } else { "on" };
        self.take(key, &said, setting, text.to_owned());
    }

    /// A file that the old configuration names. Relative names are taken from the folder of that file.
    fn path(&mut self, key: &str, default: &str, setting: &str) {
        let said = self.text(key, default, "");
        if key == "USERS_FILE" && self.origin(key) == Source::Default {
            let note = format!(
                "{key} is not said, and {default} is not looked for: everybody who reaches the IN line may publish"
            );
            self.notes.push(note);
        }
        if said.is_empty() || self.origin(key) == Source::Default {
            return;
        }
        if said.ends_with(default) && key != "USERS_FILE" {
            let note = format!(
                "{key} ({}) is left out: the program has its own in place of {default}",
                self.origin(key)
            );
            self.notes.push(note);
            return;
        }
        let folder = match self.origin(key) {
            Source::File(name, _) => Path::new(&name).parent().map(Path::to_path_buf),
            _ => None,
        };
        let path = folder.unwrap_or_default().join(&said);
        let path = std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned();
        if std::fs::File::open(&path).is_err() {
            self.wrong(
                key,
                &format!("is \"{said}\", but {path} cannot be read; give the path of a file that can"),
            );
            return;
        }
        self.take(key, &format!("\"{said}\", which is {path}"), setting, path);
    }

    fn verbosity(&mut self, key: &str, default: &str) -> u8 {
        let said = self.text(key, default, "0");
        match said.parse() {
            Ok(level @ 0..=3) => level,
            _ => {
                self.wrong(key, &format!("is \"{said}\"; give 0, 1, 2 or 3"));
                0
            }
        }
    }

    fn none(&mut self, key: &str, why: &str) {
        let said = match self.said(key) {
            None | Some((OldValue::Undefined, _)) => return,
            Some((_, origin)) => origin.to_string(),
        };
        self.notes.push(format!("{key} ({said}) is left out: {why}"));
    }

    /// The old server had a limit by count only: as many messages of the largest size must fit.
    fn room_for_history(&mut self) {
        let number = |name: &str| {
            self.values.iter().find(|(setting, ..)| setting.name == name).map(|(_, value, ..)| match value {
                Value::Number(number) => *number,
                _ => 0,
            })
        };
        let (count, len) = (
            number(keys::HISTORY_MESSAGES.name()).unwrap_or(0),
            number(keys::REALPLEXOR_IN_LIMIT.name()).unwrap_or(0),
        );
        let defaults = |name| match named(name).default() {
            Value::Number(number) => number,
            _ => 0,
        };
        let bytes = count.saturating_mul(len).min(HISTORY_BYTES_MAX);
        if bytes > defaults(keys::HISTORY_BYTES.name()) {
            let from = "MAX_DATA_FOR_ID times IN_MAXLEN".to_owned();
            self.values.push((
                named(keys::HISTORY_BYTES.name()),
                Value::Number(bytes),
                Source::Default,
                from,
            ));
        }
        if len > defaults(keys::PAYLOAD_LIMIT.name()) {
            let from = self.origin("IN_MAXLEN");
            self.values.push((
                named(keys::PAYLOAD_LIMIT.name()),
                Value::Number(len),
                from.clone(),
                format!("IN_MAXLEN, {from}"),
            ));
        }
        let from = "CLEAN_ID_AFTER, which begins anew with each message".to_owned();
        self.values.push((named(keys::HISTORY_RENEW.name()), Value::Choice("on"), Source::Default, from));
    }

    /// Keys that nobody knows: they had no effect, but one of them may be a slip of the pen.
    fn unknown(&mut self) {
        for (key, (_, origin)) in &self.said.0 {
            if !KEYS.iter().any(|(known, ..)| known == key) {
                let names: Vec<String> = KEYS.iter().map(|(known, ..)| known.to_lowercase()).collect();
                let meant = nearest(key, names.iter().map(String::as_str));
                let meant = meant
                    .map_or_else(String::new, |known| format!("; {} may be meant", known.to_uppercase()));
                self.notes
                    .push(format!("{key} ({origin}) is left out: Dklab_Realplexor has no such key{meant}"));
            }
        }
    }
}

/// The setting of a name that is one.
fn named(name: &str) -> &'static Setting {
    TABLE.iter().find(|setting| setting.name == name).expect("every key is in the table")
}

/// An address and a port; a name is looked up.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let all: Vec<SocketAddr> = text.to_socket_addrs().ok()?.collect();
    all.iter().find(|address| address.is_ipv4()).or_else(|| all.first()).copied()
}

/// The largest value of `history_bytes`.
const HISTORY_BYTES_MAX: u64 = 64 << 30;
