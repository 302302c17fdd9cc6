//! Users and their connections, as the description of the line has them.

use serde_json::{Value, json};

use super::schemas::{channel_name, reference};
use super::{NAME, path, query, responses};
use crate::limits::{JOINS_MAX, PRESENT_PAGE_MAX, REASON_LEN_MAX, USERS_PAGE_MAX};

pub(super) fn users() -> Value {
    json!({
        "operationId": "users",
        "summary": "Users who wait, by name",
        "parameters": [
            query("prefix", "Only names that begin so", &json!({ "type": "string" })),
            query("after", "Only names after this one: next of the page before", &json!({ "type": "string" })),
            query("limit", "How many on a page", &json!({ "type": "integer", "minimum": 1, "maximum": USERS_PAGE_MAX })),
        ],
        "responses": responses("A page of users", &json!({ "application/json": { "schema": reference("Users") } })),
    })
}

pub(super) fn user() -> Value {
    json!({
        "operationId": "user",
        "summary": "One user, and the connections by which he waits",
        "parameters": [user_path()],
        "responses": responses("The user; of one who is not there no connection", &json!({ "application/json": { "schema": reference("User") } })),
    })
}

pub(super) fn channel_users() -> Value {
    json!({
        "operationId": "channelUsers",
        "summary": "Who is on a channel, by name; changes after the cursor complete it",
        "parameters": [
            path("name", NAME),
            query("after", "Only names behind this one: the last of the page before", &json!({ "type": "string" })),
            query("limit", "How many on a page", &json!({ "type": "integer", "minimum": 1, "maximum": PRESENT_PAGE_MAX })),
        ],
        "responses": responses("A page of users; 403 where no rule says presence", &json!({ "application/json": { "schema": reference("ChannelUsers") } })),
    })
}

pub(super) fn change_channels() -> Value {
    let names = json!({ "type": "array", "items": channel_name(), "maxItems": JOINS_MAX });
    let body = json!({ "type": "object", "additionalProperties": false, "properties": { "join": names, "leave": names } });
    let answer = json!({ "type": "object", "required": ["connections"], "properties": { "connections": { "type": "integer", "minimum": 0 } } });
    json!({
        "operationId": "changeChannels",
        "summary": "Have the live connections of a user listen to other channels",
        "parameters": [user_path()],
        "requestBody": { "required": true, "content": { "application/json": { "schema": body } } },
        "responses": responses("How many connections listen to other channels now", &json!({ "application/json": { "schema": answer } })),
    })
}

pub(super) fn end_user() -> Value {
    let reason = json!({ "type": "string", "maxLength": REASON_LEN_MAX });
    let lasts = json!({ "type": "string", "pattern": "^$|^[0-9]+(ms|s|m|h|d)?$" });
    json!({
        "operationId": "endUser",
        "summary": "End all connections of a user, tell its clients why, and refuse for a while what it was issued before",
        "parameters": [
            user_path(),
            query("reason", "Why, as its clients are told", &reason),
            query("for", "For how long: seconds, or with a unit, a day at the most; left out: until the last of the ended credentials would have ended, at least 60 s", &lasts),
        ],
        "responses": responses("They are ended; 0 where the user has none", &json!({ "application/json": { "schema": reference("Ended") } })),
    })
}

pub(super) fn end() -> Value {
    let id = json!({ "name": "id", "in": "path", "required": true, "description": "As its client is told, or as it stands in /users/USER", "schema": { "type": "string", "pattern": "^[A-Za-z0-9_-]{22}$" } });
    let reason = json!({ "type": "string", "maxLength": REASON_LEN_MAX });
    let problem = json!({ "application/problem+json": { "schema": reference("Problem") } });
    let mut responses =
        responses("It is ended", &json!({ "application/json": { "schema": reference("Ended") } }));
    responses["404"] = json!({ "description": "No connection that waits has this id", "content": problem });
    json!({
        "operationId": "endConnection",
        "summary": "End one connection, and tell its client why",
        "parameters": [id, query("reason", "Why, as its client is told", &reason)],
        "responses": responses,
    })
}

pub(super) fn user_path() -> Value {
    json!({ "name": "user", "in": "path", "required": true, "description": "His name, percent-encoded", "schema": { "type": "string", "minLength": 1 } })
}
