//! How `POST /explain` is described.

use serde_json::{Value, json};

use super::schemas::{object, reference, responses};

pub(super) fn operation() -> Value {
    let text = json!({ "type": "string" });
    let right = json!({ "type": "string", "enum": ["listen", "publish", "presence", "history"] });
    let asked = json!({ "token": text, "url": text, "origin": text, "channel": text, "right": right });
    json!({
        "operationId": "explain",
        "summary": "Why a client would be refused, or let in, step by step",
        "description": "A token or a signed URL, the origin of a page, a channel; `right` is `listen` where it is left out. 20 a second.",
        "requestBody": { "required": true, "content": { "application/json": { "schema": object(&[], asked) } } },
        "responses": responses(
            "What was looked at; the first step that is not ok decides",
            &json!({ "application/json": { "schema": reference("Explained") } }),
        ),
    })
}

pub(super) fn schema() -> Value {
    let what =
        json!({ "type": "string", "enum": ["origin", "token", "url", "claims", "user", "rule", "right"] });
    let step = json!({ "what": what, "ok": { "type": "boolean" }, "detail": { "type": "string" } });
    let steps = json!({ "type": "array", "items": object(&["what", "ok", "detail"], step) });
    let said = json!({
        "allowed": { "type": "boolean" },
        "code": { "type": "string" },
        "detail": { "type": "string" },
        "steps": steps,
    });
    object(&["allowed", "detail", "steps"], said)
}
