//! How many lines a second one client may send. [`crate::account`] counts them.

use super::Exchange;
use crate::conn::Slot;
use crate::ids::Instant;

impl Exchange<'_> {
    /// The lines that a connection may send in a second.
    pub(crate) fn rate(&self, slot: Slot) -> Option<u32> {
        self.conns[slot].account.rate()
    }

    /// Whether a connection may send a line.
    pub(crate) fn within_rate(&self, slot: Slot) -> bool {
        self.conns[slot].account.is_within_rate(self.now)
    }

    /// Counts lines that a connection has sent.
    pub(crate) fn charge(&mut self, slot: Slot, lines: u32) {
        let now = self.now;
        self.conns[slot].account.charge(now, lines);
        if !self.within_rate(slot) {
            self.arm(slot, self.rate_allows_at(slot));
        }
    }

    /// When a connection that is above the rate may go on.
    pub(crate) fn rate_allows_at(&self, slot: Slot) -> Instant {
        self.conns[slot].account.may_send_at()
    }
}
