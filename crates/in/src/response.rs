//! Answers: a refusal as a problem document, and whatever else is JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dialect::Problem;
pub(crate) use dialect::hub::excerpt;
use serde::Serialize;

/// A request is not carried out.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    problem: Problem,
    retry_after_s: Option<u32>,
}

/// What is wrong, left on the answer for whoever counts.
#[derive(Debug, Clone)]
pub(crate) struct RefusedProblem(pub(crate) Arc<Problem>);

impl ErrorResponse {
    /// The same may succeed after so many seconds.
    pub(crate) fn retry_after(problem: Problem, seconds: u32) -> Self {
        Self { problem, retry_after_s: Some(seconds) }
    }

    /// What is wrong.
    pub(crate) fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl From<Problem> for ErrorResponse {
    fn from(problem: Problem) -> Self {
        Self { problem, retry_after_s: None }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let mut body = self.problem.document();
        body.push(b'\n');
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.problem.status == 401 {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(RefusedProblem(Arc::new(self.problem)));
        response
    }
}

/// 200 with a JSON document, ended by a line end for those who read it in a terminal.
pub(crate) fn json(document: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(128);
    serde_json::to_writer(&mut text, document).expect("a vector takes everything, and our keys are strings");
    text.push(b'\n');
    json_text(text)
}

/// 200 with JSON that is written already.
pub(crate) fn json_text(body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}
