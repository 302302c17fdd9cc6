//! Where a connection comes from, and what whoever is there may have: by its own address, or by what a known proxy says
//! of it; and by the user whom its credentials name.

use std::cell::Cell;
use std::fmt::{Debug, Formatter};
use std::net::IpAddr;

use access::{Proxies, Whose};
use exchange::hub::{Asker, Guest, Millis, Session, excerpt};
use exchange::{Exchange, Shares, Shortage, UNIX, is_of_many};
use transport::codec::http::loose::headers;
use transport::codec::{http, proxy};
use transport::dialect::{Code, Problem};
use transport::{Gate, Stopped};

use super::Shard;
use crate::callers::{Caller, Callers};
use crate::counters::Counters;
use crate::kernel::{Errno, Kernel};
use crate::limits::{REFUSED_MAX, REFUSED_MS};
use crate::link::Link;

/// Where requests of a connection pass, while it matters whose they are.
pub(super) struct Turnstile<'a> {
    caller: Option<Caller>,
    header: Option<&'static str>,
    proxies: &'a Proxies,
    peer: Option<IpAddr>,
    shares: &'a Shares,
    counters: &'a Counters,
    now: Millis,
    /// Whose the last request was, where a proxy said so.
    said: Cell<Option<Whose>>,
    /// Why the last request did not pass, and what it was for.
    stopped: Cell<Option<(Problem, Box<str>)>>,
    chance: u64,
}

impl Debug for Turnstile<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turnstile").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Gate for Turnstile<'_> {
    fn pass(&self, request: &http::RequestHead<'_>) -> Result<(), Stopped> {
        let caller = match self.passing() {
            Some((header, peer)) => {
                let whose = self.proxies.whose(peer, request.headers(header));
                self.said.set(Some(whose));
                Some(passed(whose))
            }
            None => self.caller,
        };
        let passed = pass(caller, self.shares, self.now, self.counters);
        passed.map_err(|problem| {
            self.stopped.set(Some((problem.clone(), request.path.into())));
            Stopped { problem, ends: caller.is_some_and(Caller::is_refused), chance: self.chance }
        })
    }

    fn said(&self) -> Option<IpAddr> {
        self.said.get()?.client()
    }

    fn reads_heads(&self) -> bool {
        self.passing().is_some()
    }

    fn hear(&self, head: Option<&[u8]>) {
        let Some((header, peer)) = self.passing() else { return };
        let lines = head.into_iter().flat_map(headers);
        let lines: Vec<&[u8]> = lines
            .filter(|(name, _)| name.eq_ignore_ascii_case(header.as_bytes()))
            .map(|(_, value)| value)
            .collect();
        let whose = self.proxies.whose(peer, lines.into_iter());
        // What is too long to be looked at may hide somebody.
        self.said.set(Some(if head.is_some() { whose } else { Whose::Hidden(peer) }));
    }
}

impl Turnstile<'_> {
    /// The header by which the peer, a known proxy, says whose each request is.
    fn passing(&self) -> Option<(&'static str, IpAddr)> {
        matches!(self.caller, Some(Caller::Proxy | Caller::Passed(_))).then_some(())?;
        Some((self.header?, self.peer?))
    }
}

/// Who asks by a connection of a known proxy.
fn passed(whose: Whose) -> Caller {
    whose.address().map_or(Caller::Proxy, Caller::Passed)
}

/// Whether whoever is there may have this connection, and one more request now.
fn pass(caller: Option<Caller>, shares: &Shares, now: Millis, counters: &Counters) -> Result<(), Problem> {
    match caller {
        Some(Caller::Refused(address)) => Err(too_many(shares, address)),
        Some(Caller::Full) => {
            let most = shares.connections_max();
            let why = format!("the server holds {most} connections and may hold no more; try again soon");
            Err(Problem::new(503, Code::Connections, why))
        }
        Some(Caller::Short) => Err(Problem::new(503, Code::Memory, transport::SHORT_OF_MEMORY)),
        // A proxy that does not say whose connection it is counts for nobody.
        _ => {
            let Some(address) = caller.and_then(Caller::address) else { return Ok(()) };
            let network = shares.network(address);
            shares.addresses.ask(&network, now).map_err(|seconds| {
                counters.requests_refused.add(1);
                let most = shares.addresses.most().requests;
                let why = format!(
                    "{network} asks more than {most} times a second; wait {seconds} s before the next request"
                );
                Problem::new(429, Code::AddressRequests, why)
            })
        }
    }
}

fn too_many(shares: &Shares, address: IpAddr) -> Problem {
    let (network, most) = (shares.network(address), shares.addresses.most().connections);
    let why = format!(
        "{network} has {most} connections and may have no more; close some of them, or let the server's \
         address_connections be raised"
    );
    Problem::new(429, Code::AddressConnections, why)
}

