//! docs/openapi.json: the IN line as programs read it. The program serves that file; here it is made, and held against the line.
//!
//! Nothing of this is in the program itself, which it would make 200 KB larger: the document changes when the code does. Limits,
//! codes and rules of names come from where they are kept, so that they cannot be described otherwise.

mod codes;
mod explain;
mod schemas;
mod users;

use axum::http::Method;
use dialect::hub::EVERYBODY;
use dialect::hub::limits::TARGETS_MAX;
use exchange::limits::DENIALS_KEPT;
use serde_json::{Map, Value, json};

use crate::limits::{CHANNELS_PAGE_MAX, HISTORY_PAGE_MAX};
use crate::routes::ROUTES;
use schemas::{IN_BYTES, LEN_MAX, PRINTABLE, channel_name, reference, responses, schemas, taken};

pub(crate) fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Multiplexor: the IN line",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Where application servers publish messages and ask who is online. Clients wait on the WAIT line, which is not described here.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "http://127.0.0.1:10010" }],
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": { "key": { "type": "http", "scheme": "bearer", "description": "An API key, where some are set" } },
        },
        "security": [{ "key": [] }, {}],
    })
}

/// What is done at each address, by method.
fn paths() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let operations = route.operations.iter().filter(|one| one.query.is_some());
        let described = operations.filter_map(|one| {
            Some((one.method.as_str().to_ascii_lowercase(), operation(&one.method, route.path)?))
        });
        let described: Map<String, Value> = described.collect();
        if !described.is_empty() {
            paths.insert(route.path.replace("{*", "{"), Value::Object(described));
        }
    }
    Value::Object(paths)
}

/// How an operation is described; `None`: it only tells that a name is missing. A page, for people, is not asked about.
fn operation(method: &Method, path: &str) -> Option<Value> {
    let described = match (method.as_str(), path) {
        ("POST", "/pub") => publish_batch(),
        ("POST", "/pub/{*names}") => publish(),
        ("GET", "/channels") => channels(),
        ("GET", "/channels/{name}") => channel(),
        ("DELETE", "/channels/{name}") => delete(),
        ("GET", "/channels/{name}/history") => history(),
        ("GET", "/channels/{name}/users") => users::channel_users(),
        ("DELETE", "/channels/{name}/history/{cursor}") => remove(),
        ("GET", "/users") => users::users(),
        ("GET", "/users/{user}") => users::user(),
        ("DELETE", "/users/{user}") => users::end_user(),
        ("POST", "/users/{user}/pub") => publish_to_user(),
        ("POST", "/users/{user}/channels") => users::change_channels(),
        ("DELETE", "/connections/{id}") => users::end(),
        ("GET", "/webhooks") => webhooks(),
        ("GET", "/settings") => settings(),
        ("POST", "/explain") => explain::operation(),
        ("POST", "/reload") => reload(),
        ("GET", "/watch") => watch(),
        ("GET", "/stats") => stats(),
        ("GET", "/refused") => refused(),
        ("GET", "/metrics") => metrics(),
        ("GET", "/healthz") => healthz(),
        ("GET", "/readyz") => readyz(),
        ("GET", "/openapi.json") => description(),
        ("POST", "/pub/") => return None,
        _ => panic!("{method} {path} is not described"),
    };
    Some(described)
}

fn publish() -> Value {
    let names = "Channels, separated by commas; each 1 to 255 bytes of UTF-8, percent-encoded; or $all: every connection there is";
    publishes("publish", "Publish one message; the body is the data", &path("names", names))
}

fn publish_to_user() -> Value {
    let summary =
        "Publish one message to all connections of a user, whatever they listen to; the body is the data";
    publishes("publishToUser", summary, &users::user_path())
}

fn publishes(id: &str, summary: &str, to: &Value) -> Value {
    let parameters = json!([
        to,
        query("event", "The event's name, for those who listen to SSE", &printable(0)),
        query("ttl", "Seconds it is kept for those who come back; 0: not at all", &matching(TTL)),
        query("key", "Idempotency key: a repeat gets the first answer", &printable(1)),
        header("Multiplexor-Event", "The same as event", &printable(0)),
        header("Multiplexor-TTL", "The same as ttl", &matching(TTL)),
        header("Idempotency-Key", "The same as key", &printable(1)),
        except(),
    ]);
    json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "requestBody": { "content": { "*/*": { "schema": {} } } },
        "responses": taken("The message has its place", &json!({ "application/json": { "schema": reference("Answer") } })),
    })
}

fn publish_batch() -> Value {
    let item = reference("Item");
    let form = json!({ "oneOf": [item, { "type": "array", "items": item, "maxItems": crate::limits::BATCH_ITEMS_MAX }] });
    let outcome = reference("Outcome");
    let answer = json!({
        "application/json": { "schema": { "oneOf": [reference("Answer"), { "type": "array", "items": outcome }] } },
        "application/x-ndjson": { "schema": { "type": "string" } },
    });
    json!({
        "operationId": "publishBatch",
        "parameters": [except()],
        "summary": "Publish one message or many: a JSON object, an array, or one object a line",
        "description": "Each item of an array and each line is answered by itself, in order; one that is bad spoils no other. For a single object the idempotency key may also stand where it does for one message.",
        "requestBody": {
            "required": true,
            "content": {
                "application/json": { "schema": form },
                "application/x-ndjson": { "schema": { "type": "string" } },
            },
        },
        "responses": taken("An answer for each item, in the form of the batch", &answer),
    })
}

