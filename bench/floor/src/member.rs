//! One process of the floor: its listener, its clients, and the other members.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener, UnixStream};

use anyhow::Context;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

use crate::Wish;
use crate::frame::Form;

/// One member.
pub(crate) struct Member {
    form: Form,
    frame_len: usize,
    epoll: OwnedFd,
    listener: OwnedFd,
    peers_in: UnixListener,
    /// The way to each other member.
    peers_out: Vec<UnixStream>,
    /// By number of the file.
    open: Vec<Option<Open>>,
    /// By channel: who waits.
    channels: Vec<Vec<RawFd>>,
}

/// Something that is read from.
enum Open {
    /// A connection; where it stands in the list of its channel, if it waits.
    Client(OwnedFd, Option<(usize, usize)>),
    /// Another member, and what of its next message came.
    Peer(UnixStream, Vec<u8>),
}

impl Member {
    /// Opens all there is, and waits until the others have, too.
    pub(crate) fn open(wish: &Wish, number: u32) -> anyhow::Result<Self> {
        let name = |number: u32| {
            UnixAddress::from_abstract_name(format!("multiplexor-floor-{}-{number}", wish.port))
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let listener = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&listener, true)?;
        sockopt::set_socket_reuseport(&listener, true)?;
        sockopt::set_tcp_nodelay(&listener, true)?;
        net::bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, wish.port))).context("the port")?;
        net::listen(&listener, 4096)?;
        let peers_in = UnixListener::bind_addr(&name(number)?).context("the name for other members")?;
        peers_in.set_nonblocking(true)?;
        let mut peers_out = Vec::new();
        if wish.members > 1 {
            std::io::stdout().write_all(b"listening\n")?;
            std::io::stdin().read_exact(&mut [0; 3])?;
            let others = (0..wish.members).filter(|other| *other != number);
            peers_out = others
                .map(|other| UnixStream::connect_addr(&name(other)?))
                .collect::<std::io::Result<_>>()?;
        }
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut member = Self {
            form: wish.form,
            frame_len: wish.frame_len,
            epoll,
            listener,
            peers_in,
            peers_out,
            open: Vec::new(),
            channels: Vec::new(),
        };
        member.watch(&member.listener)?;
        member.watch(&member.peers_in)?;
        if wish.members > 1 {
            member.watch(&std::io::stdin())?;
        }
        member.open.resize_with(64, || None);
        Ok(member)
    }

    /// Serves for ever; a member ends with the process that started it.
    pub(crate) fn run(mut self) -> anyhow::Result<()> {
        let (mut ready, mut buffer) = (Vec::with_capacity(256), vec![0; 64 << 10]);
        loop {
            ready.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut ready), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                let fd = RawFd::try_from(event.data.u64())?;
                if fd == 0 {
                    return Ok(());
                } else if fd == self.listener.as_raw_fd() {
                    self.accept()?;
                } else if fd == self.peers_in.as_raw_fd() {
                    let (peer, _) = self.peers_in.accept()?;
                    self.watch(&peer)?;
                    self.keep(peer.as_raw_fd(), Open::Peer(peer, Vec::new()));
                } else {
                    self.read(fd, &mut buffer)?;
                }
            }
        }
    }

    fn watch(&self, what: &(impl AsFd + AsRawFd)) -> Result<(), Errno> {
        let data = EventData::new_u64(u64::try_from(what.as_raw_fd()).expect("not negative"));
        epoll::add(&self.epoll, what, data, EventFlags::IN)
    }

    fn keep(&mut self, fd: RawFd, open: Open) {
        let place = index(fd);
        if place >= self.open.len() {
            self.open.resize_with(place * 2, || None);
        }
        self.open[place] = Some(open);
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        for _ in 0..64 {
            match net::accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(socket) => {
                    self.watch(&socket)?;
                    self.keep(socket.as_raw_fd(), Open::Client(socket, None));
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error).context("accept"),
            }
        }
        Ok(())
    }

    fn read(&mut self, fd: RawFd, buffer: &mut [u8]) -> anyhow::Result<()> {
        match &mut self.open[index(fd)] {
            Some(Open::Client(socket, _)) => match net::recv(&*socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => self.forget(fd),
                Ok((len, _)) => self.serve(fd, &buffer[..len])?,
                Err(Errno::AGAIN) => {}
                Err(_) => self.forget(fd),
            },
            Some(Open::Peer(peer, partial)) => {
                let len = peer.read(buffer)?;
                partial.extend_from_slice(&buffer[..len]);
                let mut messages = std::mem::take(partial);
                while let Some((channel, len)) = first_message(&messages) {
                    let frame: Vec<u8> = messages.drain(..8 + len).skip(8).collect();
                    self.deliver(channel, &frame);
                }
                if let Some(Open::Peer(_, partial)) = &mut self.open[index(fd)] {
                    *partial = messages;
                }
            }
            None => {}
        }
        Ok(())
    }

    /// A request, which is taken to come in one piece.
    fn serve(&mut self, fd: RawFd, request: &[u8]) -> anyhow::Result<()> {
        let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let path = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        let digits = path.iter().skip_while(|byte| !byte.is_ascii_digit());
        let digits = digits.take_while(|byte| byte.is_ascii_digit());
        let channel = digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
        if channel >= self.channels.len() {
            self.channels.resize(channel + 1, Vec::new());
        }
        if request.starts_with(b"GET") {
            self.send(fd, self.form.head());
            let place = self.channels[channel].len();
            self.channels[channel].push(fd);
            if let Some(Open::Client(_, waits)) = &mut self.open[index(fd)] {
                *waits = Some((channel, place));
            }
            return Ok(());
        }
        let at = request.windows(4).position(|end| end == b"\r\n\r\n").context("a request in pieces")?;
        let frame = self.form.frame(&request[at + 4..], self.frame_len);
        let mut message = u32::try_from(channel)?.to_ne_bytes().to_vec();
        message.extend_from_slice(&u32::try_from(frame.len())?.to_ne_bytes());
        message.extend_from_slice(&frame);
        for peer in &mut self.peers_out {
            peer.write_all(&message)?;
        }
        self.send(fd, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        self.deliver(channel, &frame);
        Ok(())
    }

    /// The work that is measured.
    fn deliver(&mut self, channel: usize, frame: &[u8]) {
        for fd in self.channels.get(channel).into_iter().flatten() {
            self.send(*fd, frame);
        }
        if self.form == Form::Poll {
            for fd in self.channels.get_mut(channel).map(std::mem::take).unwrap_or_default() {
                if let Some(Open::Client(_, waits)) = &mut self.open[index(fd)] {
                    *waits = None;
                }
            }
        }
    }

    /// Sends; what is not taken at once is lost.
    fn send(&self, fd: RawFd, bytes: &[u8]) {
        if let Some(Open::Client(socket, _)) = &self.open[index(fd)]
            && !bytes.is_empty()
        {
            // A client that is gone is noticed by reading.
            let _ = net::send(socket, bytes, SendFlags::NOSIGNAL);
        }
    }

    fn forget(&mut self, fd: RawFd) {
        let Some(Open::Client(_, Some((channel, place)))) = self.open[index(fd)].take() else { return };
        self.channels[channel].swap_remove(place);
        if let Some(moved) = self.channels[channel].get(place)
            && let Some(Open::Client(_, waits)) = &mut self.open[index(*moved)]
        {
            *waits = Some((channel, place));
        }
    }
}

/// The channel of the first message in `bytes` and the length of its frame, if it is whole.
fn first_message(bytes: &[u8]) -> Option<(usize, usize)> {
    let channel = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let len = u32::from_ne_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    (bytes.len() >= 8 + len).then_some((channel, len))
}

fn index(fd: RawFd) -> usize {
    usize::try_from(fd).expect("numbers of open files are not negative")
}
