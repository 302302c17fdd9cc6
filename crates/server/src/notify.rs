//! What systemd, or whatever else has started the program so, is told of it: sd_notify(3).

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::time::{ClockId, clock_gettime};
use tracing::warn;

/// Both lines serve.
pub(crate) fn ready() {
    say("READY=1");
}

/// Settings are being read anew; [`ready`] says when that is over.
pub(crate) fn reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    say(&format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1_000));
}

/// The program is about to end.
pub(crate) fn stopping() {
    say("STOPPING=1");
}

/// From now on another process is the program.
pub(crate) fn main_is(pid: u32) {
    say(&format!("MAINPID={pid}"));
}

fn say(text: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    let said = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::path::Path::new(std::ffi::OsStr::from_bytes(path))),
    };
    let send =
        |to: SocketAddr| -> io::Result<usize> { UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &to) };
    if let Err(error) = said.and_then(send) {
        warn!(%error, "systemd cannot be told how the program is");
    }
}
