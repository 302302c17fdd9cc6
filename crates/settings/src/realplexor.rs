//! What the settings say of the dialect of Realplexor, for both lines.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::rand::{GetRandomFlags, getrandom};

use super::{Values, count};

/// As the WAIT line takes it.
pub(crate) fn of_wait(values: &Values) -> wait::Realplexor {
    let page = |name: &str, content_type, own: &str| {
        let file = values.file(&format!("realplexor_{name}_file"));
        let built_in = SystemTime::UNIX_EPOCH + Duration::from_secs(wait::pages::CHANGED);
        let text = file.map_or(own, |file| &file.text);
        let body = wait::replaced(text, |name| variable(values, name)).into_bytes();
        let about = wait::About {
            content_type,
            charset: values.text("realplexor_charset").into(),
            last_modified: dated(file.map_or(built_in, |file| file.changed)).into(),
            tag: wait::About::tag_of(&body),
        };
        wait::StaticPage { about, body: body.into() }
    };
    let pages = [
        page("iframe", "text/html", wait::pages::LOADER),
        page("script", "text/javascript", wait::pages::LIBRARY),
    ];
    wait::Realplexor {
        marker: marker(values),
        charset: values.text("realplexor_charset").into(),
        page_ids: ["iframe", "script"]
            .map(|name| values.text(&format!("realplexor_{name}_id")).into())
            .into(),
        pages: Arc::new(pages),
    }
}

/// As the IN line takes it.
pub(crate) fn of_in(values: &Values) -> in_line::Realplexor {
    let mut chance = [0; 32];
    // Without chance what is remembered of passwords is no safer than the file.
    let _ = getrandom(&mut chance, GetRandomFlags::empty());
    let users = values.file("realplexor_users").map_or(":", |file| &file.text);
    in_line::Realplexor {
        marker: marker(values),
        users: Arc::new(in_line::Users::read(users, chance)),
        timeout: values.duration("classic_in_timeout"),
        limit: count(values.count("realplexor_in_limit")),
        partial: values.choice("realplexor_partial") == "on",
    }
}

fn marker(values: &Values) -> in_line::Marker {
    in_line::Marker::new(values.text("realplexor_marker")).unwrap_or_default()
}

/// What stands for a name in a page. The names are those that pages of old know.
fn variable(values: &Values, name: &str) -> Option<String> {
    let seconds = |name| values.duration(name).as_secs_f64().to_string();
    Some(match name {
        "WAIT_TIMEOUT" => seconds("classic_wait_timeout"),
        "IDENTIFIER" => values.text("realplexor_marker").to_owned(),
        "IFRAME_ID" => values.text("realplexor_iframe_id").to_owned(),
        "SCRIPT_ID" => values.text("realplexor_script_id").to_owned(),
        "CHARSET" => values.text("realplexor_charset").to_owned(),
        "JS_WAIT_URI" => values.text("realplexor_wait_uri").to_owned(),
        "JS_WAIT_RECONNECT_DELAY" => seconds("realplexor_reconnect_delay"),
        "JS_MAX_BOUNCES" => values.count("realplexor_max_bounces").to_string(),
        "JS_DEBUG" => u8::from(values.choice("realplexor_debug") == "on").to_string(),
        _ => return None,
    })
}

/// A time as HTTP says it, but with the day of the month as the servers of old wrote it.
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
