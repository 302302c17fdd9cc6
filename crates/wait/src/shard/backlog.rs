//! The pages of a backlog behind the first: of a connection's own beginning, and of channels that a client added.

use exchange::hub::{Next, Page, Position, Refused, Start};
use transport::dialect::native::PageEnd;
use transport::{Backlog, Notice, Part, Purpose};

use super::Shard;
use super::audience::Given;
use super::post::Sending;
use super::presence::{about, named};
use super::subscribe::{crowded, owes_list, tell_present, texts};
use crate::askers::Want;
use crate::kernel::Kernel;

impl<K: Kernel> Shard<K> {
    /// Reads and writes the next page of a backlog, unless the last one is not written yet.
    pub(super) fn next_page(&mut self, index: usize) {
        let slot = &mut self.slab[index];
        if slot.owed_len() > 0 {
            return;
        }
        let Some(mut backlog) = slot.conn.extra.as_mut().and_then(|extra| extra.backlog.take()) else {
            return;
        };
        let guest = self.guest(index);
        let (session, names) = (self.guests.session(index), texts(&backlog.names));
        let mut page = match self.subscribe(guest, session, &names, backlog.start) {
            Ok(page) => page,
            Err(refused) => {
                drop(names);
                return self.break_off(index, &backlog, refused);
            }
        };
        drop(names);
        self.meet_again(index, &backlog.names, &mut backlog.start, &mut page);
        let given = self.given(index, std::mem::take(&mut page.messages), &texts(&backlog.names));
        self.count_page(given.len(), page.gaps.len());
        match backlog.purpose {
            Purpose::Opening => self.write_page(index, backlog, page, &given),
            Purpose::Added(_) => self.write_added(index, backlog, page, &given),
        }
    }

    /// A page of the connection's own beginning.
    fn write_page(&mut self, index: usize, backlog: Backlog, page: Page, given: &[Given]) {
        let names = texts(&backlog.names);
        let gaps = about(page.gaps.iter().map(|gap| names[usize::from(*gap)]));
        let mut out = Vec::new();
        let conn = &self.slab[index].conn;
        conn.tell(Notice::Gap(&gaps), self.cursors, &mut out);
        let cursors = if owes_list(&page) { self.cursors.unlisted() } else { self.cursors };
        conn.page(given.iter().map(Given::part), cursors, &mut self.pages, &mut out);
        tell_present(conn, &page, self.cursors, &mut out);
        drop(names);
        self.go_on(index, backlog, page.next);
        self.write(index, &out);
    }

    /// A page of the backlog of channels added to a live connection. Its cursor is the page's end, so what the
    /// connection's other channels were told up to there comes before it.
    fn write_added(&mut self, index: usize, backlog: Backlog, page: Page, given: &[Given]) {
        let (cursor, more) = match &page.next {
            Next::Live { position, .. } => (*position, false),
            Next::More(resume) => (resume.after(), true),
        };
        let token = self.token(index);
        // Members by now, or their first messages would pass by; but the backlog is not through.
        if let Next::Live { position, channels } = &page.next {
            self.go_live(index, &backlog, channels, *position);
        }
        self.slab[index].conn.extra_mut().backlog = Some(backlog);
        if !self.catch_up(index, cursor) || self.find(token).is_none() {
            return;
        }
        let conn = &mut self.slab[index].conn;
        let Some(backlog) = conn.extra.as_mut().and_then(|extra| extra.backlog.take()) else { return };
        let Backlog { names, purpose: Purpose::Added(id), start } = &backlog else { return };
        // Later pages do not name them again: a list may be longer than what there is to tell.
        let told = if matches!(start, Start::More(_)) { &[] } else { named(names) };
        let mut out = Vec::new();
        let end = PageEnd { cursor, more, gap: !page.gaps.is_empty() };
        let parts: Vec<Part<'_>> = given.iter().map(Given::part).collect();
        let subscribed = Notice::Subscribed { names: told, parts: &parts, end, id: id.as_deref() };
        // Who breaks off before the list is owed it when it comes back.
        let cursors = if owes_list(&page) { self.cursors.unlisted() } else { self.cursors };
        conn.tell(subscribed, cursors, &mut out);
        tell_present(conn, &page, self.cursors, &mut out);
        if let Next::More(resume) = page.next {
            self.go_on_paging(index, backlog, resume);
        }
        self.write(index, &out);
    }

    /// Gives a connection all that its channels released up to this place, which is released. False: it is gone.
    pub(super) fn catch_up(&mut self, index: usize, place: Position) -> bool {
        if self.slab[index].conn.last < place {
            self.take_mail();
            if !self.visit_until(index, place, Sending::Now) {
                return false;
            }
        }
        let slot = &mut self.slab[index];
        slot.conn.last = slot.conn.last.max(place);
        slot.subs.settle(slot.conn.last);
        true
    }

    fn break_off(&mut self, index: usize, backlog: &Backlog, refused: Refused) {
        let problem = crowded(refused);
        self.count_problem(index, &problem, &backlog.names);
        let mut out = Vec::new();
        match &backlog.purpose {
            Purpose::Added(id) => {
                let error = Notice::Error { problem: &problem, id: id.as_deref() };
                self.slab[index].conn.tell(error, self.cursors, &mut out);
                self.askers.push(self.token(index), Want::Look);
                self.write(index, &out);
            }
            Purpose::Opening => self.end(index, 1013, &refused.to_string()),
        }
    }
}
