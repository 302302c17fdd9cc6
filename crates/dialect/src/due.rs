//! What is due to whoever listens by external cursors: all of it in one answer, in the order of these cursors.

use hub::{Decimal, Message, Visible};
use smallvec::SmallVec;

/// One message that is due.
#[derive(Debug)]
pub struct DuePart<'a> {
    message: &'a Message,
    /// The targets through which it is due, by name.
    matches: SmallVec<[usize; 2]>,
    /// Its place in the array: its least cursor.
    key: Decimal,
    /// Its greatest.
    last: Decimal,
}

/// All that is due.
#[derive(Debug, Default)]
pub struct Reply<'a> {
    parts: Vec<DuePart<'a>>,
}

impl<'a> DuePart<'a> {
    /// A message that its client may see, and that is due in the targets of these indices; none: it is not due.
    pub fn new(message: Visible<'a>, matches: impl IntoIterator<Item = usize>) -> Option<Self> {
        let message = message.message();
        let mut matches: SmallVec<[usize; 2]> = matches.into_iter().collect();
        matches.sort_unstable_by(|a, b| message.targets()[*a].name.cmp(&message.targets()[*b].name));
        let cursors = || matches.iter().map(|target| message.outside(*target));
        Some(Self { message, key: cursors().min()?, last: cursors().max()?, matches })
    }
}

impl DuePart<'_> {
    /// The message.
    pub fn message(&self) -> &Message {
        self.message
    }

    /// Indices into its targets, sorted by their names.
    pub fn matches(&self) -> &[usize] {
        &self.matches
    }
}

impl<'a> Reply<'a> {
    /// The reply of these parts: in the order of cursors, where they are equal in that of data. Where it is
    /// too long, or was `cut`, what is left out has greater cursors in each channel than what is in it, and
    /// is due the next time. Returns with it where it was cut.
    pub fn new(
        mut parts: Vec<DuePart<'a>>,
        mut cut: Option<Decimal>,
        len_max: usize,
    ) -> (Self, Option<Decimal>) {
        parts.sort_by(|a, b| {
            a.key.cmp(&b.key).then_with(|| a.message.payload().data().cmp(b.message.payload().data()))
        });
        let mut len = 0;
        let fits = parts.iter().take_while(|part| {
            len += part.message.payload().data().len();
            len <= len_max
        });
        let fitting = fits.count().max(1);
        if fitting < parts.len() {
            let key = parts[fitting - 1].key.clone();
            cut = Some(cut.map_or_else(|| key.clone(), |cut| cut.min(key.clone())));
        }
        if let Some(cut) = &cut
            && parts.iter().any(|part| part.last <= *cut)
        {
            parts.retain(|part| part.last <= *cut);
        }
        (Self { parts }, cut)
    }

    /// Whether nothing is due.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// How many messages.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// The messages, in their order.
    pub fn parts(&self) -> &[DuePart<'a>] {
        &self.parts
    }
}
