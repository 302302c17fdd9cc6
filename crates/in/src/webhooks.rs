//! `GET /webhooks`: how the application's webhooks are; `GET /settings` and `POST /reload`: settings, and how they are read anew.

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

/// All settings, with who said so.
pub(crate) async fn settings(State(line): State<Arc<InLine>>) -> Result<Response, ErrorResponse> {
    let told = (line.sources.wait.settings)();
    told.map(|told| response::json(&told)).ok_or_else(|| Problem::new(422, Code::Settings, OF_OLD).into())
}

/// Takes what the settings say now.
pub(crate) async fn reload(State(line): State<Arc<InLine>>) -> Result<Response, ErrorResponse> {
    match (line.sources.wait.reload)() {
        Ok(said) => {
            line.take_settings();
            // Shards have them when a canary has been round that set out afterwards; one may have been under way.
            for _ in 0..2 {
                line.canaries.round(&line.exchange).await;
            }
            Ok(response::json(&said))
        }
        Err(why) => Err(Problem::new(422, Code::Settings, why).into()),
    }
}

const OF_OLD: &str = "this server stands in the place of an older one; its settings are what the configuration files of that say";
