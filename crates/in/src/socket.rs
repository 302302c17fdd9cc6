//! Where the IN line listens, and what comes in there: TCP or a UNIX socket, which differ in little.

use std::io;
use std::net::SocketAddr;

use exchange::UNIX;
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A socket that listens.
#[derive(Debug)]
pub enum Socket {
    /// At an address of the network.
    Inet(TcpListener),
    /// At a path.
    Unix(UnixListener),
}

/// Who came in.
pub(crate) enum Accepted {
    Inet(TcpStream),
    Unix(UnixStream),
}

/// A connection before anything is known of it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Reads what has come, and leaves it there; 0: the client has closed its side.
    fn peek(&self, bytes: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
}

impl Socket {
    /// The next connection, and where it comes from.
    pub(crate) async fn accept(&self) -> io::Result<(Accepted, SocketAddr)> {
        match self {
            Self::Inet(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Accepted::Inet(stream), SocketAddr::new(peer.ip().to_canonical(), peer.port())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Accepted::Unix(stream), SocketAddr::new(UNIX, 0)))
            }
        }
    }
}

impl Stream for TcpStream {
    async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        Self::peek(self, bytes).await
    }
}

impl Stream for UnixStream {
    async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let peek = || Ok(rustix::net::recv(self, &mut *bytes, RecvFlags::PEEK)?.0);
        self.async_io(Interest::READABLE, peek).await
    }
}
