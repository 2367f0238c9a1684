//! What rooms are told when clients come and go. A few clients of an address are announced one by
//! one, and more of them only as a sum.

use super::Exchange;
use crate::conn::Slot;
use crate::event::Instant;
use crate::limits::SUM_MS;
use crate::log::Kind;
use crate::room::{MemberIndex, Room, RoomIndex};

impl Exchange<'_> {
    /// Tells a room that somebody came (0) or left (1). If its address was told of too often lately, or
    /// the room has no place, it is counted. A sum tells of it later.
    pub(crate) fn tell_or_count(
        &mut self,
        (room, which): (RoomIndex, usize),
        slot: Slot,
        seq: u64,
        author: Option<MemberIndex>,
        parts: &[&[u8]],
    ) {
        if self.takes_notice(room) && self.notices.take(self.network_of(slot), self.now) {
            return self.append(room, seq, author, Kind::Notice, parts);
        }
        let Room { untold, tell_at, .. } = &mut self.rooms[room as usize];
        untold[which] = untold[which].saturating_add(1);
        *tell_at = (*tell_at).min(self.now.after(SUM_MS));
        let at = *tell_at;
        self.pend(room, at);
    }

    /// How many came to a room and left it without a notice.
    pub(crate) fn take_untold(&mut self, room: RoomIndex) -> [u32; 2] {
        let room = &mut self.rooms[room as usize];
        room.tell_at = Instant::NEVER;
        core::mem::take(&mut room.untold)
    }
}