impl<K: Kernel> Shard<K> {
    /// Looks where a new connection comes from, if that matters. It may be closed.
    pub(super) fn meet(&mut self, index: usize) {
        if self.exchange.memory().shortage() == Shortage::New {
            self.counters.memory_refused.add(1);
            return self.turn_away(index, Caller::Short);
        }
        let is_one_too_many = !self.exchange.shares().enter();
        if is_one_too_many {
            return self.turn_away(index, Caller::Full);
        }
        if !self.callers.matter() {
            return;
        }
        let Some(peer) = self.kernel.peer(&self.slab[index].socket).map(|peer| peer.ip()) else { return };
        let proxies = &self.settings.proxies;
        if proxies.begin_with_header(peer) {
            self.callers.put(index, Caller::Unsaid);
        } else if proxies.know(peer) {
            self.callers.put(index, Caller::Proxy);
        } else {
            self.count_for(index, peer);
        }
    }

    /// The connection counts for this address. It may be closed.
    fn count_for(&mut self, index: usize, address: IpAddr) {
        let (shares, now) = (self.exchange.shares(), self.exchange.now());
        let network = shares.network(address);
        if !shares.addresses.enter(&network) {
            return self.turn_away(index, Caller::Refused(address));
        }
        self.callers.put(index, Caller::Counted(address));
        // A handshake costs more than a request.
        let is_tls = matches!(self.slab[index].link, Link::Tls(_));
        if is_tls && shares.addresses.ask(&network, now).is_err() {
            self.counters.requests_refused.add(1);
            self.close(index);
        }
    }

    /// The connection is one too many. It has little time, in which it is told so; through TLS, and when too many are
    /// told already, it is closed without a word.
    fn turn_away(&mut self, index: usize, caller: Caller) {
        self.counters.connections_refused.add(1);
        let is_told = matches!(self.slab[index].link, Link::Plain) && self.callers.refused() < REFUSED_MAX;
        // A connection that counted in all does so no longer.
        if !matches!(caller, Caller::Full | Caller::Short) {
            self.exchange.shares().leave();
        }
        self.callers.put(index, caller);
        if is_told {
            self.set_timer_ms(index, REFUSED_MS);
        } else {
            self.close(index);
        }
    }

    /// The connection is over.
    pub(super) fn part(&mut self, index: usize) {
        let shares = self.exchange.shares();
        match self.callers.remove(index) {
            Some(caller) if caller.is_refused() => return,
            Some(Caller::Counted(address)) => shares.addresses.leave(&shares.network(address)),
            _ => {}
        }
        shares.leave();
    }

    /// A wait begins, which counts for the user, and for the address that a proxy named. What it counts for must be taken
    /// back by [`Self::leave_wait`].
    pub(super) fn enter_wait(&mut self, index: usize, session: Option<&Session>) -> Result<(), Problem> {
        let exchange = &self.exchange;
        let shares = exchange.shares();
        if let Some(Caller::Passed(address)) = self.callers.get(index) {
            if !shares.addresses.enter(&shares.network(address)) {
                self.counters.requests_refused.add(1);
                return Err(too_many(shares, address));
            }
            self.callers.put(index, Caller::Waits(address));
        }
        self.check_user(session, true).inspect_err(|_| leave_address(index, &mut self.callers, exchange))
    }

    /// Whether the user of a session may ask once more; and have one connection more, where it `enters`.
    pub(super) fn check_user(&self, session: Option<&Session>, enters: bool) -> Result<(), Problem> {
        let Some(user) = session.and_then(Session::user) else { return Ok(()) };
        let users = &self.exchange.shares().users;
        let most = users.most();
        if !most.limits() {
            return Ok(());
        }
        let refused = |code, why: String| {
            self.counters.requests_refused.add(1);
            Err(Problem::new(429, code, why))
        };
        if let Err(seconds) = users.ask(user, self.exchange.now()) {
            let most = most.requests;
            let user = excerpt(user);
            let why = format!("the user {user:?} asks more than {most} times a second; wait {seconds} s");
            return refused(Code::UserRequests, why);
        }
        if enters && !users.enter(user) {
            let (most, user) = (most.connections, excerpt(user));
            let why = format!(
                "the user {user:?} waits on {most} connections and may have no more; close some of them, or let \
                 the server's user_connections be raised"
            );
            return refused(Code::UserConnections, why);
        }
        Ok(())
    }

    /// A wait that was entered is over, or did not begin.
    pub(super) fn leave_wait(&mut self, index: usize, session: Option<&Session>) {
        leave_address(index, &mut self.callers, &self.exchange);
        if let Some(user) = session.and_then(Session::user) {
            self.exchange.shares().users.leave(user);
        }
    }

