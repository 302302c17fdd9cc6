//! What is counted, logged and kept of a refusal.

use dialect::hub::excerpt;
use dialect::{Code, Problem};
use exchange::{Denial, Side};
use tracing::{Level, enabled, info};

use crate::peer::address;
use crate::state::InLine;

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
