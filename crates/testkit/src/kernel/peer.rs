//! The client's end of a fake connection.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use super::World;
use super::state::WorldState;
use super::tls::SimTls;

/// The client's end of a connection.
#[derive(Debug, Clone)]
pub struct SimPeer {
    state: Rc<RefCell<WorldState>>,
    number: usize,
    tls: Option<Rc<RefCell<SimTls>>>,
}

impl SimPeer {
    /// Connects to the listener of this number. It waits to be accepted, but may speak already.
    pub fn connect(world: &World, listener: usize) -> Self {
        let number = world.0.borrow_mut().connect(listener);
        Self { state: Rc::clone(&world.0), number, tls: None }
    }

    /// Connects so, and speaks TLS. What its handshake has to read is read by [`Self::take`].
    pub fn connect_tls(world: &World, listener: usize) -> Self {
        let peer = Self { tls: Some(Rc::new(RefCell::new(SimTls::new()))), ..Self::connect(world, listener) };
        peer.send("");
        peer
    }

    /// Whether it speaks TLS, and its handshake is under way.
    pub fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow().is_handshaking())
    }

    /// It connects from there, and not from this machine; to be said before it is accepted.
    #[must_use]
    pub fn from(self, address: IpAddr) -> Self {
        self.state.borrow_mut().line_mut(self.number).from = Some(address);
        self
    }

    /// Says something.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let Some(tls) = &self.tls else { return self.send_raw(bytes) };
        tls.borrow_mut().say(bytes.as_ref());
        self.send_raw(tls.borrow_mut().take());
    }

    /// Says something past TLS.
    pub fn send_raw(&self, bytes: impl AsRef<[u8]>) {
        let mut state = self.state.borrow_mut();
        let line = state.line_mut(self.number);
        if !line.refused && !line.server_closed {
            line.to_server.extend(bytes.as_ref());
        }
    }

    /// How many bytes lie on this side, unread, before the server's writes block.
    pub fn set_window(&self, bytes: usize) {
        self.state.borrow_mut().line_mut(self.number).window = bytes;
    }

    /// Reads all that has come.
    pub fn take(&self) -> Vec<u8> {
        self.take_some(usize::MAX)
    }

    /// Reads at most so many bytes of what has come.
    pub fn take_some(&self, most: usize) -> Vec<u8> {
        let bytes = self.take_raw(most);
        let Some(tls) = &self.tls else { return bytes };
        tls.borrow_mut().hear(&bytes);
        self.send("");
        std::mem::take(&mut tls.borrow_mut().heard)
    }

    fn take_raw(&self, most: usize) -> Vec<u8> {
        let mut state = self.state.borrow_mut();
        let line = state.line_mut(self.number);
        let len = most.min(line.to_client.len());
        line.to_client.drain(..len).collect()
    }

    /// Reads all that has come, as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.take()).expect("what the server says here is text")
    }

    /// How much lies here unread.
    pub fn unread(&self) -> usize {
        self.state.borrow().line(self.number).to_client.len()
    }

    /// Whether all was read, and the server has ended its side: the client sees the end.
    pub fn is_ended(&self) -> bool {
        let state = self.state.borrow();
        let line = state.line(self.number);
        line.to_client.is_empty() && (line.server_done || line.server_closed || line.refused)
    }

    /// Whether the server says no more, read or unread.
    pub fn is_done(&self) -> bool {
        let state = self.state.borrow();
        let line = state.line(self.number);
        line.server_done || line.server_closed || line.refused
    }

    /// Whether the server said in the words of TLS that it says no more: nothing was cut off.
    pub fn was_told_the_end(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.borrow_mut().was_told_the_end())
    }

    /// Whether the server holds this connection no longer.
    pub fn is_closed(&self) -> bool {
        let state = self.state.borrow();
        let line = state.line(self.number);
        line.server_closed || line.refused
    }

    /// Whether the server watches for a chance to write.
    pub fn is_watched_for_writing(&self) -> bool {
        self.state.borrow().line(self.number).interest.is_some_and(|interest| interest.writable)
    }

    /// Ends what the client says; it still reads.
    pub fn half_close(&self) {
        if let Some(tls) = &self.tls {
            tls.borrow_mut().say_no_more();
            self.send("");
        }
        self.state.borrow_mut().line_mut(self.number).client_done = true;
    }

    /// Goes away: the server reads what was said, then the end; whatever it writes fails.
    pub fn hang_up(&self) {
        let mut state = self.state.borrow_mut();
        let line = state.line_mut(self.number);
        (line.client_done, line.client_gone) = (true, true);
        line.to_client.clear();
    }

    /// Goes away without a word: what was said and not read is lost, and every call fails.
    pub fn reset(&self) {
        let mut state = self.state.borrow_mut();
        let line = state.line_mut(self.number);
        line.reset = true;
        line.to_server.clear();
        line.to_client.clear();
    }
}
