//! Nobody may come back to a small hub.

use super::Exchange;
use super::catch_up::CatchUp;
use crate::conn::{Conn, Slot};
use crate::queue::Entry;
use crate::room::{Member, MemberIndex, Membership};

impl Exchange<'_> {
    pub(crate) fn is_away(&self, _: Slot) -> bool {
        false
    }

    /// Lets a member hold nothing. It stands at the sequence number that it has come to. Returns false if there is no
    /// place to note that, or none for the rest of a half sent record, or if it has left and only reads to its end.
    pub(super) fn let_go_of_log(&mut self, index: MemberIndex, _: bool) -> bool {
        let &Member { conn: slot, state, .. } = &self.members[index];
        if state != Membership::Present || !self.can_detach(slot) {
            return false;
        }
        let Some(position) = self.set_half_aside(index) else { return false };
        let log = self.rooms.log(self.members[index].log());
        let (number, head) = (log.record_at(position), log.head());
        let next = if position == head { self.seq } else { log.record(number).seq };
        let is_noted = self.detach(slot, CatchUp::of_laggard(index, next));
        if is_noted {
            self.members[index].own_ahead = false;
            self.move_cursor(index, head);
            self.members[index].end = head;
        }
        is_noted
    }

    pub(crate) fn stay_away(&mut self, _: Slot) {}

    pub(super) fn begin_to_be_behind(&mut self, _: Slot) {}

    pub(crate) fn check_behind(&mut self, _: Slot) {}

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
