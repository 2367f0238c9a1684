//! The client at the other end of a connection, as the log names it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use parlour_core::ListenerId;

/// A client's address. It is kept small, because each connection has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// `None` on a Unix socket.
    pub(super) ip: Option<IpAddr>,
    port: u16,
    pub(super) listener: ListenerId,
}

impl Peer {
    pub(super) fn new(listener: ListenerId, address: Option<SocketAddr>) -> Self {
        Self {
            ip: address.map(|address| address.ip().to_canonical()),
            port: address.map_or(0, |address| address.port()),
            listener,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => f.write_str("unix"),
        }
    }
}
