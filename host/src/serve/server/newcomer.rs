//! Clients at the door.

use socket2::Socket;

use crate::serve::peer::Peer;

/// A client that has connected and is not in yet.
#[derive(Debug)]
pub(in crate::serve) struct Newcomer {
    pub(super) socket: Socket,
    pub(super) peer: Peer,
}
