//! `multiplexor config`: the settings in force with who said so, a file to begin with, and a check of
//! one.

mod machine;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde_json::{Map, Value as Json, json};

use crate::settings::{File, KeyEntry, Listener, Origin, Setting, Settings, TABLE, Value, Values, template};

/// Prints the values that hold, as a settings file or as JSON.
pub(crate) fn print(values: &Values, as_json: bool) -> anyhow::Result<ExitCode> {
    out(&if as_json { json_of(values) } else { text_of(values) })
}

/// Prints a settings file with all defaults.
pub(crate) fn print_default() -> anyhow::Result<ExitCode> {
    out(&template())
}

/// Checks a settings file as a server would that is started with it here: beside the variables of this environment, with
/// the users, folders and files of this machine. Whether its addresses are free is not asked, since the server may run.
pub(crate) fn check(name: &str, file: &File, values: &Values) -> anyhow::Result<ExitCode> {
    let (settings, mut errors) = Settings::judged(values);
    machine::faults(&settings, values).into_iter().for_each(|fault| errors.push(fault));
    if !errors.is_empty() {
        writeln!(io::stderr(), "{errors}")?;
        return Ok(ExitCode::FAILURE);
    }
    let count = |count: usize, what| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let (settings, rules) = (count(file.len(), "setting"), count(file.channels.len(), "channel pattern"));
    let variables: Vec<&str> = values.variables().collect();
    let beside = match &*variables.join(", ") {
        "" => String::new(),
        variables => format!(", beside {variables} in the environment"),
    };
    out(&format!("{name}: nothing is wrong; {settings}, {rules}{beside}\n"))
}

/// As a settings file, each line with who said so.
fn text_of(values: &Values) -> String {
    let lines: Vec<(String, &Origin)> = TABLE
        .iter()
        .map(|setting| {
            let (value, origin) = values.entry(setting.name);
            (format!("{} = {}", setting.name, shown(setting, value)), origin)
        })
        .collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= WIDTH_MAX).max();
    let mut text = String::new();
    for (line, origin) in lines {
        writeln!(text, "{line:<0$} # {origin}", width.unwrap_or(0)).expect("a string takes everything");
    }
    for entry in &values.channels {
        writeln!(text, "\n[[channel]] # {}", entry.origin).expect("a string takes everything");
        for (setting, value) in &entry.values {
            let value = setting.kind.toml(value);
            writeln!(text, "{} = {value}", setting.name).expect("a string takes everything");
        }
    }
    text
}

/// The value as TOML; of a secret only that there is one.
fn shown(setting: &Setting, value: &Value) -> String {
    match value {
        Value::Secrets(secrets) if !secrets.is_empty() => format!("[…] # {} not shown", secrets.len()),
        _ => setting.kind.toml(value),
    }
}

/// For machines: value and origin by name.
fn json_of(values: &Values) -> String {
    let mut settings = Map::new();
    for setting in TABLE {
        let (value, origin) = values.entry(setting.name);
        settings.insert(setting.name.to_owned(), entry(json_value(setting, value), origin));
    }
    let channels = values.channels.iter().map(|channel| {
        let values = channel.values.iter();
        let values = values.map(|(setting, value)| (setting.name.to_owned(), json_value(setting, value)));
        entry(values.collect(), &channel.origin)
    });
    settings.insert("channel".to_owned(), channels.collect());
    format!("{:#}\n", Json::Object(settings))
}

/// Numbers and sizes as numbers, the rest as one would write it.
fn json_value(setting: &Setting, value: &Value) -> Json {
    let mut texts = setting.kind.written(value);
    match value {
        Value::Number(number) => json!(number),
        Value::Listeners(listeners) => {
            let entry = |one: &Listener| {
                let mut entry = json!({"address": one.address.to_string(), "dialect": one.dialect.name()});
                if let Some(tls) = one.tls {
                    entry["tls"] = json!(if tls { "on" } else { "off" });
                }
                if !one.certificates.is_empty() {
                    entry["tls_certificate"] = json!(one.certificates);
                    entry["tls_key"] = json!(one.keys);
                }
                entry
            };
            listeners.iter().map(entry).collect()
        }
        Value::Secrets(secrets) => json!(secrets.len()),
        Value::Keys(keys) => keys.iter().map(key_entry).collect(),
        _ if setting.kind.is_list() => json!(texts),
        _ => json!(texts.pop()),
    }
}

fn key_entry(key: &KeyEntry) -> Json {
    json!({
        "name": key.name,
        "hash": key.hash.map(|hash| hash.to_string()),
        "certificate": key.certificate.as_ref().map(ToString::to_string),
        "may": key.may.iter().map(|right| right.name()).collect::<Vec<_>>(),
        "match": key.names.iter().map(|glob| glob.as_str()).collect::<Vec<_>>(),
    })
}

fn entry(value: Json, origin: &Origin) -> Json {
    match origin {
        Origin::Flag(flag) => json!({"value": value, "from": "flag", "flag": format!("--{flag}")}),
        Origin::Variable(name) => json!({"value": value, "from": "environment", "variable": name}),
        Origin::File(file, line) => json!({"value": value, "from": "file", "file": file, "line": line}),
        Origin::Default => json!({"value": value, "from": "default"}),
    }
}

/// Prints to standard output. Whoever closed that does not want to know.
fn out(text: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Where a line is longer, its origin does not stand below the others'.
const WIDTH_MAX: usize = 60;
