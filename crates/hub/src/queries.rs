//! What others may know: channels, changes, sums; and the checks of what must hold.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::limits::SCAN_STEP_MAX;
use crate::{Changes, ChannelInfo, Hub, NEVER, Position, ShardId, Start, Totals};

impl Hub {
    /// Shards that would be handed a message to these channels now, each once.
    pub fn interested(&self, channels: &[Box<str>]) -> SmallVec<[ShardId; 4]> {
        let mut shards = SmallVec::new();
        for id in channels.iter().filter_map(|name| self.names.find(name)) {
            self.names[id].shards(&mut shards);
        }
        shards
    }

    /// One channel, if it is remembered. Messages that outlived their time count until somebody reads
    /// the channel or `tick` comes to it.
    pub fn channel(&self, name: &str) -> Option<ChannelInfo> {
        self.names.find(name).map(|id| self.names[id].info())
    }

    /// Whether a deletion of this channel would take anything: messages, and `subscriptions` too, or that it is online.
    pub fn has_to_delete(&self, name: &str, subscriptions: bool) -> bool {
        let channel = self.names.find(name).map(|id| &self.names[id]);
        channel.is_some_and(|channel| {
            let is_used = subscriptions && (channel.online || channel.waiting() > 0);
            is_used || channel.pins > 0 || channel.info().messages > 0
        })
    }

    /// The records of channels that somebody names who waits, where there are any.
    pub fn find_each(&mut self, names: &[Box<str>]) -> Vec<Option<crate::ChannelId>> {
        self.totals.looked_up += names.len() as u64;
        names.iter().map(|name| self.find(name)).collect()
    }

    /// The record of a channel, if it is remembered.
    pub fn find(&self, name: &str) -> Option<crate::ChannelId> {
        self.names.find(name).map(crate::ChannelId)
    }

    /// The name of a record, if it is still there.
    pub fn name(&self, id: crate::ChannelId) -> Option<Arc<str>> {
        self.names.get(id.0).map(|channel| Arc::clone(&channel.name))
    }

    /// Looks at up to [`crate::limits::SCAN_STEP_MAX`] records from index `from`; those that pass go to
    /// `out`. Returns where to go on, `None` at the end.
    pub fn scan(
        &self,
        from: usize,
        pass: &dyn Fn(&str, bool) -> bool,
        out: &mut Vec<ChannelInfo>,
    ) -> Option<usize> {
        let end = self.names.ids_end();
        let until = from.saturating_add(SCAN_STEP_MAX).min(end);
        let records = (from..until).filter_map(|id| self.names.get(u32::try_from(id).ok()?));
        out.extend(
            records
                .filter(|channel| !channel.is_hidden() && pass(&channel.name, channel.online))
                .map(|channel| channel.info()),
        );
        (until < end).then_some(until)
    }

    /// Changes of online and offline after the start.
    pub fn changes(&self, start: Start, limit: usize) -> Changes {
        self.feed.read(start, limit, self.end)
    }

    /// The place of the last change; the start when there was none.
    pub fn last_change(&self) -> Position {
        self.feed.last()
    }

    /// Sums over all channels, kept as they change.
    pub fn totals(&self) -> Totals {
        let (used, kept) = (self.room.used(), self.room.kept());
        Totals {
            histories: self.oldest.len() as u64,
            channels_bytes: used,
            channels_passing_bytes: used - kept,
            ..self.totals
        }
    }

    /// Whether there is so little room for names that nobody knows yet that it matters who asks for them.
    pub fn minds_guests(&self) -> bool {
        self.room.is_little()
    }

    /// How many changes of online and offline are kept.
    pub fn changes_kept(&self) -> usize {
        self.feed.count()
    }

    /// Channels of whose history time has left nothing since this was last called. From the first call on
    /// they are noted, [`crate::limits::OUTLIVED_MAX`] of them at the most.
    pub fn outlived(&mut self) -> Vec<Arc<str>> {
        self.feed.outlived.replace(Vec::new()).unwrap_or_default()
    }

    /// Walks all records and checks everything that must hold between two calls. For tests: it panics
    /// when something does not.
    pub fn audit(&self) {
        self.check();
        let Totals { evicted, published, hurried, crowded, looked_up, read, .. } = self.totals;
        let mut sums = Totals { evicted, published, hurried, crowded, looked_up, read, ..Totals::default() };
        let (mut due, mut kept) = (0, 0);
        for (id, channel) in self.names.iter() {
            channel.audit();
            assert_eq!(self.names.find(&channel.name), Some(id));
            assert!(channel.due == NEVER || self.agenda_of(channel.holder).contains(channel.due, id));
            due += usize::from(channel.due != NEVER);
            sums.channels += 1;
            sums.online += u64::from(channel.online);
            sums.subscriptions += u64::from(channel.waiting());
            if let Some(history) = &channel.history {
                assert_eq!(channel.rule, self.rules.of(id).find(&channel.name));
                history.audit(&channel.name, self.rules.of(id).keep(channel.rule));
                assert!(self.oldest.contains(history.oldest, id));
                kept += 1;
                sums.history_messages += history.len() as u64;
                sums.history_bytes += history.bytes();
            }
        }
        assert_eq!(self.totals, sums);
        let entered = (self.agenda.len() + self.passing.len(), self.oldest.len());
        assert_eq!(entered, (due, kept), "nobody stands in an agenda in vain");
        self.room.audit(self.names.iter().map(|(_, channel)| (channel.holder, channel.record_len())));
    }

    /// What must hold between any two calls and is cheap to look at.
    pub(crate) fn check(&self) {
        debug_assert!(self.end <= self.last);
        debug_assert!(self.ordered.is_empty() == (self.end == self.last));
        debug_assert!(self.floor.position <= self.end);
        debug_assert!(self.floor.trimmed_at <= self.trims);
        debug_assert!(self.totals.channels == self.names.len() as u64);
        debug_assert!(self.totals.online <= self.totals.channels);
        debug_assert!(self.agenda.len() + self.passing.len() <= self.names.len());
        debug_assert!(self.oldest.len() <= self.names.len());
        debug_assert!(self.room.used() <= self.limits.channels_budget);
    }
}
