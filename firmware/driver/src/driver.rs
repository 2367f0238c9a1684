//! The driver: a hub and the sockets of a smoltcp `SocketSet` in one loop. It moves bytes
//! and closes connections. The hub makes all decisions. The driver knows no board.
//!
//! One turn receives frames, tells the hub, fills the sockets with the hub's output, sends
//! frames, and lets finished sockets listen again. Input stays in the socket's buffer until
//! the hub takes it. So TCP slows down a peer that the hub does not read.
//!
//! smoltcp has no backlog: a newcomer needs a socket that listens. Each service has one
//! socket for each client. After those it has a few small sockets, which tell newcomers that
//! the server is full.

mod link;
mod note;
#[cfg_attr(not(feature = "sessions"), path = "driver/no_sessions.rs")]
mod sessions;
mod sockets;

use parlour_core::{Cause, Close, ConnId, Hub, Input, ListenerId, Output, Refusal};
use smoltcp::iface::{Interface, PollIngressSingleResult, SocketSet};
use smoltcp::phy::Device;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::{Duration, Instant};

pub use self::link::{Link, Links};
use self::link::{Phase, is_connected};
pub use self::note::{Clock, Note, Shortage};
#[cfg(feature = "sessions")]
use self::sessions::Sessions;
#[cfg(feature = "sessions")]
pub use self::sessions::{Session, SessionOptions};
use crate::options::{REFUSAL_BUFFER, Service, SocketOptions};

/// How long the hub may take to say the last lines of a peer that has reset its connection.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The most frames that one turn receives before the hub acts on them. Newcomers that arrive together
/// may find no socket that listens.
const FRAMES: usize = 16;

/// A hub and its sockets.
#[derive(Debug)]
pub struct Driver<'h> {
    hub: Hub<'h>,
    options: SocketOptions,
    links: &'h mut heapless::vec::VecView<Link>,
    /// The link that is heard first in the next turn.
    first: usize,
    /// When broken connections are dropped, even if their last lines still wait.
    last_words_until: Option<Instant>,
    #[cfg(feature = "sessions")]
    sessions: Sessions<'h>,
}