fn channels() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "operationId": "channels",
        "summary": "Who is online, by name",
        "parameters": [
            query("prefix", "Only names that begin so", &text),
            query("after", "Only names after this one: next of the page before", &text),
            query("limit", "How many on a page", &json!({ "type": "integer", "minimum": 1, "maximum": CHANNELS_PAGE_MAX })),
            query("all", "1: all that are remembered, online or not", &json!({ "type": "string", "enum": ["", "0", "1", "true", "false"] })),
        ],
        "responses": responses("A page of channels", &json!({ "application/json": { "schema": reference("Channels") } })),
    })
}

fn channel() -> Value {
    json!({
        "operationId": "channel",
        "summary": "One channel",
        "parameters": [path("name", NAME)],
        "responses": responses("The channel; of one that nobody used all is zero", &json!({ "application/json": { "schema": reference("Channel") } })),
    })
}

fn delete() -> Value {
    let forget = json!({ "type": "string", "const": "history" });
    json!({
        "operationId": "delete",
        "summary": "End a channel: its subscriptions and its history",
        "parameters": [path("name", NAME), query("forget", "history: the subscriptions stay", &forget)],
        "responses": responses("It is ended", &json!({ "application/json": { "schema": reference("Deleted") } })),
    })
}

fn remove() -> Value {
    let cursor = json!({ "name": "cursor", "in": "path", "required": true, "description": "That of the message", "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{1,32}$" } });
    let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
    let mut responses =
        responses("It is taken back", &json!({ "application/json": { "schema": reference("Removed") } }));
    responses["404"] =
        json!({ "description": "The channel's history has no such message", "content": problem });
    json!({
        "operationId": "removeMessage",
        "summary": "Take one message back from a channel, and tell those who wait",
        "parameters": [path("name", NAME), cursor],
        "responses": responses,
    })
}

fn history() -> Value {
    json!({
        "operationId": "history",
        "summary": "What a channel's history holds, oldest first",
        "parameters": [
            path("name", NAME),
            query("since", SINCE, &matching(FROM)),
            query("tail", "Only the last so many", &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })),
            query("before", BEFORE, &json!({ "type": "string", "pattern": "^$|^[ap][A-Za-z0-9]{7,15}$" })),
            query("limit", "How many on a page; with before, at most 100", &json!({ "type": "integer", "minimum": 1, "maximum": HISTORY_PAGE_MAX })),
        ],
        "responses": responses("A page; go on with since=cursor while there is more, or back with before=cursor", &json!({ "application/json": { "schema": reference("History") } })),
    })
}

fn webhooks() -> Value {
    json!({
        "operationId": "webhooks",
        "summary": "How the application's webhooks are",
        "responses": responses("All of them, in the order of the settings", &json!({ "application/json": { "schema": reference("Webhooks") } })),
    })
}

fn settings() -> Value {
    json!({
        "operationId": "settings",
        "summary": "All settings: what holds, who said so, when another value takes effect",
        "responses": responses("Each setting by its name; secrets are not shown", &json!({ "application/json": { "schema": reference("Settings") } })),
    })
}

fn reload() -> Value {
    json!({
        "operationId": "reload",
        "summary": "Read the settings anew, and take what can be taken while the server runs",
        "description": "Everything is checked before anything changes; what waits for a restart is named.",
        "responses": responses("They are taken; 422 where something in them is wrong, and nothing has changed", &json!({ "application/json": { "schema": reference("Reloaded") } })),
    })
}

fn watch() -> Value {
    let answer = json!({
        "application/json": { "schema": reference("Changes") },
        "application/x-ndjson": { "schema": { "type": "string" } },
        "text/event-stream": { "schema": { "type": "string" } },
    });
    json!({
        "operationId": "watch",
        "summary": "Who comes online and who goes, and which users join and leave",
        "description": "As a long poll, as Server-Sent Events or as one object a line, by Accept or transport.",
        "parameters": [
            query("since", SINCE, &matching(FROM)),
            query("lastEventId", LAST_ID, &json!({ "type": "string" })),
            query("last-event-id", LAST_ID, &json!({ "type": "string" })),
            query("last_event_id", LAST_ID, &json!({ "type": "string" })),
            query("tail", "Begin with the last so many changes", &json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })),
            query("prefix", "Only names that begin so", &json!({ "type": "string" })),
            query("users", "1: also which users join and leave channels of which a rule tells presence", &json!({ "type": "integer", "minimum": 0, "maximum": 1 })),
            query("heartbeat", "Seconds after which a stream that has nothing to tell repeats its cursor, where that is less than is set", &matching("^[1-9][0-9]{0,8}$")),
            query("transport", "Overrides Accept", &json!({ "type": "string", "enum": ["sse", "stream", "poll"] })),
            header("Last-Event-ID", "A cursor; beats since", &json!({ "type": "string" })),
        ],
        "responses": responses("Changes, at once or as they come", &answer),
    })
}

