//! Goes through a settings file to its end, and collects what it says and what is wrong.

use std::ops::Range;
use std::path::PathBuf;

use exchange::hub::limits::RULES_MAX;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::api_key::KeyEntry;
use super::entries::{CHANNEL_ENTRY, IN_ENTRY, KEY_ENTRY, WAIT_ENTRY, WEBHOOK_ENTRY};
use super::nearest::nearest;
use super::quote::{described, excerpt, quoted};
use super::webhook::WebhookEntry;
use super::{Address, ChannelEntry, File, ListenerEntry, Setting, Source, TABLE, Value};

/// A file in the reading.
pub(crate) struct FileReader<'a> {
    name: &'a str,
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
    file: File,
    errors: Vec<Wrong>,
}

/// A line, and what is wrong in it.
pub(crate) type Wrong = (usize, String);

impl<'a> FileReader<'a> {
    /// Reads a file's text: what it says, and what is wrong, line by line.
    pub(crate) fn read(name: &'a str, text: &'a str) -> (File, Vec<Wrong>) {
        let (table, faults) = DeTable::parse_recoverable(text);
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let mut reader = Self { name, text, lines, file: File::default(), errors: Vec::new() };
        for fault in faults {
            reader.fault(fault.message(), fault.span().map_or(text.len(), |span| span.start));
        }
        // What stands in a line that is no TOML is not worth a second error.
        let mut errors = std::mem::take(&mut reader.errors);
        errors.sort();
        let broken: Vec<usize> = errors.iter().map(|(line, _)| *line).collect();
        reader.table(table.get_ref());
        errors.extend(reader.errors.into_iter().filter(|(line, _)| broken.binary_search(line).is_err()));
        errors.sort();
        (reader.file, errors)
    }

    /// Something is no TOML. Mostly it is a value without its quotes, so what is allowed is told too.
    fn fault(&mut self, message: &str, at: usize) {
        let line = self.line(at);
        if self.errors.last().is_some_and(|(last, _)| *last == line) {
            return;
        }
        let written = self.text[self.lines[line - 1]..].lines().next().unwrap_or_default();
        let key = written.split_once('=').map_or(written, |(key, _)| key).trim();
        let error = match find(TABLE, key) {
            _ if message == "duplicate key" => {
                format!("{} is there already; keep one of them", excerpt(key))
            }
            Some(setting) => {
                self.file.wrong.insert(setting.name);
                format!("this is no TOML: {message}; for {key}, {}", setting.advice_toml())
            }
            None => format!("this is no TOML: {message}"),
        };
        self.errors.push((line, error));
    }

