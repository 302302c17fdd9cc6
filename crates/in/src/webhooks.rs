//! `GET /webhooks`: how the application's webhooks are; `POST /reload`: settings that may change while the program runs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use dialect::{Code, Problem};
use serde_json::json;

use crate::response::{self, ErrorResponse};
use crate::state::InLine;

/// All of them, in the order of the settings.
pub(crate) async fn list(State(line): State<Arc<InLine>>) -> Response {
    response::json(&json!({ "webhooks": (line.sources.wait.webhooks)() }))
}

/// Takes what the settings say now.
pub(crate) async fn reload(State(line): State<Arc<InLine>>) -> Result<Response, ErrorResponse> {
    match (line.sources.wait.reload)() {
        Ok(said) => Ok(response::json(&said)),
        Err(why) => Err(Problem::new(422, Code::Settings, why).into()),
    }
}