fn stats() -> Value {
    json!({
        "operationId": "stats",
        "summary": "All that is counted, as one object",
        "responses": responses("The numbers", &json!({ "application/json": { "schema": { "type": "object" } } })),
    })
}

fn refused() -> Value {
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": DENIALS_KEPT });
    json!({
        "operationId": "refused",
        "summary": "Who was refused lately for want of credentials or grants, on both lines, and who comes back to the same message (code poison); the newest first",
        "parameters": [query("limit", "How many", &limit)],
        "responses": responses("The refusals", &json!({ "application/json": { "schema": reference("Refused") } })),
    })
}

fn description() -> Value {
    json!({
        "operationId": "openapi",
        "summary": "This document",
        "responses": responses("The document", &json!({ "application/json": { "schema": { "type": "object" } } })),
    })
}

fn metrics() -> Value {
    plain("metrics", "All that is counted, as Prometheus reads it")
}

fn healthz() -> Value {
    plain("healthz", "Whether the program answers")
}

fn readyz() -> Value {
    let what = "Whether every shard of the WAIT line answers; 503 if not, and while the server starts or is about to end";
    plain("readyz", what)
}

fn plain(id: &str, summary: &str) -> Value {
    let text = json!({ "text/plain": { "schema": { "type": "string" } } });
    json!({ "operationId": id, "summary": summary, "responses": responses("It is so", &text) })
}

/// One name in a path; or several, which are separated by commas that are not encoded.
fn path(name: &str, what: &str) -> Value {
    let one = channel_name();
    let schema = match name {
        "names" => {
            json!({ "type": "array", "items": { "anyOf": [one, { "const": EVERYBODY }] }, "minItems": 1, "maxItems": TARGETS_MAX })
        }
        _ => one,
    };
    json!({ "name": name, "in": "path", "required": true, "description": what, "style": "simple", "schema": schema })
}

fn query(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "query", "description": what, "schema": schema })
}

fn header(name: &str, what: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "description": what, "schema": schema })
}

/// Who is not given a message.
fn except() -> Value {
    let what = "The id of a connection, which is not given the message; of a batch, those that say no except";
    header("Multiplexor-Except", what, &matching(CONNECTION))
}

fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// A word without control characters.
fn printable(len_min: usize) -> Value {
    json!({ "type": "string", "minLength": len_min, "maxLength": LEN_MAX, "pattern": PRINTABLE, "description": IN_BYTES })
}

/// A cursor, an age, a time in seconds, 0, or nothing.
const FROM: &str = r"^(|[0-9]{1,12}(\.[0-9]{1,3})?|[0-9]{1,6}(ms|s|m|h|d)|[ap][0-9A-Za-z]{7,14})$";
const TTL: &str = r"^[0-9]{1,9}(\.[0-9]{1,3})?$";
/// What a client was told as the id of its connection.
pub(super) const CONNECTION: &str = "^[A-Za-z0-9_-]{21}[AQgw]$";
const NAME: &str = "The channel: 1 to 255 bytes of UTF-8, percent-encoded, a slash too";
const LAST_ID: &str = "The header Last-Event-ID for whoever cannot set it, which beats this";

const BEFORE: &str = "What came before the message with this cursor, page by page backwards; empty: from the end. Not beside since or tail";
const SINCE: &str =
    "Only what came after: a cursor, an age such as 10m, a Unix time in seconds, or 0 for all there is";

mod tests {
    use super::*;
    use dialect::hub::check_name;
    use dialect::hub::limits::NAME_LEN_MAX;

    #[test]
    fn the_golden_file_is_up_to_date() {
        let mut text = serde_json::to_string_pretty(&document()).unwrap();
        text.push('\n');
        expect_test::expect_file!["../../../docs/openapi.json"].assert_eq(&text);
    }

    #[test]
    fn what_may_be_a_name_is_described_as_it_is() {
        let described = channel_name();
        let expected = r"^[^$,\u0000-\u001f\u007f-\u009f][^,\u0000-\u001f\u007f-\u009f]*$";
        assert_eq!(
            (&described["pattern"], &described["maxLength"]),
            (&json!(expected), &json!(NAME_LEN_MAX))
        );
        let letters = (0..0x300).filter_map(char::from_u32).chain(['\u{20ac}', '\u{1f600}']);
        for letter in letters {
            let is_out = letter == ',' || matches!(letter, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}');
            assert_eq!(check_name(format!("a{letter}").as_bytes()).is_err(), is_out, "{letter:?}");
            assert_eq!(
                check_name(letter.to_string().as_bytes()).is_err(),
                is_out || letter == '$',
                "{letter:?}"
            );
        }
        assert!(check_name("x".repeat(NAME_LEN_MAX).as_bytes()).is_ok());
    }

    #[test]
    fn what_is_referred_to_is_there() {
        let document = document();
        let text = document.to_string();
        for (at, mark) in text.match_indices("#/components/schemas/") {
            let name = text[at + mark.len()..].split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
        }
    }
}
