//! Which memberships of a connection may have something to read: all of its few. A small board keeps no
//! list of them.

use crate::conn::Slot;
use crate::exchange::Exchange;
use crate::room::{Member, MemberIndex, RoomIndex};

impl Exchange<'_> {
    /// The memberships of a connection that may have something to read, and all that have.
    pub(in crate::exchange) fn reading(&self, slot: Slot) -> impl Iterator<Item = (MemberIndex, &Member)> {
        self.memberships(slot)
    }

    pub(in crate::exchange) fn activate(&mut self, _: RoomIndex) {}

    pub(super) fn enlist(&mut self, _: Slot, _: MemberIndex) {}

    pub(super) fn rest(&mut self, _: MemberIndex) {}

    pub(super) fn unlist(&mut self, _: Slot, _: MemberIndex, _: bool) {}

    pub(in crate::exchange) fn list_again(&mut self, _: MemberIndex) {}
}
