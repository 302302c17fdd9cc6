//! `GET /refused`: who was refused lately, on both lines, and why.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use exchange::limits::DENIALS_KEPT;
use exchange::{Denial, Side};
use serde_json::{Value, json};

use crate::query::read_number;
use crate::response::{self, ErrorResponse};
use crate::state::InLine;

/// The last refusals, the newest first.
pub(crate) async fn list(
    State(line): State<Arc<InLine>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ErrorResponse> {
    let query = query.unwrap_or_default();
    let mut limit = DENIALS_KEPT;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name == "limit" {
            limit = read_number("limit", &value, 1, DENIALS_KEPT)?;
        }
    }
    let refused: Vec<Value> = line.exchange.denials().last(limit).iter().map(object).collect();
    Ok(response::json(&json!({ "refused": refused })))
}

fn object(denial: &Denial) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let time = denial.at.millis() as f64 / 1_000.0;
    let side = match denial.side {
        Side::Wait => "wait",
        Side::In => "in",
    };
    let mut object = json!({
        "time": time,
        "line": side,
        "status": denial.status,
        "code": denial.code.name(),
        "detail": denial.detail,
        "what": denial.what,
    });
    if let Some(from) = denial.from {
        object["from"] = json!(exchange::shown(from));
    }
    if denial.times > 1 {
        object["times"] = json!(denial.times);
    }
    if let Some(who) = &denial.who {
        object["who"] = json!(who);
    }
    object
}
