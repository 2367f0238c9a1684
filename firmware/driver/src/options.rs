//! What a driver serves, and the sizes and times of its sockets.

use smoltcp::time::Duration;

/// Bytes of each buffer of a socket that only refuses.
pub(crate) const REFUSAL_BUFFER: usize = 32;

/// One service: a port, and the number of its clients. The hub's listener with the same index says what
/// it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// The TCP port.
    pub port: u16,
    /// Clients at once.
    pub clients: usize,
    /// How many newcomers at once can be told that the server is full.
    pub refusals: usize,
}

/// The sizes and times of a driver's sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Bytes of each client's receive buffer.
    pub receive: usize,
    /// Bytes of each client's send buffer.
    pub send: usize,
    /// After this silence the peer is probed.
    pub keep_alive: Duration,
    /// After this silence the connection is dropped. It must be longer than `keep_alive`. A
    /// peer that acknowledges nothing while output waits for it is probed less and less often.
    /// It is dropped after two or three times as long.
    pub timeout: Duration,
    /// How long a peer may take to acknowledge the rest of its output after its connection was
    /// closed or refused.
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
