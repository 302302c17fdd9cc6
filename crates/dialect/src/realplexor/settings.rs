//! What may be set about this dialect on the WAIT line.

use std::sync::Arc;

use super::{Marker, PageFacts};
use crate::Listen;

/// What may be set about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realplexor {
    /// What comes before the ids.
    pub marker: Marker,
    /// What is said of replies and pages.
    pub charset: Box<str>,
    /// Ids in whose stead a page is served to whoever names them first.
    pub page_ids: Arc<[Box<str>]>,
    /// These pages, in the same order.
    pub pages: Arc<[StaticPage]>,
}

/// A page or a library, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticPage {
    /// What is said of it.
    pub about: PageFacts,
    /// All of it.
    pub body: Arc<[u8]>,
}

impl Default for Realplexor {
    fn default() -> Self {
        Self {
            marker: Marker::default(),
            charset: "utf-8".into(),
            page_ids: Arc::new([]),
            pages: Arc::new([]),
        }
    }
}

impl Realplexor {
    /// The page of this id.
    pub(super) fn page(&self, id: &str) -> Option<&StaticPage> {
        let number = self.page_ids.iter().position(|page_id| **page_id == *id)?;
        self.pages.get(number)
    }
}

impl StaticPage {
    /// The answer to whoever asks for it.
    pub(super) fn answer(&self, listen: &Listen) -> Vec<u8> {
        if self.about.is_among(&listen.has) {
            return self.about.not_modified();
        }
        let mut out = Vec::with_capacity(512 + self.body.len());
        self.about.head(listen.http, &mut out);
        if !listen.head_only {
            out.extend_from_slice(&self.body);
        }
        out
    }
}
