//! The value of every setting, and who said so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::key::SettingKey;
use crate::webhook::WebhookEntry;
use crate::{ChannelEntry, Errors, File, Setting, Source, TABLE, Value};

/// A value for every line of the table, with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    settings: BTreeMap<&'static str, (Value, Source)>,
    /// What is set for channels by their names, in the file's order.
    pub channels: Vec<ChannelEntry>,
    /// What is told of events, in the file's order.
    pub(crate) webhooks: Vec<WebhookEntry>,
    /// What is wrong with single ones.
    pub(crate) errors: Errors,
    /// The settings that are wrong, and have their defaults here.
    wrong: BTreeSet<&'static str>,
}

/// What a flag or a variable said about a setting.
pub struct GivenTexts {
    /// Which of them.
    pub origin: Source,
    /// What it said, one text each time.
    pub texts: Vec<String>,
}

impl Values {
    /// The value of every setting: as given, else by the file, else by default. All is read, whatever is wrong.
    pub fn gather(given: impl Fn(&Setting) -> Option<GivenTexts>, file: &File) -> Self {
        let (mut settings, mut errors, mut wrong) =
            (BTreeMap::new(), file.errors.clone(), file.wrong.clone());
        for setting in TABLE {
            let by_default = || (setting.default(), Source::Default);
            let entry = match given(setting) {
                Some(GivenTexts { origin, texts }) => match setting.read(&origin.to_string(), &texts) {
                    Ok(value) => {
                        wrong.remove(setting.name);
                        (value, origin)
                    }
                    Err(error) => {
                        errors.push(error);
                        wrong.insert(setting.name);
                        by_default()
                    }
                },
                None => file.value(setting.name).unwrap_or_else(by_default),
            };
            settings.insert(setting.name, entry);
        }
        let (channels, webhooks) = (file.channels.clone(), file.webhooks.clone());
        Self { settings, channels, webhooks, errors, wrong }
    }

    /// These are wrong, too.
    pub fn note(&mut self, errors: Errors) {
        self.errors.append(errors);
    }

    /// Whether one of these is wrong, so that what follows from it is not known.
    pub(crate) fn is_wrong(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wrong.contains(name))
    }

    /// The variables of the environment that said something.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.settings.values().filter_map(|(_, origin)| match origin {
            Source::Variable(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The value of a setting, and who said so.
    pub(crate) fn entry(&self, name: &str) -> &(Value, Source) {
        self.settings.get(name).expect("the table has a line for every setting that is used")
    }

    /// Another value, and who said so.
    pub(crate) fn put(&mut self, name: &'static str, entry: (Value, Source)) {
        self.settings.insert(name, entry);
    }

    /// Where a file says what a setting is, as the beginning of an error; nothing if no file does.
    pub fn place(&self, name: &str) -> String {
        match &self.entry(name).1 {
            origin @ Source::File(..) => format!("{origin}: "),
            _ => String::new(),
        }
    }

    /// The files that settings name, but for those of certificates.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let named = self.settings.values().flat_map(|(value, _)| match value {
            Value::File(path, _) if !path.is_empty() => vec![path.into()],
            Value::PublicKeys(keys) => keys.iter().map(|(path, _)| path.into()).collect(),
            _ => Vec::new(),
        });
        named.collect()
    }

    /// The value of a setting.
    pub(crate) fn get<T>(&self, key: &SettingKey<T>) -> T {
        (key.take)(&self.entry(key.name()).0).expect("a value is of its setting's kind")
    }

    /// A number of which the table allows no more than fit.
    pub(crate) fn get_32(&self, key: &SettingKey<u64>) -> u32 {
        u32::try_from(self.get(key)).unwrap_or(u32::MAX)
    }
}
