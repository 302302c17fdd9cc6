//! The way to a server through a UNIX socket.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

/// Connects to this path, whatever the URL says.
#[derive(Debug)]
pub(super) struct ToSocket(pub(super) PathBuf);

/// A connection.
pub(super) struct OverSocket {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl Connector for ToSocket {
    type Out = OverSocket;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<OverSocket>, Error> {
        let stream = UnixStream::connect(&self.0)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(OverSocket { stream, buffers }))
    }
}

impl Transport for OverSocket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(patience(timeout)?)?;
        let written = self.stream.write_all(&self.buffers.output()[..amount]);
        written.map_err(|error| told(error, timeout.reason))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(patience(timeout)?)?;
        let read = self.stream.read(self.buffers.input_append_buf());
        let len = read.map_err(|error| told(error, timeout.reason))?;
        self.buffers.input_appended(len);
        Ok(len > 0)
    }

    /// The next request has another connection, which costs nothing here.
    fn is_open(&mut self) -> bool {
        false
    }
}

impl fmt::Debug for OverSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OverSocket").field(&self.stream).finish()
    }
}

/// How long may be waited; `None`: for ever.
fn patience(timeout: NextTimeout) -> Result<Option<Duration>, Error> {
    if timeout.after.is_zero() {
        return Err(Error::Timeout(timeout.reason));
    }
    Ok(timeout.not_zero().map(|left| *left))
}

fn told(error: io::Error, reason: Timeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(reason),
        _ => error.into(),
    }
}
