//! How many lines a second one client may send. [`crate::account`] counts them.

use super::Exchange;
use crate::conn::Slot;
use crate::event::Instant;

impl Exchange<'_> {
    /// The network that a connection comes from; 0 if it has no address.
    pub(super) fn network_of(&self, slot: Slot) -> u64 {
        self.conn(slot).account.network().unwrap_or(0)
    }

    /// The lines that a connection may send in a second.
    pub(crate) fn rate(&self, slot: Slot) -> Option<u32> {
        self.conn(slot).account.rate()
    }

    /// Whether a connection may send a line.
    pub(crate) fn within_rate(&self, slot: Slot) -> bool {
        self.conn(slot).account.is_within_rate(self.now)
    }

    /// Counts lines that a connection has sent.
    pub(crate) fn charge(&mut self, slot: Slot, lines: u32) {
        let now = self.now;
        self.conn_mut(slot).account.charge(now, lines);
        if !self.within_rate(slot) {
            self.arm(slot, self.rate_allows_at(slot));
        }
    }

    /// When a connection that is above the rate may go on.
    pub(crate) fn rate_allows_at(&self, slot: Slot) -> Instant {
        self.conn(slot).account.may_send_at()
    }
}
