//! What the settings say of the dialect of Realplexor, for both lines.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use dialect::realplexor::{Marker, PageFacts, Realplexor, StaticPage, pages, replaced};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Values, count};
use crate::file_text::FileText;
use crate::key::SettingKey;
use crate::keys;

/// As the WAIT line takes it.
pub(crate) fn of_wait(values: &Values) -> Realplexor {
    let page = |own_file: &SettingKey<Option<FileText>>, content_type, ours: &str| {
        let file = values.get(own_file);
        let built_in = SystemTime::UNIX_EPOCH + Duration::from_secs(pages::CHANGED);
        let text = file.as_ref().map_or(ours, |file| &file.text);
        let body = replaced(text, |name| variable(values, name)).into_bytes();
        let about = PageFacts {
            content_type,
            charset: values.get(&keys::REALPLEXOR_CHARSET).into(),
            last_modified: dated(file.as_ref().map_or(built_in, |file| file.changed)).into(),
            tag: PageFacts::tag_of(&body),
        };
        StaticPage { about, body: body.into() }
    };
    let pages = [
        page(&keys::REALPLEXOR_IFRAME_FILE, "text/html", pages::LOADER),
        page(&keys::REALPLEXOR_SCRIPT_FILE, "text/javascript", pages::LIBRARY),
    ];
    Realplexor {
        marker: marker(values),
        charset: values.get(&keys::REALPLEXOR_CHARSET).into(),
        page_ids: [&keys::REALPLEXOR_IFRAME_ID, &keys::REALPLEXOR_SCRIPT_ID]
            .map(|key| values.get(key).into())
            .into(),
        pages: Arc::new(pages),
    }
}

/// As the IN line takes it.
pub(crate) fn of_in(values: &Values) -> in_line::dialects::RealplexorIn {
    let mut chance = [0; 32];
    // Without chance what is remembered of passwords is no safer than the file.
    let _ = getrandom(&mut chance, GetRandomFlags::empty());
    let users = values.get(&keys::REALPLEXOR_USERS);
    let users = users.as_ref().map_or(":", |file| &file.text);
    in_line::dialects::RealplexorIn {
        marker: marker(values),
        users: Arc::new(in_line::Users::read(users, chance)),
        timeout: values.get(&keys::CLASSIC_IN_TIMEOUT),
        limit: count(values.get(&keys::REALPLEXOR_IN_LIMIT)),
        partial: values.get(&keys::REALPLEXOR_PARTIAL),
    }
}

fn marker(values: &Values) -> Marker {
    Marker::new(&values.get(&keys::REALPLEXOR_MARKER)).unwrap_or_default()
}

/// What stands for a name in a page. The names are those that Realplexor's pages use.
fn variable(values: &Values, name: &str) -> Option<String> {
    let seconds = |key: &SettingKey<Duration>| values.get(key).as_secs_f64().to_string();
    Some(match name {
        "WAIT_TIMEOUT" => seconds(&keys::CLASSIC_WAIT_TIMEOUT),
        "IDENTIFIER" => values.get(&keys::REALPLEXOR_MARKER),
        "IFRAME_ID" => values.get(&keys::REALPLEXOR_IFRAME_ID),
        "SCRIPT_ID" => values.get(&keys::REALPLEXOR_SCRIPT_ID),
        "CHARSET" => values.get(&keys::REALPLEXOR_CHARSET),
        "JS_WAIT_URI" => values.get(&keys::REALPLEXOR_WAIT_URI),
        "JS_WAIT_RECONNECT_DELAY" => seconds(&keys::REALPLEXOR_RECONNECT_DELAY),
        "JS_MAX_BOUNCES" => values.get(&keys::REALPLEXOR_MAX_BOUNCES).to_string(),
        "JS_DEBUG" => u8::from(values.get(&keys::REALPLEXOR_DEBUG)).to_string(),
        _ => return None,
    })
}

/// A time as HTTP says it, but with the day of the month as Realplexor writes it.
fn dated(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    date.replacen(", 0", ",  ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_day_is_padded_with_a_blank() {
        let dated_at = |seconds| dated(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(dated_at(1_407_363_695), "Wed,  6 Aug 2014 22:21:35 GMT");
        assert_eq!(dated_at(1_408_227_695), "Sat, 16 Aug 2014 22:21:35 GMT");
    }
}