    /// The whole file.
    fn table(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match find(TABLE, key.get_ref()) {
                Some(setting) => self.setting(setting, value),
                None if key.get_ref() == CHANNEL => self.channels(value),
                None if key.get_ref() == WEBHOOK => self.webhooks(value),
                None => self.unknown(key.get_ref(), key.span(), value.get_ref()),
            }
        }
    }

    fn setting(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let value_read = match value.get_ref() {
            DeValue::Array(items)
                if setting.name == KEY && items.iter().any(|item| item.get_ref().is_table()) =>
            {
                let keys: Vec<_> = items.iter().map(|item| self.key(item)).collect();
                keys.into_iter().collect::<Option<_>>().map(Value::Keys)
            }
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                let keys = entry_keys(setting);
                let listeners: Vec<_> = items.iter().map(|item| self.listener(setting, keys, item)).collect();
                listeners.into_iter().collect::<Option<_>>().map(Value::Listeners)
            }
            DeValue::Table(_) if !entry_keys(setting).is_empty() => {
                let name = setting.name;
                let error = format!("{name} is a table; write [[{name}]], with two brackets, for each one");
                self.error(value.span(), error);
                None
            }
            _ => self.value(setting, value),
        };
        let Some(read) = value_read else {
            self.file.wrong.insert(setting.name);
            return;
        };
        let origin = Source::File(self.name.to_owned(), self.line(value.span().start));
        self.file.values.insert(setting.name, (read, origin));
    }

    /// Reads a value; `None` and an error when it is wrong.
    fn value(&mut self, setting: &Setting, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match setting.read_toml(value.get_ref()) {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(value.span(), error);
                None
            }
        }
    }

    /// An entry of `[[wait]]` or `[[in]]`, or a mere address among such.
    fn listener(
        &mut self,
        setting: &Setting,
        keys: &'static [Setting],
        value: &Spanned<DeValue<'_>>,
    ) -> Option<ListenerEntry> {
        let [address_key, ..] = keys else { return None };
        let Some(table) = value.get_ref().as_table() else {
            return match self.value(address_key, value)? {
                Value::Address(address) => Some(ListenerEntry::new(address)),
                _ => None,
            };
        };
        let mut said = ListenerEntry::new(Address::Unix(PathBuf::new()));
        let (mut has_address, mut is_right) = (false, true);
        for (key, value) in self.entry(setting.name, keys, value.span(), table) {
            match (key.name, value) {
                (_, Some(Value::Address(address))) => (said.address, has_address) = (address, true),
                ("tls", Some(Value::Choice(word))) => said.tls = Some(word == "on"),
                (_, Some(Value::Dialect(dialect))) => said.dialect = dialect,
                ("tls_certificate", Some(Value::Names(files))) => said.certificates = files,
                ("tls_key", Some(Value::Names(files))) => said.keys = files,
                _ => is_right = false,
            }
        }
        (has_address && is_right).then_some(said)
    }

    /// An entry `[[key]]`, or a mere key among such.
    fn key(&mut self, value: &Spanned<DeValue<'_>>) -> Option<KeyEntry> {
        let Some(table) = value.get_ref().as_table() else {
            return key_entry([self.value(&KEY_ENTRY[0], value)]);
        };
        key_entry(self.entry(KEY, KEY_ENTRY, value.span(), table).into_iter().map(|(_, value)| value))
    }

    /// The entries `[[channel]]`.
    fn channels(&mut self, value: &Spanned<DeValue<'_>>) {
        let entries = value.get_ref().as_array();
        let Some(entries) = entries.filter(|entries| entries.iter().all(|entry| entry.get_ref().is_table()))
        else {
            self.file.wrong.insert(CHANNEL);
            let what = described(value.get_ref());
            let error =
                format!("{CHANNEL} is {what}; write [[{CHANNEL}]], with two brackets, for each pattern");
            return self.error(value.span(), error);
        };
        for (n, entry) in entries.iter().enumerate() {
            if n == RULES_MAX {
                let error = format!("there are more than {RULES_MAX} [[{CHANNEL}]]; put patterns together");
                return self.error(entry.span(), error);
            }
            self.channel(entry);
        }
    }

    fn channel(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else { return };
        let values = self.entry(CHANNEL, CHANNEL_ENTRY, value.span(), table);
        let origin = Source::File(self.name.to_owned(), self.line(value.span().start));
        let Some(entry) = ChannelEntry::new(values, origin) else {
            self.file.wrong.insert(CHANNEL);
            return;
        };
        let above = self.file.channels.iter().find(|above| above.pattern.covers(&entry.pattern));
        if let Some(above) = above {
            let (late, early) = (quoted(entry.pattern.as_str()), quoted(above.pattern.as_str()));
            let error = format!(
                "no channel is left for {late}: the first match counts, and {early} at {} takes them all; write \
                 the narrower one first",
                above.origin
            );
            self.error(value.span(), error);
        }
        self.file.channels.push(entry);
    }

    /// The entries `[[webhook]]`.
    fn webhooks(&mut self, value: &Spanned<DeValue<'_>>) {
        let tables = value.get_ref().as_array();
        let tables = tables.map(|entries| entries.iter().map(|one| (one.span(), one.get_ref().as_table())));
        let tables: Option<Vec<_>> =
            tables.and_then(|mut tables| tables.by_ref().map(|(span, table)| Some((span, table?))).collect());
        let Some(tables) = tables else {
            self.file.wrong.insert(WEBHOOK);
            let what = described(value.get_ref());
            let error = format!("{WEBHOOK} is {what}; write [[{WEBHOOK}]], with two brackets, for each one");
            return self.error(value.span(), error);
        };
        for (span, table) in tables {
            let origin = Source::File(self.name.to_owned(), self.line(span.start));
            let values = self.entry(WEBHOOK, WEBHOOK_ENTRY, span.clone(), table);
            match WebhookEntry::new(values, origin) {
                Some(Ok(entry)) => self.file.webhooks.push(entry),
                Some(Err(error)) => self.error(span, error),
                None => {}
            }
        }
        if self.file.webhooks.len() < value.get_ref().as_array().map_or(0, |all| all.len()) {
            self.file.wrong.insert(WEBHOOK);
        }
    }

    /// The values of an entry `[[name]]`, whose first key it must have. Those that are wrong are told,
    /// and are `None`.
    fn entry(
        &mut self,
        name: &str,
        keys: &'static [Setting],
        span: Range<usize>,
        table: &DeTable<'_>,
    ) -> Vec<(&'static Setting, Option<Value>)> {
        let mut values = Vec::new();
        for (key, value) in table {
            let Some(setting) = find(keys, key.get_ref()) else {
                self.unknown_in_entry(name, keys, key);
                continue;
            };
            values.push((setting, self.value(setting, value)));
        }
        // A certificate alone is a key, too.
        let is_there = |first: &Setting| {
            table.contains_key(first.name) || (name == KEY && table.contains_key("certificate"))
        };
        if let Some(first) = keys.first().filter(|first| !is_there(first)) {
            let misspelt = table.keys().any(|key| nearest(key.get_ref(), [first.name].into_iter()).is_some());
            if !misspelt {
                let advice = first.advice_toml();
                self.error(span, format!("[[{name}]] has no {}; {advice}", first.name));
            }
        }
        values
    }

    fn unknown_in_entry(&mut self, name: &str, keys: &'static [Setting], key: &Spanned<impl AsRef<str>>) {
        let (said, span) = (key.get_ref().as_ref(), key.span());
        let names = || keys.iter().map(|setting| setting.name);
        let right = match nearest(said, names()).and_then(|near| find(keys, near)) {
            Some(near) => format!("did you mean {}? There, {}", near.name, near.advice_toml()),
            None if find(TABLE, said).is_some() => {
                "it is a setting of the whole server: write it above the first [[…]]".to_owned()
            }
            None => format!("it may have {}", names().collect::<Vec<_>>().join(", ")),
        };
        self.error(span, format!("[[{name}]] has no {}; {right}", excerpt(said)));
    }

    /// A key that is none of ours. A table is none at all, so its keys are told one by one.
    fn unknown(&mut self, name: &str, span: Range<usize>, value: &DeValue<'_>) {
        let names = || TABLE.iter().map(|setting| setting.name).chain([CHANNEL, WEBHOOK]);
        match value {
            _ if find(CHANNEL_ENTRY, name).is_some() && !matches!(value, DeValue::Table(_)) => {
                let error =
                    format!("there is no setting {name} but for channels; write it under a [[{CHANNEL}]]");
                self.error(span, error);
            }
            DeValue::Table(table) if !table.is_empty() => {
                for inner in table.keys() {
                    let full = format!("{name}.{}", inner.get_ref());
                    let near = nearest(&full, names()).or_else(|| nearest(inner.get_ref(), names()));
                    self.no_setting(&full, near, inner.span());
                }
            }
            _ => self.no_setting(name, nearest(name, names()), span),
        }
    }

    fn no_setting(&mut self, name: &str, near: Option<&'static str>, span: Range<usize>) {
        self.file.wrong.extend(near);
        let right = match near.map(|near| find(TABLE, near)) {
            None => "`multiplexor config --default` prints all settings".to_owned(),
            Some(None) => format!("did you mean [[{}]]?", near.unwrap_or(CHANNEL)),
            Some(Some(near)) => format!("did you mean {}? There, {}", near.name, near.advice_toml()),
        };
        self.error(span, format!("there is no setting {}; {right}", excerpt(name)));
    }

    fn error(&mut self, span: Range<usize>, error: String) {
        self.errors.push((self.line(span.start), error));
    }

    /// The line of a place in the text, counted from 1.
    fn line(&self, at: usize) -> usize {
        self.lines.partition_point(|begin| *begin <= at)
    }
}

