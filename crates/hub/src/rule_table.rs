//! The rules that hold, and those that held before, while records go over from the one to the other.
//!
//! There may be millions of records, so they go over step by step, in the order of their ids: those below a mark know their
//! rules by the numbers of now, all others, new ones among them, by those of before.

use std::sync::Arc;

use crate::rule::Rules;

/// The rules of the hub.
pub(crate) struct RuleTable {
    now: Arc<Rules>,
    /// Those of records from this id on.
    before: Option<(Arc<Rules>, u32)>,
}

impl RuleTable {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { now: Arc::new(rules), before: None }
    }

    /// Those by which names are judged.
    pub(crate) fn now(&self) -> &Arc<Rules> {
        &self.now
    }

    /// Those by whose numbers the record of this id knows its rule.
    pub(crate) fn of(&self, id: u32) -> &Rules {
        match &self.before {
            Some((before, mark)) if id >= *mark => before,
            _ => &self.now,
        }
    }

    /// These hold from now on; no record has gone over to them. All must have gone over to those of before.
    pub(crate) fn replace(&mut self, rules: Rules) {
        debug_assert!(self.before.is_none());
        let before = std::mem::replace(&mut self.now, Arc::new(rules));
        self.before = Some((before, 0));
    }

    /// The record that goes over next, while some have not.
    pub(crate) fn mark(&self) -> Option<u32> {
        self.before.as_ref().map(|(_, mark)| *mark)
    }

    /// All records below this id have gone over.
    pub(crate) fn move_mark(&mut self, to: u32) {
        if let Some((_, mark)) = &mut self.before {
            *mark = to;
        }
    }

    /// All records have gone over.
    pub(crate) fn finish(&mut self) {
        self.before = None;
    }
}
