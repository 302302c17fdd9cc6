//! The objects of the IN line, as JSON Schema.

use dialect::Code;
use dialect::hub::limits::{NAME_LEN_MAX, TARGETS_MAX};
use serde_json::{Value, json};

use super::codes::codes;
use super::explain;

/// Refers to a schema by its name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// All schemas, by name.
pub(super) fn schemas() -> Value {
    json!({
        "Answer": object(&["cursor", "channels"], json!({
            "cursor": cursor(),
            "channels": { "type": "object", "additionalProperties": reference("Seen") },
        })),
        "Seen": object(&["waiting", "online"], json!({ "waiting": count(), "online": flag() })),
        "Item": item(),
        "Outcome": { "oneOf": [
            reference("Answer"),
            object(&["error"], json!({ "error": reference("Problem") })),
        ] },
        "Channels": object(&["channels"], json!({
            "channels": { "type": "array", "items": object(
                &["name", "waiting", "online"],
                json!({ "name": text(), "waiting": count(), "online": flag() }),
            ) },
            "next": text(),
        })),
        "Channel": object(&["name", "waiting", "online", "history"], json!({
            "name": text(),
            "waiting": count(),
            "online": flag(),
            "history": object(&["messages", "bytes"], json!({
                "messages": count(), "bytes": count(), "first": cursor(), "last": cursor(),
            })),
        })),
        "Deleted": object(&["name", "deleted"], json!({ "name": text(), "deleted": flag() })),
        "Removed": object(&["channel", "cursor", "deleted"], json!({
            "channel": text(), "cursor": cursor(), "deleted": { "const": true },
        })),
        "ChannelUsers": channel_users(),
        "History": object(&["cursor", "messages"], json!({
            "cursor": cursor(),
            "messages": { "type": "array", "items": reference("Message") },
            "gap": { "const": true },
            "more": { "const": true },
        })),
        "Message": message(),
        "Users": users(),
        "User": user(),
        "Ended": object(&["ended"], json!({ "ended": count() })),
        "Refused": refused(),
        "Webhooks": webhooks(),
        "Explained": explain::schema(), "Reloaded": object(&["changed", "waiting"], json!({ "changed": names(), "waiting": names() })), "Settings": settings(),
        "Changes": object(&["cursor", "changes"], json!({
            "cursor": cursor(),
            "changes": { "type": "array", "items": { "anyOf": [reference("Change"), reference("Movement")] } },
            "gap": { "const": true },
            "more": { "const": true },
        })),
        "Change": object(&["cursor", "channel", "online", "time"], json!({
            "cursor": cursor(), "channel": text(), "online": flag(), "time": seconds(),
        })),
        "Movement": object(&["cursor"], json!({ "cursor": cursor(), "joined": movement(), "left": movement() })),
        "Problem": object(&["type", "title", "status", "code", "detail"], json!({
            "type": text(), "title": text(), "status": count(), "code": codes(Code::is_of_in), "detail": text(),
        })),
    })
}

/// Who joined which channel, or left it.
fn movement() -> Value {
    object(
        &["channel", "user", "time"],
        json!({ "channel": text(), "user": text(), "info": {}, "time": seconds() }),
    )
}

fn message() -> Value {
    object(
        &["cursor", "channel", "data", "time"],
        json!({
            "cursor": cursor(),
            "channel": text(),
            "event": text(),
            "user": { "type": "string", "description": "Of the client that said it; left out of what applications publish" },
            "data": { "description": "JSON as it was published, else a string" },
            "base64": { "const": true },
            "time": seconds(),
        }),
    )
}

/// Who is on a channel.
fn channel_users() -> Value {
    object(
        &["cursor", "users", "count", "anonymous"],
        json!({
            "cursor": cursor(),
            "users": { "type": "array", "items": object(
                &["user", "since"],
                json!({ "user": text(), "info": { "description": "JSON, as the application said it" }, "since": seconds() }),
            ) },
            "count": count(),
            "anonymous": count(),
            "more": { "const": true },
        }),
    )
}

fn users() -> Value {
    object(
        &["cursor", "users"],
        json!({
            "cursor": cursor(),
            "users": { "type": "array", "items": object(
                &["user", "connections", "since"],
                json!({ "user": text(), "connections": count(), "since": count() }),
            ) },
            "next": text(),
        }),
    )
}

fn user() -> Value {
    object(
        &["user", "online", "connections"],
        json!({
            "user": text(),
            "online": flag(),
            "since": count(),
            "connections": { "type": "array", "items": object(
                &["id", "channels", "transport", "since"],
                json!({
                    "id": text(),
                    "channels": { "type": "array", "items": text() },
                    "transport": { "type": "string", "enum": ["poll", "sse", "stream", "ws"] },
                    "address": text(),
                    "since": count(),
                }),
            ) },
            "more": { "const": true },
        }),
    )
}

