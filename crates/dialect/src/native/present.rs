//! Who is on a channel, as its readers are told: a list in pages, so that no piece of it is long.

use hub::{Cursors, Position, Present, PresentList};

use super::object::write_string;
use crate::limits::{PRESENT_INFO_MAX, PRESENT_PAGE_LEN_MAX, PRESENT_PAGE_USERS_MAX};

/// One page of a channel's users.
#[derive(Debug, Clone, Copy)]
pub struct PresentPart<'a> {
    list: &'a PresentList,
    users: &'a [Present],
    /// Another one follows.
    pub more: bool,
    /// The list of another channel follows.
    before_others: bool,
    /// There is too much to say of the users: their names stand alone.
    short: bool,
}

impl PresentPart<'_> {
    /// The cursors of this page: who breaks off before all lists are told is owed them when it comes back.
    pub fn cursors(&self, cursors: Cursors) -> Cursors {
        if self.before_others { cursors.unlisted() } else { cursors }
    }
}

/// Lists in pages, one list after the other.
pub fn present_parts(lists: &[PresentList]) -> impl Iterator<Item = PresentPart<'_>> {
    let parts = |(n, list)| parts_of(list, n + 1 < lists.len());
    lists.iter().enumerate().flat_map(parts)
}

/// A list in pages: at least one, which is empty where nobody is there.
fn parts_of(list: &PresentList, before_others: bool) -> Vec<PresentPart<'_>> {
    let short = list.page.users.iter().map(info_len).sum::<usize>() > PRESENT_INFO_MAX;
    let mut parts = Vec::new();
    let mut rest = &list.page.users[..];
    while parts.is_empty() || !rest.is_empty() {
        let mut len = 0;
        let fits = |user: &&Present| {
            len += user.user.len() + if short { 0 } else { info_len(user) };
            len <= PRESENT_PAGE_LEN_MAX
        };
        let count = rest.iter().take(PRESENT_PAGE_USERS_MAX).take_while(fits).count().max(1).min(rest.len());
        let (users, behind) = rest.split_at(count);
        rest = behind;
        parts.push(PresentPart { list, users, more: !rest.is_empty(), before_others, short });
    }
    parts
}

/// Appends a page: `{"channel", "users": [{"user", "info"?, "since"}…], "count", "anonymous", "more"?: true, "short"?: true}`.
pub fn write_present(part: PresentPart<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"channel\":");
    write_string(&part.list.channel, out);
    out.extend_from_slice(b",\"users\":");
    write_users(part.users, part.short, out);
    let page = &part.list.page;
    out.extend_from_slice(format!(",\"count\":{},\"anonymous\":{}", page.count, page.anonymous).as_bytes());
    for (is, flag) in [(part.more, "more"), (part.short, "short")] {
        if is {
            out.extend_from_slice(format!(",\"{flag}\":true").as_bytes());
        }
    }
    out.push(b'}');
}

/// Appends a list as one page, however long it is.
pub fn write_present_whole(list: &PresentList, out: &mut Vec<u8>) {
    let short = list.page.users.iter().map(info_len).sum::<usize>() > PRESENT_INFO_MAX;
    let (more, before_others) = (false, false);
    write_present(PresentPart { list, users: &list.page.users, more, before_others, short }, out);
}

/// Appends users as an array.
pub fn write_users(users: &[Present], short: bool, out: &mut Vec<u8>) {
    out.push(b'[');
    for (n, Present { user, info, since }) in users.iter().enumerate() {
        out.extend_from_slice(if n > 0 { b",{\"user\":" } else { b"{\"user\":" });
        write_string(user, out);
        if let Some(info) = info.as_deref().filter(|_| !short) {
            out.extend_from_slice(b",\"info\":");
            out.extend_from_slice(info.as_bytes());
        }
        out.extend_from_slice(format!(",\"since\":{}.{:03}}}", since / 1_000, since % 1_000).as_bytes());
    }
    out.push(b']');
}

/// Appends a page as an object of a stream: `{"present": {…}, "cursor"?}`. The last one of a channel alone has a cursor: who
/// comes back with an earlier one is owed the list.
pub fn write_present_object(part: PresentPart<'_>, at: Position, cursors: Cursors, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"present\":");
    write_present(part, out);
    if !part.more {
        out.extend_from_slice(b",\"cursor\":\"");
        part.cursors(cursors).write(at, out);
        out.push(b'"');
    }
    out.push(b'}');
}

fn info_len(user: &Present) -> usize {
    user.info.as_deref().map_or(0, str::len)
}
