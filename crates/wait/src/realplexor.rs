//! What may be set about the dialect of Realplexor on this line.

use std::sync::Arc;

use transport::dialect::realplexor::{Marker, page_head};

/// What may be set about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realplexor {
    /// What comes before the ids.
    pub marker: Marker,
    /// What is said of replies and pages.
    pub charset: Box<str>,
    /// What is served instead of waiting to whoever names such an id first.
    pub pages: Arc<[StaticPage]>,
}

/// A page or a library, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticPage {
    /// The id under which it stands.
    pub id: Box<str>,
    /// Its media type, without the charset.
    pub content_type: &'static str,
    /// When it was last changed, as HTTP says it.
    pub last_modified: Box<str>,
    /// What is said of its characters.
    pub charset: Box<str>,
    /// All of it.
    pub body: Arc<[u8]>,
}

impl Default for Realplexor {
    fn default() -> Self {
        Self { marker: Marker::default(), charset: "utf-8".into(), pages: Arc::new([]) }
    }
}

impl Realplexor {
    /// The page of this id.
    pub(crate) fn page(&self, id: &str) -> Option<StaticPage> {
        self.pages.iter().find(|page| *page.id == *id).cloned()
    }
}

impl StaticPage {
    /// The answer to whoever asks for it.
    pub(crate) fn answer(&self, http: bool, head_only: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.body.len());
        page_head(self.content_type, &self.charset, &self.last_modified, http, &mut out);
        if !head_only {
            out.extend_from_slice(&self.body);
        }
        out
    }
}