fn webhooks() -> Value {
    let one = object(
        &["name", "url", "events", "state", "cursor", "backlog", "calls", "failed", "taken", "lost", "gaps"],
        json!({
            "name": text(),
            "url": text(),
            "match": text(),
            "events": { "type": "array", "items": text() },
            "state": { "enum": ["ready", "sending", "retrying", "stopped"] },
            "cursor": cursor(),
            "backlog": object(&["events", "bytes"], json!({ "events": count(), "bytes": count() })),
            "calls": count(), "failed": count(), "taken": count(), "lost": count(), "gaps": count(),
            "last": object(&["time"], json!({ "time": seconds(), "error": text() })),
            "next_try": seconds(),
        }),
    );
    object(&["webhooks"], json!({ "webhooks": { "type": "array", "items": one } }))
}

/// What may be a channel's name.
pub(super) fn channel_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": LEN_MAX, "pattern": NAME, "description": IN_BYTES })
}

fn settings() -> Value {
    json!({
        "type": "object",
        "description": "Settings by their names, and `channel` and `webhook`, whose values are lists of entries.",
        "additionalProperties": {
            "type": "object",
            "required": ["value", "takes_effect"],
            "properties": {
                "value": {},
                "from": { "enum": ["default", "file", "environment", "flag"] },
                "file": text(), "line": count(), "variable": text(), "flag": text(),
                "takes_effect": { "enum": ["live", "new connections", "restart"] },
                "waiting": { "type": "object", "description": "Another value that was read, and waits for a restart." },
            },
        },
    })
}

fn names() -> Value {
    json!({ "type": "array", "items": text() })
}

fn refused() -> Value {
    let one = object(
        &["time", "line", "status", "code", "detail", "what"],
        json!({
            "time": seconds(), "line": { "enum": ["wait", "in"] }, "status": count(), "code": codes(Code::is_denial),
            "detail": text(), "what": text(), "from": text(), "who": text(),
        }),
    );
    object(&["refused"], json!({ "refused": { "type": "array", "items": one } }))
}

/// What may be published in a batch. `null` counts as not there, but for data.
fn item() -> Value {
    let none = json!({ "type": "null" });
    let channel = channel_name();
    let channels = json!({ "type": "array", "items": channel, "minItems": 1, "maxItems": TARGETS_MAX });
    let base64 = json!({ "type": "string", "pattern": BASE64 });
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "channel": { "anyOf": [channel, none] },
            "channels": { "anyOf": [channels, none] },
            "data": { "description": "A string is published as text, all other JSON as it stands" },
            "json": { "type": ["boolean", "null"], "description": "data is a string that holds JSON, which is published" },
            "base64": { "type": ["boolean", "null"], "description": "data is base64, and its bytes are published" },
            "event": { "type": ["string", "null"], "maxLength": LEN_MAX, "pattern": PRINTABLE },
            "ttl": { "type": ["number", "null"], "minimum": 0, "maximum": 1e9 },
            "content_type": { "type": ["string", "null"], "maxLength": 255, "pattern": "^[ -~]*$" },
            "except": { "type": ["string", "null"], "pattern": super::CONNECTION, "description": "The id of a connection that is not given it" },
            "key": { "type": ["string", "null"], "minLength": 1, "maxLength": LEN_MAX, "pattern": PRINTABLE },
        },
        "additionalProperties": false,
        "oneOf": [
            { "required": ["channel"], "properties": { "channel": channel, "channels": none } },
            { "required": ["channels"], "properties": { "channels": channels, "channel": none } },
        ],
        "if": { "required": ["base64"], "properties": { "base64": { "const": true } } },
        "then": { "properties": { "data": base64 } },
    })
}

/// 200 with this content; whatever else, a problem document.
pub(super) fn responses(told: &str, content: &Value) -> Value {
    let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
    json!({
        "200": { "description": told, "content": content },
        "4XX": { "description": "What was wrong, and what would be right", "content": problem },
        "5XX": { "description": "Why it cannot be done now; with Retry-After where trying again may help", "content": problem },
    })
}

/// The same for what a store is to keep.
pub(super) fn taken(told: &str, content: &Value) -> Value {
    let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
    let mut responses = responses(told, content);
    let full = "It was not taken: clients take messages slower than they are published, or the disk of the store fails; with Retry-After";
    responses["503"] = json!({ "description": full, "content": problem });
    let reused = "It was not taken: another message came before under the same idempotency key";
    responses["422"] = json!({ "description": reused, "content": problem });
    let room = "It was not taken: the disk of the store is full (with Retry-After), or there is no room for another channel";
    responses["507"] = json!({ "description": room, "content": problem });
    responses
}

/// Characters of what is limited to 255 bytes.
pub(super) const LEN_MAX: usize = NAME_LEN_MAX;
/// What cannot be put in a schema.
pub(super) const IN_BYTES: &str =
    "255 bytes of UTF-8 at the most, so fewer characters where they are not ASCII";
const NAME: &str = r"^[^$,\u0000-\u001f\u007f-\u009f][^,\u0000-\u001f\u007f-\u009f]*$";
/// What is limited to 255 bytes and holds no control character.
pub(super) const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";

#[allow(clippy::needless_pass_by_value, reason = "it is always made for this call")]
pub(super) fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn cursor() -> Value {
    json!({ "type": "string", "description": "A place in the order, to resume from" })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn seconds() -> Value {
    json!({ "type": "number", "description": "Seconds since the Unix epoch" })
}