    /// The turnstile for the requests of a connection, if one is needed.
    pub(super) fn turnstile<'a>(
        &mut self,
        index: usize,
        proxies: &'a Proxies,
        shares: &'a Shares,
        counters: &'a Counters,
    ) -> Option<Turnstile<'a>> {
        let caller = self.callers.get(index);
        caller?;
        let header = proxies.header();
        let peer = header.and_then(|_| self.kernel.peer(&self.slab[index].socket)).map(|peer| peer.ip());
        let (said, stopped) = Default::default();
        let (now, chance) = (self.exchange.now(), self.random());
        Some(Turnstile { caller, header, proxies, peer, shares, counters, now, said, stopped, chance })
    }

    /// Keeps whose the last request was, and why it did not pass.
    pub(super) fn keep_caller(&mut self, index: usize, turnstile: &mut Turnstile<'_>) {
        if let Some(whose) = turnstile.said.take() {
            self.counters.proxy_unreadable.add(u64::from(matches!(whose, Whose::Hidden(_))));
            turnstile.caller = Some(passed(whose));
            self.callers.put(index, passed(whose));
        }
        if let Some((problem, path)) = turnstile.stopped.take() {
            self.count_problem(index, &problem, &[path]);
        }
    }

    /// Whether this connection, in whatever words, may ask once more.
    pub(super) fn may_ask(&self, index: usize) -> Result<(), Problem> {
        let (shares, now) = (self.exchange.shares(), self.exchange.now());
        pass(self.callers.get(index), shares, now, &self.counters)
    }

    /// From where a connection comes to us: what is at its other end, or what that passes on whole. `None`: from no address,
    /// but through a UNIX socket.
    pub(super) fn neighbour(&mut self, index: usize) -> Option<IpAddr> {
        let address = match self.callers.get(index) {
            Some(Caller::Counted(address) | Caller::Refused(address)) => address,
            _ => self.kernel.peer(&self.slab[index].socket)?.ip().to_canonical(),
        };
        (address != UNIX).then_some(address)
    }

    /// The address of a client, as far as it is known.
    pub(super) fn address(&mut self, index: usize) -> Option<IpAddr> {
        let said = self.callers.get(index).and_then(Caller::address);
        said.or_else(|| Some(self.kernel.peer(&self.slab[index].socket)?.ip()))
    }

    /// Whose share this is where something is full. What comes from an address of many people, or from a proxy that
    /// names nobody, is its connection's.
    pub(super) fn asker(&mut self, index: usize) -> Asker {
        let caller = self.callers.get(index);
        let is_named = matches!(caller, Some(Caller::Passed(_) | Caller::Waits(_)));
        let is_proxy = matches!(caller, Some(Caller::Proxy | Caller::Unsaid));
        match self.address(index) {
            Some(address) if is_named || !(is_proxy || is_of_many(address)) => {
                Asker::Address(self.exchange.shares().network(address).to_bits())
            }
            _ => Asker::Connection(self.id.0, self.token(index)),
        }
    }

    /// Who a connection is to those who share out the room for new names; looked at only while there is little.
    pub(super) fn guest(&mut self, index: usize) -> Guest<'static> {
        let guest = Guest::from(self.id);
        if !self.exchange.registry().minds_guests() {
            return guest;
        }
        Guest { asker: Some(self.asker(index)), ..guest }
    }

    /// Reads the header of a known proxy, where one is due. False: there is nothing more to read for now.
    pub(super) fn read_proxy_header(&mut self, index: usize) -> bool {
        if self.callers.get(index) != Some(Caller::Unsaid) {
            return true;
        }
        let mut header = self.callers.take_header(index);
        let kept = header.len();
        header.resize(proxy::HEADER_BYTES_MAX, 0);
        match self.kernel.peek(&self.slab[index].socket, &mut header[kept..]) {
            Ok(0) => {
                self.close(index);
                return false;
            }
            Ok(come) => header.truncate(kept + come),
            Err(Errno::AGAIN | Errno::INTR) => header.truncate(kept),
            Err(_) => {
                self.counters.resets.add(1);
                self.close(index);
                return false;
            }
        }
        match proxy::decode(&header) {
            // All that has come is of the header.
            Ok(None) => {
                if self.skip(index, header.len() - kept) {
                    self.callers.keep_header(index, header);
                }
                false
            }
            Ok(Some((source, len))) => {
                let token = self.token(index);
                if !self.skip(index, len - kept) {
                    return false;
                }
                match source {
                    Some(source) => self.count_for(index, source.ip().to_canonical()),
                    None => self.callers.put(index, Caller::Proxy),
                }
                self.find(token).is_some()
            }
            Err(_) => {
                self.counters.proxy_faults.add(1);
                self.close(index);
                false
            }
        }
    }

    /// Reads so many bytes that have come. False: the connection is gone.
    fn skip(&mut self, index: usize, len: usize) -> bool {
        let (mut left, mut bytes) = (len, [0; 256]);
        while left > 0 {
            let len = left.min(bytes.len());
            match self.kernel.read(&self.slab[index].socket, &mut bytes[..len]) {
                Ok(read @ 1..) => left -= read,
                Err(Errno::INTR | Errno::AGAIN) => {}
                Ok(0) | Err(_) => {
                    self.close(index);
                    return false;
                }
            }
        }
        true
    }
}

fn leave_address(index: usize, callers: &mut Callers, exchange: &Exchange) {
    if let Some(Caller::Waits(address)) = callers.get(index) {
        let shares = exchange.shares();
        shares.addresses.leave(&shares.network(address));
        callers.put(index, Caller::Passed(address));
    }
}
