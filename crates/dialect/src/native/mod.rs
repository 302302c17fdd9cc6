//! The native protocol: `/sub/…`, `/sse/…` and so on to wait, and how its messages are put.
//!
//! `docs/protocol.md` describes it for those who write a client.

mod app_paths;
mod command;
mod context;
mod credentials;
mod line_ends;
mod message_parts;
mod names;
mod object;
mod older;
mod paths;
mod present;
mod refusal;
mod request;
mod reserved_words;
mod since;
mod speech;
mod subscribe_query;
mod wait;
mod warnings;

pub use app_paths::{is_of_application, is_passed};
pub use command::{
    PageEnd, command_id, read_command, write_change, write_changed, write_cursor, write_deleted, write_ended,
    write_error, write_expired, write_gap, write_opening, write_pong, write_published, write_reason,
    write_renewed, write_subscribed, write_unsubscribed,
};
pub use context::Context;
pub use credentials::{Credentials, Shown, TOKEN_PROTOCOL, credentials_in_url};
pub use line_ends::bare_data;
pub(crate) use line_ends::escape_line_ends;
pub use message_parts::{check_content_type, check_event, check_key, no_json, read_ttl};
pub use names::{NameList, check_escapes, names_in_body, names_in_list, names_in_path, user_in_path};
pub use object::{
    is_json_text, kind_of, write_document, write_movement, write_object, write_removal, write_string,
    write_strings, write_told, write_uncovered, write_value,
};
pub use older::before;
pub use paths::{Paths, WaitPath};
pub use present::{
    PresentPart, present_parts, write_present, write_present_object, write_present_whole, write_users,
};
pub use refusal::told_by_event;
pub use request::{hears_refusals, intent, not_found, wait_of_page};
pub use reserved_words::{RESERVED, is_reserved};
pub use since::{age, is_last_event_id, last_event_id, since};
pub use speech::data_of;
pub use subscribe_query::heartbeat;
pub use wait::Native;
pub use warnings::{Remark, STAR, STAR_PUBLISHED, WARNING, has_star, warning_of_query, warning_of_wait};
