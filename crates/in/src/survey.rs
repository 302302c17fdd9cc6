//! Waiting for the answers of all shards to one question, as the program's thread may: by looking.

use std::time::Duration;

use exchange::Survey;
use tokio::time::{Instant, sleep};

use crate::limits::SURVEY_LOOK;

/// Waits until all shards have answered, for so long at the most. False: some have not.
pub(crate) async fn answered<Q, A>(survey: &Survey<Q, A>, max: Duration) -> bool {
    let deadline = Instant::now() + max;
    while !survey.is_whole() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(SURVEY_LOOK).await;
    }
    true
}
