//! Sockets that listen, and those that are done.

use parlour_core::Cause;
use smoltcp::iface::SocketSet;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Instant;

use super::link::Phase;
use super::{Driver, LAST_WORDS};

impl Driver<'_> {
    /// Lets sockets listen again if their peers have just acknowledged the end. The next frame
    /// may come from a newcomer that needs such a socket.
    pub(super) fn reopen(&mut self, sockets: &mut SocketSet<'_>) {
        for index in 0..self.links.len() {
            if !matches!(self.links[index].phase, Phase::Leaving(_)) {
                continue;
            }
            let socket = sockets.get::<tcp::Socket<'_>>(self.links[index].handle);
            if socket.state() == State::Closed && socket.remote_endpoint().is_none() {
                self.links[index].phase = Phase::Listening;
                self.listen(index, sockets);
            }
        }
    }

    /// Lets finished sockets listen again. Call it after everything was sent: before that, a reset or
    /// the acknowledgement of the peer's end may still wait. Returns whether the transport gave up a
    /// peer: the next turn must tell the hub.
    pub(super) fn settle_sockets(&mut self, now: Instant, sockets: &mut SocketSet<'_>) -> bool {
        let mut has_lost = false;
        for index in 0..self.links.len() {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(self.links[index].handle);
            let link = &mut self.links[index];
            match link.phase {
                Phase::Open(_) if socket.state() == State::Closed && link.broken.is_none() => {
                    // A reset by the peer was found when its socket was heard.
                    link.broken = Some(Cause::TimedOut);
                    self.last_words_until.get_or_insert(now + LAST_WORDS);
                    has_lost = true;
                }
                Phase::Leaving(until) => {
                    let is_done = match socket.state() {
                        // The peer has everything, including our end. We need not wait until it closes.
                        State::FinWait2 | State::TimeWait => true,
                        // A reset waits while the peer's hardware address is unknown.
                        State::Closed => socket.remote_endpoint().is_none() || until <= now,
                        _ => false,
                    };
                    if is_done || until <= now {
                        socket.abort();
                    }
                    if is_done {
                        link.phase = Phase::Listening;
                    }
                }
                _ => {}
            }
            if link.phase == Phase::Listening && !socket.is_open() {
                self.listen(index, sockets);
            }
        }
        has_lost
    }

    /// Lets a socket that is closed listen.
    pub(super) fn listen(&self, index: usize, sockets: &mut SocketSet<'_>) {
        let link = &self.links[index];
        let socket = sockets.get_mut::<tcp::Socket<'_>>(link.handle);
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_keep_alive(Some(self.options.keep_alive));
        // An unfinished handshake keeps the socket from all other newcomers.
        socket.set_timeout(Some(self.options.linger));
        // It is closed and the port is not 0.
        let _ = socket.listen(link.port);
    }

    /// Whether a socket has just begun to answer a peer that another socket answers already. A newcomer
    /// repeats its SYN if the answer was lost. The first socket that listens gets the repeated SYN.
    pub(super) fn is_double(&self, index: usize, sockets: &SocketSet<'_>) -> bool {
        let link = &self.links[index];
        let socket = sockets.get::<tcp::Socket<'_>>(link.handle);
        if socket.state() != State::SynReceived {
            return false;
        }
        self.links[index + 1..].iter().any(|other| {
            let is_here = !matches!(other.phase, Phase::Leaving(_)) && other.port == link.port;
            is_here
                && sockets.get::<tcp::Socket<'_>>(other.handle).remote_endpoint() == socket.remote_endpoint()
        })
    }
}
