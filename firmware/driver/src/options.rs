//! What a driver serves, and the sizes and times of its sockets.

use smoltcp::time::Duration;

/// Bytes of each buffer of a socket that only refuses.
pub(crate) const REFUSAL_BUFFER: usize = 32;

/// What a port serves. The hub's listener of the same index says how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The TCP port.
    pub port: u16,
    /// Clients at once.
    pub clients: usize,
    /// Newcomers at once that can be told that there is no place.
    pub refusals: usize,
}

/// The sizes and times of a driver's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes of each client's receive buffer.
    pub receive: usize,
    /// Bytes of each client's send buffer.
    pub send: usize,
    /// After how long a silent peer is asked whether it is still there.
    pub keep_alive: Duration,
    /// After how long without a sign of a peer its connection is given up. It has
    /// to be longer than `keep_alive`. A peer that takes nothing of what waits for it is
    /// asked less and less often, and given up after two or three times as long.
    pub timeout: Duration,
    /// How long a peer that is not served any more, or never was, may take to
    /// acknowledge all that it was sent.
    pub linger: Duration,
}

impl SocketOptions {
    /// A peer that vanished is noticed within a minute.
    pub const fn new(receive: usize, send: usize) -> Self {
        Self {
            receive,
            send,
            keep_alive: Duration::from_secs(15),
            timeout: Duration::from_secs(60),
            linger: Duration::from_secs(5),
        }
    }

    /// Sockets, and links, that the services need.
    pub const fn links(services: &[Service]) -> usize {
        let (mut links, mut index) = (0, 0);
        while index < services.len() {
            links += services[index].clients + services[index].refusals;
            index += 1;
        }
        links
    }

    /// Bytes of buffers that the services' sockets need.
    pub const fn bytes(&self, services: &[Service]) -> usize {
        let (mut bytes, mut index) = (0, 0);
        while index < services.len() {
            bytes += services[index].clients * (self.receive + self.send);
            bytes += services[index].refusals * 2 * REFUSAL_BUFFER;
            index += 1;
        }
        bytes
    }
}
