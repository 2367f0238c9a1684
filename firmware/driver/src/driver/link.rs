//! A socket, as the driver sees it.

use parlour_core::{Cause, ConnId, ListenerId};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{self, State};
use smoltcp::time::Instant;

/// The state of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It listens, or is about to.
    Listening,
    /// Its peer is new, and has until this instant to say that it comes back.
    #[cfg(feature = "sessions")]
    Knocking(Instant),
    /// It is a connection of the hub.
    Open(ConnId),
    /// Its last output still goes out, until this instant at the latest.
    Leaving(Instant),
}

/// One socket, as the driver sees it.
#[derive(Debug)]
pub struct Link {
    pub(super) handle: SocketHandle,
    pub(super) listener: ListenerId,
    pub(super) port: u16,
    /// It only tells newcomers that the server is full.
    pub(super) refuses: bool,
    pub(super) phase: Phase,
    /// The socket took less than there was.
    pub(super) is_full: bool,
    /// The hub knows that the peer sends no more.
    pub(super) has_ended: bool,
    /// Why the connection broke. Its remaining input is still read.
    pub(super) broken: Option<Cause>,
    /// The link of the connection in the hub's slot whose number is this link's index.
    pub(super) of_slot: u16,
    /// The session of the connection, if it can be resumed.
    #[cfg(feature = "sessions")]
    pub(super) session: Option<u16>,
}

/// Storage for a driver's links.
pub type Links<const N: usize> = heapless::Vec<Link, N>;

impl Link {
    /// One that listens.
    pub(super) fn new(handle: SocketHandle, listener: ListenerId, port: u16, refuses: bool) -> Self {
        Self {
            handle,
            listener,
            port,
            refuses,
            phase: Phase::Listening,
            is_full: false,
            has_ended: false,
            broken: None,
            of_slot: 0,
            #[cfg(feature = "sessions")]
            session: None,
        }
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        if let Phase::Open(conn) = self.phase { Some(conn) } else { None }
    }
}

/// Whether a socket that listened has a peer now. A peer that sent something and reset at once counts
/// too.
pub(super) fn is_connected(socket: &tcp::Socket<'_>) -> bool {
    match socket.state() {
        State::Listen | State::SynReceived => false,
        State::Closed => socket.can_recv(),
        _ => true,
    }
}