impl<'h> Driver<'h> {
    /// Adds the services' sockets to the set, with buffers cut from `bytes`. The
    /// index of a service is its listener's in the hub. `links` is empty.
    ///
    /// # Errors
    /// Part of the memory is too small.
    ///
    /// # Panics
    /// If the set has fewer places than [`SocketOptions::links`].
    pub fn new<'a>(
        hub: Hub<'h>,
        services: &[Service],
        options: SocketOptions,
        sockets: &mut SocketSet<'a>,
        links: &'h mut heapless::vec::VecView<Link>,
        mut bytes: &'a mut [u8],
    ) -> Result<Self, Shortage> {
        let count = SocketOptions::links(services);
        if count > links.capacity() || hub.limits().conns > count {
            return Err(Shortage::Links);
        }
        if options.bytes(services) > bytes.len() {
            return Err(Shortage::Bytes);
        }
        let mut cut = |len| {
            let (first, rest) = core::mem::take(&mut bytes).split_at_mut(len);
            bytes = rest;
            tcp::SocketBuffer::new(first)
        };
        links.clear();
        for (index, service) in services.iter().enumerate() {
            // A newcomer goes to the first socket that listens: those that refuse come last.
            for number in 0..service.clients + service.refusals {
                let refuses = number >= service.clients;
                let (receive, send) =
                    if refuses { (REFUSAL_BUFFER, REFUSAL_BUFFER) } else { (options.receive, options.send) };
                let socket = tcp::Socket::new(cut(receive), cut(send));
                let handle = sockets.add(socket);
                let _ = links.push(Link::new(handle, ListenerId(index as u8), service.port, refuses));
            }
        }
        let mut driver = Self {
            hub,
            options,
            links,
            first: 0,
            last_words_until: None,
            #[cfg(feature = "sessions")]
            sessions: Sessions::default(),
        };
        driver.settle_sockets(Instant::ZERO, sockets);
        Ok(driver)
    }

    /// The hub, for queries and commands. A command takes effect in the next turn.
    pub fn hub(&mut self) -> &mut Hub<'h> {
        &mut self.hub
    }

    /// Takes one turn, for all sockets of the set. Returns when the next turn is due, if the
    /// device receives nothing before. `None`: the next turn is due when it receives something.
    pub fn poll(
        &mut self,
        interface: &mut Interface,
        device: &mut impl Device,
        clock: &impl Clock,
        sockets: &mut SocketSet<'_>,
        note: &mut impl FnMut(Note),
    ) -> Option<Instant> {
        let now = clock.now();
        interface.poll_maintenance(now);
        let mut frames = 0;
        while frames < FRAMES
            && interface.poll_ingress_single(now, device, sockets) != PollIngressSingleResult::None
        {
            frames += 1;
            self.reopen(sockets);
        }
        self.serve(now, sockets, note);
        // One frame for each socket. A socket that has more is due at once.
        interface.poll_egress(now, device, sockets);
        let has_lost = self.settle_sockets(now, sockets);
        if frames == FRAMES || has_lost {
            return Some(now);
        }
        let deadline = self.hub.next_deadline().map(|at| Instant::from_millis(at.as_millis() as i64));
        let leaving = self.links.iter().filter_map(|link| match link.phase {
            Phase::Leaving(until) => Some(until),
            _ => None,
        });
        let own = leaving.chain(deadline).chain(self.last_words_until).chain(self.next_of_sessions());
        own.chain(interface.poll_at(now, sockets)).min()
    }

    /// Tells the hub what happened at the sockets, and does what it then asks for.
    fn serve(&mut self, now: Instant, sockets: &mut SocketSet<'_>, note: &mut impl FnMut(Note)) {
        // Start with the link that the last turn could not hear in full.
        let mut next = core::mem::take(&mut self.first);
        for _ in 0..self.links.len() {
            let index = if next < self.links.len() { next } else { 0 };
            next = index + 1;
            if self.is_double(index, sockets) {
                // The socket listens again at once. So it forgets the peer, and sends it nothing.
                sockets.get_mut::<tcp::Socket<'_>>(self.links[index].handle).abort();
                self.listen(index, sockets);
            }
            self.hear_newcomer(now, index, sockets, note);
            let socket = sockets.get_mut(self.links[index].handle);
            match self.links[index].phase {
                Phase::Listening if is_connected(socket) => self.welcome(now, index, socket, note),
                Phase::Open(conn) => {
                    self.hear(now, index, conn, socket);
                    if self.first == 0 && socket.can_recv() {
                        self.first = index + 1;
                    }
                }
                // A peer that cannot send the rest of its output does not close.
                Phase::Leaving(_) => {
                    while socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap_or(0) > 0 {}
                }
                _ => {}
            }
        }
        for index in 0..self.links.len() {
            let Some(conn) = self.links[index].conn().filter(|_| self.links[index].is_full) else { continue };
            let socket = sockets.get_mut(self.links[index].handle);
            self.attend(now, index, conn, socket, note);
        }
        self.last_words_until = self.last_words_until.filter(|until| *until > now);
        self.attend_absents(now, note);
        // The hub gets the input of this turn before the deadlines.
        self.handle(now, Input::Tick);
        while let Some(output) = self.hub.next_output() {
            let Output::Changed { conn } = output else { continue };
            let index = usize::from(self.links[conn.slot()].of_slot);
            if self.links[index].conn() == Some(conn) {
                let socket = sockets.get_mut(self.links[index].handle);
                self.attend(now, index, conn, socket, note);
            } else {
                self.attend_absent(now, conn, note);
            }
        }
    }

    fn handle(&mut self, now: Instant, input: Input<'_>) -> parlour_core::Answer {
        self.hub.handle(to_hub(now), input)
    }

    /// A newcomer has found a socket.
    fn welcome(
        &mut self,
        now: Instant,
        index: usize,
        socket: &mut tcp::Socket<'_>,
        note: &mut impl FnMut(Note),
    ) {
        let Link { listener, refuses, .. } = self.links[index];
        let peer = socket.remote_endpoint().map(|endpoint| endpoint.addr.into());
        let opened = if refuses {
            Err(Refusal::Full)
        } else {
            match self.handle(now, Input::Accepted { listener, peer }).opened() {
                Err(Refusal::Full) if self.make_place(now, note) => {
                    self.handle(now, Input::Accepted { listener, peer }).opened()
                }
                opened => opened,
            }
        };
        let link = &mut self.links[index];
        (link.is_full, link.has_ended, link.broken) = (false, false, None);
        match opened {
            Ok(conn) => {
                link.phase = Phase::Open(conn);
                socket.set_timeout(Some(self.options.timeout));
                self.links[conn.slot()].of_slot = index as u16;
                note(Note::Connected(conn, listener));
            }
            Err(refusal) => {
                // Do not wait for a refused peer: text that does not fit is dropped.
                let _ = socket.send_slice(self.hub.refusal_text(listener, refusal).as_bytes());
                socket.close();
                link.phase = Phase::Leaving(now + self.options.linger);
                note(Note::Refused(listener, refusal));
            }
        }
    }

    /// Offers the hub what a peer has sent. The hub may take only a part.
    fn hear(&mut self, now: Instant, index: usize, conn: ConnId, socket: &mut tcp::Socket<'_>) {
        if !self.hear_session(now, index, conn, socket) {
            // The input is in two parts if it goes round the end of the ring.
            while socket.can_recv() && self.hub.interest(conn).read > 0 {
                if self.offer(now, conn, socket, usize::MAX) == 0 {
                    break;
                }
            }
        }
        if self.has_moved(index, conn) {
            return;
        }
        let link = &mut self.links[index];
        if socket.state() == State::Closed && link.broken.is_none() {
            link.broken = Some(Cause::Reset);
            self.last_words_until.get_or_insert(now + LAST_WORDS);
        }
        // A broken connection needs another look, although its socket stays silent.
        link.is_full |= link.broken.is_some();
        if !socket.may_recv() && link.broken.is_none() && !link.has_ended && self.may_end(now, index, conn) {
            self.links[index].has_ended = true;
            self.handle(now, Input::PeerClosed { conn });
        }
    }

    /// Offers the hub the first bytes that a peer has sent, at most so many. Returns how many it took.
    fn offer(&mut self, now: Instant, conn: ConnId, socket: &mut tcp::Socket<'_>, most: usize) -> usize {
        let taken = socket.recv(|bytes| {
            let offered = bytes.len().min(self.hub.interest(conn).read).min(most);
            let taken = self.handle(now, Input::Received { conn, bytes: &bytes[..offered] }).taken();
            (taken, taken)
        });
        taken.unwrap_or(0)
    }

    /// Does for a connection what the hub wants: reads, writes, closes.
    fn attend(
        &mut self,
        now: Instant,
        index: usize,
        conn: ConnId,
        socket: &mut tcp::Socket<'_>,
        note: &mut impl FnMut(Note),
    ) {
        self.hear(now, index, conn, socket);
        if self.has_moved(index, conn) {
            return;
        }
        if !self.write_session(now, index, conn, socket) {
            self.write(now, index, conn, socket);
        }
        if let Some(cause) = self.links[index].broken {
            if self.go_away(now, index, conn, cause, socket, note) {
                return;
            }
            // The hub has acted on all of the peer's input, wants no more of it, or takes too long.
            let interest = self.hub.interest(conn);
            let is_heard = !socket.can_recv()
                && !self.has_input(index)
                && (interest.read > 0 || self.links[index].has_ended);
            let is_over = self.last_words_until.is_some_and(|until| until <= now);
            if is_heard || is_over || interest.close != Close::No {
                self.links[index].phase = Phase::Leaving(now);
                note(Note::Broken(conn, cause));
                self.end_session(index);
                self.handle(now, Input::Failed { conn, cause });
            }
            return;
        }
        match self.hub.interest(conn).close {
            Close::No => return,
            Close::Write if self.has_unsent(index) => return,
            // The peer's last lines are still read.
            Close::Write => return socket.close(),
            Close::Full => socket.close(),
            Close::Abort => socket.abort(),
        }
        self.links[index].phase = Phase::Leaving(now + self.options.linger);
        note(Note::Closed(conn));
        self.end_session(index);
        self.handle(now, Input::Closed { conn });
    }

    /// Gives a socket the hub's output. The socket may take only a part.
    fn write(&mut self, now: Instant, index: usize, conn: ConnId, socket: &mut tcp::Socket<'_>) {
        // The connection broke, or its sending side is closed already.
        let is_lost = !socket.may_send();
        while self.hub.interest(conn).write {
            let mut is_full = false;
            let sent = self.hub.send(to_hub(now), conn, |transmit| {
                let mut sent = 0;
                for bytes in transmit {
                    // Output for a lost peer counts as sent, because no one may wait for that peer.
                    let took = if is_lost { bytes.len() } else { socket.send_slice(bytes).unwrap_or(0) };
                    sent += took;
                    is_full = took < bytes.len();
                    if is_full {
                        break;
                    }
                }
                sent
            });
            self.links[index].is_full = is_full;
            // Where the socket took nothing, another try would give the same answer.
            if is_full || sent == 0 {
                return;
            }
        }
    }
}

/// A time as the hub counts it.
fn to_hub(now: Instant) -> parlour_core::Instant {
    parlour_core::Instant::from_millis(now.total_millis() as u64)
}
