//! `GET /channels/NAME/users`: who is on a channel, in the order of their names, page by page.

use dialect::hub::{Door, PresentPage};
use dialect::native::write_users;
use dialect::{Code, Problem};

use crate::limits::{PRESENT_PAGE, PRESENT_PAGE_MAX};
use crate::query::read_number;
use crate::response::excerpt;
use crate::state::InLine;

/// A page of a channel's users: `{"cursor", "users", "count", "anonymous", "more"?}`. Changes after the cursor complete it.
pub(crate) fn page(line: &InLine, name: &str, query: &str) -> Result<Vec<u8>, Problem> {
    if line.exchange.registry().rules().presence(name) == Door::Off {
        let why = "is not known: a rule for it in the settings would say presence = \"open\" or \"token\"";
        return Err(Problem::new(403, Code::Presence, format!("who is on {:?} {why}", excerpt(name))));
    }
    let (mut after, mut limit) = (None, PRESENT_PAGE);
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*key {
            "after" if value.is_empty() => {}
            "after" => after = Some(value),
            "limit" => limit = read_number("limit", &value, 1, PRESENT_PAGE_MAX)?,
            _ => {}
        }
    }
    let cursors = line.exchange.cursors();
    let limit = limit as usize;
    let (mut page, at) = line.exchange.admin().present(name, after.as_deref(), limit);
    // Those who are not told yet are passed over, so many in one hold of the lock.
    while page.users.len() < limit
        && let Some(next) = page.next.take()
    {
        let (rest, _) = line.exchange.admin().present(name, Some(&next), limit - page.users.len());
        page.users.extend(rest.users);
        (page.more, page.next) = (rest.more, rest.next);
    }
    let PresentPage { users, count, anonymous, more, .. } = page;
    let mut out = b"{\"cursor\":\"".to_vec();
    cursors.write(at, &mut out);
    out.extend_from_slice(b"\",\"users\":");
    write_users(&users, false, &mut out);
    out.extend_from_slice(format!(",\"count\":{count},\"anonymous\":{anonymous}").as_bytes());
    out.extend_from_slice(if more { b",\"more\":true}\n" } else { b"}\n" });
    Ok(out)
}