/// The setting of this name among these.
fn find(settings: &'static [Setting], name: &str) -> Option<&'static Setting> {
    settings.iter().find(|setting| setting.name == name)
}

/// What an entry `[[…]]` of a setting may have; nothing where there are none.
fn entry_keys(setting: &Setting) -> &'static [Setting] {
    match setting.name {
        "wait" => WAIT_ENTRY,
        "in" => IN_ENTRY,
        KEY => KEY_ENTRY,
        _ => &[],
    }
}

/// What an entry `[[key]]` says; `None` when something in it is wrong.
fn key_entry(values: impl IntoIterator<Item = Option<Value>>) -> Option<KeyEntry> {
    let (mut name, mut hash, mut may, mut names, mut certificate) = (None, None, None, None, None);
    for value in values {
        match value? {
            Value::Label(said) => name = Some(said),
            Value::KeyHash(said) => hash = Some(said),
            Value::Rights(said) => may = Some(said),
            Value::Globs(said) => names = Some(said),
            Value::Certified(said) => certificate = Some(said),
            _ => return None,
        }
    }
    if hash.is_none() && certificate.is_none() {
        return None;
    }
    let all = KeyEntry::everything();
    Some(KeyEntry {
        name: name.unwrap_or(all.name),
        hash,
        certificate,
        may: may.unwrap_or(all.may),
        names: names.unwrap_or(all.names),
    })
}

const KEY: &str = "key";
/// The key of the entries that are for channels by their names.
pub(crate) const CHANNEL: &str = "channel";
/// The key of those that are for webhooks.
pub(crate) const WEBHOOK: &str = "webhook";
