//! What follows from a board's sizes: the hub's limits, its services, its sockets. All
//! of it is known when the program is built.

use parlour_core::{Limits, Listener, OnLag, Protocol};

use crate::board::Board;
use crate::options::{Options, Service};

/// Ports of the services, chat and echo.
pub const PORTS: [u16; 2] = [5000, 7];

/// Bytes of the longest greeting.
pub const GREETING: usize = 96;

/// What an entry of a private queue takes beside its text.
const ENTRY: usize = 12;

impl Board {
    /// The limits of a hub for so many chat clients.
    pub const fn limits(&self, clients: usize) -> Limits {
        let sizes = &self.sizes;
        let limits = Limits {
            conns: clients + sizes.echoes,
            rooms: sizes.rooms,
            rooms_per_conn: 2,
            name: sizes.name,
            line: sizes.line,
            queue: 0,
            log: sizes.log,
            records: sizes.records,
        };
        // As small as may be: what is for one client alone comes in pieces then.
        let queue = limits.longest() + ENTRY;
        Limits { queue, ..limits }
    }

    /// What is served to so many chat clients, and to some of echo.
    pub const fn services(&self, clients: usize) -> [Service; 2] {
        let refusals = self.sizes.refusals;
        [
            Service { port: PORTS[0], clients, refusals },
            Service { port: PORTS[1], clients: self.sizes.echoes, refusals },
        ]
    }

    /// The places that the program needs in a socket set: the driver's, and one for DHCP.
    pub const fn sockets(&self, clients: usize) -> usize {
        Options::links(&self.services(clients)) + 1
    }

    /// The buffers and times of the driver's sockets.
    pub const fn options(&self) -> Options {
        Options::new(self.sizes.receive, self.sizes.send)
    }
}

/// The hub's listeners for the services.
pub const fn listeners(on_lag: OnLag) -> [Listener; 2] {
    [Listener { on_lag, ..Listener::new(Protocol::Chat) }, Listener::new(Protocol::Echo)]
}
