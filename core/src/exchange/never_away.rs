//! Nobody may come back to a small hub.

use super::Exchange;
use crate::conn::{Conn, Slot};
use crate::queue::Entry;

impl Exchange<'_> {
    pub(crate) fn is_away(&self, _: Slot) -> bool {
        false
    }

    pub(crate) fn stay_away(&mut self, _: Slot) {}

    pub(super) fn count_missed(&self, _: Slot) -> Option<u32> {
        None
    }

    pub(super) fn is_told_in_order(&self, _: Slot) -> bool {
        false
    }

    pub(super) fn may_go_out(&self, _: &Conn<'_>, _: &Entry) -> bool {
        true
    }

    pub(super) fn takes_next(&self, slot: Slot) -> bool {
        self.takes_a_line(slot)
    }

    pub(super) fn must_be_told_more(&self, _: Slot) -> bool {
        false
    }
}
