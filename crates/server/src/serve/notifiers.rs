//! The descriptors through which shards wake tasks of the runtime. They are made before all shards: what is opened later has
//! in a shard's table of descriptors no number, or that of somebody else.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use anyhow::Context;
use exchange::{Exchange, Wake};
use wait::{Desk, Waker};

pub(super) struct Notifiers {
    /// Shards ask something; `None`: nobody is asked anything.
    asked: Option<Arc<Waker>>,
    /// There is more for those who follow the order.
    followed: Arc<Waker>,
}

impl Notifiers {
    /// `asks`: there is somebody whom shards may ask.
    pub(super) fn new(asks: bool) -> anyhow::Result<Self> {
        let new = || Waker::new().map(Arc::new).context("the notifiers of the shards cannot be made");
        Ok(Self { asked: asks.then(new).transpose()?, followed: new()? })
    }

    /// What those who follow are told by.
    pub(super) fn followed(&self) -> Arc<dyn Wake> {
        Arc::clone(&self.followed) as Arc<dyn Wake>
    }

    /// Where it becomes readable that they are.
    pub(super) fn notices(&self) -> io::Result<OwnedFd> {
        self.followed.listen()
    }

    /// Where shards and others meet.
    pub(super) fn desk(&self, exchange: &Arc<Exchange>) -> Desk {
        Desk::new(exchange, self.asked.clone().map(|asked| asked as Arc<dyn Wake>))
    }

    /// The questions put there, for those who answer them, if there are any.
    pub(super) fn inbox(&self, desk: &Desk) -> io::Result<Option<upstream::Inbox>> {
        let (Some(asked), Some(questions)) = (&self.asked, &desk.questions) else { return Ok(None) };
        let (questions, findings) = (Arc::clone(questions), Arc::clone(&desk.findings));
        Ok(Some(upstream::Inbox { questions, notices: asked.listen()?, findings }))
    }
}
