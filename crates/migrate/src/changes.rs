//! What has changed between two readings of the same files.

use std::collections::BTreeSet;

use crate::script::{OldConfig, OldValue};

impl OldConfig {
    /// The keys of which `new` says something else, with what was and what is.
    pub fn changes(&self, new: &Self) -> Vec<(String, String, String)> {
        let keys: BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        let value = |said: &Self, key: &String| said.0.get(key).map(|(value, _)| value.clone());
        let changed = keys.into_iter().filter(|key| value(self, key) != value(new, key));
        changed.map(|key| (key.clone(), shown(value(self, key)), shown(value(new, key)))).collect()
    }
}

/// A value as the log tells it.
fn shown(value: Option<OldValue>) -> String {
    match value {
        None => "default".to_owned(),
        Some(OldValue::Undefined) => "undef".to_owned(),
        Some(OldValue::Text(text)) => text,
        Some(OldValue::List(items)) => items.join(" "),
    }
}
