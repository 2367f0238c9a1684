//! The log that an operator reads. It tells at once when clients come and go. Once a minute it tells how
//! much of the scarce memory was ever used. There is no line for each message: on an emulated board each
//! line costs milliseconds.

use defmt::{info, warn};
use parlour_core::Hub;
use parlour_smoltcp::{Address, Note};
use smoltcp::time::{Duration, Instant};

use crate::stack;

const INTERVAL: Duration = Duration::from_secs(60);

/// Logs an event of the driver.
pub(crate) fn note(note: Note) {
    match note {
        Note::Connected(conn, listener) => {
            info!("client {} connected to service {}", conn.slot(), listener.0);
        }
        Note::Refused(listener, why) => warn!("newcomer to service {} refused: {}", listener.0, why),
        Note::Closed(conn) => info!("client {} closed", conn.slot()),
        #[cfg(feature = "sessions")]
        Note::Away(conn, cause) => info!("client {} is away, and may come back: {}", conn.slot(), cause),
        #[cfg(feature = "sessions")]
        Note::Resumed(conn) => info!("client {} is back", conn.slot()),
        Note::Broken(conn, cause) => info!("client {} lost its connection: {}", conn.slot(), cause),
    }
}

/// Logs a new address.
pub(crate) fn address(address: &Address) {
    let [a, b, c, d] = address.cidr.address().octets();
    let source = if address.is_leased { "given by DHCP" } else { "fixed, because no DHCP server answered" };
    info!("address {}.{}.{}.{}/{}, {}", a, b, c, d, address.cidr.prefix_len(), source);
}

/// The report once a minute.
#[derive(Debug)]
pub(crate) struct Report {
    next: Instant,
    lagged: u64,
}

impl Report {
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now + INTERVAL, lagged: 0 }
    }

    /// When it is due.
    pub(crate) fn deadline(&self) -> Instant {
        self.next
    }

    /// Logs what there is to tell now.
    pub(crate) fn poll(&mut self, now: Instant, hub: &Hub<'_>) {
        let stats = hub.stats();
        if stats.lagged != self.lagged {
            info!("{} clients in all made others wait for too long", stats.lagged);
            self.lagged = stats.lagged;
        }
        if now < self.next {
            return;
        }
        self.next = now + INTERVAL;
        info!("{} clients now, {} since the start, {} messages", hub.count(), stats.accepted, stats.records);
        let limits = hub.limits();
        info!(
            "most ever used: stack {} of {} bytes, log {} of {}, a queue {} of {}",
            stack::len() - stack::unused(),
            stack::len(),
            stats.log_most,
            limits.log,
            stats.queue_most,
            limits.queue,
        );
    }
}
