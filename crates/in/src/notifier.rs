//! Waking the shards: once for all that was published in one turn of this line.

use exchange::{Publisher, Wake};
use tokio::sync::Notify;

/// Flushes when all who were ready to publish have done so: the task that does it stands behind them.
#[derive(Default)]
pub(crate) struct Flusher(Notify);

impl Wake for Flusher {
    fn wake(&self) {
        self.0.notify_one();
    }
}

impl Flusher {
    /// Flushes when it is time, for ever.
    pub(crate) async fn serve(&self, publisher: Publisher<'_>) -> ! {
        loop {
            self.0.notified().await;
            publisher.flush();
        }
    }
}
