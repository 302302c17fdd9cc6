//! `GET /refused`: who was refused lately, on both lines, and why.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use dialect::{Code, Problem};
use exchange::limits::DENIALS_KEPT;
use exchange::{Denial, Side};
use serde_json::{Value, json};
use tracing::{Level, enabled, info};

use crate::query::read_number;
use crate::response::{self, ErrorResponse, excerpt};
use crate::state::InLine;

/// Whom a task serves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The address at the other end of the connection; the client's, where a known proxy says it.
    pub(crate) address: SocketAddr,
    /// It is a known proxy, and may pass on what is anybody's: it counts for nobody.
    pub(crate) is_anybody: bool,
}

tokio::task_local! {
    /// Whom a task serves.
    pub(crate) static PEER: Peer;
}

/// The address of whom a task serves.
pub(crate) fn address() -> Option<SocketAddr> {
    PEER.try_with(|peer| peer.address).ok()
}

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

/// Counts that something is refused, and says so in the log. That nobody is to be sent here is the answer to a probe, and no
/// line there.
pub(crate) fn tell(line: &InLine, problem: &Problem, who: Option<&str>, what: &str) {
    line.counters.refused(problem.code);
    if !enabled!(Level::INFO) || matches!(problem.code, Code::Starting | Code::Ending | Code::NotReady) {
        return;
    }
    let Some(untold) = line.exchange.denials().may_tell(line.exchange.now()) else { return };
    info!(
        line = "in",
        status = problem.status,
        code = problem.code.name(),
        from = address().map(|address| tracing::field::display(address.ip())),
        key = who,
        what = &*excerpt(what),
        why = problem.detail,
        untold = (untold > 0).then_some(untold),
        "refused"
    );
}

/// Keeps a refusal of this line, where it was for want of credentials or grants.
pub(crate) fn keep(line: &InLine, problem: &Problem, who: Option<Box<str>>, what: &str) {
    if !matches!(problem.status, 401 | 403 | 429) {
        return;
    }
    line.exchange.denials().add(Denial {
        at: line.exchange.wall(),
        side: Side::In,
        status: problem.status,
        code: problem.code,
        detail: problem.detail.clone(),
        from: address().map(|address| address.ip()),
        who,
        what: excerpt(what).into(),
        times: 1,
    });
}
