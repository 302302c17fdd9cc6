//! The bell that shards ring when they have a question.
//!
//! A pair of sockets that is there before any shard: what is opened later has in a shard's table of descriptors
//! no number, or that of somebody else.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use exchange::Wake;

/// The end that is listened to.
#[derive(Debug)]
pub struct Ear(UnixStream);

/// The end that is rung.
#[derive(Debug)]
struct Bell(UnixStream);

/// Makes a bell. Before any shard starts: all tables of descriptors must have it.
pub fn bell() -> io::Result<(Arc<dyn Wake>, Ear)> {
    let (bell, ear) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    Ok((Arc::new(Bell(bell)), Ear(ear)))
}

impl Wake for Bell {
    fn wake(&self) {
        // Where there is no room for another byte it was rung often enough.
        let _ = (&self.0).write(&[1]);
    }
}

impl Ear {
    pub(crate) fn listen(self) -> io::Result<tokio::net::UnixStream> {
        tokio::net::UnixStream::from_std(self.0)
    }
}
